"""Whoever changes rows of many stations locks them in one order: nobody waits in a circle."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest

from shared.domain.access.tokens import AuthorizationStatus
from shared.domain.commands import ChangeConfiguration
from shared.domain.sessions import TransactionEnded, TransactionStarted
from shared.domain.stations.availability import Disconnection, DisconnectReason
from shared.domain.stations.stations import Connection, Ownership
from shared.store import facts, station_removal
from shared.store.commands import commands
from shared.store.pool import Database
from shared.store.stations import connections
from tests.support.eventually import eventually
from tests.support.stations import register

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
# As rows lie on the page, and as batches name them: neither is the order of their keys.
SECOND, FIRST = "CP-2", "CP-1"
STATIONS = f"SELECT FROM stations WHERE station_id = '{FIRST}' FOR UPDATE"
SESSIONS = f"SELECT FROM sessions WHERE station_id = '{FIRST}' FOR UPDATE"


def started(station_id: str, evse_id: int = 1) -> TransactionStarted:
    return TransactionStarted(
        station_id=station_id,
        evse_id=evse_id,
        connector_id=1,
        ocpp_version="1.6",
        id_token="TAG",
        authorization_status=AuthorizationStatus.ACCEPTED,
        started_at=NOON,
        meter_start_wh=Decimal(0),
    )


def stray_end(station_id: str) -> TransactionEnded:
    return TransactionEnded(
        station_id=station_id,
        transaction_id="-1",
        ended_at=NOON,
        meter_stop_wh=Decimal(1),
        stopped_reason="Local",
        id_token=None,
        meter_values=[],
    )


def connection(station_id: str) -> Connection:
    return Connection(station_id=station_id, connection_id="c", pod_id="pod-1", ocpp_version="1.6")


def ownership(station_id: str) -> Ownership:
    return Ownership(station_id=station_id, epoch=1, pod_id="pod-1", connection_id="c")


def disconnection(station_id: str) -> Disconnection:
    return Disconnection(
        ownership=ownership(station_id),
        reason=DisconnectReason.CONNECTION_LOST,
        close_code=None,
        close_reason=None,
        last_heard_at=NOON,
    )


async def claim(db: Database) -> object:
    return await connections.claim(db, [connection(SECOND), connection(FIRST)])


async def release(db: Database) -> object:
    return await connections.release(db, [disconnection(SECOND), disconnection(FIRST)])


async def reassert(db: Database) -> object:
    return await connections.reassert(db, [ownership(SECOND), ownership(FIRST)])


async def tell_starts_again(db: Database) -> object:
    return await facts.write(db, [started(SECOND), started(FIRST)])


async def tell_stray_ends(db: Database) -> object:
    return await facts.write(db, [stray_end(SECOND), stray_end(FIRST)])


@pytest.mark.parametrize(
    ("act", "lock"),
    [
        (claim, STATIONS),
        (release, STATIONS),
        (reassert, STATIONS),
        (tell_starts_again, SESSIONS),
        (tell_stray_ends, SESSIONS),
    ],
)
async def test_who_waits_for_the_first_row_does_not_hold_the_second(
    db: Database, act: Callable[[Database], Awaitable[object]], lock: str
) -> None:
    for station_id in (SECOND, FIRST):
        await register(db, station_id)
        await facts.write(db, [started(station_id)])
    await connections.claim(db, [connection(SECOND), connection(FIRST)])
    async with db.acquire() as holder, holder.transaction():
        await holder.execute(lock)
        acting = asyncio.ensure_future(act(db))
        try:
            await eventually(lambda: _count_waiting(db), bool)
            async with db.acquire() as other, other.transaction():
                await other.execute(lock.replace(FIRST, SECOND) + " NOWAIT")
        except asyncpg.LockNotAvailableError:
            pytest.fail("the second row is locked before the first")
        finally:
            acting.cancel()


async def _count_waiting(db: Database) -> int:
    return int(
        await db.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND datname = current_database()"
        )
    )


async def test_who_deletes_a_station_and_who_sends_it_a_password_wait_in_no_circle(
    db: Database,
) -> None:
    await register(db)
    held = Connection(station_id="CP-1", connection_id="c", pod_id="p", ocpp_version="1.6")
    await connections.claim(db, [held])
    record, _ = await commands.create(
        db,
        station_id="CP-1",
        command=ChangeConfiguration(key="AuthorizationKey", value="00" * 20),
        timeout_s=60,
        password_hash="hash",
    )
    async with db.acquire() as somebody, somebody.transaction():
        await somebody.execute("SELECT FROM stations FOR UPDATE")
        deleting = asyncio.create_task(station_removal.delete(db, "CP-1"))
        await asyncio.sleep(0.2)
        taking = asyncio.create_task(
            commands.take_for_sending(db, record.command_id, connection_id="c", pod_id="p")
        )
        await asyncio.sleep(0.2)
    assert (await deleting) is not None
    assert (await taking) is None
    assert (await commands.get(db, record.command_id)).state == "cancelled"
