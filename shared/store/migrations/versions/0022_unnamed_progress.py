"""Progress that names no request: by which message a request was made, and what is ambiguous."""

from shared.store.migrations.statements import execute, refuse

revision = "0022"
down_revision = "0021"

STATEMENTS = (
    # Older code leaves it empty: then it follows from what was asked.
    "ALTER TABLE firmware_updates ADD COLUMN action text",
    "ALTER TABLE log_requests ADD COLUMN action text",
    # Older code says of whatever it writes that it is certain.
    "ALTER TABLE firmware_updates ADD COLUMN ambiguous boolean NOT NULL DEFAULT false",
    "ALTER TABLE log_requests ADD COLUMN ambiguous boolean NOT NULL DEFAULT false",
    "ALTER TABLE firmware_statuses ADD COLUMN ambiguous boolean NOT NULL DEFAULT false",
    "ALTER TABLE log_statuses ADD COLUMN ambiguous boolean NOT NULL DEFAULT false",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
