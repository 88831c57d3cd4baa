"""Charging profiles and reservations."""

from shared.store.migrations.statements import execute, refuse

revision = "0006"
down_revision = "0005"

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
