"""Which quirks of its station a session has shown when it was worked out."""

from shared.store.migrations.statements import execute, refuse

revision = "0020"
down_revision = "0019"

STATEMENTS = (
    # A session is worked out again and again, and counted once. Older code leaves it empty.
    "ALTER TABLE sessions ADD COLUMN quirks text[] NOT NULL DEFAULT '{}'",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
