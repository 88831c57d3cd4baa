"""The OCPP log through a real pod: every frame both ways, as it was on the wire."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from redis.asyncio import Redis

from control.jobs.retention import keep_ocpp_log
from shared.bus.client import open_redis
from shared.domain.commands import ChangeConfiguration, GetConfiguration, Reset
from shared.domain.stations.ocpp_log import Direction, LogEntry, LogFilter
from shared.settings import ServiceSettings
from shared.store.pool import Database
from shared.store.stations import ocpp_log
from shared.telemetry import metrics
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.asking import ask
from tests.support.eventually import eventually
from tests.support.stations import StationClient, register, station_client


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


@pytest.fixture
async def gateway(start_pod: StartPod) -> AsyncIterator[Pod]:
    async with start_pod(ocpp_log_level="all", ocpp_log_interval_s=0.05) as running:
        yield running


async def logged(db: Database, count: int, **found: Any) -> Sequence[LogEntry]:
    """Return the log, oldest first, once it has so many entries."""
    entries = await eventually(
        lambda: ocpp_log.list_before(db, LogFilter(**found), before=None, limit=100, timeout_s=5),
        lambda entries: len(entries) >= count,
        timeout_s=5,
    )
    assert len(entries) == count
    return entries[::-1]


async def test_an_exchange_is_one_entry_with_both_frames(db: Database, gateway: Pod) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        before = datetime.now(UTC)
        await station.boot()
        await station.send('[2, "7", "Heartbeat", {}]')
        answer = await station.websocket.recv()
        boot, heartbeat = await logged(db, 2)
    assert (boot.action, boot.message_id, boot.outcome) == ("BootNotification", "1", "CallResult")
    assert heartbeat.request == '[2, "7", "Heartbeat", {}]'
    assert heartbeat.response == answer
    assert heartbeat.direction is Direction.FROM_STATION
    assert (heartbeat.station_id, heartbeat.ocpp_version) == ("CP-1", "1.6")
    assert heartbeat.pod_id.startswith("pod-")
    assert heartbeat.latency_us is not None
    assert 0 <= heartbeat.latency_us < 1_000_000
    assert before <= boot.called_at <= heartbeat.called_at <= datetime.now(UTC)
    assert heartbeat.trace_id is None


@pytest.mark.parametrize(
    ("frame", "action", "message_id", "outcome"),
    [
        ('[2,"1","StartTransaction",{}]', "StartTransaction", "1", None),
        ('[2,"1","Teleport",{}]', None, "1", "NotImplemented"),
        ('[2,"1","Reset",{"type":"Hard"}]', "Reset", "1", "NotSupported"),
        ('[2,"1",', None, "1", "FormatViolation"),
        ("hello", None, None, "Ignored"),
        ('[9,"1"]', None, None, "Ignored"),
        ('[3,"nobody-asked",{}]', None, None, "Ignored"),
    ],
)
async def test_what_is_refused_or_ignored_is_logged_too(
    db: Database,
    gateway: Pod,
    frame: str,
    action: str | None,
    message_id: str | None,
    outcome: str | None,
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        await station.send(frame)
        (entry,) = await logged(db, 1, outcome="error")
    assert (entry.action, entry.message_id) == (action, message_id)
    assert entry.outcome == outcome or outcome is None
    assert entry.request == frame
    assert (entry.response is None) == (entry.outcome == "Ignored")
    assert (entry.detail is None) == (entry.outcome != "Ignored")


async def test_the_store_keeps_frames_that_hold_what_no_text_of_postgres_may(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        await station.send("a\0b")
        await station.send('[2,"\\u0000x","Teleport",{"a":"\\u0000"}]')
        ignored, refused = await logged(db, 2, outcome="error")
    assert ignored.request == "a\N{REPLACEMENT CHARACTER}b"
    assert refused.request == '[2,"\\u0000x","Teleport",{"a":"\\u0000"}]'


async def test_a_call_of_ours_is_logged_with_its_answer_under_its_commands_id(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        command_id = await ask(db, redis, Reset())
        _, message_id, *_ = await station.receive()
        await station.send([3, message_id, {"status": "Accepted"}])
        (entry,) = await logged(db, 1, direction=Direction.TO_STATION)
        assert (entry.action, entry.message_id) == ("Reset", command_id)
        assert entry.outcome == "CallResult"
        assert entry.response == f'[3,"{message_id}",{{"status":"Accepted"}}]'

        await ask(db, redis, Reset())
        _, message_id, *_ = await station.receive()
        await station.send([4, message_id, "InternalError", "no", {}])
        (entry,) = await logged(db, 1, outcome="InternalError")
        assert entry.direction is Direction.TO_STATION


async def test_a_call_of_ours_without_an_answer_says_why(
    db: Database, redis: Redis, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        start_pod(call_timeout_s=0.2, ocpp_log_interval_s=0.05) as gateway,
        station_client(gateway.url) as station,
    ):
        await station.boot()
        await ask(db, redis, Reset())
        await station.receive()
        (entry,) = await logged(db, 1, outcome="TimedOut")
        assert entry.response is None
        assert entry.latency_us is None
    async with start_pod(ocpp_log_interval_s=0.05) as gateway:
        async with station_client(gateway.url) as station:
            await ask(db, redis, Reset())
            await station.receive()
        await logged(db, 1, outcome="ConnectionLost")


async def test_secrets_are_masked_both_ways(db: Database, redis: Redis, gateway: Pod) -> None:
    await register(db)
    secret = "0123456789ABCDEF0123"

    async def answer(station: StationClient, payload: dict[str, Any]) -> None:
        _, message_id, *_ = await station.receive()
        await station.send([3, message_id, payload])

    async with station_client(gateway.url) as station:
        await station.boot()
        await ask(db, redis, ChangeConfiguration(key="AuthorizationKey", value=secret))
        await answer(station, {"status": "Accepted"})
        await ask(db, redis, GetConfiguration())
        keys = [{"key": "AuthorizationKey", "readonly": False, "value": secret}]
        await answer(station, {"configurationKey": keys})
        entries = await logged(db, 2, direction=Direction.TO_STATION)
    assert secret not in str(entries)
    assert "(redacted)" in (entries[0].request or "")
    assert "(redacted)" in (entries[1].response or "")


@pytest.mark.parametrize(("level", "count"), [("off", 0), ("errors", 1), ("events", 2), ("all", 3)])
async def test_the_level_says_how_much(
    db: Database, start_pod: StartPod, level: str, count: int
) -> None:
    await register(db)
    async with start_pod(ocpp_log_level=level) as gateway, station_client(gateway.url) as station:
        await station.boot()
        await station.call("Heartbeat", {})
        await station.call("Teleport", {})
    # What waits is written before the pod ends.
    assert len(await logged(db, count)) == count


async def test_an_entry_belongs_to_the_trace_that_is_active(db: Database, gateway: Pod) -> None:
    await register(db)
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("test") as span:
        async with station_client(gateway.url) as station:
            connection = await eventually(
                lambda: _connection(gateway), lambda found: found is not None
            )
            assert connection is not None
            await station.boot()
            send_by_s = time.monotonic() + 5
            calling = asyncio.create_task(
                connection.call("ours", "ClearCache", {}, send_by_s=send_by_s, timeout_s=5)
            )
            _, message_id, *_ = await station.receive()
            await station.send([3, message_id, {"status": "Accepted"}])
            await calling
            (entry,) = await logged(db, 1, direction=Direction.TO_STATION)
    assert entry.trace_id == trace.format_trace_id(span.get_span_context().trace_id)


async def _connection(gateway: Pod) -> Any:
    return gateway.server.get("CP-1")


async def test_a_log_that_cannot_be_written_costs_entries_and_no_message(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    dropped = metrics.ocpp_log_dropped.labels("not written")._value
    before = dropped.get()
    async with station_client(gateway.url) as station:
        await station.boot()
        await logged(db, 1)
        await db.execute("ALTER TABLE ocpp_log RENAME TO away")
        assert (await station.call("Heartbeat", {}))[0] == 3

        async def lost() -> float:
            return dropped.get() - before

        await eventually(lost, lambda count: count == 1, timeout_s=5)
        await db.execute("ALTER TABLE away RENAME TO ocpp_log")
        assert (await station.call("Heartbeat", {}))[0] == 3
        await logged(db, 2)


async def test_what_has_been_written_makes_room_for_more(db: Database, start_pod: StartPod) -> None:
    await register(db)
    small = {"ocpp_log_max_waiting_bytes": 2000, "ocpp_log_interval_s": 0.05}
    async with (
        start_pod(ocpp_log_level="all", **small) as gateway,
        station_client(gateway.url) as station,
    ):
        await station.boot()
        for count in range(2, 8):
            await station.call("Heartbeat", {})
            await logged(db, count)


async def test_days_are_made_ahead_and_dropped_when_they_are_too_old(db: Database) -> None:
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=age) for age in (9, 8, 7, 1)]
    for day in days:
        await db.execute("SELECT ensure_daily_partitions('ocpp_log', $1, 1)", day)
    await db.execute(
        """
        INSERT INTO ocpp_log (called_at, station_id, ocpp_version, direction, outcome, pod_id)
        SELECT day, 'CP-1', '1.6', 'from_station', 'CallResult', 'pod'
        FROM unnest($1::date[]) AS day
        """,
        [*days, today - timedelta(days=30)],  # the last one is a day without a partition
    )
    assert await keep_ocpp_log(db, ahead_days=20, retention_days=7) == 2
    left = await db.fetch("SELECT DISTINCT called_at::date AS day FROM ocpp_log ORDER BY day")
    assert [record["day"] for record in left] == days[2:]
    assert await db.fetchval("SELECT to_regclass($1)", f"ocpp_log_{today + timedelta(19):%Y%m%d}")
    assert await keep_ocpp_log(db, ahead_days=20, retention_days=7) == 0


async def test_days_are_not_made_while_the_log_is_being_read(db: Database) -> None:
    # Who waits for the lock makes everybody wait who writes, and entries are lost.
    async with db.acquire() as reader, reader.transaction():
        await reader.fetch("SELECT FROM ocpp_log LIMIT 1")
        async with asyncio.timeout(5):
            await keep_ocpp_log(db, ahead_days=20, retention_days=7)
    day = datetime.now(UTC).date() + timedelta(days=19)
    assert await db.fetchval("SELECT to_regclass($1)", f"ocpp_log_{day:%Y%m%d}") is None
    await keep_ocpp_log(db, ahead_days=20, retention_days=7)
    assert await db.fetchval("SELECT to_regclass($1)", f"ocpp_log_{day:%Y%m%d}")


async def test_a_day_that_is_being_read_is_dropped_later(db: Database) -> None:
    old = datetime.now(UTC).date() - timedelta(days=8)
    await db.execute("SELECT ensure_daily_partitions('ocpp_log', $1, 1)", old)
    async with db.acquire() as reader, reader.transaction():
        await reader.fetch(f"SELECT FROM ocpp_log_{old:%Y%m%d}")
        assert await keep_ocpp_log(db, ahead_days=1, retention_days=7) == 0
    assert await keep_ocpp_log(db, ahead_days=1, retention_days=7) == 1
