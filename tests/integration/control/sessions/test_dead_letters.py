"""What operators do about letters of what was understood: deliver them again, or give them away."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from shared.domain.access.authorization import AuthorizationStatus
from shared.domain.sessions import (
    TransactionEnded,
    TransactionEventReported,
    TransactionEventType,
    TransactionStarted,
)
from shared.domain.sessions.dead_letters import CallRefused
from shared.domain.sessions.meter_values import MeterValue, MeterValuesReported, energy_import_wh
from shared.domain.stations.stations import ConnectorStatus, ConnectorStatusReported
from shared.store import facts, redelivery
from shared.store.facts import SetAside
from shared.store.pool import Database, KeptConnection
from tests.integration.control.charges import START, begin, meter
from tests.integration.control.players import assert_problem


def value(minute: int, register: str) -> MeterValue:
    samples: list[Any] = [
        {
            "value": register,
            "measurand": "Energy.Active.Import.Register",
            "context": "Sample.Periodic",
            "location": "Outlet",
            "unit": "Wh",
        }
    ]
    return MeterValue(START + timedelta(minutes=minute), samples, energy_import_wh(samples))


def started(**changes: Any) -> TransactionStarted:
    words = {
        "station_id": "CS-1",
        "evse_id": 1,
        "connector_id": 1,
        "ocpp_version": "1.6",
        "id_token": "TAG",
        "authorization_status": AuthorizationStatus.ACCEPTED,
        "started_at": START,
        "meter_start_wh": Decimal(1000),
    }
    return TransactionStarted(**{**words, **changes})


def event(type_: TransactionEventType, *values: MeterValue) -> TransactionEventReported:
    return TransactionEventReported(
        station_id="CS-1",
        transaction_id="T-9",
        ocpp_version="2.0.1",
        event_type=type_,
        seq_no=1,
        occurred_at=START + timedelta(hours=1),
        trigger_reason="EVDeparted",
        stopped_reason="EVDisconnected" if type_ is TransactionEventType.ENDED else None,
        meter_values=list(values),
    )


READINGS = MeterValuesReported("CS-1", 0, "-1", [value(30, "1800")])
END = TransactionEnded(
    station_id="CS-1",
    transaction_id="-1",
    ended_at=START + timedelta(hours=1),
    meter_stop_wh=Decimal(2500),
    stopped_reason="Local",
    meter_values=[value(30, "1800")],
)
STATUS = ConnectorStatusReported(
    station_id="CS-1",
    epoch=2**40,
    evse_id=1,
    connector_id=1,
    status=ConnectorStatus.AVAILABLE,
    reported_status="Available",
    error_code="NoError",
    info=None,
    vendor_id=None,
    vendor_error_code=None,
    reported_at=START,
)


async def set_aside(db: Database, fact: facts.Fact) -> str | None:
    """Keep a fact as one that Postgres refused."""
    connection = KeptConnection(db)
    try:
        (told,) = await facts.write_dead_letters(connection, [SetAside(fact, "refused")])
    finally:
        await connection.give_back()
    return told


async def the_letter(client: httpx.AsyncClient) -> dict[str, Any]:
    (letter,) = (await client.get("/v1/dead-letters")).json()["items"]
    return letter  # type: ignore[no-any-return]


async def post(client: httpx.AsyncClient, verb: str, body: dict[str, Any]) -> httpx.Response:
    letter = await the_letter(client)
    return await client.post(f"/v1/dead-letters/{letter['dead_letter_id']}/{verb}", json=body)


async def the_session(client: httpx.AsyncClient) -> dict[str, Any]:
    (session,) = (await client.get("/v1/sessions")).json()["items"]
    return session  # type: ignore[no-any-return]


@pytest.fixture
def worker(database_url: str, redis_url: str) -> WorkerSettings:
    return WorkerSettings(database_url=database_url, redis_url=redis_url)


async def test_a_start_is_delivered_again_under_the_id_that_its_station_was_told(
    client: httpx.AsyncClient, db: Database
) -> None:
    told = await set_aside(db, started())
    assert await set_aside(db, started()) == told
    session_id = str(uuid4())
    assert_problem(await post(client, "assign", {"session_id": session_id}), 404, "not-found")
    response = await post(client, "replay", {"note": "mended"})
    assert (response.status_code, response.json()["to_be_delivered"]) == (202, True)
    assert await redelivery.deliver(db, limit=10) == 1
    letter = await the_letter(client)
    assert (letter["status"], letter["note"]) == ("delivered", "mended")
    assert (await the_session(client))["transaction_id"] == told
    assert await facts.write(db, [started()]) == [told]


@pytest.mark.parametrize("fact", [READINGS, END, STATUS, event(TransactionEventType.UPDATED)])
async def test_every_kind_of_fact_can_be_delivered_again(
    client: httpx.AsyncClient, db: Database, fact: facts.Fact
) -> None:
    if isinstance(fact, TransactionEnded):
        await begin(db)
        await db.execute("UPDATE sessions SET transaction_id = '-1'")
    await set_aside(db, fact)
    assert (await post(client, "replay", {})).status_code == 202
    await redelivery.deliver(db, limit=10)
    assert (await the_letter(client))["status"] == "delivered"
    for verb in ("replay", "dismiss"):
        problem = assert_problem(await post(client, verb, {}), 409, "conflict")
        assert "has been delivered already" in problem["detail"]


async def test_what_is_refused_once_more_stays_open_and_says_why(
    client: httpx.AsyncClient, db: Database
) -> None:
    await set_aside(db, started(id_token="TA\0G"))
    await post(client, "replay", {})
    assert await redelivery.deliver(db, limit=10) == 0
    letter = await the_letter(client)
    assert (letter["status"], letter["to_be_delivered"]) == ("open", False)
    assert letter["reason"] != "refused"


async def test_what_postgres_refuses_again_is_not_delivered_and_stays_open(
    client: httpx.AsyncClient, db: Database
) -> None:
    no_evse = 2**40
    await set_aside(db, replace(READINGS, evse_id=no_evse))
    letter = await the_letter(client)
    await post(client, "replay", {})
    assert await redelivery.deliver(db, limit=10) == 0
    after = await the_letter(client)
    assert (after["status"], after["dead_letter_id"]) == ("open", letter["dead_letter_id"])
    assert after["to_be_delivered"] is False


async def test_an_event_whose_number_another_one_has_is_delivered_beside_it(
    client: httpx.AsyncClient, db: Database
) -> None:
    await facts.write(db, [event(TransactionEventType.UPDATED, value(10, "1100"))])
    await set_aside(db, event(TransactionEventType.UPDATED, value(20, "1200")))
    await post(client, "replay", {})
    assert await redelivery.deliver(db, limit=10) == 1
    assert (await the_letter(client))["status"] == "delivered"
    kept = await db.fetch("SELECT seq_no, fingerprint FROM all_transaction_events")
    assert [row["seq_no"] for row in kept] == [1, 1]
    assert len({row["fingerprint"] for row in kept}) == 2


@pytest.mark.parametrize(
    "fact", [READINGS, END, event(TransactionEventType.UPDATED, value(30, "1800"))]
)
async def test_readings_are_given_to_a_session(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings, fact: facts.Fact
) -> None:
    transaction_id = await begin(db)
    await meter(db, transaction_id, (0, "1000"))
    await set_aside(db, fact)
    session = await the_session(client)
    response = await post(client, "assign", {"session_id": session["session_id"]})
    assert response.status_code == 200, response.text
    ends = isinstance(fact, TransactionEnded)
    assert response.json()["status"] == ("assigned" if ends else "delivered")
    assert response.json()["session_id"] == session["session_id"]
    rows = await db.fetch(
        "SELECT evse_id FROM meter_values WHERE transaction_id = $1 AND energy_wh = 1800",
        transaction_id,
    )
    assert [row[0] for row in rows] == [session["evse_id"]]
    await settle_due(db, worker)
    session = await the_session(client)
    assert (session["ended_by"], session["meter_stop_wh"]) == (
        ("operator", 2500) if ends else (None, None)
    )


async def test_an_event_that_ends_a_charge_ends_the_session_that_it_is_given_to(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    await begin(db)
    await set_aside(db, event(TransactionEventType.ENDED, value(60, "2500")))
    session_id = (await the_session(client))["session_id"]
    response = await post(client, "assign", {"session_id": session_id})
    assert response.json()["status"] == "assigned", response.text
    await settle_due(db, worker)
    session = await the_session(client)
    assert (session["ended_by"], session["meter_stop_wh"]) == ("operator", 2500)


@pytest.mark.parametrize(
    ("fact", "word"),
    [
        (started(), "replay it"),
        (STATUS, "replay it"),
        (event(TransactionEventType.ENDED), "without a register"),
    ],
)
async def test_what_belongs_to_no_session_is_told_so(
    client: httpx.AsyncClient, db: Database, fact: facts.Fact, word: str
) -> None:
    await begin(db)
    await set_aside(db, fact)
    session_id = (await the_session(client))["session_id"]
    response = await post(client, "assign", {"session_id": session_id})
    assert_problem(response, 409, "conflict")
    assert word in response.text
    assert (await the_letter(client))["status"] == "open"


async def test_a_letter_of_an_older_version_can_only_be_looked_at(
    client: httpx.AsyncClient, db: Database
) -> None:
    await set_aside(db, STATUS)
    await db.execute("UPDATE dead_letters SET document = NULL")
    response = await post(client, "replay", {})
    assert_problem(response, 409, "conflict")
    assert "cannot be read again" in response.text
    assert (await post(client, "dismiss", {})).json()["status"] == "dismissed"


async def test_only_a_refused_message_takes_another_payload(
    client: httpx.AsyncClient, db: Database
) -> None:
    await set_aside(db, STATUS)
    response = await post(client, "replay", {"payload": {"status": "Available"}})
    assert_problem(response, 409, "conflict")


async def test_a_refused_message_is_given_to_a_session_of_its_version_only(
    client: httpx.AsyncClient, db: Database
) -> None:
    await begin(db)
    refused = CallRefused(
        station_id="CS-1",
        ocpp_version="2.0.1",
        action="TransactionEvent",
        error_code="FormatViolation",
        error_description="seqNo",
        frame='[2,"m","TransactionEvent",{}]',
        only_readings=False,
    )
    await facts.write(db, [refused])
    session_id = (await the_session(client))["session_id"]
    response = await post(client, "assign", {"session_id": session_id})
    assert_problem(response, 409, "conflict")
    assert "of OCPP 2.0.1" in response.text
