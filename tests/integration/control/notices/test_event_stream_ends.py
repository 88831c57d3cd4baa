"""What one who follows may cost, when streams end, and what they live through."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from shared.bus.client import open_redis
from shared.bus.event_words import EventWords
from shared.store.pool import Database
from tests.integration.control.accounts.people import browser, join, sign_in
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.notices.conftest import Happen, happening
from tests.integration.control.notices.test_event_stream import (
    forget_days_before_today,
    make_key,
    make_organization,
)
from tests.integration.control.players import API_KEY, Api, assert_problem, running
from tests.support.event_streams import PATH, Following, following
from tests.support.eventually import eventually
from tests.support.http import http_client
from tests.support.local_servers import running_redis
from tests.support.raw_http import connected
from tests.support.relay import relay

HEADERS = {"Authorization": f"Bearer {API_KEY}"}


async def metric(api: Api, name: str) -> float:
    page = (await api.management.get("/metrics")).text
    return sum(
        float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(name + " ")
    )


async def assert_ended(stream: Following, reason: str, *, resume_after: str) -> None:
    *_, last = await stream.rest()
    assert last.name == "stream.ended"
    assert last.data["reason"] == reason
    assert last.data["resume_after"] == last.last_event_id == resume_after


@asynccontextmanager
async def with_little_room(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose system takes little before somebody reads it."""
    transport = httpx.AsyncHTTPTransport(
        verify=False, socket_options=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 131_072)]
    )
    async with http_client(base_url=api.url, headers=HEADERS, transport=transport) as client:
        yield client


async def test_one_who_takes_nothing_is_told_where_to_resume_and_holds_up_nobody(
    make_settings: MakeSettings, happen: Happen
) -> None:
    settings = make_settings(event_stream_write_timeout_s=0.5, event_stream_buffer_bytes=8192)
    async with (
        running(settings) as api,
        with_little_room(api) as stuck_client,
        following(stuck_client) as stuck,
        following(api.client) as quick,
    ):
        ended = await metric(api, 'voltaro_event_streams_ended_total{reason="slow"}')
        numbers = []
        for _ in range(5):
            numbers += await happen(*(happening(text="x" * 100_000) for _ in range(20)))
            told = await quick.take(20)
            assert [int(each["id"]) for each in told] == numbers[-20:]
        await eventually(
            lambda: metric(api, 'voltaro_event_streams_ended_total{reason="slow"}'),
            lambda count: count == ended + 1,
        )
        # Its last word is out, though nobody has read anything: it takes no place any more.
        await eventually(lambda: _open(api), lambda count: count == 1, timeout_s=5)
        *some, last = await stuck.rest()
        assert last.data["reason"] == "slow"
        seen = [int(each.last_event_id) for each in some]
        assert seen == numbers[: len(seen)]
        assert 0 < len(seen) < len(numbers)
        assert last.data["resume_after"] == str(seen[-1])
        async with following(api.client, last_event_id=str(seen[-1])) as again:
            rest = [int(each["id"]) for each in await again.take(len(numbers) - len(seen))]
        assert seen + rest == numbers


async def test_one_who_is_never_up_to_date_is_ended_and_can_go_on(
    make_settings: MakeSettings, happen: Happen
) -> None:
    async with running(make_settings(event_stream_behind_max_s=0.2)) as api:
        async with following(api.client) as first:
            begun = first.last_event_id
        numbers = await happen(*(happening(text="x" * 50_000) for _ in range(200)))
        seen: list[int] = []
        ended = 0
        async with with_little_room(api) as client:
            while len(seen) < len(numbers):
                position = str(seen[-1]) if seen else begun
                async with following(client, last_event_id=position) as stream:
                    while len(seen) < len(numbers):
                        told = await stream.next()
                        if told.name == "stream.ended":
                            assert told.data["reason"] == "slow"
                            ended += 1
                            break
                        seen.append(int(told.last_event_id))
                        await asyncio.sleep(0.005)
    assert seen == numbers
    assert ended > 0


async def test_one_whose_events_are_dropped_while_it_reads_is_told_and_has_no_gap(
    make_settings: MakeSettings, happen: Happen, db: Database
) -> None:
    first = await happen(*(happening(text="x" * 50_000) for _ in range(400)))
    # More than what is in memory was before the stream begins.
    async with (
        running(make_settings()) as api,
        with_little_room(api) as client,
        following(client, last_event_id="0") as stream,
    ):
        await stream.take(1)
        await forget_days_before_today(db)
        *some, last = await stream.rest()
    seen = [first[0], *(int(each.last_event_id) for each in some)]
    assert seen == first[: len(seen)]
    assert len(seen) < len(first)
    assert last.data["reason"] == "events_gone"
    assert last.data["resume_after"] == str(seen[-1])


