"""Clocks of stations: since when a connector is available by our own."""

from shared.store.migrations.statements import execute, refuse

revision = "0019"
down_revision = "0018"

STATEMENTS = (
    # `reported_at` is by the station's clock. Older code leaves this as it is: a session that was
    # heard of since is not closed by such a report.
    "ALTER TABLE connectors ADD COLUMN received_at timestamptz",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
