"""Reservations through the API, to a pod and back."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from control.jobs.settings import WorkerSettings
from control.jobs.sweeps import sweep_jobs
from shared.domain.access.tokens import AuthorizationStatus
from shared.domain.charging.reservations import (
    ReservationAnswered,
    ReservationEnded,
    ReservationRequest,
    ReservationState,
)
from shared.domain.commands import CommandState, Outcome
from shared.domain.sessions import TransactionStarted
from shared.store import facts
from shared.store.charging import reservations
from shared.store.pool import Database, open_database
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import ACCEPTED, PodPlayer, assert_problem, register
from tests.support.eventually import eventually

URL = "/v1/stations/CS-1/reservations"
EXPIRY = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
BODY = {"evse_id": 1, "id_token": "TAG", "expires_at": EXPIRY.isoformat()}
REJECTED = Outcome(state=CommandState.REJECTED, status="Occupied", response={"status": "Occupied"})


@pytest.fixture(autouse=True)
async def station(pod: PodPlayer) -> None:
    await pod.hold("CS-1")


async def answer(db: Database, pod: PodPlayer, outcome: Outcome = ACCEPTED) -> dict[str, Any]:
    """Answer the next command as a gateway would; return its parameters."""
    request = await pod.next_command()
    record = await pod.take(request)
    assert record is not None
    reservation_id = record.params["reservation_id"]
    assert outcome.status is not None
    if record.type == "ReserveNow":
        asked = ReservationRequest(
            expires_at=datetime.fromisoformat(record.params["expiry_date_time"]),
            id_token=record.params["id_token"],
            evse_id=record.params["evse_id"],
        )
        await facts.write(
            db,
            [
                ReservationAnswered(
                    station_id="CS-1",
                    reservation_id=reservation_id,
                    request=asked,
                    status=outcome.status,
                    command_id=record.command_id,
                )
            ],
        )
    else:
        await facts.write(
            db,
            [
                ReservationEnded(
                    station_id="CS-1",
                    reservation_id=reservation_id,
                    state=ReservationState.CANCELLED,
                    status=outcome.status,
                )
            ],
        )
    await pod.finish(request, outcome)
    return record.params


async def reserve(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer, outcome: Outcome = ACCEPTED
) -> httpx.Response:
    asking = asyncio.create_task(client.post(URL, json=BODY))
    await answer(db, pod, outcome)
    return await asking


async def test_a_reservation_is_asked_for_and_is_active(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer
) -> None:
    response = await reserve(client, db, pod)
    assert response.status_code == 200
    reservation = response.json()
    assert (reservation["state"], reservation["status"]) == ("active", "Accepted")
    assert datetime.fromisoformat(reservation["expires_at"]) == EXPIRY
    assert reservation["evse_id"] == 1
    location = response.headers["location"]
    assert location == f"{URL}/{reservation['reservation_id']}"
    assert (await client.get(location)).json() == reservation
    command = (await client.get(f"/v1/commands/{reservation['command_id']}")).json()
    assert (command["type"], command["state"]) == ("ReserveNow", "accepted")


async def test_a_no_of_the_station_is_a_rejected_reservation(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer
) -> None:
    reservation = (await reserve(client, db, pod, REJECTED)).json()
    assert (reservation["state"], reservation["status"]) == ("rejected", "Occupied")


async def test_a_wait_that_ends_first_is_a_202(client: httpx.AsyncClient, pod: PodPlayer) -> None:
    response = await client.post(URL, json={**BODY, "wait_s": 0})
    assert response.status_code == 202
    assert response.json()["state"] == "requested"
    failed = Outcome(state=CommandState.FAILED, error_code="CannotBeSaid")
    await pod.answer(failed)
    reservation = (await client.get(response.headers["location"])).json()
    assert (reservation["state"], reservation["status"]) == ("rejected", "CannotBeSaid")


async def test_an_offline_station_is_told_at_once_and_nothing_is_kept(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-2")
    url = "/v1/stations/CS-2/reservations"
    assert_problem(await client.post(url, json=BODY), 409, "station-offline")
    assert (await client.get(url)).json()["items"] == []
    for method, path in (("POST", ""), ("GET", ""), ("GET", "/1"), ("POST", "/1/cancel")):
        json = BODY if (method, path) == ("POST", "") else None
        response = await client.request(method, f"/v1/stations/NONE/reservations{path}", json=json)
        assert_problem(response, 404, "not-found")


async def test_the_same_key_gives_the_first_reservation_back(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer
) -> None:
    key = {"Idempotency-Key": "once"}
    asking = asyncio.create_task(client.post(URL, json=BODY, headers=key))
    await answer(db, pod)
    first = (await asking).json()
    again = await client.post(URL, json=BODY, headers=key)
    assert again.json() == first
    other = await client.post(URL, json={**BODY, "evse_id": 2}, headers=key)
    problem = assert_problem(other, 409, "conflict")
    assert "for another reservation" in problem["detail"]
    assert len((await client.get(URL)).json()["items"]) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        ({"id_token": ""}, "id_token"),
        ({"evse_id": 0}, "evse_id"),
        ({"reservation_id": 1}, "reservation_id"),
    ],
)
async def test_what_cannot_be_reserved_is_refused(
    client: httpx.AsyncClient, changes: dict[str, Any], field: str
) -> None:
    problem = assert_problem(await client.post(URL, json={**BODY, **changes}), 422, "invalid-input")
    assert [error["field"] for error in problem["errors"]] == [field]


async def test_a_reservation_is_cancelled_once(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer
) -> None:
    url = (await reserve(client, db, pod)).headers["location"]
    asking = asyncio.create_task(client.post(f"{url}/cancel"))
    await answer(db, pod)
    response = await asking
    assert response.status_code == 200
    assert response.json()["state"] == "cancelled"
    problem = assert_problem(await client.post(f"{url}/cancel"), 409, "conflict")
    assert "is over: cancelled" in problem["detail"]


async def test_a_cancellation_that_is_not_waited_for_is_a_202(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer
) -> None:
    url = (await reserve(client, db, pod)).headers["location"]
    response = await client.post(f"{url}/cancel", params={"wait_s": 0})
    assert response.status_code == 202
    assert response.json()["state"] == "active"
    await answer(db, pod)
    assert (await client.get(url)).json()["state"] == "cancelled"
    assert (await client.get(response.headers["location"])).json()["state"] == "accepted"


async def test_the_session_that_used_a_reservation_is_shown_in_both(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer
) -> None:
    reservation = (await reserve(client, db, pod)).json()
    start = TransactionStarted(
        station_id="CS-1",
        evse_id=1,
        connector_id=1,
        ocpp_version="1.6",
        id_token="TAG",
        authorization_status=AuthorizationStatus.ACCEPTED,
        started_at=datetime.now(UTC),
        meter_start_wh=Decimal(0),
        reservation_id=reservation["reservation_id"],
    )
    await facts.write(db, [start])
    (session,) = (await client.get("/v1/sessions")).json()["items"]
    assert session["reservation_id"] == reservation["reservation_id"]
    url = f"{URL}/{reservation['reservation_id']}"
    found = (await client.get(url)).json()
    assert (found["state"], found["session_id"]) == ("used", session["session_id"])


async def test_reservations_are_listed_page_by_page_and_by_state(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer
) -> None:
    ids = [(await reserve(client, db, pod)).json()["reservation_id"] for _ in range(3)]
    refused = (await reserve(client, db, pod, REJECTED)).json()["reservation_id"]
    page = (await client.get(URL, params={"limit": 2})).json()
    seen = [item["reservation_id"] for item in page["items"]]
    page = (await client.get(URL, params={"cursor": page["next_cursor"]})).json()
    seen += [item["reservation_id"] for item in page["items"]]
    assert seen == [refused, *reversed(ids)]
    assert page["next_cursor"] is None
    active = (await client.get(URL, params={"state": "active"})).json()["items"]
    assert [item["reservation_id"] for item in active] == ids[::-1]
    assert_problem(await client.get(URL, params={"cursor": "x"}), 422, "invalid-input")


async def test_the_worker_writes_down_what_has_expired(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer, make_settings: MakeSettings
) -> None:
    await reserve(client, db, pod)
    await db.execute("UPDATE reservations SET expiry_date_time = now()")
    settings = make_settings()
    worker = WorkerSettings(database_url=settings.database_url, redis_url=settings.redis_url)
    jobs = {job.name: job for job in sweep_jobs(db, None, None, worker)}
    assert await jobs["reservations"].run() == 1
    assert await db.fetchval("SELECT state FROM reservations") == "expired"
    assert await jobs["charging_profiles"].run() == 0


async def test_the_worker_does_not_end_a_reservation_that_is_just_being_replaced(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer, make_settings: MakeSettings
) -> None:
    await reserve(client, db, pod)
    await db.execute("UPDATE reservations SET expiry_date_time = now()")
    async with open_database(make_settings()) as workers:
        async with db.acquire() as replacing, replacing.transaction():
            await replacing.execute(
                "UPDATE reservations SET expiry_date_time = $1, updated_at = now()", EXPIRY
            )
            sweeping = asyncio.create_task(reservations.sweep(workers))
            await eventually(
                lambda: db.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                    "AND datname = current_database()"
                ),
                bool,
            )
        assert await sweeping == 0
    assert await db.fetchval("SELECT state FROM reservations") == "active"
