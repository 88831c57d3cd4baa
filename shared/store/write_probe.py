"""Finding out whether Postgres takes writes."""

from shared.store.pool import KeptConnection

_KEPT_FOR = "1 hour"


async def write(db: KeptConnection) -> None:
    """Commit a row that concerns nobody, so that no lock on what stations say is in the way.

    Raises:
        Exception: Postgres is away, or takes no writes.
    """
    async with db.acquire() as connection:
        await connection.execute(
            f"""
            WITH old AS (
                SELECT probe_id FROM write_probes WHERE probed_at < now() - interval '{_KEPT_FOR}'
                ORDER BY write_probes.probe_id LIMIT 1000 FOR UPDATE SKIP LOCKED
            ), removed AS (
                DELETE FROM write_probes USING old WHERE write_probes.probe_id = old.probe_id
            )
            INSERT INTO write_probes DEFAULT VALUES
            """  # noqa: S608 - the interval above
        )
