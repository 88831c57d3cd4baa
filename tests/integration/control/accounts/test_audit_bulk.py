"""One change is one entry, however many rows it moves, and an entry has a bounded size."""

from typing import Any

import httpx

from shared.store.pool import Database
from tests.integration.control.players import register

# Two values of 16 KiB at most, before and after, and their names.
MOST_BYTES = 4 * 16_384


async def told(db: Database, resource: str) -> list[dict[str, Any]]:
    records = await db.fetch(
        "SELECT *, pg_column_size(entries.*) AS size FROM audit.entries"
        " WHERE resource = $1 ORDER BY entry_id",
        resource,
    )
    return [dict(each) for each in records]


async def test_a_station_that_goes_takes_its_commands_and_requests_without_an_entry_for_each(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    await db.execute(
        """
        INSERT INTO commands (command_id, station_id, type, params, state, expires_at)
        SELECT uuidv7(), 'CS-1', 'Reset', '{}', 'queued', now() + interval '1 hour'
        FROM generate_series(1, 30)
        """
    )
    assert (await client.delete("/v1/stations/CS-1")).status_code == 204
    assert await db.fetchval("SELECT count(*) FROM commands WHERE state = 'cancelled'") == 30
    assert await told(db, "commands") == []
    assert [each["action"] for each in await told(db, "stations")] == ["deleted"]


async def test_what_a_location_wants_of_its_lists_is_an_entry_per_station_and_not_per_token(
    client: httpx.AsyncClient, db: Database
) -> None:
    await client.post("/v1/locations", json={"location_id": "depot"})
    for number in range(3):
        await register(db, f"CS-{number}")
    await db.execute("UPDATE stations SET location_id = 'depot'")
    await db.execute(
        """
        INSERT INTO id_tokens (id_token, id_token_key, type, status, group_id_token)
        SELECT 'T' || n, 't' || n, 'ISO14443', 'Accepted', 'G' || n % 1000
        FROM generate_series(1, 20000) AS n
        """
    )
    groups = [f"GROUP-{number:030}" for number in range(1000)]
    for tokens in ({"tokens": "groups", "group_id_tokens": groups}, {"tokens": "all"}):
        answer = await client.put(
            "/v1/locations/depot/local-lists", json={"enabled": True, **tokens}
        )
        assert answer.status_code == 200, answer.text
    entries = await told(db, "local-lists")
    assert [each["resource_id"] for each in entries] == 2 * ["CS-0", "CS-1", "CS-2"]
    assert max(each["size"] for each in entries) < MOST_BYTES
    assert entries[0]["after"]["group_id_tokens"].endswith("bytes)")


async def test_a_list_that_is_sent_by_hand_is_an_entry_of_bounded_size(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    entries = [{"id_token": f"T{number}", "status": "Accepted"} for number in range(1000)]
    body = {
        "type": "SendLocalList",
        "version": 1,
        "update_type": "Full",
        "entries": entries,
        "if_offline": "wait",
    }
    answer = await client.post("/v1/stations/CS-1/commands", json=body)
    assert answer.status_code in {201, 202}, answer.text
    (entry,) = await told(db, "commands")
    assert entry["size"] < MOST_BYTES
