"""Locations where everybody charges, and the settings that their stations are to have for that."""

from shared.store.migrations.statements import execute, refuse

revision = "0032"
down_revision = "0031"

STATEMENTS = (
    # The latest time in which a location was free for all: what a station tells late of a charge is
    # judged by when that began. An end in the past says that authorization is required again.
    """
    ALTER TABLE locations ADD COLUMN free_since timestamptz, ADD COLUMN free_until timestamptz
    """,
    # Whether a session began where nobody had to be authorized. It stays so, whatever becomes of
    # the location. The default needs no rewrite of the table.
    "ALTER TABLE sessions ADD COLUMN at_free_location boolean NOT NULL DEFAULT false",
    # What a station is to be set to, how far that has come, and what it was set to before.
    """
    CREATE TABLE wanted_settings (
        station_id    text NOT NULL REFERENCES stations ON DELETE CASCADE,
        -- As GetConfiguration and ChangeConfiguration name it.
        name          text NOT NULL,
        value         text NOT NULL,
        -- False: it is to be set back to what was found, and then forgotten.
        wanted        boolean NOT NULL DEFAULT true,
        state         text NOT NULL DEFAULT 'unread',
        found_value   text,
        command_id    uuid,
        read_at       timestamptz,
        failures      integer NOT NULL DEFAULT 0,
        last_error    text,
        next_step_at  timestamptz NOT NULL DEFAULT now(),
        created_at    timestamptz NOT NULL DEFAULT now(),
        updated_at    timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (station_id, name)
    )
    """,
    "CREATE INDEX wanted_settings_due ON wanted_settings (next_step_at)",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
