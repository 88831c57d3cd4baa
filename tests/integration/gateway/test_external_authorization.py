"""An operator's own API decides who may charge; whatever it does, stations get their answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from prometheus_client import REGISTRY

from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.authorization_api import AuthorizationApi, authorization_api
from tests.support.ocpp16 import authorize, start
from tests.support.ocpp201 import booted_station, tell
from tests.support.stations import StationClient, register, station_client


@pytest.fixture
async def api() -> AsyncIterator[AuthorizationApi]:
    async with authorization_api() as served:
        yield served


def start_asking_pod(
    start_pod: StartPod, api: AuthorizationApi, **settings: Any
) -> AbstractAsyncContextManager[Pod]:
    return start_pod(
        **{
            "authorization_url": api.url,
            "authorization_bearer_token": "a-secret-of-the-operator",
            "authorization_timeout_s": 0.3,
            **settings,
        }
    )


@pytest.fixture
async def station(
    db: Database, start_pod: StartPod, api: AuthorizationApi
) -> AsyncIterator[StationClient]:
    await register(db)
    async with (
        start_asking_pod(start_pod, api) as pod,
        station_client(pod.url) as client,
    ):
        await client.boot()
        yield client


def asked(outcome: str) -> float:
    name = "voltaro_authorization_external_seconds_count"
    return REGISTRY.get_sample_value(name, {"outcome": outcome}) or 0.0


async def test_the_api_is_told_what_there_is_to_know_and_decides(
    station: StationClient, api: AuthorizationApi
) -> None:
    api.answer("Accepted", expires_at="2100-01-01T00:00:00+01:00", group_id_token="FLEET-7")
    assert await authorize(station, "TAG") == {
        "status": "Accepted",
        "expiryDate": "2099-12-31T23:00:00.000Z",
        "parentIdTag": "FLEET-7",
    }
    api.answer("NoCredit", remark="members that we do not know are none of our business")
    assert (await start(station, "TAG"))[0] == "Blocked"
    assert api.asked == [
        {
            "station_id": "CP-1",
            "id_token": "TAG",
            "id_token_type": None,
            "purpose": "authorize",
            "evse_id": None,
            "started_at": None,
            "transaction_id": None,
        },
        {
            "station_id": "CP-1",
            "id_token": "TAG",
            "id_token_type": None,
            "purpose": "start",
            "evse_id": 1,
            "started_at": "2026-01-02T12:00:00.000Z",
            "transaction_id": None,
        },
    ]
    assert api.headers["authorization"] == "Bearer a-secret-of-the-operator"


async def test_2_0_1_tells_the_type_and_hears_every_word(
    db: Database, start_pod: StartPod, api: AuthorizationApi
) -> None:
    await register(db)
    api.answer("NoCredit")
    async with (
        start_asking_pod(start_pod, api) as pod,
        booted_station(pod.url) as station,
    ):
        answer = await tell(station, "Authorize", {"idToken": {"idToken": "T", "type": "eMAID"}})
    assert answer["idTokenInfo"]["status"] == "NoCredit"
    assert api.asked[0]["id_token_type"] == "eMAID"


async def test_an_answer_whose_time_is_over_is_expired(
    station: StationClient, api: AuthorizationApi
) -> None:
    api.answer("Accepted", expires_at="2020-01-01T00:00:00Z")
    assert (await authorize(station, "TAG"))["status"] == "Expired"


FAILURES = {
    "a fault of the server": {"status": 500, "body": b'{"status": "Accepted"}'},
    "no token of that name": {"status": 404, "body": b""},
    "somewhere else": {"status": 302, "body": b""},
    "no JSON": {"body": b"Accepted"},
    "another word": {"body": b'{"status": "Perhaps"}'},
    "a time without a zone": {"body": b'{"status": "Accepted", "expires_at": "2030-01-01T00:00"}'},
    "too much": {"body": b'{"status": "Accepted", "x": "' + b"x" * 100_000 + b'"}'},
    "nothing in time": {"delay_s": 2.0},
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
async def test_what_is_no_decision_leaves_it_to_the_policy(
    station: StationClient, api: AuthorizationApi, failure: dict[str, Any]
) -> None:
    assert (await authorize(station, "KNOWN"))["status"] == "Accepted"
    for name, value in failure.items():
        setattr(api, name, value)
    async with asyncio.timeout(1.5):
        assert (await authorize(station, "KNOWN"))["status"] == "Accepted"  # its last answer
        assert (await authorize(station, "STRANGER"))["status"] == "Invalid"
    assert len(api.asked) == 3


@pytest.mark.parametrize(("policy", "status"), [("deny", "Invalid"), ("accept", "Accepted")])
async def test_a_policy_is_for_everybody(
    db: Database, start_pod: StartPod, api: AuthorizationApi, policy: str, status: str
) -> None:
    await register(db)
    async with (
        start_asking_pod(start_pod, api, authorization_failure_policy=policy) as pod,
        station_client(pod.url) as station,
    ):
        await station.boot()
        api.answer("Blocked" if policy == "accept" else "Accepted")
        await authorize(station, "TAG")
        api.status = 503
        assert (await authorize(station, "TAG"))["status"] == status


async def test_an_answer_about_the_moment_does_not_stand_in_for_another(
    station: StationClient, api: AuthorizationApi
) -> None:
    await authorize(station, "TAG")
    api.answer("NotAtThisTime")
    assert (await authorize(station, "TAG"))["status"] == "Blocked"
    api.status = 503
    assert (await authorize(station, "TAG"))["status"] == "Accepted"


async def test_an_api_that_keeps_failing_is_left_alone_for_a_while(
    db: Database, start_pod: StartPod, api: AuthorizationApi
) -> None:
    await register(db)
    async with (
        start_asking_pod(start_pod, api, authorization_retry_interval_s=0.5) as pod,
        station_client(pod.url) as station,
    ):
        await station.boot()
        api.status = 500
        not_asked = asked("not_asked")
        for _ in range(20):
            assert (await authorize(station, "TAG"))["status"] == "Invalid"
        assert len(api.asked) == 5
        assert asked("not_asked") == not_asked + 15
        await asyncio.sleep(0.5)
        await authorize(station, "TAG")
        assert len(api.asked) == 6  # one tries, and fails, so the next has to wait again
        await authorize(station, "TAG")
        assert len(api.asked) == 6
        api.answer("Accepted")
        await asyncio.sleep(0.5)
        for _ in range(3):
            assert (await authorize(station, "TAG"))["status"] == "Accepted"
        assert len(api.asked) == 9


async def test_so_many_requests_are_made_at_the_same_time_and_no_more(
    db: Database, start_pod: StartPod, api: AuthorizationApi
) -> None:
    api.delay_s = 0.05
    station_ids = [f"CP-{n}" for n in range(8)]
    async with start_asking_pod(
        start_pod, api, authorization_max_requests=2, authorization_timeout_s=5
    ) as pod:

        async def ask(station_id: str) -> str:
            await register(db, station_id)
            async with station_client(pod.url, station_id) as station:
                await station.boot()
                return str((await authorize(station, "TAG"))["status"])

        assert await asyncio.gather(*map(ask, station_ids)) == ["Accepted"] * 8
    assert api.most_in_work <= 2


async def test_an_api_that_is_not_there_is_no_reason_to_wait(
    db: Database, start_pod: StartPod, api: AuthorizationApi
) -> None:
    await register(db)
    async with (
        start_asking_pod(start_pod, api, authorization_url="http://127.0.0.1:9/decide") as pod,
        station_client(pod.url) as station,
    ):
        await station.boot()
        status, transaction_id = await start(station, "TAG")
    assert status == "Invalid"
    assert transaction_id > 0  # the charge is kept, whoever may have started it
