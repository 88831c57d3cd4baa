"""One charge, told in each version of OCPP: the same rows, and the same answers of the API."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

import httpx
import pytest
from pydantic import SecretStr

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from control.settings import ControlSettings
from shared.store.pool import Database
from tests.integration.control.players import API_KEY, running
from tests.integration.gateway.conftest import Pod
from tests.support.ocpp201 import tell
from tests.support.stations import StationClient, register, station_client

STARTED_AT, SAMPLED_AT, ENDED_AT = (f"2026-01-02T0{hour}:00:00Z" for hour in (3, 4, 5))
TAG = {"idToken": "TAG", "type": "ISO14443"}


class Dialect(Protocol):
    """A station's side of a charge on EVSE 1, in the words of one version."""

    version: str
    remote_stop: str

    async def boot(self, station: StationClient) -> str: ...
    async def occupy(self, station: StationClient) -> None: ...
    async def authorize(self, station: StationClient) -> str: ...
    async def start(self, station: StationClient) -> str: ...
    async def sample(self, station: StationClient, transaction_id: str) -> None: ...
    async def stop(self, station: StationClient, transaction_id: str) -> None: ...


class Dialect16:
    version = "1.6"
    remote_stop = "RemoteStopTransaction"

    async def boot(self, station: StationClient) -> str:
        payload = {
            "chargePointVendor": "Vendor",
            "chargePointModel": "Model",
            "chargePointSerialNumber": "SN-1",
            "firmwareVersion": "1.2",
        }
        return str((await tell(station, "BootNotification", payload))["status"])

    async def occupy(self, station: StationClient) -> None:
        payload = {
            "connectorId": 1,
            "errorCode": "NoError",
            "status": "Preparing",
            "timestamp": STARTED_AT,
        }
        await tell(station, "StatusNotification", payload)

    async def authorize(self, station: StationClient) -> str:
        answer = await tell(station, "Authorize", {"idTag": "TAG"})
        return str(answer["idTagInfo"]["status"])

    async def start(self, station: StationClient) -> str:
        payload = {
            "connectorId": 1,
            "idTag": "TAG",
            "meterStart": 1000,
            "timestamp": STARTED_AT,
            "reservationId": 9,
        }
        answer = await tell(station, "StartTransaction", payload)
        assert answer["idTagInfo"] == {"status": "Accepted"}
        return str(answer["transactionId"])

    async def sample(self, station: StationClient, transaction_id: str) -> None:
        samples = [
            {"value": "1.5", "unit": "kWh"},
            {"value": "7400.0", "measurand": "Power.Active.Import", "unit": "W"},
        ]
        payload = {
            "connectorId": 1,
            "transactionId": int(transaction_id),
            "meterValue": [{"timestamp": SAMPLED_AT, "sampledValue": samples}],
        }
        await tell(station, "MeterValues", payload)

    async def stop(self, station: StationClient, transaction_id: str) -> None:
        payload = {
            "transactionId": int(transaction_id),
            "meterStop": 2500,
            "timestamp": ENDED_AT,
            "reason": "Remote",
        }
        await tell(station, "StopTransaction", payload)