async def test_every_stream_is_told_where_to_resume_when_the_process_ends(
    make_settings: MakeSettings, happen: Happen
) -> None:
    async with running(make_settings()) as api, AsyncExitStack() as opened:
        streams = [await opened.enter_async_context(following(api.client)) for _ in range(20)]
        (number,) = await happen(happening())
        for stream in streams:
            await stream.take(1)
        api.stop.set()
        # Those that uvicorn cuts off when the time for requests is over are told nothing.
        for stream in streams:
            await assert_ended(stream, "shutdown", resume_after=str(number))


async def test_one_who_reads_nothing_does_not_hold_up_the_end(
    make_settings: MakeSettings, happen: Happen
) -> None:
    async with AsyncExitStack() as after:
        async with running(make_settings()) as api:
            client = await after.enter_async_context(with_little_room(api))
            await after.enter_async_context(following(client))
            for _ in range(3):
                await happen(*(happening(text="x" * 100_000) for _ in range(20)))
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 5


async def test_a_key_that_is_revoked_ends_its_stream_within_a_bound(
    make_settings: MakeSettings, happen: Happen
) -> None:
    settings = make_settings(event_stream_access_check_s=0.1, credentials_memory_s=0.1)
    async with running(settings) as api, running(settings) as another:
        revoked_id, revoked = await make_key(api.client)
        narrowed_id, narrowed = await make_key(api.client)
        _, kept = await make_key(api.client)
        async with (
            following(another.client, headers=revoked) as of_revoked,
            following(another.client, headers=narrowed) as of_narrowed,
            following(another.client, headers=kept) as of_kept,
        ):
            begun = of_revoked.last_event_id
            assert (await api.client.delete(f"/v1/api-keys/{revoked_id}")).is_success
            body = {"scopes": ["stations:read"]}
            changed = await api.client.patch(f"/v1/api-keys/{narrowed_id}", json=body)
            assert changed.is_success, changed.text
            await assert_ended(of_revoked, "access_ended", resume_after=begun)
            await assert_ended(of_narrowed, "access_ended", resume_after=begun)
            await happen(happening())
            await of_kept.take(1)


