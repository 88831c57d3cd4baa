"""What becomes of a session once the worker has worked it out, row by row of what stations do."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.errors import ConflictError
from shared.domain.sessions import HistoryKind, Session, SessionFilter
from shared.domain.sessions.dead_letters import DeadLetterStatus
from shared.store.access import id_tokens
from shared.store.pool import Database
from shared.store.sessions import dead_letters, letter_delivery, reviews, sessions, settling
from shared.store.sessions import history as session_history
from tests.integration.gateway.conftest import Pod
from tests.support.ocpp201 import booted_station, tell
from tests.support.stations import StationClient, register, station_client

BEGIN = datetime(2026, 1, 2, 3, tzinfo=UTC)
_NOW = {
    "session_next_start_grace_s": 0,
    "session_rebooted_grace_s": 0,
    "session_available_grace_s": 0,
}

Settle = Callable[..., Awaitable[None]]


def at(minute: float) -> str:
    return (BEGIN + timedelta(minutes=minute)).isoformat()


def start_payload(**changes: Any) -> dict[str, Any]:
    return {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": at(0), **changes}


def values(transaction_id: int | None, *shown: tuple[float, Any], **words: Any) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "connectorId": 1,
        "meterValue": [
            {"timestamp": at(minute), "sampledValue": [{"value": str(value), **words}]}
            for minute, value in shown
        ],
    }
    return payload if transaction_id is None else {**payload, "transactionId": transaction_id}


def stop_payload(transaction_id: int, **changes: Any) -> dict[str, Any]:
    return {"transactionId": transaction_id, "meterStop": 3000, "timestamp": at(60), **changes}


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    for name, status in (("TAG", "Accepted"), ("BLOCKED", "Blocked")):
        await id_tokens.create(
            db,
            id_token=name,
            type=IdTokenType.ISO14443,
            status=AuthorizationStatus(status),
            expires_at=None,
            group_id_token=None,
        )
    async with station_client(gateway.url) as client:
        await client.boot()
        yield client


@pytest.fixture
def worker(database_url: str, redis_url: str) -> WorkerSettings:
    return WorkerSettings(database_url=database_url, redis_url=redis_url)


@pytest.fixture
def settle(db: Database, worker: WorkerSettings) -> Settle:
    async def run(**settings: Any) -> None:
        await db.execute("UPDATE sessions SET settle_at = now() WHERE settle_at IS NOT NULL")
        await settle_due(db, worker.model_copy(update=settings))

    return run


async def start(station: StationClient, **changes: Any) -> int:
    return int((await tell(station, "StartTransaction", start_payload(**changes)))["transactionId"])


async def stop(station: StationClient, transaction_id: int, **changes: Any) -> None:
    await tell(station, "StopTransaction", stop_payload(transaction_id, **changes))


async def the_session(db: Database) -> Session:
    (session,) = await sessions.list_before(db, before=None, limit=10)
    return session


async def history(db: Database, session: Session) -> list[HistoryKind]:
    entries = await session_history.list_after(db, session.session_id, after=None, limit=50)
    return [entry.kind for entry in entries]


async def test_an_honest_session_may_be_billed(
    db: Database, station: StationClient, settle: Settle
) -> None:
    transaction_id = await start(station)
    await tell(station, "MeterValues", values(transaction_id, (20, 1800), (40, 2600)))
    await settle()
    assert not (await the_session(db)).billable
    await stop(station, transaction_id)
    assert not (await the_session(db)).billable  # not before it has been worked out
    await settle()
    session = await the_session(db)
    assert (session.energy_wh, session.energy_method) == (2000, "registers")
    assert (session.ended_by, session.review_reasons) == ("station", ())
    assert session.billable
    assert await history(db, session) == []


async def test_a_session_that_goes_on_although_its_token_was_refused_is_not_billed(
    db: Database, station: StationClient, settle: Settle
) -> None:
    answer = await tell(station, "StartTransaction", start_payload(idTag="BLOCKED"))
    assert answer["transactionId"] > 0
    assert answer["idTagInfo"]["status"] == "Blocked"
    await stop(station, answer["transactionId"])
    await settle()
    session = await the_session(db)
    assert (session.energy_wh, session.billable) == (2000, False)
    assert session.review_reasons == ("token_refused",)


async def test_of_two_different_ends_the_first_stands_and_both_can_be_seen(
    db: Database, station: StationClient, settle: Settle
) -> None:
    transaction_id = await start(station)
    for meter_stop in (3000, 3000, 2500):
        await stop(station, transaction_id, meterStop=meter_stop)
    await settle()
    session = await the_session(db)
    assert (session.meter_stop_wh, session.energy_wh) == (3000, 2000)
    assert session.review_reasons == ("ends_differ",)
    ends = await reviews.list_ends(db, session.session_id)
    assert [(end.meter_stop_wh, end.stands) for end in ends] == [(3000, True), (2500, False)]


async def stop_untimed(station: StationClient, transaction_id: int, **changes: Any) -> None:
    payload = stop_payload(transaction_id, **changes)
    del payload["timestamp"]
    await tell(station, "StopTransaction", payload)


async def test_an_end_without_a_time_that_is_told_again_is_the_same(
    db: Database, station: StationClient, settle: Settle
) -> None:
    transaction_id = await start(station, timestamp=datetime.now(UTC).isoformat())
    for _ in range(2):
        await stop_untimed(station, transaction_id, meterStop=1000)
    await settle()
    session = await the_session(db)
    assert (session.review_reasons, session.billable) == ((), True)
    assert len(await reviews.list_ends(db, session.session_id)) == 1
    for changes in ({"meterStop": 1001}, {"meterStop": 1000, "reason": "Remote"}):
        await stop_untimed(station, transaction_id, **changes)
    ends = await reviews.list_ends(db, session.session_id)
    assert [end.stands for end in ends] == [True, False, False]
    await settle()
    assert (await the_session(db)).review_reasons == ("ends_differ",)


async def test_an_end_without_a_time_and_transaction_that_is_told_again_is_one_letter(
    db: Database, station: StationClient
) -> None:
    for _ in range(2):
        await stop_untimed(station, 0, idTag="TAG")
    await stop_untimed(station, 0, idTag="FRIEND")
    assert len(await dead_letters.list_before(db, before=None, limit=10)) == 2
    await db.execute("UPDATE dead_letters SET received_at = now() - interval '1 hour'")
    await stop_untimed(station, 0, idTag="TAG")
    assert len(await dead_letters.list_before(db, before=None, limit=10)) == 3


@pytest.mark.parametrize("told", [-1, 0, 424_242])
async def test_an_end_without_its_transaction_goes_to_the_one_session_that_is_meant(
    db: Database, station: StationClient, settle: Settle, told: int
) -> None:
    await start(station)
    await tell(station, "MeterValues", values(told, (20, 1800)))
    await stop(station, told, idTag="tag")
    await settle()
    session = await the_session(db)
    assert (session.ended_by, session.energy_wh) == ("matched", 2000)
    assert session.billable
    assert HistoryKind.END_MATCHED in await history(db, session)
    (letter,) = await dead_letters.list_before(db, before=None, limit=10)
    assert (letter.status, letter.session_id) == ("matched", session.session_id)
    listed = await sessions.list_meter_values_after(db, session, after=None, limit=10)
    assert [value.transaction_id for _, value in listed] == [str(told)]


async def test_the_real_end_replaces_one_that_was_only_matched(
    db: Database, station: StationClient, settle: Settle
) -> None:
    transaction_id = await start(station)
    await stop(station, -1, idTag="TAG", meterStop=2000)
    await settle()
    await stop(station, transaction_id)
    await settle()
    session = await the_session(db)
    assert (session.ended_by, session.energy_wh) == ("station", 2000)
    # It could be billed with 1000 Wh.
    assert session.review_reasons == ("changed_after_settlement",)
    (letter,) = await dead_letters.list_before(db, before=None, limit=10)
    assert (letter.status, letter.session_id) == ("open", None)


async def test_an_end_that_two_sessions_may_mean_waits_for_an_operator(
    db: Database, station: StationClient, settle: Settle
) -> None:
    await start(station)
    await start(station, connectorId=2, timestamp=at(1))
    await stop(station, -1, idTag="TAG")
    await settle()
    assert (
        await sessions.list_before(db, before=None, limit=9, found=SessionFilter(active=False))
        == []
    )
    (letter,) = await dead_letters.list_before(
        db, before=None, limit=10, status=DeadLetterStatus.OPEN
    )
    assert letter.transaction_end is not None
    assert letter.transaction_end.meter_stop_wh == 3000
    second, first = await sessions.list_before(db, before=None, limit=10)
    await letter_delivery.assign(
        db, letter.dead_letter_id, session_id=first.session_id, decided_by="test", note="seen"
    )
    await settle()
    first = await sessions.get(db, first.session_id)
    assert (first.ended_by, first.energy_wh, first.billable) == ("operator", 2000, True)
    assert (await sessions.get(db, second.session_id)).ended_at is None
    with pytest.raises(ConflictError, match="assigned already"):
        await dead_letters.dismiss(db, letter.dead_letter_id, decided_by="test", note=None)


async def test_an_end_of_another_token_is_not_matched(
    db: Database, station: StationClient, settle: Settle
) -> None:
    await start(station)
    await stop(station, -1, idTag="OTHER")
    await stop(station, -1, timestamp=at(-1))  # and none from before the start
    await settle()
    assert (await the_session(db)).ended_at is None
    assert len(await dead_letters.list_before(db, before=None, limit=10)) == 2


async def test_an_end_without_a_token_is_matched_on_a_station_with_one_evse_only(
    db: Database, station: StationClient, settle: Settle
) -> None:
    await start(station)
    await stop(station, -1)
    await settle()
    assert (await the_session(db)).ended_at is None
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}
    await tell(station, "StatusNotification", status)
    await settle()
    assert (await the_session(db)).ended_by == "matched"


async def test_another_stations_transaction_is_never_touched_nor_a_letter_given_to_it(
    db: Database, gateway: Pod, station: StationClient, settle: Settle
) -> None:
    transaction_id = await start(station)
    await register(db, "CP-2")
    async with station_client(gateway.url, "CP-2") as thief:
        await thief.boot()
        await tell(thief, "MeterValues", values(transaction_id, (10, 9_000_000)))
        await stop(thief, transaction_id, idTag="TAG")
    await settle()
    session = await the_session(db)
    assert (session.ended_at, session.energy_wh, session.needs_review) == (None, None, False)
    (letter,) = await dead_letters.list_before(db, before=None, limit=10)
    assert (letter.station_id, letter.status) == ("CP-2", "open")
    with pytest.raises(ConflictError, match="its own station"):
        await letter_delivery.assign(
            db, letter.dead_letter_id, session_id=session.session_id, decided_by="", note=None
        )


async def test_stray_ends_of_two_stations_do_not_meet(
    db: Database, gateway: Pod, station: StationClient, settle: Settle
) -> None:
    await register(db, "CP-2")
    await start(station)
    async with station_client(gateway.url, "CP-2") as other:
        await other.boot()
        await start(other, idTag="FRIEND")
        await stop(other, -1, idTag="TAG")
        await stop(station, -1, idTag="FRIEND")
    await settle()
    assert (
        await sessions.list_before(db, before=None, limit=9, found=SessionFilter(active=False))
        == []
    )


async def test_an_end_of_1_6_does_not_touch_a_transaction_of_2_0_1(
    db: Database, gateway: Pod, settle: Settle
) -> None:
    await register(db)
    async with booted_station(gateway.url) as upgraded:
        await tell(
            upgraded,
            "TransactionEvent",
            {
                "eventType": "Started", "seqNo": 0, "timestamp": at(0), "triggerReason": "Trigger",
                "transactionInfo": {"transactionId": "7"}, "evse": {"id": 1},
            },
        )  # fmt: skip
    async with station_client(gateway.url) as again:
        await stop(again, 7, idTag="TAG")
    await settle()
    assert (await the_session(db)).ended_at is None
    assert len(await dead_letters.list_before(db, before=None, limit=10)) == 1


@pytest.mark.parametrize(
    ("shown", "stopped", "reason", "energy_wh"),
    [
        ([], {"meterStop": 900}, "meter_stop_below_start", None),
        ([(20, 1500)], {"meterStop": 900}, "meter_stop_below_start", 500),
        ([], {"timestamp": "1970-01-01T00:01:00Z"}, "clock_implausible", 2000),
        ([], {"timestamp": "2099-01-01T00:01:00Z"}, "clock_implausible", 2000),
        ([], {"timestamp": at(-5)}, "ended_before_started", 2000),
        ([(20, 1800), (21, 9_001_000)], {"meterStop": 9_002_000}, "register_jumped", 9_001_000),
        ([(20, 1800), (30, 50), (40, 2000)], {}, "register_decreased", 2000),
        ([(20, 0), (30, 1800)], {}, "placeholder_register", 2000),
        ([(20, 5000)], {}, "register_decreased", 2000),
    ],
    ids=["stop below start", "stop below start, but sampled", "1970", "2099", "backwards", "jump",
         "reset", "placeholder", "more sampled than stopped"],
)  # fmt: skip
async def test_what_cannot_be_is_answered_kept_and_not_billed(
    db: Database,
    station: StationClient,
    settle: Settle,
    shown: list[tuple[float, int]],
    stopped: dict[str, Any],
    reason: str,
    energy_wh: int | None,
) -> None:
    transaction_id = await start(station)
    if shown:
        await tell(station, "MeterValues", values(transaction_id, *shown))
    await stop(station, transaction_id, **stopped)
    await settle()
    session = await the_session(db)
    assert reason in session.review_reasons
    assert not session.billable
    assert session.meter_stop_wh == stopped.get("meterStop", 3000)
    assert session.energy_wh == energy_wh
    assert await history(db, session) == [HistoryKind.NEEDS_REVIEW]


async def test_a_placeholder_at_the_start_is_not_charged_for(
    db: Database, station: StationClient, settle: Settle
) -> None:
    transaction_id = await start(station, meterStart=0)
    await tell(station, "MeterValues", values(transaction_id, (1, 7_000_000), (50, 7_004_000)))
    await stop(station, transaction_id, meterStop=7_004_500)
    await settle()
    session = await the_session(db)
    assert session.review_reasons == ("placeholder_register",)
    assert (session.energy_wh, session.energy_method) == (4000, "sampled_registers")
    assert (session.meter_start_wh, session.meter_stop_wh) == (0, 7_004_500)


@pytest.mark.parametrize(
    ("words", "shown", "method", "energy_wh", "reasons"),
    [
        ({"measurand": "Energy.Active.Import.Interval"}, [(20, 400), (40, 600)], "intervals", 1000,
         ()),
        ({"measurand": "Power.Active.Import", "unit": "kW"}, [(0, 6), (30, 6), (60, 6)], "power",
         6000, ("energy_estimated",)),
    ],
    ids=["intervals", "power"],
)  # fmt: skip
async def test_a_station_without_a_register_is_billed_by_what_it_has(
    db: Database,
    station: StationClient,
    settle: Settle,
    words: dict[str, str],
    shown: list[tuple[float, int]],
    method: str,
    energy_wh: int,
    reasons: tuple[str, ...],
) -> None:
    transaction_id = await start(station, meterStart=0)
    await tell(station, "MeterValues", values(transaction_id, *shown, **words))
    await stop(station, transaction_id, meterStop=0)
    await settle()
    session = await the_session(db)
    assert (session.energy_method, session.energy_wh) == (method, energy_wh)
    assert session.review_reasons == reasons


async def test_registers_per_phase_are_summed_up(
    db: Database, station: StationClient, settle: Settle
) -> None:
    transaction_id = await start(station, meterStart=0)
    for minute, wh in ((0, 100), (60, 400)):
        phases = [{"value": str(wh), "phase": f"L{n}-N"} for n in (1, 2, 3)]
        payload = {**values(transaction_id), "connectorId": 1}
        payload["meterValue"] = [{"timestamp": at(minute), "sampledValue": phases}]
        await tell(station, "MeterValues", payload)
    await stop(station, transaction_id, meterStop=0)
    await settle()
    session = await the_session(db)
    assert (session.energy_method, session.energy_wh) == ("phase_registers", 900)
    assert session.billable


async def test_intervals_that_tell_another_energy_than_the_registers_are_looked_at(
    db: Database, station: StationClient, settle: Settle
) -> None:
    transaction_id = await start(station)
    words = {"measurand": "Energy.Active.Import.Interval"}
    await tell(station, "MeterValues", values(transaction_id, (30, 4000), (59, 4000), **words))
    await stop(station, transaction_id)
    await settle()
    session = await the_session(db)
    assert (session.energy_wh, session.review_reasons) == (2000, ("energy_disagrees",))
    estimates = await reviews.list_estimates(db, session.session_id)
    assert [estimate["method"] for estimate in estimates] == ["registers", "intervals"]


async def test_a_late_meter_value_is_kept_and_reopens_nothing(
    db: Database, station: StationClient, settle: Settle
) -> None:
    transaction_id = await start(station)
    await stop(station, transaction_id)
    await settle()
    await tell(station, "MeterValues", values(transaction_id, (30, 2000), (90, 9000)))
    await settle()
    session = await the_session(db)
    assert (session.energy_wh, session.billable) == (2000, True)
    assert session.ended_at == BEGIN + timedelta(hours=1)
    listed = await sessions.list_meter_values_after(db, session, after=None, limit=10)
    assert len(listed) == 2


async def test_late_meter_values_are_found_although_they_do_not_say_that_they_came(
    db: Database, station: StationClient, settle: Settle
) -> None:
    transaction_id = await start(station)
    await stop(station, transaction_id)
    await settle()
    assert (await the_session(db)).billable
    wait = await db.fetchval("SELECT settle_at - now() FROM sessions")
    assert timedelta(seconds=50) < wait <= timedelta(minutes=1)
    await tell(station, "MeterValues", values(transaction_id, (30, 8000)))
    await settle()
    assert (await the_session(db)).review_reasons == ("register_decreased",)


@pytest.mark.parametrize("last", ["a late value", "the rule"])
async def test_a_session_that_is_over_is_looked_at_again_soon_after_the_last_that_was_new(
    db: Database, station: StationClient, settle: Settle, last: str
) -> None:
    transaction_id = await start(station)
    await db.execute("UPDATE sessions SET created_at = now() - interval '2 days'")
    if last == "the rule":
        await settle(session_quiet_grace_s=0)
    else:
        await stop(station, transaction_id)
        await db.execute("UPDATE transaction_ends SET received_at = now() - interval '1 day'")
        await tell(station, "MeterValues", values(transaction_id, (30, 2000)))
        await settle()
    wait = await db.fetchval("SELECT settle_at - now() FROM sessions")
    assert timedelta(seconds=30) < wait <= timedelta(minutes=1)


@pytest.mark.parametrize("rule", ["next_start", "station_rebooted", "connector_available"])
async def test_an_end_that_was_never_told_is_found_by_its_signs(
    db: Database, station: StationClient, settle: Settle, rule: str
) -> None:
    transaction_id = await start(station)
    await tell(station, "MeterValues", values(transaction_id, (20, 1800)))
    await settle(**_NOW)
    assert (await the_session(db)).ended_at is None
    match rule:
        case "next_start":
            await start(station, timestamp=at(120))
        case "station_rebooted":
            await station.boot()
        case _:
            status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
            await tell(station, "StatusNotification", {**status, "timestamp": at(30)})
    await settle()
    assert (await sessions.list_before(db, before=None, limit=9))[-1].ended_at is None
    await settle(**_NOW)
    session = (await sessions.list_before(db, before=None, limit=9))[-1]
    assert (session.ended_by, session.end_rule) == ("rule", rule)
    assert session.ended_at == BEGIN + timedelta(minutes=20)
    assert (session.energy_wh, session.energy_method) == (800, "sampled_registers")
    assert (session.stopped_reason, session.meter_stop_wh) == (None, None)
    assert session.review_reasons == ("end_missing",)
    assert await history(db, session) == [HistoryKind.CLOSED_BY_RULE, HistoryKind.NEEDS_REVIEW]

    await stop(station, transaction_id, reason="PowerLoss")
    await settle(**_NOW)
    session = await sessions.get(db, session.session_id)
    assert (session.ended_by, session.end_rule, session.stopped_reason) == (
        "station", None, "PowerLoss"
    )  # fmt: skip
    assert (session.energy_wh, session.billable) == (2000, True)
    assert (await history(db, session))[-1] is HistoryKind.RULE_END_REPLACED


async def test_a_start_has_the_session_before_it_looked_at_at_once(
    db: Database, station: StationClient, database_url: str, redis_url: str
) -> None:
    worker = WorkerSettings(database_url=database_url, redis_url=redis_url, **_NOW)
    await start(station)
    await settle_due(db, worker)
    await start(station, timestamp=at(120))
    await settle_due(db, worker)
    after, before = await sessions.list_before(db, before=None, limit=9)
    assert (before.end_rule, after.ended_at) == ("next_start", None)


async def test_a_silent_station_loses_its_sessions_and_gets_them_back_when_it_speaks(
    db: Database, gateway: Pod, settle: Settle
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        transaction_id = await start(station, idTag="TAG")
    await db.execute("UPDATE stations SET online = false, disconnected_at = now()")
    await settle()
    assert (await the_session(db)).ended_at is None
    await settle(session_silent_grace_s=0)
    assert (await the_session(db)).end_rule == "station_silent"
    async with station_client(gateway.url) as station:
        await tell(station, "MeterValues", values(transaction_id, (20, 1800)))
        await settle()
        session = await the_session(db)
        assert (session.ended_at, session.ended_by) == (None, None)
        assert HistoryKind.REOPENED in await history(db, session)


@pytest.mark.parametrize("unknown", [None, -1], ids=["by its id", "by -1"])
async def test_a_session_that_a_rule_closed_is_looked_at_as_soon_as_it_speaks(
    db: Database,
    station: StationClient,
    settle: Settle,
    worker: WorkerSettings,
    unknown: int | None,
) -> None:
    transaction_id = await start(station)
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    await tell(station, "StatusNotification", {**status, "timestamp": at(10)})
    await settle(session_available_grace_s=0)
    assert (await the_session(db)).end_rule == "connector_available"
    await db.execute("UPDATE sessions SET settle_at = now() + interval '22 hours'")
    told = values(unknown or transaction_id, (20, 1800))
    await tell(station, "MeterValues", told)
    assert (await the_session(db)).settled_at is None
    await settle_due(db, worker)
    session = await the_session(db)
    assert (session.ended_at, session.ended_by, session.review_reasons) == (None, None, ())
    assert HistoryKind.REOPENED in await history(db, session)
    # Told again it is no word of it.
    await db.execute("UPDATE sessions SET settle_at = now() + interval '22 hours'")
    await tell(station, "MeterValues", told)
    assert await db.fetchval("SELECT settle_at > now() + interval '1 hour' FROM sessions")


async def test_who_goes_on_or_has_ended_is_not_looked_at_for_every_meter_value(
    db: Database, station: StationClient, settle: Settle
) -> None:
    ended, open_ = await start(station), await start(station, connectorId=2)
    await stop(station, ended)
    await settle()
    await db.execute("UPDATE sessions SET settle_at = now() + interval '22 hours'")
    await tell(station, "MeterValues", values(ended, (20, 1800)))
    await tell(station, "MeterValues", {**values(open_, (20, 1800)), "connectorId": 2})
    await tell(station, "MeterValues", values(None, (30, 1900)))
    await tell(station, "MeterValues", values(-1, (40, 2000)))
    assert await db.fetchval("SELECT min(settle_at) > now() + interval '1 hour' FROM sessions")


async def test_what_a_rule_concluded_stands_when_its_sign_has_gone(
    db: Database, station: StationClient, settle: Settle
) -> None:
    await start(station)
    status = {"connectorId": 1, "errorCode": "NoError", "timestamp": at(30)}
    await tell(station, "StatusNotification", {**status, "status": "Available"})
    await settle(session_available_grace_s=0)
    await tell(station, "StatusNotification", {**status, "status": "Preparing"})
    await settle()
    assert (await the_session(db)).end_rule == "connector_available"


async def test_a_pod_from_before_left_its_end_in_the_session_alone(
    db: Database, station: StationClient, settle: Settle
) -> None:
    transaction_id = await start(station)
    await settle()
    await db.execute(
        "UPDATE sessions SET ended_at = $1, meter_stop_wh = 3000, stopped_reason = 'Local'",
        BEGIN + timedelta(hours=1),
    )
    await settle()
    session = await the_session(db)
    assert (session.ended_by, session.energy_wh, session.billable) == ("station", 2000, True)
    await stop(station, transaction_id)
    await settle()
    assert len(await reviews.list_ends(db, session.session_id)) == 1


async def test_a_settled_session_is_settled_again_to_the_same(
    db: Database, station: StationClient, settle: Settle
) -> None:
    transaction_id = await start(station)
    await stop(station, transaction_id, meterStop=10)
    await settle()
    before = await the_session(db)
    await settle()
    after = await the_session(db)
    assert after.updated_at == before.updated_at
    assert await history(db, after) == [HistoryKind.NEEDS_REVIEW]


async def test_a_claim_of_a_worker_that_died_runs_out_and_a_new_fact_undoes_it(
    db: Database, station: StationClient, settle: Settle, database_url: str, redis_url: str
) -> None:
    transaction_id = await start(station)
    assert len(await settling.claim(db, limit=9, lease_s=60)) == 1
    settings = WorkerSettings(database_url=database_url, redis_url=redis_url)
    assert await settle_due(db, settings) == 0
    await stop(station, transaction_id)
    assert await settle_due(db, settings) == 1
    assert (await the_session(db)).billable
    await settle()


async def test_a_clock_at_either_end_of_the_calendar_costs_no_other_session(
    db: Database, station: StationClient, settle: Settle
) -> None:
    first = await start(station, timestamp="0001-01-01T00:00:00Z")
    last = await start(station, timestamp="9999-12-31T23:59:59Z", connectorId=2)
    await stop(station, first, timestamp="0001-01-01T00:00:00Z")
    await stop(station, last, timestamp="9999-12-31T23:59:59Z")
    honest = await start(station, connectorId=3)
    await stop(station, honest)
    await settle()
    listed = await sessions.list_before(db, before=None, limit=10)
    reasons = {session.transaction_id: session.review_reasons for session in listed}
    assert reasons[str(honest)] == ()
    for odd in (first, last):
        assert "clock_implausible" in reasons[str(odd)]


async def test_of_a_station_that_makes_up_ends_the_newest_thousand_are_looked_at(
    db: Database, station: StationClient, settle: Settle
) -> None:
    await start(station)
    await stop(station, 0, idTag="TAG")
    await db.execute(
        """
        INSERT INTO dead_letters (station_id, kind, reason, fact, fingerprint, transaction_end)
        SELECT station_id, kind, reason, fact, n, transaction_end || '{"id_token": "OTHER"}'
        FROM dead_letters, generate_series(1, 1000) AS n
        """
    )
    await settle()
    assert await db.fetchval("SELECT count(*) FROM dead_letters WHERE status = 'matched'") == 0
    await db.execute("DELETE FROM dead_letters WHERE fingerprint = 1000")
    await settle()
    assert await db.fetchval("SELECT count(*) FROM dead_letters WHERE status = 'matched'") == 1


async def test_a_session_that_cannot_be_worked_out_fails_alone(
    db: Database, station: StationClient, settle: Settle
) -> None:
    broken, honest = await start(station), await start(station, connectorId=2)
    for transaction_id in (broken, honest):
        await stop(station, transaction_id)
    await stop(station, 0, idTag="OTHER")
    await db.execute(
        """
        UPDATE dead_letters SET status = 'assigned', transaction_end = '{}',
            session_id = (SELECT session_id FROM sessions WHERE transaction_id = $1)
        """,
        str(broken),
    )
    await settle()
    listed = await sessions.list_before(db, before=None, limit=10)
    settled = {session.transaction_id: session.settled_at is not None for session in listed}
    assert settled == {str(broken): False, str(honest): True}


async def test_a_session_of_2_0_1_whose_end_never_came_is_closed_and_its_end_replaces_that(
    db: Database, gateway: Pod, settle: Settle
) -> None:
    await register(db)
    info = {"transactionId": "tx-1"}
    words: dict[str, Any] = {"triggerReason": "Trigger", "transactionInfo": info}
    register_value = {"value": 1000.0, "context": "Transaction.Begin"}
    async with booted_station(gateway.url) as station:
        await tell(
            station,
            "TransactionEvent",
            {
                **words, "eventType": "Started", "seqNo": 0, "timestamp": at(0), "evse": {"id": 1},
                "idToken": {"idToken": "", "type": "NoAuthorization"},
                "meterValue": [{"timestamp": at(0), "sampledValue": [register_value]}],
            },
        )  # fmt: skip
        await settle(session_quiet_grace_s=0)
        session = await the_session(db)
        assert (session.end_rule, session.review_reasons) == (
            "session_quiet", ("end_missing",)
        )  # fmt: skip
        await tell(
            station,
            "TransactionEvent",
            {
                **words, "eventType": "Ended", "seqNo": 3, "timestamp": at(60),
                "meterValue": [
                    {"timestamp": at(60),
                     "sampledValue": [{"value": 3000.0, "context": "Transaction.End"}]}
                ],
            },
        )  # fmt: skip
    session = await the_session(db)
    assert (session.ended_at, session.ended_by) == (BEGIN + timedelta(hours=1), "station")
    await settle()
    session = await the_session(db)
    assert (session.energy_wh, session.end_rule) == (Decimal(2000), None)
    assert session.billable
