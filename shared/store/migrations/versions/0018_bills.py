"""Bills that do not change in silence; events and transactions that share what tells them."""

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
    # Several transactions of a station may have one id: the first one has it, and takes no event
    # any more that is not told apart; the others have an addition to it.
    """
    ALTER TABLE sessions
        ADD COLUMN transaction_id_reused boolean NOT NULL DEFAULT false,
        ADD COLUMN beside_transaction_id text
    """,
    """
    CREATE INDEX sessions_beside_others ON sessions (station_id, beside_transaction_id)
        WHERE beside_transaction_id IS NOT NULL
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
