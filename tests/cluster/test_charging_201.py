"""Simulated stations of each version charge through a whole cluster; the API tells the same."""

from collections.abc import AsyncIterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulator.backoff import ReconnectPolicy
from simulator.errors import ChargeRefused
from simulator.events import ChargeEnded, ChargeSampled, ChargeStarted, Connected, Disconnected
from simulator.profile import OcppVersion, Scenario, StationProfile
from simulator.running import SimulatedStation, run_station
from tests.support.eventually import eventually
from tests.support.local_cluster import Cluster, running_cluster
from tests.support.stations import PASSWORD

DRIVER = "DRIVER"
NUMBERS = count(1)

#: What differs from one session to the next.
OWN = {
    *("session_id", "station_id", "transaction_id", "ocpp_version", "created_at", "updated_at"),
    *("started_at", "meter_start_wh", "ended_at", "meter_stop_wh", "energy_wh"),
    *("settled_at", "id_token_type"),
}


class Api:
    """What an operator sees of one station."""

    def __init__(self, cluster: Cluster, station_id: str) -> None:
        self._cluster = cluster
        self._station_id = station_id

    async def get(self, path: str, **parameters: Any) -> Any:
        answer = await self._cluster.api.get(path, params=parameters)
        answer.raise_for_status()
        return answer.json()

    async def station(self) -> dict[str, Any]:
        return dict(await self.get(f"/v1/stations/{self._station_id}"))

    async def statuses(self) -> dict[tuple[int, int], str]:
        """Status by EVSE and connector, without that of the station itself, which only 1.6 has."""
        connectors = (await self.station())["connectors"]
        return {
            (each["evse_id"], each["connector_id"]): each["status"]
            for each in connectors
            if each["evse_id"] > 0
        }

    async def sessions(self, *, active: bool) -> list[dict[str, Any]]:
        answer = await self.get("/v1/sessions", station_id=self._station_id, active=active)
        return list(answer["items"])

    async def session(self, *, active: bool) -> dict[str, Any]:
        """Wait for the one session that goes on, or for the latest that has ended."""
        found = await eventually(lambda: self.sessions(active=active), bool)
        assert not active or len(found) == 1
        return max(found, key=lambda each: str(each["started_at"]))

    async def settled(self, session_id: str) -> dict[str, Any]:
        """Wait until a session has ended and been settled, and return it."""

        async def look() -> dict[str, Any]:
            return dict(await self.get(f"/v1/sessions/{session_id}"))

        found = await eventually(look, lambda session: bool(session["energy_method"]))
        # What only the answer about one session has is not what this is about.
        return {
            name: value
            for name, value in found.items()
            if name not in {"ends", "event_gaps", "energy_estimates"}
        }

    async def meter_values(self, session: dict[str, Any]) -> list[dict[str, Any]]:
        path = f"/v1/sessions/{session['session_id']}/meter-values"
        return list((await self.get(path, limit=200))["items"])

    async def command(self, **fields: Any) -> dict[str, Any]:
        answer = await self._cluster.api.post(
            f"/v1/stations/{self._station_id}/commands", json=fields
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture(params=list(OcppVersion))
async def station(
    shared_cluster: Cluster, request: pytest.FixtureRequest
) -> AsyncIterator[SimulatedStation]:
    """A station of each version, known to the cluster and connected to it."""
    driver = await shared_cluster.api.post("/v1/id-tokens", json={"id_token": DRIVER})
    assert driver.status_code in {201, 409}
    version: OcppVersion = request.param
    station_id = f"S-{version}-{next(NUMBERS)}"
    created = await shared_cluster.api.post(
        "/v1/stations", json={"station_id": station_id, "password": PASSWORD}
    )
    created.raise_for_status()
    profile = StationProfile(
        station_id=station_id,
        version=version,
        meter_interval_s=1,
        time_lapse=60,
        # Long enough offline for a sample to be taken.
        reconnect=ReconnectPolicy(minimum_s=2.0, maximum_s=2.0, jitter=0.0),
        scenario=Scenario(plug_in_s=(0, 0), unplug_s=(0.1, 0.1)),
    )
    async with run_station(profile, url=shared_cluster.ocpp_url, password=PASSWORD) as running:
        await eventually(
            Api(shared_cluster, station_id).station,
            lambda seen: seen["online"] and seen["booted_at"] and seen["owner"],
        )
        yield running


@pytest.fixture
def api(shared_cluster: Cluster, station: SimulatedStation) -> Api:
    return Api(shared_cluster, station.station_id)


def told(session: dict[str, Any]) -> dict[str, Any]:
    """Return what every session of these tests is told to be, whatever the version."""
    assert session.keys() >= OWN
    return {name: value for name, value in session.items() if name not in OWN}


def moments(payloads: list[dict[str, Any]]) -> set[datetime]:
    """Return when the readings of transaction-related messages were taken."""
    return {
        datetime.fromisoformat(value["timestamp"])
        for payload in payloads
        for value in payload["meterValue"]
    }


async def test_the_life_of_a_session_is_told_alike(station: SimulatedStation, api: Api) -> None:
    version = station.station.profile.version
    seen = await api.station()
    assert {name: seen[name] for name in ("ocpp_version", "vendor", "model", "serial_number")} == {
        "ocpp_version": version,
        "vendor": "Voltaro",
        "model": "Simulator",
        "serial_number": station.station_id[:25],
    }
    await eventually(api.statuses, lambda statuses: statuses == {(1, 1): "Available"})

    # A driver comes, and charges on while the connection is lost.
    charge = await station.start_charging(id_token=DRIVER)
    running = await api.session(active=True)
    assert told(running) == {
        "evse_id": 1,
        "connector_id": 1,
        "id_token": DRIVER,
        "authorization_status": "Accepted",
        "organization_id": "default",
        "at_free_location": False,
        "reservation_id": None,
        "active": True,
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
    assert running["ocpp_version"] == version
    # Tokens of 1.6 have none.
    assert running["id_token_type"] == (None if version == "1.6" else "ISO14443")
    assert running["transaction_id"] == str(charge.transaction_id)
    assert running["meter_start_wh"] == charge.begin.energy_wh
    await eventually(api.statuses, lambda statuses: statuses == {(1, 1): "Occupied"})
    await eventually(
        lambda: api.session(active=True), lambda session: (session["energy_wh"] or 0) > 0
    )
    station.lose_connection()
    await station.wait_for(Disconnected)
    await station.wait_for(ChargeSampled)
    await station.wait_for(Connected)

    # The driver leaves.
    await station.stop_charging()
    ended = await station.wait_for(ChargeEnded)
    session = await api.settled(running["session_id"])
    trusted = {"energy_method": "registers", "ended_by": "station", "billable": True}
    assert told(session) == {
        **told(running),
        **trusted,
        "active": False,
        "stopped_reason": "Local",
    }
    assert session["energy_wh"] == ended.energy_wh > 0
    assert session["meter_stop_wh"] - session["meter_start_wh"] == session["energy_wh"]
    sampled = [event.payload for event in station.acknowledged if event.kind == "metered"]
    values = await api.meter_values(session)
    assert len(sampled) >= 2
    assert {datetime.fromisoformat(each["sampled_at"]) for each in values} >= moments(sampled)
    periodic = [each for each in values if each["samples"][0]["context"] == "Sample.Periodic"]
    assert {each["evse_id"] for each in periodic} == {1}
    assert all(each["energy_wh"] > session["meter_start_wh"] for each in periodic)
    for value in periodic:
        assert [
            (sample["measurand"], sample["unit"], sample["location"]) for sample in value["samples"]
        ] == [
            ("Energy.Active.Import.Register", "Wh", "Outlet"),
            ("Power.Active.Import", "W", "Outlet"),
            ("Current.Import", "A", "Outlet"),
            ("Voltage", "V", "Outlet"),
            ("SoC", "Percent", "EV"),
        ]
    await eventually(api.statuses, lambda statuses: statuses == {(1, 1): "Available"})

    # An operator starts and stops the next one.
    outcome = await api.command(type="RemoteStart", id_token=DRIVER, evse_id=1)
    assert (outcome["state"], outcome["status"]) == ("accepted", "Accepted")
    await station.wait_for(ChargeStarted)
    remote = await api.session(active=True)
    assert told(remote) == told(running)
    refused = await api.command(type="RemoteStart", id_token=DRIVER, evse_id=1)
    assert (refused["state"], refused["status"]) == ("rejected", "Rejected")
    outcome = await api.command(type="RemoteStop", transaction_id=remote["transaction_id"])
    assert (outcome["state"], outcome["status"]) == ("accepted", "Accepted")
    await eventually(lambda: api.sessions(active=True), lambda found: not found)
    session = await api.settled(remote["session_id"])
    assert told(session) == {
        **told(running),
        **trusted,
        "active": False,
        "stopped_reason": "Remote",
    }
    assert session["meter_start_wh"] >= charge.begin.energy_wh + ended.energy_wh


async def test_a_token_nobody_knows_charges_nowhere(station: SimulatedStation, api: Api) -> None:
    with pytest.raises(ChargeRefused):
        await station.start_charging(id_token="STRANGER")
    assert await api.sessions(active=True) == []
    assert await api.sessions(active=False) == []


@pytest.mark.parametrize(
    ("fields", "state", "status"),
    [
        (
            {"type": "ChangeAvailability", "operational_status": "Inoperative", "evse_id": 1},
            "accepted",
            "Accepted",
        ),
        (
            {"type": "ChangeAvailability", "operational_status": "Operative"},
            "accepted",
            "Accepted",
        ),
        ({"type": "UnlockConnector", "evse_id": 1}, "accepted", "Unlocked"),
        ({"type": "ClearCache"}, "accepted", "Accepted"),
        ({"type": "TriggerMessage", "requested_message": "Heartbeat"}, "accepted", "Accepted"),
        (
            {"type": "TriggerMessage", "requested_message": "StatusNotification", "evse_id": 1},
            "accepted",
            "Accepted",
        ),
        ({"type": "DataTransfer", "vendor_id": "nobody"}, "rejected", "UnknownVendorId"),
        ({"type": "RemoteStop", "transaction_id": "4711"}, "rejected", "Rejected"),
        ({"type": "Reset", "reset_type": "OnIdle"}, "accepted", "Accepted"),
        ({"type": "Reset", "reset_type": "Immediate"}, "accepted", "Accepted"),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else None,
)
async def test_the_same_command_is_answered_alike(
    station: SimulatedStation, api: Api, fields: dict[str, Any], state: str, status: str | None
) -> None:
    outcome = await api.command(**fields)
    assert (outcome["state"], outcome["status"]) == (state, status), outcome
    assert station.station_id == outcome["station_id"]


@pytest.mark.parametrize(
    ("station", "key"),
    [
        (OcppVersion.V1_6, "HeartbeatInterval"),
        (OcppVersion.V2_0_1, "OCPPCommCtrlr.HeartbeatInterval"),
    ],
    indirect=["station"],
)
async def test_configuration_is_changed_and_read_under_its_versions_name(
    station: SimulatedStation, api: Api, key: str
) -> None:
    changed = await api.command(type="ChangeConfiguration", key=key, value="77")
    assert changed["state"] == "accepted", changed
    assert station.station.settings.heartbeat_interval_s == 77
    read = await api.command(type="GetConfiguration", keys=[key])
    assert read["state"] == "answered"
    (item,) = next(iter(read["response"].values()))
    assert item.get("value", item.get("attributeValue")) == "77"
    unknown = await api.command(type="ChangeConfiguration", key=f"{key}s", value="1")
    assert unknown["state"] == "rejected", unknown


def test_the_stations_of_up_speak_both_versions(tmp_path: Path) -> None:
    with running_cluster(tmp_path / "data", "--stations", "2", "--gateways", "1") as cluster:
        headers = {"Authorization": f"Bearer {cluster.api_key}"}
        with httpx.Client(base_url=cluster.http_url, headers=headers, trust_env=False) as api:
            versions: dict[str, str] = {}
            while len(versions) < 2:
                online = api.get("/v1/stations", params={"online": True}).json()["items"]
                versions = {each["station_id"]: each["ocpp_version"] for each in online}
    assert versions == {"SIM-1": "1.6", "SIM-2": "2.0.1"}
