"""Unknown stations, and what stations say otherwise than the specification."""

from shared.store.migrations.statements import execute, refuse

revision = "0004"
down_revision = "0003"

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
