"""Reservations through a pod: answered, cancelled, used, given up."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.bus.client import open_redis
from shared.domain import commands
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.charging.reservations import Reservation, ReservationRequest, ReservationState
from shared.settings import ServiceSettings
from shared.store.access import id_tokens
from shared.store.charging import reservations
from shared.store.pool import Database
from shared.store.sessions import sessions
from tests.integration.gateway.conftest import Pod
from tests.support.asking import ask, outcome
from tests.support.ocpp201 import NOW, booted_station, tell
from tests.support.stations import StationClient, register, station_client

EXPIRY = datetime(2099, 1, 1, tzinfo=UTC)
TEXT = "2099-01-01T00:00:00Z"
ID = 17


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with station_client(gateway.url) as client:
        await client.boot()
        yield client


@pytest.fixture
async def station_201(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with booted_station(gateway.url) as client:
        yield client


async def answered(
    db: Database, redis: Redis, station: StationClient, command: commands.Command, status: str
) -> Any:
    """Ask, answer as the station, and return the request's payload."""
    command_id = await ask(db, redis, command)
    frame = await station.receive()
    await station.send([3, command_id, {"status": status}])
    await outcome(db, command_id)
    return frame[3]


def reserving(**words: Any) -> commands.ReserveNow:
    return commands.ReserveNow(
        **{"reservation_id": ID, "expiry_date_time": TEXT, "id_token": "TAG", "evse_id": 1, **words}
    )


async def kept(db: Database, reservation_id: int = ID) -> Reservation:
    return await reservations.get(db, station_id="CP-1", reservation_id=reservation_id)


async def requested(db: Database, **words: Any) -> int:
    request = ReservationRequest(**{"expires_at": EXPIRY, "id_token": "TAG", **words})
    reservation_id, new = await reservations.create(db, station_id="CP-1", request=request)
    assert new
    return reservation_id


async def test_a_reservation_in_words_of_1_6(
    db: Database, redis: Redis, station: StationClient
) -> None:
    payload = await answered(
        db, redis, station, reserving(group_id_token="FLEET", evse_id=None), "Accepted"
    )
    assert payload == {
        "connectorId": 0,
        "expiryDate": "2099-01-01T00:00:00.000Z",
        "idTag": "TAG",
        "parentIdTag": "FLEET",
        "reservationId": ID,
    }
    found = await kept(db)
    assert (found.state, found.status) == (ReservationState.ACTIVE, "Accepted")
    assert found.request == ReservationRequest(
        expires_at=EXPIRY, id_token="TAG", group_id_token="FLEET"
    )


async def test_a_reservation_in_words_of_2_0_1(
    db: Database, redis: Redis, station_201: StationClient
) -> None:
    await id_tokens.create(
        db,
        id_token="DE-ABC-C12345678-9",
        type=IdTokenType.EMAID,
        status=AuthorizationStatus.ACCEPTED,
        expires_at=None,
        group_id_token=None,
    )
    command = reserving(
        id_token="DE-ABC-C12345678-9", group_id_token="FLEET", connector_type="cCCS2"
    )
    assert await answered(db, redis, station_201, command, "Accepted") == {
        "id": ID,
        "expiryDateTime": "2099-01-01T00:00:00.000Z",
        "idToken": {"idToken": "DE-ABC-C12345678-9", "type": "eMAID"},
        "groupIdToken": {"idToken": "FLEET", "type": "Central"},
        "connectorType": "cCCS2",
        "evseId": 1,
    }
    assert (await kept(db)).request == ReservationRequest(
        expires_at=EXPIRY,
        id_token="DE-ABC-C12345678-9",
        id_token_type=IdTokenType.EMAID,
        group_id_token="FLEET",
        connector_type="cCCS2",
        evse_id=1,
    )


@pytest.mark.parametrize("status", ["Faulted", "Occupied", "Rejected", "Unavailable"])
async def test_a_no_is_kept_with_the_stations_word(
    db: Database, redis: Redis, station: StationClient, status: str
) -> None:
    reservation_id = await requested(db)
    await answered(db, redis, station, reserving(reservation_id=reservation_id), status)
    found = await kept(db, reservation_id)
    assert (found.state, found.status) == (ReservationState.REJECTED, status)


