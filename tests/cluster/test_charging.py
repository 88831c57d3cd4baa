"""A whole cluster as its users see it: stations charge through it, operators command through it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import Action, RegistrationStatus, RemoteStartStopStatus
from websockets.asyncio.client import connect

from simulator.backoff import ReconnectPolicy
from simulator.events import Registered
from simulator.profile import StationProfile
from simulator.running import SimulatedStation, run_station
from tests.support.eventually import eventually
from tests.support.http import http_client
from tests.support.local_cluster import Cluster
from tests.support.stations import PASSWORD, basic_auth, station_client


async def register(cluster: Cluster, station_id: str) -> str:
    answer = await cluster.api.post(
        "/v1/stations", json={"station_id": station_id, "password": PASSWORD}
    )
    answer.raise_for_status()
    return station_id


async def get(cluster: Cluster, path: str, **parameters: Any) -> Any:
    answer = await cluster.api.get(path, params=parameters)
    answer.raise_for_status()
    return answer.json()


async def command(cluster: Cluster, station_id: str, **fields: Any) -> dict[str, Any]:
    answer = await cluster.api.post(f"/v1/stations/{station_id}/commands", json=fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def sessions(cluster: Cluster, station_id: str) -> list[dict[str, Any]]:
    return list((await get(cluster, "/v1/sessions", station_id=station_id))["items"])


@pytest.fixture
async def id_token(shared_cluster: Cluster) -> str:
    answer = await shared_cluster.api.post("/v1/id-tokens", json={"id_token": "DRIVER"})
    assert answer.status_code in {201, 409}
    return "DRIVER"


@pytest.fixture
async def station(
    shared_cluster: Cluster, request: pytest.FixtureRequest
) -> AsyncIterator[SimulatedStation]:
    """A simulated station that charges only when told."""
    station_id = await register(shared_cluster, f"S-{abs(hash(request.node.name)) % 10**9}")
    profile = StationProfile(station_id=station_id, meter_interval_s=0.5, time_lapse=60)
    async with run_station(profile, url=shared_cluster.ocpp_url, password=PASSWORD) as running:
        await eventually(
            lambda: get(shared_cluster, f"/v1/stations/{station_id}"),
            lambda seen: seen["online"] and seen["booted_at"] and seen["owner"],
        )
        yield running


async def test_a_plain_client_charges_and_the_rows_are_there(shared_cluster: Cluster) -> None:
    station_id = await register(shared_cluster, "PLAIN")
    async with station_client(shared_cluster.ocpp_url, station_id) as client:
        await client.boot()
        start = {
            "connectorId": 1,
            "idTag": "X",
            "meterStart": 5,
            "timestamp": "2026-01-01T00:00:00Z",
        }
        transaction_id = (await client.call("StartTransaction", start))[2]["transactionId"]
        stop = {
            "transactionId": transaction_id,
            "meterStop": 30,
            "timestamp": "2026-01-01T01:00:00Z",
        }
        await client.call("StopTransaction", stop)
    (session,) = await sessions(shared_cluster, station_id)
    assert (session["transaction_id"], session["energy_wh"]) == (str(transaction_id), 25)


async def test_a_driver_charges_and_energy_is_seen_while_it_flows(
    shared_cluster: Cluster, station: SimulatedStation, id_token: str
) -> None:
    await station.start_charging(id_token=id_token)
    (session,) = await eventually(
        lambda: sessions(shared_cluster, station.station_id),
        lambda found: bool(found) and (found[0]["energy_wh"] or 0) > 0,
    )
    assert session["active"]
    await station.stop_charging()
    (session,) = await sessions(shared_cluster, station.station_id)
    assert not session["active"]
    assert session["energy_wh"] > 0
    values = await get(shared_cluster, f"/v1/sessions/{session['session_id']}/meter-values")
    assert len(values["items"]) >= 1
    shown = await get(shared_cluster, f"/v1/stations/{station.station_id}")
    assert {connector["evse_id"] for connector in shown["connectors"]} == {0, 1}


async def test_an_operator_starts_and_stops_a_charge(
    shared_cluster: Cluster, station: SimulatedStation, id_token: str
) -> None:
    started = await command(
        shared_cluster, station.station_id, type="RemoteStart", id_token=id_token, evse_id=1
    )
    assert (started["state"], started["response"]) == ("accepted", {"status": "Accepted"})
    (session,) = await eventually(lambda: sessions(shared_cluster, station.station_id), bool)
    stopped = await command(
        shared_cluster,
        station.station_id,
        type="RemoteStop",
        transaction_id=session["transaction_id"],
    )
    assert (stopped["state"], stopped["status"]) == ("accepted", "Accepted")
    (ended,) = await eventually(
        lambda: sessions(shared_cluster, station.station_id),
        lambda found: not found[0]["active"],
    )
    assert ended["stopped_reason"] == "Remote"


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"type": "GetConfiguration"}, "answered"),
        ({"type": "ChangeConfiguration", "key": "HeartbeatInterval", "value": "60"}, "accepted"),
        ({"type": "ChangeConfiguration", "key": "NoSuchKey", "value": "1"}, "rejected"),
        ({"type": "ChangeAvailability", "operational_status": "Inoperative"}, "accepted"),
        ({"type": "UnlockConnector", "evse_id": 1}, "accepted"),
        ({"type": "ClearCache"}, "accepted"),
        ({"type": "TriggerMessage", "requested_message": "Heartbeat"}, "accepted"),
        ({"type": "DataTransfer", "vendor_id": "nobody"}, "rejected"),
        ({"type": "Call", "action": "GetConfiguration", "payload": {"key": ["A"]}}, "answered"),
        ({"type": "Call", "action": "ReserveNow", "payload": {}}, "failed"),
        ({"type": "Reset", "reset_type": "OnIdle"}, "accepted"),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else value,
)
async def test_every_command_brings_the_stations_own_answer(
    shared_cluster: Cluster, station: SimulatedStation, fields: dict[str, Any], state: str
) -> None:
    outcome = await command(shared_cluster, station.station_id, **fields)
    assert outcome["state"] == state, outcome


class StockChargePoint(ChargePoint):  # type: ignore[misc]  # the package has no types
    """A charge point as the `ocpp` package's users write one, unmodified."""

    @on(Action.remote_start_transaction)
    def on_remote_start(self, id_tag: str, **_: Any) -> Any:
        self.remote_id_tag = id_tag
        return call_result.RemoteStartTransaction(status=RemoteStartStopStatus.accepted)


