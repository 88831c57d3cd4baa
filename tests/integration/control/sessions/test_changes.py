"""`updated_at` moves with whatever a session shows, so that who follows changes misses none."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from shared.domain.sessions import TransactionEventReported, TransactionEventType
from shared.domain.sessions.meter_values import MeterSample, MeterValue
from shared.store import facts
from shared.store.pool import Database
from tests.integration.control.charges import START, begin, end, meter
from tests.integration.control.players import decide

TYPES = TransactionEventType


@pytest.fixture
def worker(database_url: str, redis_url: str) -> WorkerSettings:
    return WorkerSettings(database_url=database_url, redis_url=redis_url)


async def tell(db: Database, seq_no: int, event_type: TransactionEventType, wh: str) -> None:
    """Tell an event of OCPP 2.0.1 with a register."""
    sample = MeterSample(
        value=wh,
        measurand="Energy.Active.Import.Register",
        context=f"Transaction.{'Begin' if seq_no == 0 else 'End'}"
        if event_type is not TYPES.UPDATED
        else "Sample.Periodic",
        location="Outlet",
        unit="Wh",
    )
    at = START + timedelta(minutes=seq_no)
    words: dict[str, Any] = {
        "station_id": "CS-1",
        "transaction_id": "T1",
        "ocpp_version": "2.0.1",
        "seq_no": seq_no,
        "event_type": event_type,
        "occurred_at": at,
        "trigger_reason": "MeterValuePeriodic",
        "offline": False,
        "evse_id": 1,
        "connector_id": 1,
        "meter_values": [MeterValue(at, [sample], Decimal(wh))],
    }
    if seq_no == 0:
        words |= {"id_token": "04A2", "id_token_type": "ISO14443"}
    await facts.write(db, [TransactionEventReported(**words)])


async def session(client: httpx.AsyncClient) -> dict[str, Any]:
    (found,) = (await client.get("/v1/sessions")).json()["items"]
    return dict(found)


async def changed_since(client: httpx.AsyncClient, before: dict[str, Any]) -> bool:
    """Tell whether who follows changes is told of the session again."""
    since = datetime.fromisoformat(before["updated_at"]) + timedelta(microseconds=1)
    answer = await client.get("/v1/sessions", params={"updated_since": since.isoformat()})
    return bool(answer.json()["items"])


async def test_a_register_of_a_charge_that_goes_on_is_no_change(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    await tell(db, 0, TYPES.STARTED, "1000")
    await settle_due(db, worker)
    begun = await session(client)
    for seq_no in range(1, 4):
        await tell(db, seq_no, TYPES.UPDATED, str(1000 + 100 * seq_no))
    assert not await changed_since(client, begun)
    assert (await session(client))["energy_wh"] == 300
    await tell(db, 4, TYPES.ENDED, "1500")
    assert await changed_since(client, begun)


async def test_that_a_session_can_be_billed_is_a_change(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    transaction_id = await begin(db)
    await meter(db, transaction_id, (60, "1250"))
    await end(db, transaction_id, "2500")
    ended = await session(client)
    assert not ended["billable"]
    await settle_due(db, worker)
    assert (await session(client))["billable"]
    assert await changed_since(client, ended)
    billed = await session(client)
    await db.execute("UPDATE sessions SET settle_at = now()")
    await settle_due(db, worker)  # looked at again, and nothing is new
    assert not await changed_since(client, billed)
    assert (await decide(client, billed, decision="void")).status_code == 200
    assert await changed_since(client, billed)


async def test_when_an_end_came_is_not_when_its_session_changed_last(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    """An end told for later than now stays suspect, however often its session is looked at."""
    await tell(db, 0, TYPES.STARTED, "1000")
    await tell(db, 1, TYPES.ENDED, "1500")
    ahead = datetime.now(UTC) + timedelta(seconds=worker.session_max_ahead_s + 600)
    for table, column in (("transaction_events", "occurred_at"), ("sessions", "ended_at")):
        await db.execute(
            f"UPDATE {table} SET {column} = $1 WHERE {column} = $2",  # noqa: S608
            ahead,
            START + timedelta(minutes=1),
        )
    await settle_due(db, worker)
    reasons = (await session(client))["review_reasons"]
    assert "clock_implausible" in reasons
    await db.execute(
        "UPDATE sessions SET settle_at = now(), updated_at = now() + interval '1 hour'"
    )
    await settle_due(db, worker)
    assert (await session(client))["review_reasons"] == reasons
