"""Firmware and logs out of the box: the API asks, a real pod carries it, the station does it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from control.settings import ControlSettings
from shared.domain.upkeep.files import FilePurpose
from shared.store.pool import Database
from shared.store.upkeep import files
from tests.integration.control.players import API_KEY, Api, assert_problem, running
from tests.integration.gateway.conftest import Pod
from tests.support.eventually import eventually
from tests.support.http import http_client
from tests.support.stations import StationClient, register, station_client

IMAGE = os.urandom(100_000)


@pytest.fixture
async def api(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    settings = ControlSettings(
        database_url=database_url,
        redis_url=redis_url,
        api_keys=API_KEY,
        public_url="http://files.example",
        files_directory=tmp_path / "files",
        files_signing_key="a-signing-key-that-only-tests-use",
        files_allowed_hosts="vendor.example",
    )
    async with running(settings) as served:
        yield served


@pytest.fixture
async def http(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A station's HTTP client, without an API key."""
    async with http_client(base_url=api.url) as client:
        yield client


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with station_client(gateway.url) as client:
        await client.boot()
        yield client


def path_of(url: str) -> str:
    parts = urlsplit(url)
    assert parts.netloc == "files.example"
    return f"{parts.path}?{parts.query}"


async def create(api: Api, resource: str, body: dict[str, Any]) -> dict[str, Any]:
    # Redis learns of a new connection a moment later.
    response = await eventually(
        lambda: api.client.post(f"/v1/stations/CP-1/{resource}", json=body),
        lambda answer: answer.status_code != 409,
    )
    assert response.status_code == 202, response.text
    made: dict[str, Any] = response.json()
    found = (await api.client.get(response.headers["location"])).json()
    # The station may have answered meanwhile.
    fixed = made.keys() - {"state", "status", "status_at", "answer_status", "file_name"}
    assert {key: found[key] for key in fixed} == {key: made[key] for key in fixed}
    return made


async def test_firmware_goes_from_the_operator_into_the_station(
    api: Api, station: StationClient, http: httpx.AsyncClient
) -> None:
    file = (await api.client.post("/v1/files?name=cs.bin", content=IMAGE)).json()
    update = await create(
        api,
        "firmware-updates",
        {"file_id": file["file_id"], "retries": 2, "retrieve_at": "2026-01-02T03:04:05+01:00"},
    )
    assert (update["state"], update["file_id"]) == ("requested", file["file_id"])
    _, command_id, action, request = await station.receive()
    assert (action, request["retrieveDate"]) == ("UpdateFirmware", "2026-01-02T02:04:05Z")
    assert command_id == update["command_id"]
    await station.send([3, command_id, {}])
    await station.call("FirmwareStatusNotification", {"status": "Downloading"})
    assert (await http.get(path_of(request["location"]))).content == IMAGE
    for status in ("Downloaded", "Installing", "Installed"):
        await station.call("FirmwareStatusNotification", {"status": status})
    details = (await api.client.get(f"/v1/firmware-updates/{update['firmware_update_id']}")).json()
    assert (details["state"], details["status"]) == ("succeeded", "Installed")
    assert [step["status"] for step in details["history"]] == [
        "Downloading", "Downloaded", "Installing", "Installed"
    ]  # fmt: skip
    listed = (await api.client.get("/v1/stations/CP-1/firmware-updates")).json()["items"]
    assert [each["firmware_update_id"] for each in listed] == [update["firmware_update_id"]]


async def test_diagnostics_go_from_the_station_to_the_operator(
    api: Api, station: StationClient, http: httpx.AsyncClient
) -> None:
    log = await create(api, "logs", {"since": "2026-01-01T00:00:00Z"})
    _, command_id, action, request = await station.receive()
    assert (action, request["startTime"]) == ("GetDiagnostics", "2026-01-01T00:00:00Z")
    await station.send([3, command_id, {"fileName": "diag.txt"}])
    await station.call("DiagnosticsStatusNotification", {"status": "Uploading"})
    uploaded = await http.put(path_of(request["location"]), content=b"dark")
    assert uploaded.status_code == 201
    await station.call("DiagnosticsStatusNotification", {"status": "Uploaded"})
    details = (await api.client.get(f"/v1/logs/{log['log_request_id']}")).json()
    assert (details["state"], details["file_name"]) == ("succeeded", "diag.txt")
    assert details["file"]["size_bytes"] == 4
    downloaded = await http.get(path_of(details["file"]["download_url"]))
    assert downloaded.content == b"dark"
    assert downloaded.headers["content-disposition"] == 'attachment; filename="diag.txt"'


async def test_signed_firmware_from_elsewhere_has_its_own_message(
    api: Api, station: StationClient
) -> None:
    update = await create(
        api,
        "firmware-updates",
        {
            "location": "https://vendor.example/cs.bin",
            "signing_certificate": "PEM",
            "signature": "c2ln",
            "install_at": "2030-01-01T00:00:00Z",
        },
    )
    _, command_id, action, request = await station.receive()
    assert action == "SignedUpdateFirmware"
    assert request["requestId"] == update["request_id"]
    assert request["firmware"]["installDateTime"] == "2030-01-01T00:00:00Z"
    await station.send([3, command_id, {"status": "InvalidCertificate"}])
    found = await eventually(
        lambda: api.client.get(f"/v1/firmware-updates/{update['firmware_update_id']}"),
        lambda answer: answer.json()["state"] != "requested",
    )
    assert (found.json()["state"], found.json()["answer_status"]) == (
        "refused", "InvalidCertificate"
    )  # fmt: skip
    assert found.json()["signed"] is True