class Dialect201:
    version = "2.0.1"
    remote_stop = "RequestStopTransaction"

    async def boot(self, station: StationClient) -> str:
        charging_station = {
            "vendorName": "Vendor",
            "model": "Model",
            "serialNumber": "SN-1",
            "firmwareVersion": "1.2",
        }
        payload = {"chargingStation": charging_station, "reason": "PowerUp"}
        return str((await tell(station, "BootNotification", payload))["status"])

    async def occupy(self, station: StationClient) -> None:
        payload = {
            "evseId": 1,
            "connectorId": 1,
            "connectorStatus": "Occupied",
            "timestamp": STARTED_AT,
        }
        await tell(station, "StatusNotification", payload)

    async def authorize(self, station: StationClient) -> str:
        answer = await tell(station, "Authorize", {"idToken": TAG})
        return str(answer["idTokenInfo"]["status"])

    async def start(self, station: StationClient) -> str:
        begin = {"value": 1000, "context": "Transaction.Begin"}
        payload = {
            "eventType": "Started",
            "timestamp": STARTED_AT,
            "triggerReason": "Authorized",
            "seqNo": 0,
            "transactionInfo": {"transactionId": "tx-1"},
            "evse": {"id": 1, "connectorId": 1},
            "idToken": TAG,
            "reservationId": 9,
            "meterValue": [{"timestamp": STARTED_AT, "sampledValue": [begin]}],
        }
        answer = await tell(station, "TransactionEvent", payload)
        assert answer["idTokenInfo"] == {"status": "Accepted"}
        return "tx-1"

    async def sample(self, station: StationClient, transaction_id: str) -> None:
        samples = [
            {"value": 1.5, "unitOfMeasure": {"unit": "kWh"}},
            {
                "value": 7400.0,
                "measurand": "Power.Active.Import",
                "unitOfMeasure": {"unit": "W"},
            },
        ]
        payload = {
            "eventType": "Updated",
            "timestamp": SAMPLED_AT,
            "triggerReason": "MeterValuePeriodic",
            "seqNo": 1,
            "transactionInfo": {"transactionId": transaction_id},
            "meterValue": [{"timestamp": SAMPLED_AT, "sampledValue": samples}],
        }
        await tell(station, "TransactionEvent", payload)

    async def stop(self, station: StationClient, transaction_id: str) -> None:
        end = {"value": 2500, "context": "Transaction.End"}
        payload = {
            "eventType": "Ended",
            "timestamp": ENDED_AT,
            "triggerReason": "RemoteStop",
            "seqNo": 2,
            "transactionInfo": {"transactionId": transaction_id, "stoppedReason": "Remote"},
            "meterValue": [{"timestamp": ENDED_AT, "sampledValue": [end]}],
        }
        await tell(station, "TransactionEvent", payload)


@pytest.fixture(params=[Dialect16(), Dialect201()], ids=lambda dialect: dialect.version)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
async def api(database_url: str, redis_url: str) -> AsyncIterator[httpx.AsyncClient]:
    settings = ControlSettings(
        database_url=database_url, redis_url=redis_url, api_keys=(SecretStr(API_KEY),)
    )
    async with running(settings) as served:
        yield served.client


@pytest.fixture
def worker(database_url: str, redis_url: str) -> WorkerSettings:
    return WorkerSettings(database_url=database_url, redis_url=redis_url)


async def get(api: httpx.AsyncClient, path: str) -> Any:
    response = await api.get(path)
    assert response.status_code == 200, response.text
    return response.json()


async def the_session(api: httpx.AsyncClient) -> dict[str, Any]:
    """Return the only session, without what names it and without the times of our own clock."""
    (session,) = (await get(api, "/v1/sessions"))["items"]
    for name in (
        "session_id", "transaction_id", "ocpp_version", "created_at", "updated_at", "settled_at"
    ):  # fmt: skip
        del session[name]
    return session  # type: ignore[no-any-return]


async def stop_remotely(
    api: httpx.AsyncClient, station: StationClient, dialect: Dialect, transaction_id: str
) -> dict[str, Any]:
    """Stop the session through the API while the station accepts; return the API's answer."""
    (session,) = (await get(api, "/v1/sessions"))["items"]
    command = {"type": "RemoteStop", "session_id": session["session_id"]}
    asking = asyncio.create_task(api.post("/v1/stations/CP-1/commands", json=command))
    _, command_id, action, payload = await station.receive()
    assert (action, str(payload["transactionId"])) == (dialect.remote_stop, transaction_id)
    await station.send([3, command_id, {"status": "Accepted"}])
    answer: dict[str, Any] = (await asking).json()
    assert answer.pop("command_id") == command_id
    return answer


