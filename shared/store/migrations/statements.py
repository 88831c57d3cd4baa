"""What every migration does: run its statements, in order, and never the other way."""

from collections.abc import Iterable

from alembic import op


def execute(statements: Iterable[str]) -> None:
    """Run a migration's statements."""
    for statement in statements:
        op.execute(statement)


def refuse() -> None:
    """Refuse to go back: a database is restored from a backup, not migrated back."""
    raise RuntimeError("this migration cannot be undone: restore a backup instead")
