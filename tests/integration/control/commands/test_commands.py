"""Commands through the API, to a pod and back."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from shared.domain.commands import CommandState, Outcome
from shared.store.commands import commands
from shared.store.pool import Database
from tests.integration.control.charges import begin, end
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import (
    ACCEPTED,
    Api,
    PodPlayer,
    assert_problem,
    playing_pod,
    running,
)
from tests.support.eventually import eventually
from tests.support.http import http_client
from tests.support.relay import relay

RESET = {"type": "Reset"}
URL = "/v1/stations/CS-1/commands"


@pytest.fixture(autouse=True)
async def station(pod: PodPlayer) -> None:
    await pod.hold("CS-1")


async def ask(client: httpx.AsyncClient, body: dict[str, Any], **headers: str) -> httpx.Response:
    return await client.post(URL, json=body, headers=headers)


async def test_the_stations_own_answer_is_the_answer_to_the_call(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    body = {"type": "RemoteStart", "id_token": "04A2", "evse_id": 2}
    asking = asyncio.create_task(ask(client, body))
    request = await pod.answer()
    response = await asking
    assert response.status_code == 200
    answer = response.json()
    assert answer["command_id"] == request.command_id
    assert answer["type"] == "RemoteStart"
    assert answer["params"] == {
        "id_token": "04A2",
        "evse_id": 2,
        "id_token_type": None,
        "charging_profile": None,
    }
    assert answer["state"] == "accepted"
    assert answer["status"] == "Accepted"
    assert answer["response"] == {"status": "Accepted"}
    assert answer["pod_id"] == pod.pod_id
    assert response.headers["location"] == f"/v1/commands/{request.command_id}"
    assert (await client.get(response.headers["location"])).json() == answer


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(state=CommandState.REJECTED, status="Rejected", response={"status": "Rejected"}),
        Outcome(state=CommandState.FAILED, error_code="NotSupported", error_description="no"),
        Outcome(state=CommandState.TIMED_OUT, error_code="NoAnswer", error_description="silence"),
        Outcome(state=CommandState.UNKNOWN, error_code="NoAnswer", error_description="silence"),
    ],
)
async def test_a_command_that_ended_badly_is_still_an_answer(
    client: httpx.AsyncClient, pod: PodPlayer, outcome: Outcome
) -> None:
    asking = asyncio.create_task(ask(client, RESET))
    await pod.answer(outcome)
    response = await asking
    assert response.status_code == 200
    assert response.json()["state"] == outcome.state
    assert response.json()["error_code"] == outcome.error_code


async def test_an_announced_outcome_wakes_the_caller_at_once_and_not_by_the_poll(
    make_settings: MakeSettings, pod: PodPlayer
) -> None:
    async with running(make_settings(command_poll_interval_s=60)) as api:
        await _subscribed(api)
        delays = []
        for _ in range(5):
            asking = asyncio.create_task(ask(api.client, RESET))
            request = await pod.next_command()
            await pod.take(request)
            await pod.finish(request)
            finished = time.perf_counter()
            assert (await asking).status_code == 200
            delays.append(time.perf_counter() - finished)
        assert min(delays) < 0.05


async def test_an_outcome_whose_announcement_is_lost_is_found_by_the_poll(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    asking = asyncio.create_task(ask(client, RESET))
    await pod.answer(announced=False)
    assert (await asking).json()["state"] == "accepted"


async def test_an_outcome_announced_while_redis_was_away_is_found_when_it_is_back(
    make_settings: MakeSettings, redis_url: str, pod: PodPlayer
) -> None:
    async with relay(redis_url) as wire:
        settings = make_settings(redis_url=wire.url, command_poll_interval_s=60)
        async with running(settings) as api:
            await _subscribed(api)
            asking = asyncio.create_task(ask(api.client, RESET))
            request = await pod.next_command()
            await pod.take(request)
            await wire.cut()
            await pod.finish(request)
            await wire.mend()
            assert (await asking).json()["state"] == "accepted"


async def test_an_outcome_from_before_the_wait_is_not_waited_for(
    pod: PodPlayer, make_settings: MakeSettings
) -> None:
    async with running(make_settings(command_poll_interval_s=60)) as api:
        response = await ask(api.client, {**RESET, "wait_s": 0})
        location = response.headers["location"]
        request = await pod.next_command()
        await pod.take(request)
        await pod.finish(request, announced=False)
        async with asyncio.timeout(10):
            found = await api.client.get(location, params={"wait_s": 30})
        assert found.json()["state"] == "accepted"


async def test_a_wait_that_ends_first_is_a_202_and_the_outcome_is_found_later(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    response = await ask(client, {**RESET, "wait_s": 0.05})
    assert response.status_code == 202
    assert response.json()["state"] == "queued"
    location = response.headers["location"]
    request = await pod.next_command()
    await pod.take(request)
    assert (await client.get(location)).json()["state"] == "sent"
    waiting = asyncio.create_task(client.get(location, params={"wait_s": 10}))
    await pod.finish(request)
    assert (await waiting).json()["state"] == "accepted"


async def test_the_deadline_of_a_command_is_the_callers(
    client: httpx.AsyncClient, db: Database
) -> None:
    response = await ask(client, {**RESET, "timeout_s": 120, "wait_s": 0})
    record = await commands.get(db, response.json()["command_id"])
    assert (record.expires_at - record.created_at).total_seconds() == 120


async def test_the_same_idempotency_key_gives_the_first_command_back(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    asking = asyncio.create_task(ask(client, RESET, **{"Idempotency-Key": "order-1"}))
    await pod.answer()
    first = (await asking).json()
    again = await ask(client, RESET, **{"Idempotency-Key": "order-1"})
    assert again.status_code == 200
    assert again.json() == first
    other = await ask(client, {**RESET, "wait_s": 0}, **{"Idempotency-Key": "order-2"})
    assert other.json()["command_id"] != first["command_id"]
    # What comes next is the second order: the repeated one was never sent.
    assert (await pod.next_command()).command_id == other.json()["command_id"]


async def test_a_repeated_call_is_answered_even_when_the_station_has_gone_offline_since(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    key = {"Idempotency-Key": "order-1"}
    asking = asyncio.create_task(ask(client, RESET, **key))
    await pod.answer()
    first = (await asking).json()
    await pod.start(lease_s=0.01)
    await asyncio.sleep(0.05)
    assert_problem(await ask(client, RESET), 409, "station-offline")
    assert (await ask(client, RESET, **key)).json() == first


async def test_a_repeated_call_waits_for_the_first_ones_outcome(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    key = {"Idempotency-Key": "order-1"}
    both = [asyncio.create_task(ask(client, RESET, **key)) for _ in range(2)]
    request = await pod.answer()
    assert {(await asking).json()["command_id"] for asking in both} == {request.command_id}


async def test_an_idempotency_key_of_another_command_is_a_conflict(
    client: httpx.AsyncClient,
) -> None:
    key = {"Idempotency-Key": "order-1"}
    await ask(client, {**RESET, "wait_s": 0}, **key)
    assert_problem(await ask(client, {"type": "ClearCache"}, **key), 409, "conflict")


@pytest.mark.parametrize("key", ["", "k" * 256, "with space"])
async def test_an_idempotency_key_that_cannot_be_is_refused(
    client: httpx.AsyncClient, key: str
) -> None:
    response = await ask(client, RESET, **{"Idempotency-Key": key})
    problem = assert_problem(response, 422, "invalid-input")
    assert problem["errors"][0]["location"] == "header"


async def test_a_station_that_is_offline_is_a_conflict_and_keeps_no_command(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    await client.post("/v1/stations", json={"station_id": "CS-2"})
    response = await client.post("/v1/stations/CS-2/commands", json=RESET)
    problem = assert_problem(response, 409, "station-offline")
    assert "CS-2" in problem["detail"]
    assert (await client.get("/v1/stations/CS-2/commands")).json()["items"] == []
    await pod.hold("CS-2")
    asking = asyncio.create_task(client.post("/v1/stations/CS-2/commands", json=RESET))
    await pod.answer()
    assert (await asking).status_code == 200


async def test_a_station_that_is_on_its_way_to_another_pod_is_waited_for(
    make_settings: MakeSettings, pod: PodPlayer, db: Database
) -> None:
    async with running(make_settings(command_reconnect_wait_s=5)) as api:
        await pod.start(lease_s=0.01)
        await asyncio.sleep(0.05)
        asking = asyncio.create_task(ask(api.client, RESET))
        await asyncio.sleep(0.3)
        assert not asking.done()
        async with playing_pod(db, make_settings(), "pod-2-abcdef") as successor:
            await successor.hold("CS-1")
            await successor.answer()
            assert (await asking).json()["state"] == "accepted"


async def test_a_station_that_has_been_away_for_longer_is_refused_at_once(
    make_settings: MakeSettings, pod: PodPlayer, db: Database
) -> None:
    await pod.start(lease_s=0.01)
    await db.execute("UPDATE stations SET online = false, disconnected_at = now() - interval '6 s'")
    await asyncio.sleep(0.05)
    async with running(make_settings(command_reconnect_wait_s=5)) as api:
        began = time.perf_counter()
        assert_problem(await ask(api.client, RESET), 409, "station-offline")
        assert time.perf_counter() - began < 1


async def test_when_too_many_commands_wait_for_a_station_the_next_is_refused(
    make_settings: MakeSettings, pod: PodPlayer
) -> None:
    async with running(make_settings(command_max_queued=3)) as api:
        queued = [
            await ask(api.client, {**RESET, "wait_s": 0}, **{"Idempotency-Key": f"key-{number}"})
            for number in range(4)
        ]
        assert [response.status_code for response in queued] == [202, 202, 202, 429]
        problem = assert_problem(queued[-1], 429, "command-queue-full")
        assert "'CS-1'" in problem["detail"]
        assert int(queued[-1].headers["retry-after"]) > 0
        # A call that is repeated is answered all the same, and there is room again after a while.
        again = await ask(api.client, {**RESET, "wait_s": 0}, **{"Idempotency-Key": "key-0"})
        assert again.status_code == 202
        await pod.answer()
        assert (await ask(api.client, {**RESET, "wait_s": 0})).status_code == 202


async def test_a_pod_without_a_lease_holds_nobody(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    await pod.start(lease_s=0.02)
    await asyncio.sleep(0.05)
    assert_problem(await ask(client, RESET), 409, "station-offline")


async def test_a_station_that_is_not_registered_is_a_404(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/stations/CS-404/commands", json=RESET)
    assert_problem(response, 404, "not-found")
    assert_problem(await client.get("/v1/stations/CS-404/commands"), 404, "not-found")


async def test_redis_away_is_a_503_keeps_no_command_and_heals_by_itself(
    make_settings: MakeSettings, redis_url: str, pod: PodPlayer
) -> None:
    async with relay(redis_url) as wire, running(make_settings(redis_url=wire.url)) as api:
        await _subscribed(api)
        await wire.cut()
        key = {"Idempotency-Key": "order-1"}
        response = await ask(api.client, RESET, **key)
        assert_problem(response, 503, "unavailable")
        assert int(response.headers["retry-after"]) > 0
        assert (await api.client.get(URL)).json()["items"] == []
        # What Postgres knows is answered all the same, and the API stays in service for it.
        station = (await api.client.get("/v1/stations/CS-1")).json()
        assert station["online"] is True
        assert station["owner"] is None
        ready = await api.management.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["dependencies"] == {"postgres": "ok", "redis": "away"}
        # A change whose closing of the connection cannot be carried out is not made.
        change = await api.client.patch(
            "/v1/stations/CS-1", json={"registration_status": "Rejected"}
        )
        assert_problem(change, 503, "unavailable")
        station = (await api.client.get("/v1/stations/CS-1")).json()
        assert station["registration_status"] == "Accepted"
        await wire.mend()
        asking = asyncio.create_task(ask(api.client, RESET, **key))
        await pod.answer()
        assert (await asking).status_code == 200


async def test_the_api_starts_without_redis_and_listens_as_soon_as_it_is_there(
    make_settings: MakeSettings, redis_url: str, pod: PodPlayer
) -> None:
    async with relay(redis_url) as wire:
        await wire.cut()
        settings = make_settings(redis_url=wire.url, command_poll_interval_s=60)
        async with running(settings) as api:
            assert_problem(await ask(api.client, RESET), 503, "unavailable")
            await wire.mend()
            await _subscribed(api)
            asking = asyncio.create_task(ask(api.client, RESET))
            await pod.answer()
            assert (await asking).status_code == 200


async def test_postgres_going_away_during_the_wait_is_a_202_as_the_command_is_on_its_way(
    make_settings: MakeSettings, database_url: str, pod: PodPlayer
) -> None:
    async with relay(database_url) as wire, running(make_settings(database_url=wire.url)) as api:
        asking = asyncio.create_task(ask(api.client, {**RESET, "wait_s": 1}))
        request = await pod.next_command()
        await wire.cut()
        response = await asking
        assert response.status_code == 202
        assert response.headers["location"] == f"/v1/commands/{request.command_id}"
        assert_problem(await api.client.get(response.headers["location"]), 503, "unavailable")


async def test_a_command_that_could_not_be_handed_over_is_withdrawn_and_may_be_asked_for_again(
    make_settings: MakeSettings, redis_url: str, pod: PodPlayer, db: Database
) -> None:
    async with relay(redis_url) as wire, running(make_settings(redis_url=wire.url)) as api:
        # Redis goes away between looking up the owner and sending: the row is being written.
        async with db.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE commands IN EXCLUSIVE MODE")
            asking = asyncio.create_task(ask(api.client, RESET, **{"Idempotency-Key": "once"}))
            await eventually(
                lambda: connection.fetchval(
                    "SELECT count(*) FROM pg_locks "
                    "WHERE relation = 'commands'::regclass AND NOT granted"
                ),
                lambda count: count == 1,
            )
            await wire.cut()
        assert_problem(await asking, 503, "unavailable")
        await wire.mend()
        asking = asyncio.create_task(ask(api.client, RESET, **{"Idempotency-Key": "once"}))
        await pod.answer()
        assert (await asking).json()["state"] == "accepted"


async def test_a_queued_command_can_be_cancelled_and_who_waits_for_it_learns_so(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    asking = asyncio.create_task(ask(client, RESET))
    request = await pod.next_command()
    cancelled = await client.post(f"/v1/commands/{request.command_id}/cancel")
    assert cancelled.status_code == 200
    assert cancelled.json()["state"] == "cancelled"
    assert (await asking).json()["state"] == "cancelled"
    assert await pod.take(request) is None
    again = await client.post(f"/v1/commands/{request.command_id}/cancel")
    assert again.json() == cancelled.json()


async def test_what_is_sent_or_has_ended_cannot_be_cancelled(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    await ask(client, {**RESET, "wait_s": 0})
    request = await pod.next_command()
    await pod.take(request)
    url = f"/v1/commands/{request.command_id}/cancel"
    assert_problem(await client.post(url), 409, "conflict")
    await pod.finish(request)
    assert_problem(await client.post(url), 409, "conflict")
    nowhere = "/v1/commands/0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11/cancel"
    assert_problem(await client.post(nowhere), 404, "not-found")


async def test_a_charge_can_be_stopped_by_its_session(
    client: httpx.AsyncClient, pod: PodPlayer, db: Database
) -> None:
    transaction_id = await begin(db)
    (session,) = (await client.get("/v1/sessions")).json()["items"]
    body = {"type": "RemoteStop", "session_id": session["session_id"]}
    key = {"Idempotency-Key": "stop-1"}
    asking = asyncio.create_task(ask(client, body, **key))
    await pod.answer()
    answer = (await asking).json()
    assert answer["params"] == {"transaction_id": transaction_id}
    # Trying the call again works even when the charge has ended since.
    await end(db, transaction_id, "2000")
    assert (await ask(client, body, **key)).json() == answer
    await pod.hold("CS-2")
    response = await client.post("/v1/stations/CS-2/commands", json=body)
    assert_problem(response, 404, "not-found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"type": "RemoteStart"}, "id_token"),
        ({"type": "RemoteStart", "id_token": "t" * 37}, "id_token"),
        ({"type": "RemoteStart", "id_token": "t", "evse_id": 0}, "evse_id"),
        ({"type": "RemoteStop"}, ""),
        ({"type": "RemoteStop", "transaction_id": "1", "session_id": "x"}, "session_id"),
        ({"type": "Reset", "reset_type": "Hard"}, "reset_type"),
        ({"type": "Reset", "timeout_s": 0}, "timeout_s"),
        ({"type": "Reset", "timeout_s": 301}, "timeout_s"),
        ({"type": "Reset", "wait_s": -1}, "wait_s"),
        ({"type": "Reset", "connector_id": 1}, "connector_id"),
        ({"type": "Call", "action": "No Such!", "payload": {}}, "action"),
        ({"type": "Call", "action": "Reset", "payload": []}, "payload"),
        ({"type": "Call", "action": "Reset", "payload": {"a": "nul \0"}}, "payload"),
        ({"type": "Call", "action": "Reset", "payload": {"nul \0": 1}}, "payload"),
        ({"type": "DataTransfer", "vendor_id": "v", "data": "nul \0"}, "data"),
        ({"type": "GetConfiguration", "keys": ["", "b"]}, "keys.0"),
    ],
)
async def test_a_command_that_cannot_be_is_refused_naming_the_field(
    client: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    problem = assert_problem(await ask(client, body), 422, "invalid-input")
    named = ".".join(part for part in (body["type"], field) if part)
    assert [error["field"] for error in problem["errors"]] == [named]


@pytest.mark.parametrize(
    "payload",
    [b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b'{"a":' * 40 + b"1" + b"}" * 40],
    ids=["nan", "infinite", "surrogate", "deep"],
)
async def test_a_payload_that_cannot_be_kept_or_sent_is_refused(
    client: httpx.AsyncClient, payload: bytes
) -> None:
    response = await client.post(
        URL,
        content=b'{"type": "Call", "action": "Reset", "payload": ' + payload + b"}",
        headers={"Content-Type": "application/json"},
    )
    assert_problem(response, 422, "invalid-input")


@pytest.mark.parametrize("body", [{}, {"type": "Explode"}])
async def test_a_command_of_no_known_type_is_refused(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    assert_problem(await ask(client, body), 422, "invalid-input")


async def test_a_password_sent_to_a_station_is_in_no_answer_but_reaches_the_pod(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    secret = "4F43415F4F4354545F61646D696E5F74657374"
    body = {"type": "ChangeConfiguration", "key": "AuthorizationKey", "value": secret}
    asking = asyncio.create_task(ask(client, body))
    request = await pod.next_command()
    record = await pod.take(request)
    assert record is not None
    assert record.params["value"] == secret
    await pod.finish(request)
    answers = [
        await asking,
        await client.get(f"/v1/commands/{request.command_id}"),
        await client.get(URL),
    ]
    for answer in answers:
        assert secret not in answer.text
        assert "AuthorizationKey" in answer.text


async def test_a_stations_commands_are_listed_newest_first(client: httpx.AsyncClient) -> None:
    asked = [(await ask(client, {**RESET, "wait_s": 0})).json()["command_id"] for _ in range(3)]
    page = (await client.get(URL, params={"limit": 2})).json()
    await ask(client, {**RESET, "wait_s": 0})
    params = {"limit": 2, "cursor": page["next_cursor"]}
    rest = (await client.get(URL, params=params)).json()
    seen = [item["command_id"] for item in page["items"] + rest["items"]]
    assert seen == asked[::-1]


async def test_a_caller_who_hangs_up_leaves_nothing_behind(api: Api, pod: PodPlayer) -> None:
    async with http_client(base_url=api.url, headers=api.client.headers) as caller:
        asking = asyncio.create_task(ask(caller, RESET))
        request = await pod.next_command()
        assert len(api.services.outcomes) == 1
        asking.cancel()
        await asyncio.wait([asking])
    await eventually(_waiting(api), lambda count: count == 0)
    # The command itself is under way and goes on.
    await pod.take(request)
    await pod.finish(request)
    record = await api.client.get(f"/v1/commands/{request.command_id}")
    assert record.json()["state"] == "accepted"


async def test_when_too_many_wait_the_next_one_is_answered_202_at_once(
    make_settings: MakeSettings, pod: PodPlayer
) -> None:
    async with running(make_settings(command_max_waiting=1)) as api:
        first = asyncio.create_task(ask(api.client, RESET))
        request = await pod.next_command()
        assert (await ask(api.client, RESET)).status_code == 202
        await pod.take(request)
        await pod.finish(request)
        assert (await first).status_code == 200


async def test_at_the_end_those_who_wait_are_answered_202(api: Api, pod: PodPlayer) -> None:
    asking = asyncio.create_task(ask(api.client, RESET))
    await pod.next_command()
    api.stop.set()
    assert (await asking).status_code == 202


async def test_how_long_callers_waited_is_measured_by_type_and_state(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    name = "voltaro_control_command_wait_seconds_count"
    labels = {"type": "ClearCache", "state": ACCEPTED.state.value}
    before = REGISTRY.get_sample_value(name, labels) or 0
    asking = asyncio.create_task(ask(client, {"type": "ClearCache"}))
    await pod.answer()
    await asking
    assert REGISTRY.get_sample_value(name, labels) == before + 1


async def _subscribed(api: Api) -> None:
    await eventually(_subscription(api), lambda listening: listening)


def _subscription(api: Api) -> Any:
    async def look() -> bool:
        return api.services.outcomes.listening

    return look


def _waiting(api: Api) -> Any:
    async def look() -> int:
        return len(api.services.outcomes)

    return look
