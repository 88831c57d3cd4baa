"""Sessions of OCPP 2.0.1 stay right whatever a station sends twice, late, or wrongly."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.sessions import Session, SessionFilter
from shared.store.access import id_tokens
from shared.store.pool import Database
from shared.store.sessions import reviews, sessions
from shared.store.sessions.transaction_events import Gap, list_gaps
from tests.integration.gateway.conftest import Pod
from tests.support.ocpp201 import booted_station, meter_value, tell
from tests.support.stations import StationClient, register, station_client

TAG = {"idToken": "TAG", "type": "ISO14443"}
EVSE = {"id": 2, "connectorId": 1}
BEGIN, PERIODIC, END = "Transaction.Begin", "Sample.Periodic", "Transaction.End"


def at(minute: int) -> str:
    return f"2026-01-02T03:{minute:02}:00Z"


def register_value(minute: int, value: float, context: str = PERIODIC) -> dict[str, Any]:
    return meter_value(value, timestamp=at(minute), context=context)


def event(
    type_: str, seq_no: int, *, transaction_id: str = "tx-1", trigger: str = "Trigger", **more: Any
) -> dict[str, Any]:
    info = {"transactionId": transaction_id, **more.pop("info", {})}
    return {
        "eventType": type_,
        "timestamp": at(seq_no),
        "triggerReason": trigger,
        "seqNo": seq_no,
        "transactionInfo": info,
        **more,
    }


STARTED = event(
    "Started", 0, trigger="Authorized", idToken=TAG, evse=EVSE, reservationId=9,
    meterValue=[register_value(0, 1000, BEGIN)],
)  # fmt: skip
UPDATED = event("Updated", 1, meterValue=[register_value(1, 1200)])
ENDED = event(
    "Ended", 2, trigger="StopAuthorized", idToken=TAG, info={"stoppedReason": "EVDisconnected"},
    meterValue=[register_value(2, 1500, END)],
)  # fmt: skip


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
    async with booted_station(gateway.url) as client:
        yield client


async def tell_all(station: StationClient, *events: dict[str, Any]) -> None:
    for payload in events:
        await tell(station, "TransactionEvent", payload)


async def the_session(db: Database) -> Session:
    (session,) = await sessions.list_before(db, before=None, limit=10)
    return session


async def test_a_whole_charge(db: Database, station: StationClient) -> None:
    accepted = {"idTokenInfo": {"status": "Accepted"}}
    assert await tell(station, "TransactionEvent", STARTED) == accepted
    assert await tell(station, "TransactionEvent", UPDATED) == {}
    going_on = await the_session(db)
    assert (going_on.energy_wh, going_on.meter_stop_wh, going_on.ended_at) == (200, None, None)
    assert await tell(station, "TransactionEvent", ENDED) == accepted
    session = await the_session(db)
    assert (session.transaction_id, session.ocpp_version) == ("tx-1", "2.0.1")
    assert (session.evse_id, session.connector_id, session.reservation_id) == (2, 1, 9)
    assert (session.id_token, session.authorization_status) == ("TAG", "Accepted")
    assert (session.meter_start_wh, session.meter_stop_wh, session.energy_wh) == (1000, 1500, 500)
    assert session.stopped_reason == "EVDisconnected"
    assert await db.fetchval("SELECT end_id_token FROM sessions") == "TAG"
    values = await sessions.list_meter_values_after(db, session, after=None, limit=10)
    assert [value.energy_wh for _, value in values] == [1000, 1200, 1500]


async def test_an_event_is_kept_word_for_word(db: Database, station: StationClient) -> None:
    payload = event(
        "Started", 7, trigger="RemoteStart", offline=True, numberOfPhasesUsed=3,
        cableMaxCurrent=32, idToken=TAG, evse={"id": 2},
        info={"chargingState": "EVConnected", "timeSpentCharging": 4, "remoteStartId": 5},
    )  # fmt: skip
    await tell_all(station, payload)
    row = await db.fetchrow(
        """
        SELECT seq_no, event_type, trigger_reason, offline, number_of_phases_used,
               cable_max_current_a, id_token, id_token_type, authorization_status, evse_id,
               connector_id, charging_state, time_spent_charging_s, remote_start_id
        FROM transaction_events
        """
    )
    assert tuple(row) == (
        7, "Started", "RemoteStart", True, 3, 32, "TAG", "ISO14443", "Accepted", 2, None,
        "EVConnected", 4, 5,
    )  # fmt: skip


@pytest.mark.parametrize(
    "events",
    [
        [STARTED, STARTED, UPDATED, UPDATED, ENDED, ENDED],
        [ENDED, STARTED, UPDATED],
        [UPDATED, ENDED, STARTED],
        [ENDED, UPDATED, STARTED, {**UPDATED, "offline": True}],
    ],
    ids=["each twice", "the end first", "the start last", "told again as offline"],
)
async def test_order_and_repetition_change_nothing(
    db: Database, station: StationClient, events: list[dict[str, Any]]
) -> None:
    await tell_all(station, *events)
    session = await the_session(db)
    assert (session.evse_id, session.connector_id, session.id_token) == (2, 1, "TAG")
    assert (session.meter_start_wh, session.meter_stop_wh) == (1000, 1500)
    assert session.started_at is not None
    assert session.ended_at is not None
    assert await db.fetchval("SELECT count(*) FROM transaction_events") == 3
    assert await db.fetch("SELECT DISTINCT evse_id FROM meter_values") == [(2,)]
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 3
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_a_late_update_does_not_reopen_what_has_ended(
    db: Database, station: StationClient
) -> None:
    await tell_all(station, STARTED, ENDED, UPDATED)
    session = await the_session(db)
    assert session.ended_at is not None
    assert session.meter_stop_wh == 1500
    assert (
        await sessions.list_before(db, before=None, limit=10, found=SessionFilter(active=True))
        == []
    )


async def test_what_has_not_come_is_unknown_and_not_made_up(
    db: Database, station: StationClient
) -> None:
    await tell_all(station, event("Ended", 5, meterValue=[register_value(5, 1500, END)]))
    session = await the_session(db)
    assert (session.evse_id, session.connector_id, session.id_token) == (None, None, None)
    assert (session.started_at, session.meter_start_wh, session.energy_wh) == (None, None, None)
    assert (session.meter_stop_wh, session.stopped_reason) == (1500, "Local")
    values = await sessions.list_meter_values_after(db, session, after=None, limit=10)
    assert [value.evse_id for _, value in values] == [0]


async def test_an_evse_that_is_told_later_gets_the_values_from_before(
    db: Database, station: StationClient
) -> None:
    early = [register_value(1, 1000), meter_value(230, timestamp=at(1), measurand="Voltage")]
    await tell_all(
        station,
        event("Started", 0, trigger="Authorized", idToken=TAG),
        event("Updated", 1, meterValue=early),
        event("Updated", 1, transaction_id="tx-2", meterValue=[register_value(1, 7)]),
    )
    await tell(station, "MeterValues", {"evseId": 0, "meterValue": [register_value(1, 99)]})
    assert await db.fetch("SELECT DISTINCT evse_id FROM meter_values") == [(0,)]
    await tell_all(station, event("Updated", 2, trigger="CablePluggedIn", evse=EVSE))
    await tell_all(station, event("Updated", 1, meterValue=early))
    rows = await db.fetch(
        "SELECT transaction_id, evse_id, count(*) FROM meter_values GROUP BY 1, 2 ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("tx-1", 2, 2), ("tx-2", 0, 1), (None, 0, 1)]


async def test_registers_stand_in_for_those_of_start_and_end(
    db: Database, station: StationClient
) -> None:
    await tell_all(
        station,
        event("Started", 0),
        event("Updated", 1, meterValue=[register_value(1, 1100)]),
        event("Updated", 3, meterValue=[register_value(3, 1300)]),
        event("Ended", 4),
        event("Updated", 2, meterValue=[register_value(2, 1200)]),
    )
    session = await the_session(db)
    assert (session.meter_start_wh, session.meter_stop_wh) == (1100, 1300)


async def test_start_and_end_among_the_values_of_the_end_are_found(
    db: Database, station: StationClient
) -> None:
    values = [
        register_value(9, 1500, END),
        register_value(0, 1000, BEGIN),
        register_value(5, 1250),
    ]
    await tell_all(station, event("Updated", 1, meterValue=[register_value(1, 1100)]))
    await tell_all(station, event("Ended", 9, meterValue=values))
    session = await the_session(db)
    assert (session.meter_start_wh, session.meter_stop_wh) == (1000, 1500)


async def test_a_begin_alone_says_nothing_of_the_energy(
    db: Database, station: StationClient
) -> None:
    await tell_all(station, STARTED, event("Ended", 2))
    session = await the_session(db)
    assert (session.meter_start_wh, session.meter_stop_wh, session.energy_wh) == (1000, None, None)


async def test_the_token_that_starts_is_told_from_the_one_that_stops(
    db: Database, station: StationClient
) -> None:
    other = {"idToken": "FRIEND", "type": "ISO14443"}
    await tell_all(station, event("Ended", 3, trigger="StopAuthorized", idToken=other))
    await tell_all(station, event("Updated", 2, trigger="Authorized", idToken=other))
    await tell_all(station, event("Updated", 1, trigger="Authorized", idToken=TAG))
    row = await db.fetchrow("SELECT id_token, authorization_status, end_id_token FROM sessions")
    assert tuple(row) == ("TAG", "Accepted", "FRIEND")


async def test_a_refused_token_is_told_so_and_its_event_is_kept(
    db: Database, station: StationClient
) -> None:
    nobody = {"idToken": "NOBODY", "type": "ISO14443"}
    answer = await tell(station, "TransactionEvent", {**STARTED, "idToken": nobody})
    assert answer == {"idTokenInfo": {"status": "Invalid"}}
    session = await the_session(db)
    assert (session.id_token, session.authorization_status) == ("NOBODY", "Invalid")


async def test_a_start_button_needs_no_token(db: Database, station: StationClient) -> None:
    nothing = {"idToken": "", "type": "NoAuthorization"}
    answer = await tell(station, "TransactionEvent", {**STARTED, "idToken": nothing})
    assert answer == {"idTokenInfo": {"status": "Accepted"}}
    session = await the_session(db)
    assert (session.id_token, session.authorization_status) == (None, "Accepted")


async def test_events_that_share_a_number_are_all_kept_and_merged(
    db: Database, station: StationClient
) -> None:
    told = [STARTED, {**UPDATED, "seqNo": 0}, {**ENDED, "seqNo": 0}]
    await tell_all(station, *told, *told)
    session = await the_session(db)
    assert (session.meter_start_wh, session.meter_stop_wh) == (1000, 1500)
    kept = await db.fetch("SELECT event_type FROM all_transaction_events ORDER BY occurred_at")
    assert [row["event_type"] for row in kept] == ["Started", "Updated", "Ended"]
    (end,) = await reviews.list_ends(db, session.session_id)
    assert (end.ended_at, end.stands) == (session.ended_at, True)
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_gaps_can_be_seen(db: Database, station: StationClient) -> None:
    for seq_no in (2**31 - 1, 4, 5, 9, 7):
        await tell_all(station, {**event("Updated", 0), "seqNo": seq_no})
    assert await list_gaps(db, station_id="CP-1", transaction_id="tx-1") == [
        Gap(6, 6),
        Gap(8, 8),
        Gap(10, 2**31 - 2),
    ]
    assert await list_gaps(db, station_id="CP-1", transaction_id="tx-2") == []


async def test_two_stations_may_make_the_same_transaction_id(
    db: Database, gateway: Pod, station: StationClient
) -> None:
    await register(db, "CP-2")
    await tell_all(station, STARTED)
    async with booted_station(gateway.url, "CP-2") as other:
        await tell_all(other, ENDED)
    rows = await db.fetch("SELECT station_id, ended_at FROM sessions ORDER BY station_id")
    assert [(row["station_id"], row["ended_at"] is None) for row in rows] == [
        ("CP-1", True),
        ("CP-2", False),
    ]


async def test_a_transaction_of_1_6_is_not_touched_by_an_event_with_its_id(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    start = {"connectorId": 1, "idTag": "TAG", "meterStart": 1, "timestamp": at(0)}
    async with station_client(gateway.url) as before:
        await before.boot()
        transaction_id = (await tell(before, "StartTransaction", start))["transactionId"]
    async with booted_station(gateway.url) as after_its_upgrade:
        ended = event("Ended", 2, transaction_id=str(transaction_id))
        await tell_all(after_its_upgrade, ended, STARTED)
    rows = await db.fetch("SELECT transaction_id, ended_at FROM sessions ORDER BY 1")
    assert [(row["transaction_id"], row["ended_at"] is None) for row in rows] == [
        (str(transaction_id), True),
        (f"{transaction_id} #2.0.1", False),
        ("tx-1", True),
    ]
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_an_event_that_postgres_refuses_fails_alone(
    db: Database, station: StationClient
) -> None:
    await db.execute("ALTER TABLE transaction_events ADD CHECK (seq_no <> 1)")
    await tell_all(station, STARTED, UPDATED, ENDED)
    assert (await the_session(db)).energy_wh == Decimal(500)
    assert await db.fetchval("SELECT kind FROM dead_letters") == "TransactionEventReported"


def _with_fractions(value: Any) -> Any:
    """Return JSON with every integer as 1.0 has it."""
    if isinstance(value, dict):
        return {name: _with_fractions(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_fractions(each) for each in value]
    return float(value) if type(value) is int else value


async def test_a_charge_whose_integers_have_fractions_is_kept(
    db: Database, station: StationClient
) -> None:
    """As some encoders write every number: 1.0 for 1."""
    kilo = {"unit": "KWH", "multiplier": 0}
    samples = [
        meter_value(value, timestamp=at(minute), context=context, unitOfMeasure=kilo)
        for minute, value, context in ((0, "1.000", BEGIN), (2, "1.500", END))
    ]
    await tell_all(
        station,
        _with_fractions({**STARTED, "meterValue": samples[:1]}),
        _with_fractions({**UPDATED, "numberOfPhasesUsed": 3, "cableMaxCurrent": 32}),
        _with_fractions({**ENDED, "meterValue": samples[1:]}),
    )
    session = await the_session(db)
    assert (session.evse_id, session.connector_id, session.reservation_id) == (2, 1, 9)
    assert session.ended_at is not None
    rows = await db.fetch("SELECT samples FROM meter_values ORDER BY sampled_at")
    assert [
        (sample["value"], sample["unit"], sample.get("multiplier", 0))
        for row in rows
        for sample in row["samples"]
    ] == [("1.000", "kWh", 0), ("1200.0", "Wh", 0), ("1.500", "kWh", 0)]


async def test_a_number_beyond_all_measure_costs_its_sample_alone(
    db: Database, station: StationClient
) -> None:
    await tell_all(station, STARTED)
    event = {**UPDATED, "meterValue": [register_value(1, 1200), meter_value(0, timestamp=at(1))]}
    frame = json.dumps([2, "m", "TransactionEvent", event]).replace('"value": 0', '"value": 1e400')
    await station.send(frame)
    assert (await station.receive())[:2] == [3, "m"]
    rows = await db.fetch("SELECT energy_wh FROM meter_values ORDER BY sampled_at")
    assert [row["energy_wh"] for row in rows] == [1000, 1200]
