"""Every list of the API, with many rows: sorted both ways, counted, by time and by members.

The lists are those of the OpenAPI document, so a new one is held against this as well; it is with
one row of its own until `many_rows.py` says how it gets more.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shared.store.pool import Database
from shared.store.request_database import RequestDatabases
from tests.architecture.test_lists import LISTS, NO_LIST, READ, choices
from tests.integration.control.accounts.belongings import Belongings, make_belongings
from tests.integration.control.accounts.test_strangers import path_of
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.many_rows import MANY, make_many
from tests.integration.control.players import Api, running
from tests.support.plans import Asked

FEW, MORE, PAGE = 40, 3000, 50
WALKED = sorted({*LISTS} - NO_LIST)
TIMES = {
    "/v1/stations/{station_id}/commands": "created_at",
    "/v1/command-batches": "created_at",
    "/v1/sessions/{session_id}/history": "occurred_at",
    "/v1/sessions/{session_id}/meter-values": "sampled_at",
    "/v1/stations/{station_id}/meter-values": "sampled_at",
    "/v1/dead-letters": "received_at",
    "/v1/security-events": "received_at",
    "/v1/ocpp-log": "called_at",
    "/v1/authorizations": "decided_at",
    "/v1/audit-log": "occurred_at",
    "/v1/stations/{station_id}/connections": "connected_at",
    "/v1/stations/{station_id}/reservations": "requested_at",
    "/v1/unknown-stations": "last_seen_at",
    "/v1/quirks": "last_seen_at",
    "/v1/stations/{station_id}/firmware-updates": "created_at",
    "/v1/stations/{station_id}/logs": "created_at",
    "/v1/files": "created_at",
    "/v1/certificate-signing-requests": "requested_at",
}
"""What `since` and `until` are about."""
READS_MORE = {
    # Their order is made of several columns, and all that one station has is bounded.
    ("/v1/stations/{station_id}/configuration", "configuration_keys"),
    # Of all EVSEs together no index is in the order of time: what a period has is read.
    ("/v1/stations/{station_id}/meter-values", "meter_values"),
    # How far a batch is, is counted.
    ("/v1/command-batches", "commands"),
}
"""Where a list reads more than it shows, of which table."""


def sorts_of(path: str) -> list[str]:
    return sorted(choices(READ[path][0]["sort"]["schema"]))


async def read(client: httpx.AsyncClient, url: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(url, params=query)
    assert answer.status_code == 200, f"{url} {query}: {answer.text}"
    page: dict[str, Any] = answer.json()
    return page


async def walk(
    client: httpx.AsyncClient, url: str, *, limit: int = 7, **query: Any
) -> list[dict[str, Any]]:
    """Return all that a list has, page by page."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        behind = {} if cursor is None else {"cursor": cursor}
        page = await read(client, url, limit=limit, **query, **behind)
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items
        assert len(page["items"]) == limit


async def test_every_list_goes_both_ways_and_is_counted(api: Api, db: Database) -> None:
    things = await make_belongings(db, "default", "mine")
    await make_many(db, things, count=FEW)
    for path in WALKED:
        url = path_of(path, things)
        usual = await walk(api.client, url)
        assert len(usual) >= (FEW if path in MANY else 1), path
        found = {sort: await walk(api.client, url, sort=sort) for sort in sorts_of(path)}
        for sort, items in found.items():
            other = sort.removeprefix("-") if sort.startswith("-") else f"-{sort}"
            assert items == found[other][::-1], (path, sort)
            assert items, (path, sort)
        assert usual in found.values() or path in {"/v1/dead-letters", "/v1/security-events"}, path
        page = await read(api.client, url, limit=3, total=True)
        assert page["total"] == {"count": len(usual), "at_least": False}, path
        assert (await read(api.client, url, limit=3))["total"] is None, path
        if page["next_cursor"] is not None:
            wrong = {"cursor": page["next_cursor"], "sort": wrong_sort(path, found, usual)}
            assert (await api.client.get(url, params=wrong)).status_code == 422, path


def wrong_sort(path: str, found: dict[str, list[Any]], usual: list[Any]) -> str:
    """Return an order in which a list is not if nobody says so."""
    return next(sort for sort in sorts_of(path) if found[sort] != usual)


async def test_every_list_and_every_thing_has_the_members_that_were_chosen(
    api: Api, db: Database
) -> None:
    things = await make_belongings(db, "default", "mine")
    for path in sorted(READ):
        url = path_of(path, things)
        query = {"month": f"{datetime.now(UTC):%Y-%m}"} if path.endswith("/availability") else {}
        if path.endswith("/explain"):
            query = {"station_id": things.ids["station_id"], "id_token": things.ids["id_token"]}
        answer = await api.client.get(url, params=query)
        if answer.status_code in {403, 404}:
            continue  # about a person, or what no station has told
        whole = answer.json()
        names = READ[path][0]["fields"]["schema"]["items"]["enum"]
        for chosen in (names[:1], names[-2:], names):
            part = await read(api.client, url, fields=",".join(chosen), **query)
            if "next_cursor" in whole:
                assert part.keys() == whole.keys(), path
                part, expected = part["items"], whole["items"]
                assert part, path
            else:
                part, expected = [part], [whole]
            assert [set(each) for each in part] == [set(chosen)] * len(expected), path
            for each, before in zip(part, expected, strict=True):
                same = {name: before[name] for name in chosen if name not in CHANGING}
                assert {name: each[name] for name in same} == same, path
        wrong = await api.client.get(url, params={**query, "fields": f"{names[0]},nonsense"})
        assert wrong.status_code == 422, path
        assert f"choose of {', '.join(names)}"[:200] in wrong.json()["detail"], path