async def test_the_ocpp_packages_own_charge_point_completes_a_session(
    shared_cluster: Cluster, id_token: str
) -> None:
    station_id = await register(shared_cluster, "STOCK")
    now = datetime.now(UTC).isoformat()
    async with connect(
        f"{shared_cluster.ocpp_url}/{station_id}",
        subprotocols=["ocpp1.6"],
        additional_headers=basic_auth(station_id),
    ) as websocket:
        charge_point = StockChargePoint(station_id, websocket)
        reading = asyncio.create_task(charge_point.start())
        boot = await charge_point.call(
            call.BootNotification(charge_point_model="M", charge_point_vendor="V")
        )
        assert boot.status == RegistrationStatus.accepted
        await charge_point.call(call.Authorize(id_tag=id_token))
        outcome = await command(shared_cluster, station_id, type="RemoteStart", id_token=id_token)
        assert outcome["state"] == "accepted"
        assert charge_point.remote_id_tag == id_token
        started = await charge_point.call(
            call.StartTransaction(connector_id=1, id_tag=id_token, meter_start=0, timestamp=now)
        )
        await charge_point.call(
            call.MeterValues(
                connector_id=1,
                transaction_id=started.transaction_id,
                meter_value=[{"timestamp": now, "sampledValue": [{"value": "500"}]}],
            )
        )
        await charge_point.call(
            call.StopTransaction(
                meter_stop=1000, timestamp=now, transaction_id=started.transaction_id
            )
        )
        reading.cancel()
    (session,) = await sessions(shared_cluster, station_id)
    assert (session["energy_wh"], session["active"]) == (1000, False)


async def test_stations_of_a_killed_gateway_return_on_the_other_and_commands_reach_them(
    cluster: Cluster,
) -> None:
    await cluster.api.post("/v1/id-tokens", json={"id_token": "DRIVER"})
    profiles = [
        StationProfile(
            station_id=await register(cluster, f"K-{number}"),
            meter_interval_s=0.5,
            # Sooner back than the gateway, which `up` starts again within a second or two.
            reconnect=ReconnectPolicy(minimum_s=0.05, maximum_s=0.2),
        )
        for number in range(8)
    ]
    async with asyncio.TaskGroup() as tasks:
        stations = [
            SimulatedStation(profile, url=cluster.ocpp_url, password=PASSWORD)
            for profile in profiles
        ]
        running = [tasks.create_task(station.run()) for station in stations]
        await eventually(lambda: _owners(cluster), lambda owners: len(owners) == len(profiles))
        await asyncio.gather(*(s.wait_for(Registered) for s in stations))
        await asyncio.gather(*(s.start_charging(id_token="DRIVER") for s in stations))
        before = await _owners(cluster)
        victim = max(set(before.values()), key=list(before.values()).count)
        cluster.kill(victim.rpartition("-")[0])
        moved = [station_id for station_id, pod_id in before.items() if pod_id == victim]
        assert moved
        after = await eventually(
            lambda: _owners(cluster),
            lambda owners: (
                len(owners) == len(profiles)
                and all(owners[station_id] != victim for station_id in moved)
            ),
            timeout_s=40,
        )
        other = {pod_id for pod_id in before.values() if pod_id != victim}
        if other:
            assert any(after[station_id] in other for station_id in moved)
        for station_id in moved:
            outcome = await command(cluster, station_id, type="GetConfiguration")
            assert outcome["state"] == "answered"
        await asyncio.gather(*(s.stop_charging() for s in stations))
        for task in running:
            task.cancel()
    for profile in profiles:
        (session,) = await sessions(cluster, profile.station_id)
        assert not session["active"]


async def _owners(cluster: Cluster) -> dict[str, str]:
    items = (await get(cluster, "/v1/stations"))["items"]
    return {item["station_id"]: item["owner"]["pod_id"] for item in items if item["owner"]}


async def test_healthz_readyz_and_metrics_answer_on_every_process(shared_cluster: Cluster) -> None:
    async with http_client() as client:
        for name, url in shared_cluster.management_urls.items():
            if name == "haproxy":
                continue
            for path in ("healthz", "readyz", "metrics"):
                answer = await client.get(f"{url}/{path}")
                assert answer.status_code == 200, f"{name} {path}: {answer.text}"