async def test_a_refused_replacement_leaves_the_reservation_as_it_is(
    db: Database, redis: Redis, station: StationClient
) -> None:
    await answered(db, redis, station, reserving(), "Accepted")
    await answered(db, redis, station, reserving(id_token="OTHER"), "Occupied")
    found = await kept(db)
    assert (found.state, found.request.id_token) == (ReservationState.ACTIVE, "TAG")
    await answered(db, redis, station, reserving(id_token="OTHER"), "Accepted")
    assert (await kept(db)).request.id_token == "OTHER"  # §5.13: the same id replaces


async def test_an_operators_own_calls_are_followed_too(
    db: Database, redis: Redis, station: StationClient
) -> None:
    payload = {"connectorId": 2, "expiryDate": TEXT, "idTag": "TAG", "reservationId": -5}
    call = commands.Call(action="ReserveNow", payload=payload)
    await answered(db, redis, station, call, "Accepted")
    assert (await kept(db, -5)).request.evse_id == 2
    call = commands.Call(action="CancelReservation", payload={"reservationId": -5})
    await answered(db, redis, station, call, "Accepted")
    assert (await kept(db, -5)).state is ReservationState.CANCELLED


@pytest.mark.parametrize(
    ("status", "state"),
    [("Accepted", ReservationState.CANCELLED), ("Rejected", ReservationState.REMOVED)],
)
async def test_a_reservation_is_cancelled(
    db: Database, redis: Redis, station: StationClient, status: str, state: ReservationState
) -> None:
    await answered(db, redis, station, reserving(), "Accepted")
    command = commands.CancelReservation(reservation_id=ID)
    assert await answered(db, redis, station, command, status) == {"reservationId": ID}
    found = await kept(db)
    assert (found.state, found.status) == (state, status)


async def test_a_session_that_carries_the_reservation_has_used_it(
    db: Database, redis: Redis, station: StationClient
) -> None:
    await answered(db, redis, station, reserving(), "Accepted")
    await start(station)
    (session,) = await sessions.list_before(db, before=None, limit=2)
    assert session.reservation_id == ID
    found = await kept(db)
    assert (found.state, found.session_id) == (ReservationState.USED, session.session_id)
    (listed,) = await reservations.list_before(
        db, station_id="CP-1", before=None, limit=2, state=ReservationState.USED
    )
    assert listed == found
    assert await reservations.sweep(db) == 1
    assert await reservations.sweep(db) == 0
    assert await db.fetchval("SELECT state FROM reservations") == "used"
    assert (await kept(db)).session_id == session.session_id


async def test_a_session_told_late_shows_that_a_reservation_was_used_all_the_same(
    db: Database, redis: Redis, station: StationClient
) -> None:
    await answered(db, redis, station, reserving(), "Accepted")
    await db.execute("UPDATE reservations SET expiry_date_time = now() - interval '1 hour'")
    assert await reservations.sweep(db) == 1
    assert (await kept(db)).state is ReservationState.EXPIRED
    await start(station)
    assert (await kept(db)).state is ReservationState.USED


async def test_an_earlier_session_with_the_same_id_has_not_used_it(
    db: Database, redis: Redis, station: StationClient
) -> None:
    await start(station)
    await answered(db, redis, station, reserving(), "Accepted")
    found = await kept(db)
    assert (found.state, found.session_id) == (ReservationState.ACTIVE, None)


async def test_a_session_of_2_0_1_uses_its_reservation(
    db: Database, redis: Redis, station_201: StationClient
) -> None:
    await answered(db, redis, station_201, reserving(), "Accepted")
    event = {
        "eventType": "Started",
        "timestamp": NOW,
        "triggerReason": "Authorized",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "tx-1"},
        "reservationId": ID,
    }
    await tell(station_201, "TransactionEvent", event)
    found = await kept(db)
    assert found.state is ReservationState.USED
    assert found.session_id is not None
    # What the station says afterwards does not undo that.
    await status_update(station_201, "Removed")
    assert (await kept(db)).state is ReservationState.USED


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Expired", ReservationState.EXPIRED),
        ("Removed", ReservationState.REMOVED),
        ("NoTransaction", ReservationState.REMOVED),  # a word of 2.1
    ],
)
async def test_a_station_of_2_0_1_tells_that_a_reservation_is_over(
    db: Database, redis: Redis, station_201: StationClient, status: str, state: ReservationState
) -> None:
    await answered(db, redis, station_201, reserving(), "Accepted")
    assert await status_update(station_201, status) == {}
    found = await kept(db)
    assert (found.state, found.status) == (state, status)
    assert await status_update(station_201, status, reservation_id=99) == {}  # of none we know


