"""Firmware and logs out of the box: a simulated station and the end points of the cluster."""

from typing import Any

from simulator.events import Registered
from simulator.profile import StationProfile
from simulator.running import run_station
from tests.support.eventually import eventually
from tests.support.local_cluster import Cluster
from tests.support.stations import PASSWORD


async def test_a_station_uploads_its_log_and_updates_its_firmware(shared_cluster: Cluster) -> None:
    api = shared_cluster.api
    station_id = "SIM-FILES"
    answer = await api.post("/v1/stations", json={"station_id": station_id, "password": PASSWORD})
    answer.raise_for_status()
    profile = StationProfile(station_id=station_id, reboot_s=(0.1, 0.1), install_s=(0.1, 0.1))

    async def get(path: str) -> Any:
        answer = await api.get(path)
        answer.raise_for_status()
        return answer.json()

    async with run_station(
        profile, url=shared_cluster.ocpp_url, password=PASSWORD, seed=1
    ) as station:
        await station.wait_for(Registered, lambda event: event.status == "Accepted")
        await eventually(lambda: get(f"/v1/stations/{station_id}"), lambda seen: seen["owner"])

        asked = await api.post(f"/v1/stations/{station_id}/logs", json={"log_type": "SecurityLog"})
        assert asked.status_code == 202, asked.text
        log = await eventually(
            lambda: get(asked.headers["Location"]), lambda log: log["status"] == "Uploaded"
        )
        assert log["file_name"].startswith(f"{station_id}-security-")

        image = await api.post("/v1/files", params={"name": "sim-7.8.9.bin"}, content=b"image")
        assert image.status_code == 201, image.text
        asked = await api.post(
            f"/v1/stations/{station_id}/firmware-updates",
            json={"file_id": image.json()["file_id"]},
        )
        assert asked.status_code == 202, asked.text
        await eventually(
            lambda: get(asked.headers["Location"]), lambda update: update["status"] == "Installed"
        )
        shown = await get(f"/v1/stations/{station_id}")
        assert shown["firmware_version"] == "7.8.9"
