"""Groups, rules and local authorization lists."""

from shared.store.migrations.statements import execute, refuse

revision = "0005"
down_revision = "0004"

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
