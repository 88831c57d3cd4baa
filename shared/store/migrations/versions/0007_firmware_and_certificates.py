"""Firmware, logs, files and certificates."""

from shared.store.migrations.statements import execute, refuse

revision = "0007"
down_revision = "0006"

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
