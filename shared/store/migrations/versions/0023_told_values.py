"""Values of variables that were told by themselves; until when a remote start may lead to one."""

from shared.store.migrations.statements import execute, refuse

revision = "0023"
down_revision = "0022"

STATEMENTS = (
    # What a station answers to GetVariables says no more than the value. Older code, which writes
    # reports alone, gives all of it.
    """
    ALTER TABLE station_variables
        ALTER COLUMN mutability DROP NOT NULL,
        ALTER COLUMN request_id DROP NOT NULL,
        ALTER COLUMN persistent SET DEFAULT false,
        ALTER COLUMN constant SET DEFAULT false
    """,
    # Until when a remote start may lead to the transaction that its profile is for; empty for a
    # profile that came otherwise, or through older code.
    "ALTER TABLE charging_profiles ADD COLUMN start_until timestamptz",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