CHANGING = {"download_url", "url", "ends_at", "last_seen_at", "connectors", "last_used_at"}
"""What is another each time that it is asked for."""


async def test_every_list_of_what_happened_is_read_by_its_time(api: Api, db: Database) -> None:
    things = await make_belongings(db, "default", "mine")
    await make_many(db, things, count=FEW)
    for path, member in TIMES.items():
        url = path_of(path, things)
        whole = await read(api.client, url, limit=1000, since=PAST, until=FUTURE)
        times = sorted(at(item, member) for item in whole["items"])
        since, until = times[len(times) // 3], times[2 * len(times) // 3]
        assert since < until, path
        for query in ({"since": since}, {"until": until}, {"since": since, "until": until}):
            # Some begin a day before their end unless they are told.
            asked = {"since": PAST, **{name: time.isoformat() for name, time in query.items()}}
            found = await walk(api.client, url, **asked)
            expected = [
                item
                for item in whole["items"]
                if query.get("since", times[0]) <= at(item, member)
                and at(item, member) < query.get("until", times[-1] + timedelta(seconds=1))
            ]
            assert ids(found) == ids(expected), (path, query)
            page = await read(api.client, url, total=True, limit=1, **asked)
            assert page["total"]["count"] == len(expected), (path, query)


FUTURE, PAST = "2100-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


def at(item: dict[str, Any], member: str) -> datetime:
    return datetime.fromisoformat(item[member])


def ids(items: list[dict[str, Any]]) -> list[str]:
    """Return what tells items apart, in any order."""
    return sorted(map(repr, items))


def test_every_list_of_what_happened_is_asked_for_by_its_time() -> None:
    """By what is registered, or stands in a station now, nobody looks by a time."""
    by_time = {path for path in WALKED if {"since", "until"} <= READ[path][0].keys()}
    assert TIMES.keys() <= by_time
    standing = {
        "/v1/alert-rules",
        "/v1/api-keys",
        "/v1/command-batches/{batch_id}/commands",  # all of one time
        "/v1/id-token-groups",
        "/v1/id-tokens",
        "/v1/location-names",
        "/v1/locations",
        "/v1/organizations",
        "/v1/reports",
        "/v1/reports/{report_id}/runs",  # each with a period of its own
        "/v1/sessions",  # by three times, under their names
        "/v1/stations",
        "/v1/stations/{station_id}/certificates",
        "/v1/stations/{station_id}/charging-profiles",
        "/v1/stations/{station_id}/client-certificates",
        "/v1/stations/{station_id}/configuration",
        "/v1/stations/{station_id}/connectors",
        "/v1/stations/{station_id}/local-list/entries",
        "/v1/users",
        "/v1/webhook-endpoints",
    }
    assert {*WALKED} - by_time == standing


@pytest.fixture
async def explained(
    make_settings: MakeSettings, db: Database
) -> AsyncIterator[tuple[httpx.AsyncClient, Asked, Belongings]]:
    """An API whose statements are kept, on many rows of everything."""
    things = await make_belongings(db, "default", "mine")
    await make_many(db, things, count=MORE)
    async with running(make_settings()) as api:
        asked = Asked(api.services.db)
        api.app.state.services = replace(
            api.services, db=asked.db, databases=RequestDatabases(asked.db)
        )
        yield api.client, asked, things


def questions() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in MANY.keys() | {"/v1/sessions/{session_id}/meter-values"}:
        yield path, {}
        for sort in sorts_of(path):
            yield path, {"sort": sort}
    yield "/v1/files", {"purpose": "firmware"}
    yield "/v1/certificate-signing-requests", {"state": "refused"}
    yield "/v1/certificate-signing-requests", {"station_id": "CP-mine"}
    yield "/v1/command-batches/{batch_id}/commands", {"state": "expired"}


@pytest.mark.timeout(300)
async def test_no_list_reads_much_more_than_it_shows(
    explained: tuple[httpx.AsyncClient, Asked, Belongings],
) -> None:
    client, asked, things = explained
    much = {}
    for path, query in questions():
        url = path_of(path, things)
        first = await read(client, url, limit=PAGE, **query)
        assert first["next_cursor"] is not None, path
        await read(client, url, limit=PAGE, cursor=first["next_cursor"], **query)
        for table, rows in (await asked.most_rows_read()).items():
            if rows > 4 * PAGE and (path, table) not in READS_MORE:
                much[path, str(query), table] = rows
    assert much == {}


@pytest.mark.timeout(300)
async def test_ids_find_what_was_made_in_a_period(
    explained: tuple[httpx.AsyncClient, Asked, Belongings], db: Database
) -> None:
    """The ids are looked for an hour around it, and here an hour has as many rows as that."""
    client, asked, things = explained
    now = await db.fetchval("SELECT now()")
    for path in (
        "/v1/stations/{station_id}/commands",
        "/v1/command-batches",
        "/v1/files",
        "/v1/stations/{station_id}/logs",
        "/v1/stations/{station_id}/firmware-updates",
        "/v1/sessions/{session_id}/history",
    ):
        long_ago = (now - timedelta(hours=3)).isoformat()
        page = await read(client, path_of(path, things), until=long_ago)
        assert page["items"] == []
        assert max((await asked.most_rows_read()).values(), default=0) <= PAGE, path