@pytest.mark.parametrize(
    ("reserved", "connector_id", "status", "state"),
    [
        (1, 1, "Faulted", ReservationState.REMOVED),
        (1, 0, "Unavailable", ReservationState.REMOVED),
        (None, 0, "Unavailable", ReservationState.REMOVED),
        (1, 2, "Faulted", ReservationState.ACTIVE),
        (None, 1, "Faulted", ReservationState.ACTIVE),
        (1, 1, "Reserved", ReservationState.ACTIVE),
    ],
)
async def test_a_station_of_1_6_ends_reservations_by_its_status(
    db: Database,
    redis: Redis,
    station: StationClient,
    reserved: int | None,
    connector_id: int,
    status: str,
    state: ReservationState,
) -> None:
    # §5.13; an old status, told late, ends nothing.
    await answered(db, redis, station, reserving(evse_id=reserved), "Accepted")
    told = {"connectorId": connector_id, "errorCode": "NoError", "status": status}
    await tell(station, "StatusNotification", {**told, "timestamp": "2020-01-01T00:00:00Z"})
    assert (await kept(db)).state is ReservationState.ACTIVE
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    await tell(station, "StatusNotification", {**told, "timestamp": now})
    found = await kept(db)
    assert found.state is state
    if state is ReservationState.REMOVED:
        assert found.status == status


async def test_a_reservation_expires_by_itself(
    db: Database, redis: Redis, station: StationClient
) -> None:
    await answered(db, redis, station, reserving(), "Accepted")
    await db.execute("UPDATE reservations SET expiry_date_time = now()")
    assert (await kept(db)).state is ReservationState.EXPIRED
    assert await reservations.sweep(db) == 1
    assert await db.fetchval("SELECT state FROM reservations") == "expired"


async def test_a_reservation_whose_command_failed_is_rejected(
    db: Database, redis: Redis, station: StationClient
) -> None:
    reservation_id = await requested(db)
    command_id = await ask(db, redis, reserving(reservation_id=reservation_id))
    await reservations.attach_command(
        db, station_id="CP-1", reservation_id=reservation_id, command_id=command_id
    )
    assert (await kept(db, reservation_id)).state is ReservationState.REQUESTED
    await station.receive()
    await station.send([4, command_id, "NotSupported", "no reservations here", {}])
    await outcome(db, command_id)
    found = await kept(db, reservation_id)
    assert (found.state, found.status) == (ReservationState.REJECTED, "NotSupported")
    assert await reservations.sweep(db) == 1
    assert await kept(db, reservation_id) == Reservation(
        **{
            **{name: getattr(found, name) for name in Reservation.__dataclass_fields__},
            "updated_at": (await kept(db, reservation_id)).updated_at,
        }
    )


async def test_ids_are_unique_per_station_beside_those_of_operators(
    db: Database, redis: Redis, station: StationClient
) -> None:
    first = await requested(db)
    taken = reserving(reservation_id=first + 1)
    await answered(db, redis, station, taken, "Accepted")
    assert await requested(db) == first + 2


async def start(station: StationClient) -> None:
    started = {
        "connectorId": 1,
        "idTag": "TAG",
        "meterStart": 0,
        "timestamp": (datetime.now(UTC) - timedelta(hours=2)).isoformat(),
        "reservationId": ID,
    }
    await tell(station, "StartTransaction", started)


async def status_update(station: StationClient, status: str, reservation_id: int = ID) -> Any:
    update = {"reservationId": reservation_id, "reservationUpdateStatus": status}
    return await tell(station, "ReservationStatusUpdate", update)