async def test_a_session_has_streams_until_it_ends_and_they_do_not_keep_it(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(
        event_stream_access_check_s=0.1,
        credentials_memory_s=0.1,
        user_session_idle_timeout_s=1.0,
        last_used_interval_s=0.5,
        dashboard_url="https://dashboard.example.com",
    )
    async with running(settings) as api, browser(api) as person:
        await make_organization(api.client, "acme", "default")
        await join(api.client, organization_id="acme")
        await sign_in(person)
        async with following(person) as stream:
            begun = stream.last_event_id
            assert (await person.post("/v1/logout")).is_success
            await assert_ended(stream, "access_ended", resume_after=begun)
        await sign_in(person)
        async with following(person) as stream:
            await assert_ended(stream, "access_ended", resume_after=begun)


async def test_streams_of_one_caller_and_of_a_process_are_bounded(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(event_streams_max=3, event_streams_max_per_principal=2)
    async with running(settings) as api, AsyncExitStack() as opened:
        _, key = await make_key(api.client)
        async with following(api.client, headers=key), following(api.client, headers=key):
            refused = await api.client.get(PATH, headers=key)
            assert_problem(refused, 429, "too-many-streams")
            assert int(refused.headers["retry-after"]) > 0
            await opened.enter_async_context(following(api.client))
            refused = await api.client.get(PATH)
            assert_problem(refused, 503, "streams-full")
            assert int(refused.headers["retry-after"]) > 0
            assert await metric(api, "voltaro_event_streams_open") >= 3
        await eventually(lambda: _open(api), lambda count: count == 1)
        await opened.enter_async_context(following(api.client, headers=key))


async def _open(api: Api) -> int:
    return len(api.services.event_streams)


async def test_a_refused_stream_leaves_nothing_open(api: Api, happen: Happen) -> None:
    await happen(happening())
    for _ in range(5):
        assert (await api.client.get(PATH, headers={"Last-Event-ID": "999"})).status_code == 422
    assert await _open(api) == 0


async def test_one_who_leaves_is_noticed_at_once(api: Api) -> None:
    async with following(api.client):
        assert await _open(api) == 1
    await eventually(lambda: _open(api), lambda count: count == 0, timeout_s=2)


async def test_a_silent_stream_says_that_it_lives_and_how_far_it_is(
    make_settings: MakeSettings, happen: Happen
) -> None:
    async with (
        running(make_settings(event_stream_keep_alive_s=0.1)) as api,
        following(api.client, station_id="CS-1") as stream,
    ):
        (passed,) = await happen(happening("another"))
        told = await stream.next()
        assert (told.name, told.last_event_id) == ("stream.position", str(passed))
        assert told.data == {"resume_after": str(passed)}
        comments = stream.comments
        with pytest.raises(TimeoutError):
            await stream.next(timeout_s=0.5)
        assert stream.comments > comments


async def test_one_who_asked_for_nothing_of_what_was_missed_is_up_to_date_after_a_look(
    make_settings: MakeSettings, happen: Happen
) -> None:
    settings = make_settings(event_stream_keep_alive_s=0.1, event_stream_recent_max=5)
    async with running(settings) as api, following(api.client) as stream:
        begun = stream.last_event_id
        numbers = await happen(*(happening("another") for _ in range(20)))
        await stream.take(20)
        async with following(api.client, last_event_id=begun, station_id="CS-1") as late:
            told = await late.next()
    assert (told.name, told.last_event_id) == ("stream.position", str(numbers[-1]))


async def test_its_head_can_be_asked_for_and_the_connection_goes_on(api: Api) -> None:
    async with connected(api.url) as raw:
        request = f"{PATH} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {API_KEY}\r\n\r\n"
        await raw.send(f"HEAD {request}".encode())
        answer = await raw.answer(method="HEAD")
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert await raw.rest() == b""
    await eventually(lambda: _open(api), lambda count: count == 0)


async def test_a_stream_is_no_slow_request(api: Api) -> None:
    name = f'voltaro_control_http_request_seconds_count{{method="GET",route="{PATH}"}}'
    before = await metric(api, name)
    async with following(api.client):
        assert await metric(api, name) == before + 1
    await eventually(lambda: _open(api), lambda count: count == 0)
    assert await metric(api, name) == before + 1


async def test_while_postgres_is_away_streams_wait_and_then_miss_nothing(
    make_settings: MakeSettings, happen: Happen, database_url: str
) -> None:
    await happen(happening())
    async with relay(database_url) as wire:
        settings = make_settings(
            database_url=wire.url, event_stream_look_s=0.1, event_stream_recent_max=5
        )
        async with running(settings) as api, following(api.client) as stream:
            begun = stream.last_event_id
            first = await happen(happening())
            await stream.take(1)
            await wire.cut()
            missed = await happen(*(happening() for _ in range(20)))
            with structlog.testing.capture_logs():
                refused = await api.client.get(PATH, headers={"Last-Event-ID": "0"})
                assert_problem(refused, 503, "unavailable")
            await wire.mend()
            assert [int(each["id"]) for each in await stream.take(20)] == missed
            async with following(api.client, last_event_id=begun) as late:
                told = await late.take(21)
            assert [int(each["id"]) for each in told] == first + missed


async def test_when_redis_goes_away_events_come_a_little_later_and_no_stream_ends(
    make_settings: MakeSettings, happen: Happen, tmp_path: Path
) -> None:
    with ExitStack() as redis:
        server = redis.enter_context(running_redis(tmp_path))
        settings = make_settings(redis_url=server.url, event_stream_look_s=0.2)
        async with (
            open_redis(settings) as client,
            running(settings) as api,
            following(api.client) as stream,
        ):
            words = EventWords(client, timeout_s=1.0)
            (first,) = await happen(happening(), announced=False)
            await words.announce(first)
            assert [int(each["id"]) for each in await stream.take(1)] == [first]
            redis.close()
            with structlog.testing.capture_logs() as logs:
                (second,) = await happen(happening(), announced=False)
                assert [int(each["id"]) for each in await stream.take(1)] == [second]
                async with following(api.client, last_event_id=str(first)) as another:
                    assert [int(each["id"]) for each in await another.take(1)] == [second]
                await eventually(
                    lambda: _lines_with(logs, "new events are not announced for now"), bool
                )


async def _lines_with(logs: Sequence[Mapping[str, Any]], words: str) -> int:
    return sum(words in line["event"] for line in logs)


async def test_when_numbers_went_back_those_who_are_ahead_are_told(
    make_settings: MakeSettings, happen: Happen, db: Database, database_url: str
) -> None:
    async with relay(database_url) as wire:
        settings = make_settings(database_url=wire.url, event_stream_look_s=0.1)
        async with running(settings) as api, following(api.client) as ahead:
            await happen(happening())
            (told,) = await ahead.take(1)
            with structlog.testing.capture_logs():
                await wire.cut()
                # As in a database that was restored to what it was before.
                await db.execute("DELETE FROM events")
                await db.execute("DELETE FROM event_days")
                await asyncio.sleep(0.3)
                await wire.mend()
                await assert_ended(ahead, "events_gone", resume_after=told["id"])
            async with following(api.client) as anew:
                (number,) = await happen(happening())
                assert [int(each["id"]) for each in await anew.take(1)] == [number]
