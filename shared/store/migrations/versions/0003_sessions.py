"""What sessions need to be trusted: every end as it was told, settling, reviews, dead letters."""

from shared.store.migrations.statements import execute, refuse

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    # Every different end that stations of OCPP 1.6 told, in the order of arrival. The row in
    # `sessions` shows the one that stands.
    """
    CREATE TABLE transaction_ends (
        end_no          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        station_id      text NOT NULL,
        transaction_id  text NOT NULL,
        ended_at        timestamptz NOT NULL,
        meter_stop_wh   numeric NOT NULL,
        stopped_reason  text NOT NULL,
        id_token        text,
        received_at     timestamptz NOT NULL DEFAULT now(),
        UNIQUE NULLS NOT DISTINCT (station_id, transaction_id, ended_at, meter_stop_wh,
                                   stopped_reason, id_token)
    )
    """,
    # `settle_at` is when the worker has to work a session out (again); whoever writes a fact of an
    # end sets it to now, new rows have it by default. `settled_at` is when that was last done with
    # all that had come. `ended_by` says whose word `ended_at` is; null beside an `ended_at` is a
    # pod's from before this migration. What an operator decided stands beside what the station
    # said.
    """
    ALTER TABLE sessions
        ADD COLUMN settle_at          timestamptz DEFAULT now(),
        ADD COLUMN settled_at         timestamptz,
        ADD COLUMN ended_by           text
            CHECK (ended_by IN ('station', 'operator', 'matched', 'rule')),
        ADD COLUMN end_rule           text,
        ADD COLUMN end_rule_at        timestamptz,
        ADD COLUMN energy_wh          numeric,
        ADD COLUMN energy_method      text,
        ADD COLUMN energy_estimates   jsonb,
        ADD COLUMN needs_review       boolean NOT NULL DEFAULT false,
        ADD COLUMN review_reasons     text[] NOT NULL DEFAULT '{}',
        ADD COLUMN review_decision    text CHECK (review_decision IN ('accept', 'correct', 'void')),
        ADD COLUMN review_note        text,
        ADD COLUMN reviewed_at        timestamptz,
        ADD COLUMN reviewed_by        text,
        ADD COLUMN reviewed_reasons   text[],
        ADD COLUMN reviewed_energy_wh numeric,
        ADD COLUMN reviewed_ended_at  timestamptz,
        ADD COLUMN corrects_energy    boolean NOT NULL DEFAULT false,
        ADD COLUMN corrects_end       boolean NOT NULL DEFAULT false
    """,
    "CREATE INDEX sessions_unsettled ON sessions (settle_at) WHERE settle_at IS NOT NULL",
    "CREATE INDEX sessions_to_review ON sessions (session_id) WHERE needs_review",
    "CREATE INDEX sessions_by_evse ON sessions (station_id, evse_id, started_at)",
    # What an end that names no transaction of its station may mean.
    """
    CREATE INDEX sessions_without_end ON sessions (station_id)
        WHERE ended_by IS DISTINCT FROM 'station'
    """,
    """
    CREATE TABLE session_history (
        history_id   uuid PRIMARY KEY DEFAULT uuidv7(),
        session_id   uuid NOT NULL,
        kind         text NOT NULL,
        detail       jsonb NOT NULL,
        occurred_at  timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX session_history_by_session ON session_history (session_id, history_id)",
    # `transaction_end` is what an operator can give to a session, and a match is made of.
    """
    ALTER TABLE dead_letters
        ADD COLUMN status           text NOT NULL DEFAULT 'open'
            CHECK (status IN ('open', 'matched', 'assigned', 'dismissed')),
        ADD COLUMN transaction_end  jsonb,
        ADD COLUMN session_id       uuid,
        ADD COLUMN decided_at       timestamptz,
        ADD COLUMN decided_by       text,
        ADD COLUMN note             text
    """,
    "CREATE INDEX dead_letters_by_station ON dead_letters (station_id, dead_letter_id)",
    """
    CREATE INDEX dead_letters_of_sessions ON dead_letters (session_id)
        WHERE session_id IS NOT NULL
    """,
    """
    CREATE INDEX dead_letters_stray ON dead_letters (station_id)
        WHERE transaction_end IS NOT NULL AND status IN ('open', 'matched')
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
