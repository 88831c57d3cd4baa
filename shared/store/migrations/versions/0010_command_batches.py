"""Commands to many stations, and when a command was last put on its way."""

from shared.store.migrations.statements import execute, refuse

revision = "0010"
down_revision = "0009"

STATEMENTS = (
    # One command to many stations. `pace_at` is the time up to which its rate is used up, and
    # `unrouted` counts down to 0 as its commands are first put on their way. A list of stations
    # stands in its commands; a filter is kept as it was asked.
    """
    CREATE TABLE command_batches (
        batch_id         uuid PRIMARY KEY DEFAULT uuidv7(),
        type             text NOT NULL,
        params           jsonb NOT NULL,
        filter           jsonb,
        total            integer NOT NULL CHECK (total > 0),
        unrouted         integer NOT NULL,
        max_per_s        double precision NOT NULL CHECK (max_per_s > 0),
        pace_at          timestamptz NOT NULL DEFAULT now(),
        idempotency_key  text UNIQUE,
        request_digest   text NOT NULL,
        expires_at       timestamptz NOT NULL,
        created_at       timestamptz NOT NULL DEFAULT now(),
        cancelled_at     timestamptz
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX command_batches_unrouted ON command_batches (expires_at) WHERE unrouted > 0",
    # `routed_at` is when a command was last put on a pod's stream. There is no foreign key to the
    # batch: to check it for what is there already would lock out who writes commands. Workers from
    # before this migration route the commands of a batch as all others, without its pace.
    """
    ALTER TABLE commands
        ADD COLUMN batch_id   uuid,
        ADD COLUMN routed_at  timestamptz
    """,
    # How far a batch is, and its commands by state.
    """
    CREATE INDEX commands_of_batches ON commands (batch_id, state, command_id)
        WHERE batch_id IS NOT NULL
    """,
    # How many wait for one station.
    "CREATE INDEX commands_queued ON commands (station_id) WHERE state = 'queued'",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