@pytest.mark.parametrize("dialect", [Dialect16(), Dialect201()], ids=lambda each: each.version)
async def test_a_charge_is_the_same_in_every_version(
    db: Database,
    gateway: Pod,
    api: httpx.AsyncClient,
    worker: WorkerSettings,
    dialect: Dialect,
) -> None:
    await register(db)
    token = {"id_token": "TAG", "status": "Accepted"}
    assert (await api.post("/v1/id-tokens", json=token)).status_code == 201
    subprotocol = f"ocpp{dialect.version}"
    async with station_client(gateway.url, subprotocol=subprotocol) as station:
        assert await dialect.boot(station) == "Accepted"
        await dialect.occupy(station)
        assert await dialect.authorize(station) == "Accepted"
        transaction_id = await dialect.start(station)
        await dialect.sample(station, transaction_id)
        going_on = {
            "id_token_type": None if dialect.version == "1.6" else "ISO14443",
            "station_id": "CP-1",
            "evse_id": 1,
            "connector_id": 1,
            "id_token": "TAG",
            "authorization_status": "Accepted",
            "organization_id": "default",
            "at_free_location": False,
            "reservation_id": 9,
            "active": True,
            "started_at": STARTED_AT,
            "meter_start_wh": 1000,
            "ended_at": None,
            "meter_stop_wh": None,
            "energy_wh": 500,
            "energy_method": None,
            "stopped_reason": None,
            "ended_by": None,
            "end_rule": None,
            "needs_review": False,
            "review_reasons": [],
            "review_decision": None,
            "review_note": None,
            "reviewed_at": None,
            "reviewed_by": None,
            "billable": False,
        }
        assert await the_session(api) == going_on

        answer = await stop_remotely(api, station, dialect, transaction_id)
        assert (answer["type"], answer["params"], answer["state"], answer["status"]) == (
            "RemoteStop",
            {"transaction_id": transaction_id},
            "accepted",
            "Accepted",
        )
        assert answer["response"] == {"status": "Accepted"}
        await dialect.stop(station, transaction_id)
        ended = {
            **going_on,
            "active": False,
            "ended_at": ENDED_AT,
            "ended_by": "station",
            "meter_stop_wh": 2500,
            "energy_wh": 1500,
            "stopped_reason": "Remote",
        }
        assert await the_session(api) == ended
        await settle_due(db, worker)
        assert await the_session(api) == {**ended, "energy_method": "registers", "billable": True}

    (session,) = (await get(api, "/v1/sessions"))["items"]
    assert (session["transaction_id"], session["ocpp_version"]) == (
        transaction_id,
        dialect.version,
    )
    values = (await get(api, f"/v1/sessions/{session['session_id']}/meter-values"))["items"]
    (sampled,) = (value for value in values if value["sampled_at"] == SAMPLED_AT)
    assert (sampled["evse_id"], sampled["energy_wh"]) == (1, 1500)
    assert [
        {name: word for name, word in sample.items() if word is not None}
        for sample in sampled["samples"]
    ] == [
        {
            "value": "1.5",
            "measurand": "Energy.Active.Import.Register",
            "context": "Sample.Periodic",
            "location": "Outlet",
            "unit": "kWh",
        },
        {
            "value": "7400.0",
            "measurand": "Power.Active.Import",
            "context": "Sample.Periodic",
            "location": "Outlet",
            "unit": "W",
        },
    ]
    described = await get(api, "/v1/stations/CP-1")
    assert (described["vendor"], described["model"], described["serial_number"]) == (
        "Vendor",
        "Model",
        "SN-1",
    )
    (connector,) = described["connectors"]
    assert (connector["evse_id"], connector["connector_id"], connector["status"]) == (
        1,
        1,
        "Occupied",
    )
    assert await db.fetchval("SELECT count(*) FROM dead_letters") == 0
