"""Dead letters of what was refused before it became a fact, and that can be delivered again."""

from shared.store.migrations.statements import execute, refuse

revision = "0021"
down_revision = "0020"

STATEMENTS = (
    # Of a CALL that was answered with a CALLERROR (kind CallRefused): its frame, and the length
    # that it had. Older code shows such a letter without them.
    #
    # `document` is any other letter as the worker reads it (see `redelivery`), which then needs
    # no telling by whom it is delivered. `replay_at` is when a gateway is to handle the frame once
    # more, with `replay_payload` for its payload if an operator gave one. A letter that was written
    # where it belongs is dismissed, so that older code understands it, at `delivered_at`.
    """
    ALTER TABLE dead_letters
        ADD COLUMN frame           text,
        ADD COLUMN frame_bytes     integer,
        ADD COLUMN action          text,
        ADD COLUMN ocpp_version    text,
        ADD COLUMN only_readings   boolean,
        ADD COLUMN document        text,
        ADD COLUMN replay_at       timestamptz,
        ADD COLUMN replay_payload  jsonb,
        ADD COLUMN delivered_at    timestamptz
    """,
    """
    CREATE INDEX dead_letters_refused ON dead_letters (station_id, only_readings)
        INCLUDE (frame_bytes) WHERE kind = 'CallRefused' AND status = 'open'
    """,
    """
    CREATE INDEX dead_letters_to_replay ON dead_letters (replay_at)
        WHERE replay_at IS NOT NULL
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
