"""Sessions that could not be worked out are tried again later and later."""

from shared.store.migrations.statements import execute, refuse

revision = "0013"
down_revision = "0012"

STATEMENTS = (
    # How often in a row. The default needs no rewrite of the table (PostgreSQL documentation, ALTER
    # TABLE).
    "ALTER TABLE sessions ADD COLUMN settle_failures integer NOT NULL DEFAULT 0",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
