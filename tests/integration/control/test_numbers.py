"""What has a unit is a number in every answer, in plain digits, also in members of any content."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from shared.domain.commands import SetChargingProfile
from shared.domain.sessions import TransactionEnded
from shared.store import facts
from shared.store.commands import commands
from shared.store.pool import Database
from tests.integration.control.charges import START, begin, end, meter
from tests.integration.control.players import Api, decide, register

UNITS = frozenset({"wh", "kwh", "w", "kw", "a", "v", "s", "ms", "bytes", "percent"})
# Multiples of 10,000 are what Postgres' driver reads with an exponent.
RATE = {"start_period_s": 0, "limit": 50000}
PROFILE = {
    "charging_profile_id": 1,
    "stack_level": 0,
    "purpose": "TxDefaultProfile",
    "kind": "Relative",
    "charging_schedule": {"charging_rate_unit": "W", "periods": [RATE]},
}


@pytest.fixture
def worker(database_url: str, redis_url: str) -> WorkerSettings:
    return WorkerSettings(database_url=database_url, redis_url=redis_url)


def members(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, list):
        for each in node:
            yield from members(each)
    elif isinstance(node, dict):
        for name, value in node.items():
            yield name, value
            yield from members(value)


def with_units(node: Any) -> list[tuple[str, Any]]:
    return [
        (name, value)
        for name, value in members(node)
        if value is not None and not UNITS.isdisjoint(name.removesuffix("_before").split("_")[1:])
    ]


async def corrected(client: httpx.AsyncClient, db: Database, worker: WorkerSettings) -> str:
    """Make a session of 50,000 Wh that an operator corrects to 60,000; return its id."""
    transaction_id = await begin(db)
    await meter(db, transaction_id, (60, "20000"), (1800, "30000"))
    await end(db, transaction_id, "51000")
    await settle_due(db, worker)
    ((session),) = (await client.get("/v1/sessions")).json()["items"]
    assert session["energy_wh"] == 50_000
    answer = await decide(client, session, decision="correct", energy_wh=60_000)
    assert answer.status_code == 200
    return str(session["session_id"])


async def test_the_history_of_a_session_tells_numbers(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    url = f"/v1/sessions/{await corrected(client, db, worker)}/history"
    text = (await client.get(url)).text
    assert '"energy_wh_before":50000' in text
    entry = json.loads(text)["items"][-1]
    assert (entry["detail"]["energy_wh"], entry["detail"]["energy_wh_before"]) == (60_000, 50_000)


async def test_what_was_kept_as_a_text_is_told_as_a_number(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    session_id = await corrected(client, db, worker)
    old = {"energy_wh": "60000.50", "energy_wh_before": "5E+4", "note": "5E+4", "by": None}
    await db.execute(
        "UPDATE session_history SET detail = $2 WHERE session_id = $1", session_id, old
    )
    items = (await client.get(f"/v1/sessions/{session_id}/history")).json()["items"]
    assert items[-1]["detail"] == {**old, "energy_wh": 60_000.5, "energy_wh_before": 50_000}


async def test_what_is_kept_of_a_decision_has_all_its_digits(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    transaction_id = await begin(db)
    await end(db, transaction_id, "123456789012345678.9")
    await settle_due(db, worker)
    ((session),) = (await client.get("/v1/sessions")).json()["items"]
    await decide(client, session, decision="correct", energy_wh=0.0001)
    kept = await db.fetchval(
        "SELECT detail ->> 'energy_wh' FROM session_history WHERE kind = 'reviewed'"
    )
    assert kept == "0.0001"


async def test_no_answer_has_a_text_where_there_is_a_unit(
    api: Api, db: Database, worker: WorkerSettings
) -> None:
    client = api.client
    await register(db, "CS-1")
    ids = {
        "station_id": "CS-1",
        "session_id": await corrected(client, db, worker),
        "command_id": (
            await commands.create(
                db,
                station_id="CS-1",
                command=SetChargingProfile(evse_id=1, charging_profile=PROFILE),
                timeout_s=60,
            )
        )[0].command_id,
    }
    stray = TransactionEnded(
        station_id="CS-1",
        transaction_id="-1",
        ended_at=START + timedelta(hours=2),
        meter_stop_wh=Decimal("7E+4"),
        stopped_reason="Local",
    )
    await facts.write(db, [stray])
    window = f"since={START.isoformat().replace('+', '%2B')}"
    found = 0
    for template, operations in api.app.openapi()["paths"].items():
        path = re.sub(r"\{(\w+)\}", lambda each: ids.get(each[1], "none"), template)
        # What streams has no end.
        if "get" not in operations or path.endswith(("/none", ".svg", "/stream")):
            continue
        answer = await client.get(f"{path}?{window}" if "meter-values" in path else path)
        if answer.headers["content-type"] != "application/json":
            continue
        told = with_units(answer.json())
        found += len(told)
        assert [each for each in told if isinstance(each[1], str)] == [], path
        assert not re.search(r":\s*-?\d+(\.\d+)?[eE][+]", answer.text), path
    assert found > 15
