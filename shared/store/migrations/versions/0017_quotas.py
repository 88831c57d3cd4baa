"""Quotas: statuses that history has to catch up with, and whose quirks they are."""

from shared.store.migrations.statements import execute, refuse

revision = "0017"
down_revision = "0016"

STATEMENTS = (
    # Whether a variable is known; see the statement that asks it. It comes first, as it takes long
    # where there are many: nothing else is locked yet.
    """
    CREATE INDEX station_variables_by_name ON station_variables (
        station_id, component, variable, attribute_type, coalesce(component_instance, ''),
        coalesce(variable_instance, ''), coalesce(evse_id, -1), coalesce(connector_id, -1)
    )
    """,
    # How many of them one station alone has shown.
    "CREATE INDEX quirks_by_last_station ON quirks (last_station_id)",
    # How the connector is now stands in its row, and is not the last of its history yet, because
    # its station says more than is kept one by one. Older code does not know this: what it writes
    # then is in history all the same.
    "ALTER TABLE connectors ADD COLUMN history_behind boolean NOT NULL DEFAULT false",
    "CREATE INDEX connectors_behind ON connectors (station_id) WHERE history_behind",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