async def test_what_the_station_cannot_be_asked_for_is_refused_in_the_update(
    api: Api, station: StationClient
) -> None:
    update = await create(
        api,
        "firmware-updates",
        {"location": "https://vendor.example/x", "install_at": "2030-01-01T00:00:00Z"},
    )
    found = await eventually(
        lambda: api.client.get(f"/v1/firmware-updates/{update['firmware_update_id']}"),
        lambda answer: answer.json()["state"] != "requested",
    )
    assert found.json()["state"] == "refused"
    command = (await api.client.get(f"/v1/commands/{update['command_id']}")).json()
    assert "install_at" in command["error_description"]
    assert (await station.call("Heartbeat", {}))[0] == 3


@pytest.mark.parametrize(
    ("resource", "body", "field"),
    [
        ("firmware-updates", {"location": "https://evil.example/x"}, "location"),
        ("firmware-updates", {"location": "ftp://vendor.example/x"}, "location"),
        ("logs", {"location": "http://169.254.169.254/latest"}, "location"),
        ("firmware-updates", {}, "(whole)"),
        ("firmware-updates", {"location": "https://vendor.example/x", "signature": "s"}, "(whole)"),
        ("firmware-updates", {"location": "https://vendor.example/ x"}, "location"),
        ("firmware-updates", {"location": "https://vendor.example/" + "x" * 500}, "location"),
        ("logs", {"since": "2026-01-01T00:00:00"}, "since"),
        ("logs", {"log_type": "EventLog"}, "log_type"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_kept(
    api: Api, db: Database, resource: str, body: dict[str, Any], field: str
) -> None:
    await register(db)
    response = await api.client.post(f"/v1/stations/CP-1/{resource}", json=body)
    errors = assert_problem(response, 422, "invalid-input")["errors"]
    assert [error["field"] for error in errors] == [field]
    assert (await api.client.get(f"/v1/stations/CP-1/{resource}")).json()["items"] == []


@pytest.mark.parametrize(
    "command",
    [
        {"type": "UpdateFirmware", "location": "https://evil.example/x",
         "retrieve_at": "2026-01-01T00:00:00Z"},
        {"type": "GetLog", "location": "https://evil.example/x", "log_type": "SecurityLog"},
        {"type": "Call", "action": "GetDiagnostics", "payload": {"location": "https://evil.ex/"}},
    ],
)  # fmt: skip
async def test_no_command_takes_a_station_elsewhere(
    api: Api, db: Database, command: dict[str, Any]
) -> None:
    await register(db)
    response = await api.client.post("/v1/stations/CP-1/commands", json=command)
    problem = assert_problem(response, 422, "invalid-input")
    assert "VOLTARO_FILES_ALLOWED_HOSTS" in problem["detail"]


@pytest.mark.parametrize("resource", ["firmware-updates", "logs"])
async def test_a_call_that_is_tried_again_asks_the_station_once(
    api: Api, station: StationClient, resource: str
) -> None:
    body = {"location": "https://vendor.example/x"} if resource == "firmware-updates" else {}
    url, key = f"/v1/stations/CP-1/{resource}", {"Idempotency-Key": "roll-out-7"}
    first = await eventually(
        lambda: api.client.post(url, json=body, headers=key),
        lambda answer: answer.status_code != 409,
    )
    second = await api.client.post(url, json=body, headers=key)
    assert second.headers["location"] == first.headers["location"]
    assert len((await api.client.get(url)).json()["items"]) == 1
    frame = await station.receive()
    await station.send([3, frame[1], {}])
    assert (await station.call("Heartbeat", {}))[0] == 3  # and no second CALL before it


@pytest.mark.parametrize("resource", ["firmware-updates", "logs"])
async def test_a_station_that_is_offline_is_asked_for_nothing(
    api: Api, db: Database, resource: str
) -> None:
    await register(db)
    body = {"location": "https://vendor.example/x"} if resource == "firmware-updates" else {}
    response = await api.client.post(f"/v1/stations/CP-1/{resource}", json=body)
    assert_problem(response, 409, "station-offline")
    assert (await api.client.get(f"/v1/stations/CP-1/{resource}")).json()["items"] == []
    assert await files.list_before(db, before=None, limit=10) == []
    unknown = await api.client.post(f"/v1/stations/CP-9/{resource}", json=body)
    assert_problem(unknown, 404, "not-found")
    assert_problem(await api.client.get(f"/v1/stations/CP-9/{resource}"), 404, "not-found")


async def test_only_firmware_that_is_there_is_given_out(api: Api, db: Database) -> None:
    await register(db)
    url = "/v1/stations/CP-1/firmware-updates"
    missing = {"file_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11"}
    assert_problem(await api.client.post(url, json=missing), 404, "not-found")
    log = await files.create(db, purpose=FilePurpose.LOG, name="log")
    assert_problem(await api.client.post(url, json={"file_id": log.file_id}), 409, "conflict")


async def test_an_ftp_password_is_not_shown(
    database_url: str, redis_url: str, station: StationClient
) -> None:
    settings = ControlSettings(
        database_url=database_url,
        redis_url=redis_url,
        api_keys=API_KEY,
        files_allowed_hosts="box.lan",
        files_allowed_schemes="ftp",
    )
    async with running(settings) as api:
        log = await create(api, "logs", {"location": "ftp://cs:hush@box.lan/logs/"})
        assert log["location"] == "ftp://cs:(redacted)@box.lan/logs/"
        frame = await station.receive()
        assert frame[3]["location"] == "ftp://cs:hush@box.lan/logs/"
        assert "hush" not in (await api.client.get("/v1/stations/CP-1/logs")).text
