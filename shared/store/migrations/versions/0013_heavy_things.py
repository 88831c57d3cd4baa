"""What one heavy thing needs so as not to stop the others: failures counted, commands parked."""

from shared.store.migrations.statements import execute, refuse

revision = "0013"
down_revision = "0012"

STATEMENTS = (
    # A queued command of a station that is offline is parked by the first sweep that meets it, and
    # none looks at it again before the station is back. Workers from before this migration do not
    # know that and look at all.
    "ALTER TABLE commands ADD COLUMN parked boolean NOT NULL DEFAULT false",
    """
    CREATE INDEX commands_to_route ON commands (coalesce(routed_at, created_at))
        WHERE state = 'queued' AND NOT parked AND (batch_id IS NULL OR routed_at IS NOT NULL)
    """,
    """
    CREATE INDEX commands_unrouted ON commands (batch_id, command_id)
        WHERE state = 'queued' AND NOT parked AND routed_at IS NULL AND batch_id IS NOT NULL
    """,
    # A trigger, so that pods from before this migration take commands back as well. It runs after
    # the station's row was locked, which whoever parks has locked before, and each statement in it
    # sees what was committed by then. What somebody else has locked it leaves alone, so that two
    # never wait for each other in a circle.
    """
    CREATE FUNCTION take_back_parked_commands() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE commands SET parked = false
        WHERE command_id IN (
            SELECT command_id FROM commands
            WHERE station_id = NEW.station_id AND state = 'queued' AND parked
            FOR NO KEY UPDATE SKIP LOCKED
        );
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER stations_come_online AFTER UPDATE ON stations
        FOR EACH ROW WHEN (NEW.online AND NOT OLD.online)
        EXECUTE FUNCTION take_back_parked_commands()
    """,
    # How often in a row working a session out failed. The default needs no rewrite of the table
    # (PostgreSQL documentation, ALTER TABLE).
    "ALTER TABLE sessions ADD COLUMN settle_failures integer NOT NULL DEFAULT 0",
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
