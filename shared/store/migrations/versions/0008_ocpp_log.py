"""The OCPP log."""

from shared.store.migrations.statements import execute, refuse

revision = "0008"
down_revision = "0007"

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
