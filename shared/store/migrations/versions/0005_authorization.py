"""Groups, rules and local authorization lists."""

from shared.store.migrations.statements import execute, refuse

revision = "0005"
down_revision = "0004"

_WATCHED = (
    ("id_tokens", "INSERT OR UPDATE OR DELETE"),
    ("id_token_groups", "INSERT OR UPDATE OR DELETE"),
    ("locations", "INSERT OR UPDATE OR DELETE"),
    ("stations", "UPDATE OF location_id"),
)

STATEMENTS = (
    """
    ALTER TABLE id_tokens
        ADD COLUMN max_concurrent_sessions integer CHECK (max_concurrent_sessions > 0)
    """,
    # A group needs no row: tokens may name one that has no rules of its own. Keys are case-folded
    # by `id_token_key`. Where only SQL compares, it is by lower(), which is the same for the ASCII
    # that identifiers are made of (OCPP 1.6 §7.28, OCPP 2.0.1 part 2 §2.28).
    """
    CREATE TABLE id_token_groups (
        group_key                text PRIMARY KEY,
        group_id_token           text NOT NULL,
        name                     text,
        status                   text NOT NULL,
        max_concurrent_sessions  integer CHECK (max_concurrent_sessions > 0),
        created_at               timestamptz NOT NULL DEFAULT now(),
        updated_at               timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE INDEX id_tokens_by_group ON id_tokens (lower(group_id_token))
        WHERE group_id_token IS NOT NULL
    """,
    # What is asked at each start under a limit: where does this token, or its group, charge now?
    "CREATE INDEX sessions_open_by_token ON sessions (lower(id_token)) WHERE ended_at IS NULL",
    # Who may charge at a location: with both lists empty, everybody.
    """
    CREATE TABLE locations (
        location_id              text PRIMARY KEY,
        name                     text,
        allowed_id_tokens        text[] NOT NULL DEFAULT '{}',
        allowed_group_id_tokens  text[] NOT NULL DEFAULT '{}',
        created_at               timestamptz NOT NULL DEFAULT now(),
        updated_at               timestamptz NOT NULL DEFAULT now()
    )
    """,
    "ALTER TABLE stations ADD COLUMN location_id text REFERENCES locations",
    "CREATE INDEX stations_by_location ON stations (location_id) WHERE location_id IS NOT NULL",
    # Counts the changes of whatever local lists are made of. A row and not a sequence, so that
    # whoever reads a number has read every change up to it too.
    "CREATE TABLE authorization_revision (revision bigint NOT NULL)",
    "INSERT INTO authorization_revision VALUES (1)",
    """
    CREATE FUNCTION raise_authorization_revision() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE authorization_revision SET revision = revision + 1;
        RETURN NULL;
    END
    $$
    """,
    *(
        f"""
        CREATE TRIGGER raise_authorization_revision AFTER {events} ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION raise_authorization_revision()
        """
        for table, events in _WATCHED
    ),
    # One row per station whose local authorization list somebody has asked for: what it is to hold
    # (enabled, tokens), what it holds (accepted_version, the entries), and where the worker is
    # between the two. `version` is the highest one given out.
    """
    CREATE TABLE local_lists (
        station_id        text PRIMARY KEY REFERENCES stations ON DELETE CASCADE,
        enabled           boolean NOT NULL DEFAULT false,
        tokens            text NOT NULL DEFAULT 'all' CHECK (tokens IN ('all', 'groups')),
        group_id_tokens   text[] NOT NULL DEFAULT '{}',
        state             text NOT NULL DEFAULT 'unverified',
        version           integer NOT NULL DEFAULT 0,
        accepted_version  integer,
        reported_version  integer,
        left_out          integer NOT NULL DEFAULT 0,
        checked_revision  bigint,
        verified_at       timestamptz,
        limits_asked_at   timestamptz,
        max_entries       integer,
        max_entries_per_message  integer,
        command_id        uuid,
        failures          integer NOT NULL DEFAULT 0,
        last_error        text,
        next_step_at      timestamptz NOT NULL DEFAULT now(),
        updated_at        timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX local_lists_enabled ON local_lists (next_step_at) WHERE enabled",
    # What the station holds, as far as it has said yes to it.
    """
    CREATE TABLE local_list_entries (
        station_id      text NOT NULL REFERENCES stations ON DELETE CASCADE,
        id_token_key    text NOT NULL,
        id_token        text NOT NULL,
        type            text,
        status          text NOT NULL,
        expires_at      timestamptz,
        group_id_token  text,
        PRIMARY KEY (station_id, id_token_key)
    )
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
