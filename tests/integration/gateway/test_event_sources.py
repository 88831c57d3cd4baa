"""What stations do is told: each thing once, with what the catalogue says of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.charging.reservations import ReservationAnswered, ReservationRequest
from shared.domain.commands import CommandState, Outcome, Reset
from shared.domain.notices.catalogue import CATALOGUE
from shared.domain.notices.events import Event, EventFilter, EventType
from shared.domain.stations.quirks import QuirkKind, QuirkSighting
from shared.domain.stations.stations import UnknownStation
from shared.domain.trust.certificates import CertificateSigningRequested, CertificateSigningUse
from shared.domain.upkeep.firmware import FirmwareStatusReported
from shared.domain.upkeep.logs import LogStatusReported
from shared.store import facts, pods, quirk_sightings
from shared.store.access import id_tokens
from shared.store.charging import reservations
from shared.store.commands import commands
from shared.store.migrate import migrate
from shared.store.notices import events, numbering
from shared.store.pool import Database
from shared.store.sessions import sessions
from shared.store.stations import unknown_stations
from tests.integration.gateway.conftest import Pod
from tests.support.eventually import eventually
from tests.support.former_schema import make_former
from tests.support.ocpp201 import booted_station
from tests.support.ocpp201 import tell as tell_201
from tests.support.stations import StationClient, register, station_client

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Teller:
    """Numbers what waits, and gives what is new."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._after = 0

    async def new(self, *types: EventType) -> list[Event]:
        """Return what was told since the last time, and must be as the catalogue says."""
        while await numbering.number(self._db, limit=100) is not None:
            pass
        told = await events.read_events(
            self._db, after=self._after, limit=1000, filter=EventFilter()
        )
        for event in told:
            self._after = event.number
            assert set(event.data) == set(CATALOGUE[EventType(event.type)].data)
            assert event.organization_id == "default"
        return [event for event in told if not types or event.type in types]


@pytest.fixture
def teller(db: Database) -> Teller:
    return Teller(db)


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    await id_tokens.create(
        db,
        id_token="TAG",
        type=IdTokenType.ISO14443,
        status=AuthorizationStatus.ACCEPTED,
        expires_at=None,
        group_id_token=None,
    )
    async with station_client(gateway.url) as client:
        await client.boot()
        yield client


def only(told: list[Event]) -> Event:
    (event,) = told
    return event


async def test_who_comes_and_goes_and_boots(db: Database, gateway: Pod, teller: Teller) -> None:
    await db.execute("INSERT INTO locations (location_id) VALUES ('L-1')")
    await register(db)
    await db.execute("UPDATE stations SET location_id = 'L-1'")
    async with station_client(gateway.url) as client:
        await client.boot()
        online, booted = await teller.new()
        assert (online.type, booted.type) == (EventType.STATION_ONLINE, EventType.STATION_BOOTED)
        assert (online.station_id, online.location_id) == ("CP-1", "L-1")
        assert online.data["ocpp_version"] == "1.6"
        assert booted.data["vendor"] == "Vendor"
        # Another connection takes its place: it has not been away.
        async with station_client(gateway.url) as second:
            await second.boot()
            assert [event.type for event in await teller.new()] == [EventType.STATION_BOOTED]
    offline = only(await eventually(teller.new, bool))
    assert offline.type == EventType.STATION_OFFLINE
    assert offline.data["reason"]
    assert await teller.new() == []


async def test_stations_of_a_dead_pod_are_told_offline(
    db: Database, station: StationClient, teller: Teller
) -> None:
    await teller.new()
    await db.execute("UPDATE pods SET lease_expires_at = now() - interval '1 second'")
    await pods.sweep_dead(db)
    offline = only(await teller.new())
    assert (offline.type, offline.data["reason"]) == (EventType.STATION_OFFLINE, "pod_died")
    assert station.websocket is not None


async def status(
    station: StationClient, word: str, connector: int = 1, code: str = "NoError", **words: Any
) -> None:
    payload = {"connectorId": connector, "status": word, "errorCode": code, **words}
    assert (await station.call("StatusNotification", payload))[0] == 3


