"""Following events: nothing is missing and nothing comes twice, whatever is in between."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from shared.domain.notices.events import EventType
from shared.store.notices import events
from shared.store.pool import Database
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.notices.conftest import Happen, happening
from tests.integration.control.players import Api, assert_problem, running
from tests.support.event_streams import PATH, following
from tests.support.eventually import eventually

OPERATOR, HOST, STRANGER = "operator", "host", "stranger"
MakeKey = Callable[..., "object"]


async def make_key(client: httpx.AsyncClient, **body: object) -> tuple[str, dict[str, str]]:
    """Make an API key; return its id and the headers of its requests."""
    made = await client.post(
        "/v1/api-keys", json={"name": "key", "scopes": ["notices:read"], **body}
    )
    assert made.is_success, made.text
    return made.json()["api_key_id"], {"Authorization": f"Bearer {made.json()['key']}"}


async def make_organization(client: httpx.AsyncClient, name: str, parent: str) -> None:
    body = {"organization_id": name, "parent_id": parent, "name": name}
    assert (await client.post("/v1/organizations", json=body)).is_success


@pytest.fixture
async def slow_look(make_settings: MakeSettings) -> AsyncIterator[Api]:
    """An API that finds new events by the word in Redis alone."""
    async with running(make_settings(event_stream_look_s=3600.0)) as served:
        yield served


@pytest.fixture
async def with_small_ring(make_settings: MakeSettings) -> AsyncIterator[Api]:
    async with running(make_settings(event_stream_recent_max=5)) as served:
        yield served


async def test_what_happens_is_told_at_once_and_in_its_form(slow_look: Api, happen: Happen) -> None:
    async with following(slow_look.client) as stream:
        assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.response.headers["cache-control"] == "no-store"
        numbers = await happen(
            happening("CS-1", location_id="depot", ocpp_version="1.6"), happening("CS-2")
        )
        first, second = await stream.take(2)
    assert [first["id"], second["id"]] == [str(number) for number in numbers]
    assert first["type"] == "station.online"
    assert first["station_id"] == "CS-1"
    assert first["location_id"] == "depot"
    assert first["organization_id"] == "default"
    assert first["data"] == {"ocpp_version": "1.6"}
    assert datetime.fromisoformat(first["occurred_at"]) <= datetime.now(UTC)


async def test_what_nobody_announced_is_found_all_the_same(
    make_settings: MakeSettings, happen: Happen
) -> None:
    async with (
        running(make_settings(event_stream_look_s=0.05)) as api,
        following(api.client) as stream,
    ):
        (number,) = await happen(happening(), announced=False)
        assert (await stream.next()).last_event_id == str(number)


async def test_a_stream_begins_now_unless_it_says_from_where(api: Api, happen: Happen) -> None:
    (before,) = await happen(happening("before"))
    async with following(api.client) as stream:
        assert stream.last_event_id == str(before)
        await happen(happening("after"))
        (first,) = await stream.take(1)
    assert first["station_id"] == "after"


async def test_whoever_was_away_misses_nothing_at_any_process(
    api: Api, make_settings: MakeSettings, happen: Happen, db: Database
) -> None:
    async with following(api.client) as stream:
        await happen(happening())
        await stream.take(1)
        seen = stream.last_event_id
    missed = await happen(*(happening(f"CS-{number}") for number in range(1000)))
    # As of ten minutes ago, and of a day that is not today's at any time.
    for table, column in (("events", "recorded_at"), ("event_days", "last_recorded_at")):
        await db.execute(f"UPDATE {table} SET {column} = {column} - interval '10 minutes'")  # noqa: S608
    async with (
        running(make_settings()) as another,
        following(another.client, last_event_id=seen) as stream,
    ):
        (more,) = await happen(happening("more"))
        told = await stream.take(1001)
    assert [int(each["id"]) for each in told] == [*missed, more]


async def test_what_is_read_and_what_is_in_memory_join_without_a_seam(
    with_small_ring: Api, happen: Happen
) -> None:
    async with following(with_small_ring.client) as keeps_the_ring_filled:
        begun = int(keeps_the_ring_filled.last_event_id)
        numbers = [(await happen(happening()))[0] for _ in range(12)]
        await keeps_the_ring_filled.take(12)
        for position in (begun, *numbers):
            behind = [number for number in numbers if number > position]
            async with following(with_small_ring.client, last_event_id=str(position)) as stream:
                told = await stream.take(len(behind))
            assert [int(each["id"]) for each in told] == behind


async def test_a_browser_names_its_first_id_in_the_query_and_its_next_in_the_header(
    api: Api, happen: Happen
) -> None:
    first, second, third = await happen(happening(), happening(), happening())
    async with following(api.client, last_event_id=None, type="station.online") as stream:
        assert stream.last_event_id == str(third)
    async with api.client.stream("GET", PATH, params={"last_event_id": str(first)}) as response:
        lines = [line async for line in _until(response, f"id: {third}")]
    assert f"id: {second}" in lines
    async with api.client.stream(
        "GET",
        PATH,
        params={"last_event_id": str(first)},
        headers={"Last-Event-ID": str(second)},
    ) as response:
        lines = [line async for line in _until(response, f"id: {third}")]
    assert f"id: {first}" not in lines


async def _until(response: httpx.Response, last: str) -> AsyncIterator[str]:
    async for line in response.aiter_lines():
        yield line
        if line == last:
            return


@pytest.mark.parametrize("told", ["x", "-1", "1.5", "9" * 19, "٣"])
async def test_what_is_no_id_of_an_event_is_refused(api: Api, told: str) -> None:
    response = await api.client.get(PATH, headers={"Last-Event-ID": told.encode()})
    assert_problem(response, 422, "invalid-input")
    response = await api.client.get(PATH, params={"last_event_id": told})
    assert_problem(response, 422, "invalid-input")


async def test_an_id_that_was_never_given_is_refused_and_not_waited_for(
    api: Api, happen: Happen
) -> None:
    (number,) = await happen(happening())
    response = await api.client.get(PATH, headers={"Last-Event-ID": str(number + 1)})
    assert "restored" in assert_problem(response, 422, "invalid-input")["detail"]


async def forget_days_before_today(db: Database) -> None:
    """Have what was told be of a day that is not kept."""
    await db.execute(
        "UPDATE event_days SET day = day - 400, last_recorded_at = last_recorded_at "
        "- interval '400 days'"
    )
    await db.execute("DELETE FROM events")
    await events.drop_days_before(db, (datetime.now(UTC) - timedelta(days=399)).date())


async def test_an_id_that_is_older_than_what_is_kept_is_answered_in_words(
    api: Api, happen: Happen, db: Database
) -> None:
    old = await happen(happening(), happening())
    await forget_days_before_today(db)
    (kept,) = await happen(happening())
    gone = assert_problem(
        await api.client.get(PATH, headers={"Last-Event-ID": str(old[0])}), 410, "events-gone"
    )
    assert gone["code"] == "events_gone"
    for position in (str(old[1]), "0"):
        async with following(api.client, last_event_id=position) as stream:
            assert [int(each["id"]) for each in await stream.take(1)] == [kept]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"type": "station.offline"}, ["b"]),
        ({"type": ["station.offline", "session.started"]}, ["b", "c"]),
        ({"station_id": ["a", "c"]}, ["a", "c"]),
        ({"location_id": "depot"}, ["b"]),
        ({"station_id": ["a", "b"], "type": "station.online"}, ["a"]),
        ({"organization_id": "default"}, ["a", "b", "c"]),
        ({"organization_id": "nobody"}, []),
    ],
)
async def test_only_what_is_asked_for_comes_live_and_later(
    with_small_ring: Api, happen: Happen, query: dict[str, object], expected: list[str]
) -> None:
    client = with_small_ring.client
    wanted = {**query}
    async with following(client) as all_of_it, following(client, **wanted) as live:
        begun = all_of_it.last_event_id
        await happen(
            happening("a"),
            happening("b", EventType.STATION_OFFLINE, location_id="depot"),
            happening("c", EventType.SESSION_STARTED),
        )
        assert len(await all_of_it.take(3)) == 3
        assert [each["station_id"] for each in await live.take(len(expected))] == expected
        await happen(*(happening("z", EventType.QUIRK_FIRST_SEEN) for _ in range(10)))
        async with following(client, last_event_id=begun, **wanted) as late:
            told = await late.take(len(expected))
    assert [each["station_id"] for each in told] == expected


async def test_what_memory_had_no_room_for_is_read_and_not_left_out(
    with_small_ring: Api, happen: Happen
) -> None:
    async with following(with_small_ring.client, station_id="wanted") as stream:
        await happen(happening("wanted"), *(happening("another") for _ in range(20)))
        assert [each["station_id"] for each in await stream.take(1)] == ["wanted"]


async def test_a_filter_that_there_is_not_is_refused(api: Api) -> None:
    for query in ({"type": "station.exploded"}, {"kind": "station.online"}, {"station_id": ""}):
        assert_problem(await api.client.get(PATH, params=query), 422, "invalid-input")


async def test_each_sees_what_is_theirs_and_below_and_strangers_nothing(
    with_small_ring: Api, happen: Happen
) -> None:
    client = with_small_ring.client
    for name, parent in ((OPERATOR, "default"), (HOST, OPERATOR), (STRANGER, "default")):
        await make_organization(client, name, parent)
    keys = {
        name: (await make_key(client, organization_id=name))[1]
        for name in (OPERATOR, HOST, STRANGER)
    }
    seen = {
        OPERATOR: ["of-operator", "of-host", "to-all"],
        HOST: ["of-host", "to-all"],
        STRANGER: ["of-stranger", "to-all"],
    }
    streams = {name: following(client, headers=keys[name]) for name in keys}
    async with (
        streams[OPERATOR] as operator,
        streams[HOST] as host,
        streams[STRANGER] as stranger,
    ):
        begun = operator.last_event_id
        for name in (OPERATOR, HOST, STRANGER):
            await happen(happening(f"of-{name}", organization_id=name))
        await happen(*(happening("to-all", organization_id=name) for name in keys))
        for stream, name in ((operator, OPERATOR), (host, HOST), (stranger, STRANGER)):
            told = await stream.take(len(seen[name]))
            assert [each["station_id"] for each in told] == seen[name]
    # And the same from Postgres.
    await happen(*(happening("of-nobody") for _ in range(10)))
    for name, stations in seen.items():
        async with following(client, headers=keys[name], last_event_id=begun) as stream:
            told = await stream.take(len(stations))
            assert [each["station_id"] for each in told] == stations
    async with following(
        client, headers=keys[STRANGER], last_event_id=begun, organization_id=HOST
    ) as stream:
        (number,) = await happen(happening(organization_id=HOST))
        await eventually(lambda: _head(with_small_ring), lambda head: head >= number)
        assert not stream.comments


async def _head(api: Api) -> int:
    return api.services.event_streams._ring.head or 0


async def test_a_new_organization_below_is_followed_from_its_first_event(
    api: Api, happen: Happen
) -> None:
    await make_organization(api.client, OPERATOR, "default")
    _, key = await make_key(api.client, organization_id=OPERATOR)
    async with following(api.client, headers=key) as stream:
        await make_organization(api.client, "new", OPERATOR)
        await happen(happening("first", organization_id="new"))
        assert [each["station_id"] for each in await stream.take(1)] == ["first"]
        moved = await api.client.patch("/v1/organizations/new", json={"parent_id": "default"})
        assert moved.is_success
        await happen(
            happening("gone", organization_id="new"), happening("kept", organization_id=OPERATOR)
        )
        assert [each["station_id"] for each in await stream.take(1)] == ["kept"]
