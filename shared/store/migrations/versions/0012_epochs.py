"""One sequence for the epochs of all stations."""

from shared.store.migrations.statements import execute, refuse

revision = "0012"
down_revision = "0011"

STATEMENTS = (
    # A station that is deleted and registered again goes on above what Redis remembers of it. Pods
    # from before this migration raise a station's own epoch by one, which may overtake the
    # sequence; the newer ones take whatever is higher.
    "CREATE SEQUENCE station_epochs",
    "SELECT setval('station_epochs', (SELECT coalesce(max(epoch), 0) + 1 FROM stations), false)",
    # The epoch of the same connection before it was raised above what Redis knows: what it says in
    # that moment still counts.
    "ALTER TABLE stations ADD COLUMN raised_from bigint",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
