"""What sessions need to be trusted: how energy was worked out, and reviews."""

from shared.store.migrations.statements import execute, refuse

revision = "0003"
down_revision = "0002"

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
