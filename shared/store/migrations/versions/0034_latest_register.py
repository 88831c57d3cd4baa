"""What a session that goes on has taken so far, looked up for such sessions alone."""

from shared.store.migrations.statements import execute, refuse

revision = "0034"
down_revision = "0032"

STATEMENTS = (
    # A function and no part of the statements that show sessions: Postgres plans a look into every
    # day's partition for each statement that names meter_values, whether or not any row needs it,
    # and with 90 days that takes longer than all the rest. This is planned when it is first called,
    # and not again: to plan it for each session takes ten times as long as to carry it out.
    #
    # Only among the newest of the EVSE, lest for a session that nobody ended all is read that came
    # after it.
    """
    CREATE FUNCTION latest_register_wh(
        station text, evse integer, transaction text, since timestamptz
    )
    RETURNS numeric LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET plan_cache_mode = force_generic_plan AS $$
    BEGIN
        RETURN (
            SELECT energy_wh FROM (
                SELECT sampled_at, transaction_id, energy_wh FROM meter_values
                WHERE station_id = station AND evse_id = evse AND sampled_at >= since
                ORDER BY sampled_at DESC LIMIT 1000
            ) AS newest
            WHERE transaction_id = transaction AND energy_wh IS NOT NULL
            ORDER BY sampled_at DESC LIMIT 1
        );
    END
    $$
    """,
)


def upgrade() -> None:
    """Change the schema."""
    execute(STATEMENTS)


downgrade = refuse
