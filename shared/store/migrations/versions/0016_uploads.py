"""Room that is kept for uploads under way, and one upload per file at a time."""

from shared.store.migrations.statements import execute, refuse

revision = "0016"
down_revision = "0015"

STATEMENTS: tuple[str, ...] = (
    # The upload that fills a file now: where it writes, how much room is kept for it, and until
    # when it counts as alive. All three are set or none; code that knows nothing of them leaves
    # them empty, and its uploads are counted when they have ended, as before.
    """
    ALTER TABLE files
        ADD COLUMN upload_key text,
        ADD COLUMN upload_bytes bigint,
        ADD COLUMN upload_until timestamptz
    """,
    # For the quota, and for the sweep of those whose process has died.
    """
    CREATE INDEX files_uploading ON files (upload_until) INCLUDE (upload_bytes)
        WHERE upload_key IS NOT NULL
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
