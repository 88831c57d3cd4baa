"""The Firmware Management profile of OCPP 1.6: firmware (§4.5, §5.19), diagnostics (§4.4, §5.9)."""

from typing import Any

import pytest

from tests.conformance.ocpp16.coverage import covers, from_station, to_station
from tests.integration.control.players import Api
from tests.support.transcript import Play

UPDATE = """
    ! UpdateFirmware {"location": "https://vendor.example/cs-2.bin", "retries": 3,
        "retrieve_at": "2026-01-02T03:04:05Z", "retry_interval_s": 60}
    < UpdateFirmware {"location": "https://vendor.example/cs-2.bin", "retries": 3,
        "retrieveDate": "2026-01-02T03:04:05Z", "retryInterval": 60}
"""
DIAGNOSTICS = """
    ! GetLog {"log_type": "DiagnosticsLog", "location": "https://vendor.example/up/",
        "since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z", "retries": 1}
    < GetDiagnostics {"location": "https://vendor.example/up/", "retries": 1,
        "startTime": "2026-01-01T00:00:00Z", "stopTime": "2026-01-02T00:00:00Z"}
"""


def telling(action: str, *statuses: str) -> str:
    """Return a transcript in which a station tells one status after another."""
    return "".join(f'\n> {action} {{"status": "{status}"}}\n< {{}}' for status in statuses)


async def latest(api: Api, resource: str) -> dict[str, Any]:
    """Return the last update or log of the station with its steps, or nothing."""
    items = (await api.client.get(f"/v1/stations/CP-1/{resource}")).json()["items"]
    if not items:
        return {}
    key = items[0]["firmware_update_id" if resource == "firmware-updates" else "log_request_id"]
    found: dict[str, Any] = (await api.client.get(f"/v1/{resource}/{key}")).json()
    return found


def steps(found: dict[str, Any]) -> list[str]:
    return [step["status"] for step in found["history"]]


@covers(to_station("UpdateFirmware"), from_station("FirmwareStatusNotification"))
async def test_an_update_is_followed_until_it_is_installed(play: Play, api: Api) -> None:
    await play(UPDATE)
    await play("""
        > {}
        = answered
    """)
    await play(telling("FirmwareStatusNotification", "Downloading", "Downloaded", "Installing"))
    update = await latest(api, "firmware-updates")
    assert (update["state"], update["status"]) == ("in_progress", "Installing")
    await play(telling("FirmwareStatusNotification", "Installed"))
    update = await latest(api, "firmware-updates")
    assert (update["state"], update["answer_status"]) == ("succeeded", "Accepted")
    assert (update["location"], update["retries"]) == ("https://vendor.example/cs-2.bin", 3)
    assert steps(update) == ["Downloading", "Downloaded", "Installing", "Installed"]


@covers(from_station("FirmwareStatusNotification"))
@pytest.mark.parametrize("status", ["DownloadFailed", "InstallationFailed"])
async def test_an_update_that_fails_has_failed(play: Play, api: Api, status: str) -> None:
    await play(UPDATE)
    await play("""
        > {}
        = answered
    """)
    await play(telling("FirmwareStatusNotification", "Downloading", status))
    update = await latest(api, "firmware-updates")
    assert (update["state"], update["status"]) == ("failed", status)


@covers(to_station("UpdateFirmware"))
async def test_a_station_that_wants_signed_firmware_says_so(play: Play, api: Api) -> None:
    """Whitepaper L01.FR.20."""
    body = {"location": "https://vendor.example/cs-2.bin"}
    made = await api.client.post("/v1/stations/CP-1/firmware-updates", json=body)
    assert made.status_code == 202, made.text
    await play("""
        < UpdateFirmware {"location": "https://vendor.example/cs-2.bin", "retrieveDate": "$"}
        > CALLERROR ["NotSupported", "signed firmware only", {}]
        ! ClearCache
        < ClearCache {}
        > {"status": "Accepted"}
        = accepted
    """)
    assert (await latest(api, "firmware-updates"))["state"] == "refused"
    command = (await api.client.get(f"/v1/commands/{made.json()['command_id']}")).json()
    assert (command["state"], command["error_code"]) == ("failed", "NotSupported")


@covers(from_station("FirmwareStatusNotification"), from_station("DiagnosticsStatusNotification"))
async def test_a_station_that_does_nothing_says_idle(play: Play, api: Api) -> None:
    await play(telling("FirmwareStatusNotification", "Idle"))
    await play(telling("DiagnosticsStatusNotification", "Idle"))
    assert await latest(api, "firmware-updates") == {}
    assert await latest(api, "logs") == {}


@covers(to_station("GetDiagnostics"), from_station("DiagnosticsStatusNotification"))
@pytest.mark.parametrize(
    ("status", "kept", "state"),
    [("Uploaded", "Uploaded", "succeeded"), ("UploadFailed", "UploadFailure", "failed")],
)
async def test_diagnostics_are_followed_until_they_are_uploaded(
    play: Play, api: Api, status: str, kept: str, state: str
) -> None:
    await play(DIAGNOSTICS)
    await play("""
        > {"fileName": "diagnostics.zip"}
        = answered {"response": {"fileName": "diagnostics.zip"}}
    """)
    assert (await latest(api, "logs"))["state"] == "accepted"
    await play(telling("DiagnosticsStatusNotification", "Uploading", status))
    log = await latest(api, "logs")
    assert (log["state"], log["file_name"], log["status"]) == (state, "diagnostics.zip", kept)
    assert (log["log_type"], log["since"]) == ("DiagnosticsLog", "2026-01-01T00:00:00Z")
    assert steps(log) == ["Uploading", kept]


@covers(to_station("GetDiagnostics"))
async def test_no_file_name_means_that_there_is_nothing_to_upload(play: Play, api: Api) -> None:
    """§5.9."""
    await play(DIAGNOSTICS)
    await play("""
        > {}
        = answered
    """)
    log = await latest(api, "logs")
    assert (log["state"], log["file_name"]) == ("refused", None)


@covers(from_station("DiagnosticsStatusNotification"), from_station("LogStatusNotification"))
async def test_the_progress_of_diagnostics_is_not_that_of_another_log(play: Play, api: Api) -> None:
    """§4.4; whitepaper N01.FR.07: only the latter is told with the id of its request."""
    await play(DIAGNOSTICS)
    await play("""
        > {"fileName": "cs-1.tgz"}
        = answered
        ! GetLog {"log_type": "SecurityLog", "location": "https://vendor.example/up/",
            "request_id": 9}
        < GetLog {"logType": "SecurityLog", "requestId": 9,
            "log": {"remoteLocation": "https://vendor.example/up/"}}
        > {"status": "Accepted", "filename": "security.log"}
        = accepted
    """)
    await play(telling("DiagnosticsStatusNotification", "Uploading", "UploadFailed", "Idle"))
    items = (await api.client.get("/v1/stations/CP-1/logs")).json()["items"]
    assert [(log["log_type"], log["state"]) for log in items] == [
        ("SecurityLog", "accepted"),
        ("DiagnosticsLog", "failed"),
    ]
    await play(telling("LogStatusNotification", "Uploaded"))
    assert steps(await latest(api, "logs")) == ["Uploaded"]
