"""Bills that do not change in silence, and events that share a number."""

from shared.store.migrations.statements import execute, refuse

revision = "0018"
down_revision = "0017"

STATEMENTS = (
    # What a session showed when it first could be billed. Older code does not write it; what such a
    # session showed last counts then.
    """
    ALTER TABLE sessions
        ADD COLUMN bill_at         timestamptz,
        ADD COLUMN bill_id_token   text,
        ADD COLUMN bill_energy_wh  numeric,
        ADD COLUMN bill_started_at timestamptz,
        ADD COLUMN bill_ended_at   timestamptz
    """,
    # Events whose number another event of their transaction has: some makes always tell 0.
    """
    CREATE TABLE transaction_events_of_same_number (
        LIKE transaction_events INCLUDING DEFAULTS,
        PRIMARY KEY (station_id, transaction_id, seq_no, fingerprint)
    )
    """,
    """
    CREATE VIEW all_transaction_events AS
        SELECT * FROM transaction_events
        UNION ALL SELECT * FROM transaction_events_of_same_number
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
