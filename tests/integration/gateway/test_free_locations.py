"""At a location that is free for all everybody charges, and nobody is billed or has to look."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from control.access.changes import AuthorizationChanges
from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from shared.bus.authorization import ChangePublisher
from shared.bus.client import open_redis
from shared.domain.access.decisions import DecisionFilter
from shared.domain.access.locations import LocationAuthorization
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.sessions import Session
from shared.settings import ServiceSettings
from shared.store.access import decisions, id_tokens, locations
from shared.store.pool import Database
from shared.store.sessions import sessions
from shared.store.stations import stations
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.authorization_api import authorization_api
from tests.support.eventually import eventually
from tests.support.ocpp16 import authorize
from tests.support.ocpp201 import booted_station, tell
from tests.support.stations import StationClient, register, station_client

FREE, REQUIRED = LocationAuthorization.FREE, LocationAuthorization.REQUIRED
NOW = datetime.now(UTC).replace(microsecond=0)


def worker(database_url: str) -> WorkerSettings:
    return WorkerSettings(database_url=database_url, redis_url="")


async def stand_at_a_free_location(db: Database) -> None:
    await register(db)
    await locations.create(
        db,
        location_id="lake",
        name=None,
        allowed_id_tokens=["SOMEBODY"],
        allowed_group_id_tokens=[],
        authorization=FREE,
    )
    await db.execute("UPDATE locations SET free_since = now() - interval '1 day'")
    await stations.update(db, "CP-1", {"location_id": "lake"})


async def charge(
    station: StationClient, id_tag: str, *, at: datetime = NOW - timedelta(hours=2)
) -> str:
    """Charge 5 kWh for an hour; return what the start was answered."""
    began = await station.call(
        "StartTransaction",
        {"connectorId": 1, "idTag": id_tag, "meterStart": 0, "timestamp": at.isoformat()},
    )
    end = {
        "transactionId": began[2]["transactionId"],
        "meterStop": 5000,
        "timestamp": (at + timedelta(hours=1)).isoformat(),
    }
    await station.call("StopTransaction", end)
    return str(began[2]["idTagInfo"]["status"])


async def settled(db: Database, database_url: str) -> Session:
    await settle_due(db, worker(database_url))
    (record,) = await db.fetch("SELECT session_id::text FROM sessions")
    return await sessions.get(db, record["session_id"])


@pytest.mark.parametrize("id_tag", ["NOBODY", "BLOCKED"])
async def test_every_token_is_accepted_and_nobody_is_billed_by_it(
    db: Database, gateway: Pod, database_url: str, id_tag: str
) -> None:
    await stand_at_a_free_location(db)
    await id_tokens.create(
        db,
        id_token="BLOCKED",
        type=IdTokenType.ISO14443,
        status=AuthorizationStatus.BLOCKED,
        expires_at=None,
        group_id_token=None,
    )
    async with station_client(gateway.url) as station:
        await station.boot()
        assert (await authorize(station, id_tag))["status"] == "Accepted"
        assert await charge(station, id_tag) == "Accepted"
    session = await settled(db, database_url)
    assert (session.at_free_location, session.id_token, session.energy_wh) == (True, id_tag, 5000)
    assert (session.needs_review, session.review_reasons, session.billable) == (False, (), True)
    bill = await db.fetchrow("SELECT bill_id_token, bill_energy_wh FROM sessions")
    assert tuple(bill) == (None, 5000)
    await settle_due(db, worker(database_url))
    assert not (await sessions.get(db, session.session_id)).needs_review


def event(kind: str, seq_no: int, at: datetime, register_wh: int, **more: Any) -> dict[str, Any]:
    context = {"Started": "Transaction.Begin", "Ended": "Transaction.End"}
    return {
        "eventType": kind,
        "timestamp": at.isoformat(),
        "triggerReason": "CablePluggedIn",
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": "TX-1"},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [
            {
                "timestamp": at.isoformat(),
                "sampledValue": [
                    {"value": register_wh, "context": context.get(kind, "Sample.Periodic")}
                ],
            }
        ],
        **more,
    }


def plugged_in(at: datetime) -> list[dict[str, Any]]:
    """A charge that begins as a car is plugged in, and no token is shown at all."""
    return [
        event("Started", 0, at, 0),
        event("Updated", 1, at + timedelta(minutes=30), 2500),
        event("Ended", 2, at + timedelta(hours=1), 5000),
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
async def test_a_charge_without_any_token_waits_for_nobody(
    db: Database, gateway: Pod, database_url: str, order: tuple[int, ...]
) -> None:
    await stand_at_a_free_location(db)
    told = plugged_in(NOW - timedelta(hours=2))
    async with booted_station(gateway.url) as station:
        for n in order:
            await tell(station, "TransactionEvent", told[n])
    session = await settled(db, database_url)
    assert (session.at_free_location, session.id_token, session.authorization_status) == (
        True,
        None,
        "Accepted",
    )
    assert (session.review_reasons, session.billable) == ((), True)


async def test_where_authorization_is_required_such_a_charge_is_for_a_person(
    db: Database, gateway: Pod, database_url: str
) -> None:
    await register(db)
    async with booted_station(gateway.url) as station:
        for each in plugged_in(NOW - timedelta(hours=2)):
            await tell(station, "TransactionEvent", each)
    session = await settled(db, database_url)
    assert (session.at_free_location, session.billable) == (False, False)
    assert session.review_reasons == ("no_token",)


@pytest.mark.parametrize(
    ("hours_ago", "status", "free"), [(5, "Accepted", True), (2, "Invalid", False)]
)
async def test_what_is_told_late_is_judged_by_when_it_began(
    db: Database, gateway: Pod, database_url: str, *, hours_ago: int, status: str, free: bool
) -> None:
    await stand_at_a_free_location(db)
    await locations.update(db, "lake", {"authorization": REQUIRED})
    await db.execute("UPDATE locations SET free_until = now() - interval '3 hours'")
    async with station_client(gateway.url) as station:
        await station.boot()
        assert await charge(station, "NOBODY", at=NOW - timedelta(hours=hours_ago)) == status
    session = await settled(db, database_url)
    assert (session.at_free_location, session.needs_review) == (free, not free)


async def test_a_change_is_heard_at_once_and_explained(
    db: Database, start_pod: StartPod, redis_url: str
) -> None:
    await stand_at_a_free_location(db)
    async with (
        start_pod(authorizations_interval_s=0.05) as pod,
        station_client(pod.url) as station,
        open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as redis,
    ):
        changes = AuthorizationChanges(ChangePublisher(redis, tombstone_s=20))
        await station.boot()
        assert (await authorize(station, "NOBODY"))["status"] == "Accepted"
        await locations.update(db, "lake", {"authorization": REQUIRED})
        await changes.rules_changed()
        await eventually(
            lambda: authorize(station, "NOBODY"), lambda answer: answer["status"] == "Invalid"
        )
        kept = await eventually(
            lambda: decisions.list_before(
                db, DecisionFilter(), before=None, limit=100, timeout_s=5
            ),
            lambda entries: len(entries) >= 2,
        )
    assert (kept[-1].reason, kept[-1].source) == ("free_location", "rule")
    assert kept[-1].explanation == "location lake is free for all: no token is looked at"


async def test_an_external_api_is_not_asked_there(db: Database, start_pod: StartPod) -> None:
    await stand_at_a_free_location(db)
    async with (
        authorization_api() as api,
        start_pod(authorization_url=api.url) as pod,
        station_client(pod.url) as station,
    ):
        api.answer("Blocked")
        await station.boot()
        assert (await authorize(station, "NOBODY"))["status"] == "Accepted"
        assert api.asked == []