async def test_a_status_is_told_when_it_changes(station: StationClient, teller: Teller) -> None:
    await teller.new()
    for word in ("Available", "Available", "Charging"):
        await status(station, word, timestamp="2026-01-02T03:04:05Z")
    first, second = await teller.new()
    assert first.data["status"] == "Available"
    assert second.data == {
        "evse_id": 1,
        "connector_id": 1,
        "status": "Occupied",
        "reported_status": "Charging",
        "error_code": "NoError",
        "reported_at": "2026-01-02T03:04:05.000000Z",
    }
    await status(station, "Faulted", code="GroundFailure", info="RCD", vendorErrorCode="E-17")
    changed, faulted = await teller.new()
    assert (changed.type, faulted.type) == (
        EventType.CONNECTOR_STATUS_CHANGED,
        EventType.STATION_FAULTED,
    )
    assert faulted.data["info"] == "RCD"
    assert faulted.data["vendor_error_code"] == "E-17"
    await status(station, "Faulted", code="GroundFailure")
    assert await teller.new() == []


async def test_a_session_is_told_from_its_start_to_its_bill(
    db: Database, station: StationClient, teller: Teller, database_url: str, redis_url: str
) -> None:
    worker = WorkerSettings(database_url=database_url, redis_url=redis_url)
    await teller.new()
    begun = datetime.now(UTC) - timedelta(hours=1)
    answer = await station.call(
        "StartTransaction",
        {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": begun.isoformat()},
    )
    transaction_id = answer[2]["transactionId"]
    assert await teller.new() == []  # the gateway tells nothing: a message costs no more
    await settle_due(db, worker)
    started = only(await teller.new())
    assert started.type == EventType.SESSION_STARTED
    assert started.data["id_token"] == "TAG"
    assert started.data["meter_start_wh"] == 1000
    assert started.data["transaction_id"] == str(transaction_id)
    await db.execute("UPDATE sessions SET settle_at = now()")
    await settle_due(db, worker)
    assert await teller.new() == []
    stop = {
        "transactionId": transaction_id,
        "meterStop": 3000,
        "timestamp": (begun + timedelta(minutes=30)).isoformat(),
    }
    await station.call("StopTransaction", stop)
    await settle_due(db, worker)
    ended = only(await teller.new())
    assert ended.type == EventType.SESSION_ENDED
    assert (ended.data["energy_wh"], ended.data["billable"]) == (2000, True)
    assert ended.data["ended_by"] == "station"
    await station.call("StopTransaction", stop)
    await db.execute("UPDATE sessions SET settle_at = now()")
    await settle_due(db, worker)
    assert await teller.new() == []
    # Another value of what was billed: a person has to look, and decides.
    values = {
        "connectorId": 1,
        "transactionId": transaction_id,
        "meterValue": [
            {
                "timestamp": (begun + timedelta(minutes=10)).isoformat(),
                "sampledValue": [{"value": "100"}],
            }
        ],
    }
    await station.call("MeterValues", values)
    await db.execute("UPDATE sessions SET settle_at = now()")
    await settle_due(db, worker)
    anew, review = await teller.new()
    assert (anew.type, review.type) == (
        EventType.SESSION_SETTLED_ANEW,
        EventType.SESSION_NEEDS_REVIEW,
    )
    assert anew.data["needs_review"]
    assert not anew.data["billable"]
    assert "register_decreased" in review.data["reasons"]
    session = await sessions.get(db, ended.data["session_id"])
    assert session.needs_review


async def test_a_session_that_was_over_before_anybody_looked_is_told_whole(
    db: Database, station: StationClient, teller: Teller, database_url: str, redis_url: str
) -> None:
    worker = WorkerSettings(database_url=database_url, redis_url=redis_url)
    await teller.new()
    begun = datetime.now(UTC) - timedelta(hours=1)
    answer = await station.call(
        "StartTransaction",
        {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": begun.isoformat()},
    )
    stop = {"meterStop": 500, "timestamp": (begun + timedelta(minutes=30)).isoformat()}
    await station.call("StopTransaction", {"transactionId": answer[2]["transactionId"], **stop})
    await settle_due(db, worker)
    assert [event.type for event in await teller.new()] == [
        EventType.SESSION_STARTED,
        EventType.SESSION_ENDED,
    ]


async def test_a_session_of_before_is_not_told_to_have_begun(
    db: Database, station: StationClient, teller: Teller, database_url: str, redis_url: str
) -> None:
    worker = WorkerSettings(database_url=database_url, redis_url=redis_url)
    begun = datetime.now(UTC)
    await station.call(
        "StartTransaction",
        {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": begun.isoformat()},
    )
    await db.execute("UPDATE sessions SET told_as = 0")  # as the migration leaves it
    await settle_due(db, worker)
    assert await teller.new(EventType.SESSION_STARTED, EventType.SESSION_ENDED) == []


async def test_a_transaction_of_ocpp_2_0_1_is_told_as_well(
    db: Database, gateway: Pod, teller: Teller, database_url: str, redis_url: str
) -> None:
    worker = WorkerSettings(database_url=database_url, redis_url=redis_url)
    await register(db)
    async with booted_station(gateway.url) as station:
        told: dict[str, Any] = {
            "eventType": "Started",
            "timestamp": NOW.isoformat(),
            "triggerReason": "CablePluggedIn",
            "seqNo": 0,
            "transactionInfo": {"transactionId": "T-1"},
            "evse": {"id": 1, "connectorId": 1},
        }
        await tell_201(station, "TransactionEvent", told)
        await settle_due(db, worker)
        started = only(await teller.new(EventType.SESSION_STARTED, EventType.SESSION_ENDED))
        assert started.data["transaction_id"] == "T-1"


@pytest.mark.parametrize("outcome", [CommandState.ACCEPTED, CommandState.FAILED])
async def test_a_command_is_told_when_it_has_ended(
    db: Database, teller: Teller, outcome: CommandState
) -> None:
    await register(db)
    record, _ = await commands.create(db, station_id="CP-1", command=Reset(), timeout_s=60)
    await db.execute("UPDATE commands SET state = 'sent', sent_at = now()")
    assert await teller.new() == []
    assert await commands.finish(db, record.command_id, Outcome(state=outcome, status="Accepted"))
    assert not await commands.finish(db, record.command_id, Outcome(state=CommandState.REJECTED))
    ended = only(await teller.new())
    assert ended.type == EventType.COMMAND_ENDED
    assert ended.data["command_id"] == record.command_id
    assert ended.data["state"] == outcome


async def test_progress_of_firmware_and_logs_is_told_step_by_step(
    db: Database, teller: Teller
) -> None:
    await register(db)
    for kind, action in (
        (FirmwareStatusReported, "UpdateFirmware"),
        (LogStatusReported, "GetDiagnostics"),
    ):
        for word, second in (("Downloading", 0), ("Downloading", 0), ("Downloaded", 1)):
            at = NOW + timedelta(seconds=second)
            fact = kind(station_id="CP-1", request_id=7, action=action, status=word, reported_at=at)
            await facts.write(db, [fact])
        assert [event.data["status"] for event in await teller.new()] == [
            "Downloading",
            "Downloaded",
        ]


async def test_a_signing_request_is_told_at_each_state(db: Database, teller: Teller) -> None:
    await register(db)
    fact = CertificateSigningRequested(
        station_id="CP-1",
        certificate_type=CertificateSigningUse.CHARGING_STATION,
        csr="CSR",
        common_name="CP-1",
        subject="CN=CP-1",
        key_type="EC",
        refusal=None,
        requested_at=NOW,
    )
    await facts.write(db, [fact])
    assert only(await teller.new()).data["state"] == "pending"
    await facts.write(db, [fact])
    assert await teller.new() == []
    await db.execute(
        "UPDATE certificate_signing_requests SET state = 'signed', serial_number = '5F', not_after"
        " = now()"
    )
    signed = only(await teller.new())
    assert (signed.type, signed.data["state"]) == (EventType.CERTIFICATE_PROGRESSED, "signed")
    assert signed.data["serial_number"] == "5F"


async def test_a_security_event_is_told_once(station: StationClient, teller: Teller) -> None:
    await teller.new()
    told = {"type": "FirmwareUpdated", "timestamp": NOW.isoformat(), "techInfo": "2.4"}
    for _ in range(2):
        await station.call("SecurityEventNotification", told)
    event = only(await teller.new())
    assert event.data["type"] == "FirmwareUpdated"
    assert event.data["tech_info"] == "2.4"


async def test_a_quirk_is_told_when_it_is_seen_first(db: Database, teller: Teller) -> None:
    await register(db)
    sighting = QuirkSighting(
        station_id="CP-1",
        ocpp_version="1.6",
        action="MeterValues",
        kind=next(iter(QuirkKind)),
        member="connectorId",
        example="{}",
        count=1,
        first_seen_at=NOW,
        last_seen_at=NOW,
    )
    for _ in range(2):
        await quirk_sightings.add(db, [sighting], max_per_station=10)
    quirk = only(await teller.new())
    assert (quirk.type, quirk.station_id) == (EventType.QUIRK_FIRST_SEEN, "CP-1")


async def test_a_reservation_is_told_when_something_becomes_of_it(
    db: Database, teller: Teller
) -> None:
    await register(db)
    request = ReservationRequest(
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        id_token="TAG",
        id_token_type=None,
        group_id_token=None,
        evse_id=1,
        connector_type=None,
    )
    number, _ = await reservations.create(db, station_id="CP-1", request=request)
    assert await teller.new() == []
    answer = ReservationAnswered(
        station_id="CP-1",
        reservation_id=number,
        request=request,
        status="Accepted",
        command_id=str(uuid4()),
    )
    for _ in range(2):
        await facts.write(db, [answer])
    assert only(await teller.new()).data["state"] == "active"
    await db.execute("UPDATE reservations SET expiry_date_time = now() - interval '1 s'")
    await teller.new()
    await reservations.sweep(db)
    assert only(await teller.new()).data["state"] == "expired"


def came(station_id: str, attempts: int = 1) -> UnknownStation:
    return UnknownStation(
        station_id=station_id,
        address="192.0.2.1",
        user_agent=None,
        subprotocols=("ocpp1.6",),
        first_seen_at=NOW,
        last_seen_at=NOW,
        attempts=attempts,
    )


async def test_who_is_unknown_is_told_when_it_comes_again(db: Database, teller: Teller) -> None:
    await unknown_stations.add(db, [came("once"), came("twice")], keep=100)
    assert await teller.new() == []
    await unknown_stations.add(db, [came("twice"), came("thrice", 3)], keep=100)
    assert {event.station_id for event in await teller.new()} == {"twice", "thrice"}
    await unknown_stations.add(db, [came("twice"), came("thrice")], keep=100)
    assert await teller.new() == []


async def test_ids_that_somebody_makes_up_do_not_fill_the_events(
    db: Database, teller: Teller
) -> None:
    for batch in range(3):
        seen = [came(f"X-{batch}-{number}", 2) for number in range(150)]
        await unknown_stations.add(db, seen, keep=1000)
    assert len(await teller.new()) == 200
    await unknown_stations.add(db, [came("late", 2)], keep=1000)
    assert await teller.new() == []


# What every message about a charge is written to.
OF_EVERY_MESSAGE = (
    *("meter_values", "sessions", "transaction_events", "transaction_events_of_same_number"),
    *("transaction_ends", "authorizations", "ocpp_log"),
)


async def test_no_message_about_a_charge_meets_a_trigger_of_events(db: Database) -> None:
    tables = {
        row["name"]
        for row in await db.fetch(
            "SELECT tgrelid::regclass::text AS name FROM pg_trigger "
            "WHERE starts_with(tgname, 'tell_of_')"
        )
    }
    assert "connector_status_changes" in tables
    assert not tables & set(OF_EVERY_MESSAGE)


async def test_sessions_of_before_the_migration_count_as_told(empty_database_url: str) -> None:
    await make_former(empty_database_url, "0035")
    connection = await asyncpg.connect(empty_database_url)
    begin = """
        INSERT INTO sessions (station_id, evse_id, transaction_id, transaction_id_issuer,
                              ocpp_version)
        VALUES ('CP-1', $1, 'T-' || $1::integer, 'csms', '1.6')
    """
    await connection.execute(begin, 1)
    await migrate(empty_database_url, connect_timeout_s=5)
    await connection.execute(begin, 2)
    rows = await connection.fetch("SELECT told_as FROM sessions ORDER BY evse_id")
    assert [row["told_as"] for row in rows] == [0, None]
    await connection.close()
