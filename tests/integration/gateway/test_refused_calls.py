"""What is said of a transaction and refused is kept before it is answered, and bounded."""

import asyncio
import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from shared.domain.sessions.dead_letters import CallRefused
from shared.store import facts
from shared.store.pool import Database
from shared.store.quotas import BEYOND_QUOTA, RowQuotas
from shared.store.sessions import dead_letters, letter_delivery, refused_calls
from shared.telemetry import metrics
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.eventually import eventually
from tests.support.long_charges import LONGEST_BYTES, end_16, whole
from tests.support.ocpp201 import booted_station
from tests.support.stations import StationClient, register, station_client

ENDED_AT = "2026-01-02T15:00:00Z"


def stop(number: int, *, station_id: str = "CP-1", length: int = 0) -> CallRefused:
    frame = json.dumps([2, "m", "StopTransaction", {"transactionId": number, "x": "y" * length}])
    return CallRefused(
        station_id=station_id,
        ocpp_version="1.6",
        action="StopTransaction",
        error_code="TypeConstraintViolation",
        error_description="meterStop",
        frame=frame,
        only_readings=False,
    )


def readings(number: int) -> CallRefused:
    return CallRefused(
        station_id="CP-1",
        ocpp_version="1.6",
        action="MeterValues",
        error_code="TypeConstraintViolation",
        error_description="meterValue",
        frame=f'[2,"m","MeterValues",{{"connectorId":{number}}}]',
        only_readings=True,
    )


async def letters(db: Database, **columns: Any) -> list[Any]:
    conditions = "".join(f" AND {name} = '{value}'" for name, value in columns.items())
    return await db.fetch(
        f"SELECT * FROM dead_letters WHERE true{conditions} ORDER BY dead_letter_id"  # noqa: S608
    )


async def test_a_station_that_makes_them_up_fills_neither_the_table_nor_others_room(
    db: Database,
) -> None:
    quotas = RowQuotas(refused_calls=3)
    told = [*map(stop, range(5)), *map(readings, range(5)), stop(0, station_id="CP-2")]
    written = await facts.write(db, told, quotas=quotas)
    kept = [None] * 3 + [BEYOND_QUOTA] * 2
    assert written == [*kept, *kept, None]
    # What is kept already is no other one, under whatever message id.
    again = [stop(0), stop(9)]
    assert await facts.write(db, again, quotas=quotas) == [None, BEYOND_QUOTA]
    assert len(await letters(db)) == 7
    # What was decided upon makes room.
    await db.execute("UPDATE dead_letters SET status = 'dismissed' WHERE station_id = 'CP-1'")
    assert await facts.write(db, [stop(9)], quotas=quotas) == [None]


async def test_their_frames_are_bounded_in_bytes(db: Database) -> None:
    quotas = RowQuotas(refused_call_bytes=25_000)
    told = [stop(number, length=10_000) for number in range(4)]
    assert await facts.write(db, told, quotas=quotas) == [None, None, BEYOND_QUOTA, BEYOND_QUOTA]
    assert await facts.write(db, [stop(7)], quotas=quotas) == [None]


async def test_a_flood_of_them_is_answered_bounded_and_told(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(station_max_refused_calls=5) as gateway,
        station_client(gateway.url) as station,
    ):
        await station.boot()
        for number in range(12):
            answer = await station.call("StopTransaction", {"transactionId": number})
            assert answer[2] == "OccurenceConstraintViolation"
        assert len(await letters(db)) == 5

        async def told() -> list[str]:
            rows = await db.fetch("SELECT tech_info FROM security_events")
            return [row[0] for row in rows]

        (text,) = await eventually(told, bool)
        assert "(refused_calls)" in text
        # What can be understood has no such bound.
        start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": ENDED_AT}
        assert (await station.call("StartTransaction", start))[0] == 3


