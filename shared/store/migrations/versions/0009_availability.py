"""When stations were there, planned maintenance, and configuration keys."""

from shared.store.migrations.statements import execute, refuse

revision = "0009"
down_revision = "0008"

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