async def test_refused_messages_are_answered_in_the_order_in_which_they_came(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        values = {"connectorId": 1, "meterValue": [{"timestamp": ENDED_AT, "sampledValue": []}]}
        for message_id, action, payload in (
            ("a", "StopTransaction", {}),
            ("b", "MeterValues", values),
            ("c", "StartTransaction", {"connectorId": []}),
            ("d", "Heartbeat", {}),
        ):
            await station.send([2, message_id, action, payload])
        answers = [await station.receive() for _ in range(3)]
        assert [answer[1] for answer in answers if answer[1] != "d"][:2] == ["a", "b"]
    assert await eventually(lambda: letters(db, action="StartTransaction"), bool)


async def test_while_postgres_takes_no_writes_a_refusal_is_not_answered(
    db: Database, start_pod: StartPod
) -> None:
    """The station keeps what it said, and says it again."""
    await register(db)
    async with start_pod(ingest_hold_s=0.5) as gateway, station_client(gateway.url) as station:
        await station.boot()
        name = await db.fetchval("SELECT current_database()")
        await db.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        try:
            await db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            with pytest.raises(ConnectionClosed) as closed:
                await station.call("StopTransaction", {"transactionId": 1})
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013
        finally:
            await db.execute("SET default_transaction_read_only = off")
            await db.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = off')


EVENT = {
    "eventType": "Ended",
    "timestamp": ENDED_AT,
    "triggerReason": "EVDeparted",
    "seqNo": 2,
    "transactionInfo": {"transactionId": "T-1"},
    "meterValue": [
        {
            "timestamp": ENDED_AT,
            "sampledValue": [{"value": 2500, "context": "Transaction.End"}],
        }
    ],
}


@pytest.mark.parametrize(
    ("changes", "corrected"),
    [
        ({"seqNo": "two"}, {}),
        ({"transactionInfo": {}}, {}),
        ({"timestamp": "noon"}, {}),
        ({"evse": {"id": "first"}}, {"seqNo": 3}),
    ],
)
async def test_a_refused_event_of_2_0_1_is_a_letter_and_replayed_as_corrected(
    db: Database, start_pod: StartPod, changes: dict[str, Any], corrected: dict[str, Any]
) -> None:
    await register(db)
    async with start_pod(replay_interval_s=0.05) as gateway, booted_station(gateway.url) as station:
        answer = await station.call("TransactionEvent", {**EVENT, **changes})
        assert answer[0] == 4
        (letter,) = await letters(db, kind="CallRefused")
        assert (letter["action"], letter["ocpp_version"]) == ("TransactionEvent", "2.0.1")
        assert letter["only_readings"] is False
        await db.execute(
            "UPDATE dead_letters SET replay_at = now(), replay_payload = $1", {**EVENT, **corrected}
        )
        await eventually(lambda: letters(db, status="dismissed"), bool)
    session = await db.fetchrow("SELECT transaction_id, meter_stop_wh, ended_by FROM sessions")
    assert tuple(session) == ("T-1", 2500, "station")


async def test_a_refused_update_costs_no_end_its_room(db: Database, gateway: Pod) -> None:
    await register(db)
    async with booted_station(gateway.url) as station:
        update = {**EVENT, "eventType": "Updated", "timestamp": "noon"}
        assert (await station.call("TransactionEvent", update))[0] == 4
    (letter,) = await letters(db)
    assert letter["only_readings"] is True


async def test_the_longest_frame_is_kept_and_replayed_whole(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    end = end_16(whole, LONGEST_BYTES)
    frame = json.dumps(
        [2, "e", "StopTransaction", {**end, "meterStop": "?"}], separators=(",", ":")
    )
    async with start_pod(replay_interval_s=0.05) as gateway:
        async with station_client(gateway.url) as station, asyncio.timeout(60):
            await station.boot()
            await station.send(frame)
            assert (await station.receive())[:3] == [4, "e", "TypeConstraintViolation"]
        (letter,) = await letters(db)
        assert letter["frame"] == frame
        # Nothing of it was kept beside the letter, and the station need not be there.
        assert await db.fetchval("SELECT count(*) FROM meter_values") == 0
        await db.execute(
            "UPDATE dead_letters SET frame = replace(frame, '\"?\"', '12'), replay_at = now()"
        )
        await eventually(lambda: letters(db, status="dismissed"), bool, timeout_s=20)
    assert await db.fetchval("SELECT count(*) FROM meter_values") == len(end["transactionData"])


async def test_two_pods_replay_a_message_once(db: Database, start_pod: StartPod) -> None:
    await register(db)
    await facts.write(db, [stop(1)])
    await db.execute("UPDATE dead_letters SET replay_at = now()")
    claims = await asyncio.gather(*(refused_calls.claim(db, lease_s=60) for _ in range(4)))
    assert sum(claim is not None for claim in claims) == 1
    # One that dies with it leaves it to another.
    await db.execute("UPDATE dead_letters SET replay_at = now()")
    async with start_pod(replay_interval_s=0.05):
        (letter,) = await eventually(
            lambda: letters(db), lambda found: found[0]["replay_at"] is None
        )
    assert letter["status"] == "open"
    assert letter["reason"].startswith("OccurrenceConstraintViolation")


async def test_a_message_of_a_station_that_is_deleted_waits_for_a_person(
    db: Database, start_pod: StartPod
) -> None:
    await facts.write(db, [stop(1, station_id="GONE")])
    await db.execute("UPDATE dead_letters SET replay_at = now()")
    async with start_pod(replay_interval_s=0.05):
        (letter,) = await eventually(
            lambda: letters(db), lambda found: found[0]["replay_at"] is None
        )
    assert "not registered any more" in letter["reason"]


async def test_what_is_told_twice_before_its_first_answer_is_no_refused_message(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": ENDED_AT}

    async def told_twice(station: StationClient) -> list[Any]:
        frame = json.dumps([2, "s", "StartTransaction", start])
        await station.send(frame)
        await station.send(frame)
        return [await station.receive() for _ in range(2)]

    async with station_client(gateway.url) as station:
        await station.boot()
        assert sorted(answer[0] for answer in await told_twice(station)) in ([3, 3], [3, 4])
    assert await letters(db) == []


async def test_a_message_that_makes_a_handler_fail_waits_for_a_person(
    db: Database, start_pod: StartPod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not tried for ever, and the next one has its turn."""
    await register(db)
    end = {"transactionId": 1, "meterStop": 1, "timestamp": ENDED_AT}
    await facts.write(db, [stop(1), readings(1)])
    await db.execute("UPDATE dead_letters SET replay_at = now(), replay_payload = $1", end)
    monkeypatch.setattr("gateway.ocpp16.core.Decimal", 7)
    async with start_pod(replay_interval_s=0.05):
        found = await eventually(
            lambda: letters(db), lambda rows: all(row["replay_at"] is None for row in rows)
        )
    assert [row["status"] for row in found] == ["open"] * 2
    assert found[0]["reason"].startswith("InternalError")


async def replayed(db: Database, letter: str, payload: dict[str, Any]) -> None:
    await letter_delivery.replay(db, letter, payload=payload, decided_by="op", note=None)


async def claimed(db: Database) -> refused_calls.Replay:
    replay = await refused_calls.claim(db, lease_s=60)
    assert replay is not None
    return replay


@pytest.mark.parametrize("refused", [True, False], ids=["refused", "delivered"])
async def test_what_becomes_of_a_replay_undoes_no_newer_one(db: Database, *, refused: bool) -> None:
    """An operator corrects a payload while a pod still handles the one before."""
    await facts.write(db, [stop(1)], quotas=RowQuotas())
    ((letter,),) = await db.fetch("SELECT dead_letter_id::text FROM dead_letters")
    await replayed(db, letter, {"meterStop": "none"})
    first = await claimed(db)
    await replayed(db, letter, {"meterStop": 7})
    if refused:
        await refused_calls.set_refused(db, first, reason="no")
    else:
        await refused_calls.set_delivered(db, first)
    second = await claimed(db)
    assert (second.dead_letter_id, second.payload) == (letter, {"meterStop": 7})
    await refused_calls.set_delivered(db, second)
    assert [each["delivered_at"] is not None for each in await letters(db)] == [True]


async def test_a_pod_that_stood_still_beyond_its_lease_decides_nothing(db: Database) -> None:
    await facts.write(db, [stop(1)], quotas=RowQuotas())
    ((letter,),) = await db.fetch("SELECT dead_letter_id::text FROM dead_letters")
    await replayed(db, letter, {"meterStop": 7})
    late = await refused_calls.claim(db, lease_s=0)
    assert late is not None
    other = await claimed(db)
    await refused_calls.set_refused(db, late, reason="no")
    await refused_calls.set_delivered(db, other)
    assert [each["delivered_at"] is not None for each in await letters(db)] == [True]


async def test_a_letter_that_was_dismissed_meanwhile_stays_so(db: Database) -> None:
    await facts.write(db, [stop(1)], quotas=RowQuotas())
    ((letter,),) = await db.fetch("SELECT dead_letter_id::text FROM dead_letters")
    await replayed(db, letter, {"meterStop": 7})
    replay = await claimed(db)
    await dead_letters.dismiss(db, letter, decided_by="op", note="nothing")
    await refused_calls.set_delivered(db, replay)
    await refused_calls.set_refused(db, replay, reason="no")
    assert [(each["status"], each["note"]) for each in await letters(db)] == [
        ("dismissed", "nothing")
    ]


async def test_what_is_beyond_is_not_written_again_and_again(
    db: Database, start_pod: StartPod
) -> None:
    """A station that goes on costs Postgres nothing, until there may be room again."""
    await register(db)
    async with (
        start_pod(station_max_refused_calls=2, station_max_refused_calls_kib=8) as gateway,
        station_client(gateway.url) as station,
    ):
        await station.boot()

        async def refused(number: int, length: int = 0) -> None:
            end = {"transactionId": number, "idTag": ["x" * length]}
            assert (await station.call("StopTransaction", end))[0] == 4

        async def facts_written(numbers: range) -> float:
            before = written()
            for number in numbers:
                await refused(number)
            return written() - before

        def written() -> float:
            value: float = metrics.ingest_flush_facts._sum.get()
            return value

        # One that is too long says nothing of shorter ones.
        await refused(0, length=9_000)
        assert await letters(db) == []
        assert await facts_written(range(1, 3)) == 2
        # The first that is beyond is tried, and the operator is told once.
        assert await facts_written(range(3, 4)) <= 2
        before = metrics.beyond_quota.labels("refused_calls")._value.get()
        assert await facts_written(range(4, 40)) == 0
        assert metrics.beyond_quota.labels("refused_calls")._value.get() == before + 36
        assert len(await letters(db)) == 2


async def test_what_an_operator_has_replayed_is_kept_beyond_the_rates_of_the_station(
    db: Database, start_pod: StartPod
) -> None:
    """Else a letter would be said to be delivered of which nothing was kept."""
    await register(db)
    values = [{"timestamp": ENDED_AT, "sampledValue": [{"value": "1"}, {"value": "2"}]}]
    await facts.write(db, [readings(1)])
    await db.execute(
        "UPDATE dead_letters SET replay_at = now(), replay_payload = $1",
        {"connectorId": 1, "meterValue": values},
    )
    async with start_pod(
        replay_interval_s=0.05, station_meter_samples_burst=1, station_meter_samples_per_hour=0.001
    ):
        await eventually(lambda: letters(db, status="dismissed"), bool)
    assert await db.fetchval("SELECT count(*) FROM meter_values") == 1
