"""Logs that a station uploads (1.6, 5.9 and 4.4; whitepaper, N01)."""

from typing import Any

import pytest

from simulator.events import Upload
from simulator.transfers import TransferStatus
from tests.unit.simulator.bench import Bench, Frame, Payload

URL = "https://files.example.com/logs/1"
NOTICES = {"DiagnosticsStatusNotification", "LogStatusNotification"}


def _told(said: list[Frame]) -> list[str]:
    return [frame.payload["status"] for frame in said if frame.action in NOTICES]


def _get_log(station: Bench, type_: str = "SecurityLog", id_: int = 3, **more: Any) -> Payload:
    log = {"remoteLocation": URL, **more.pop("log", {})}
    return station.command("GetLog", {"logType": type_, "requestId": id_, "log": log, **more})


def test_diagnostics_are_named_uploaded_and_told(bench: type[Bench]) -> None:
    station = bench(connectors=2, station_id="SIM/1 x").booted()
    station.charge()
    name = station.command("GetDiagnostics", {"location": URL})["fileName"]
    assert name == f"SIM-1-x-diagnostics-{int(station.now)}.log"
    assert _told(station.settle()) == ["Uploading"]
    upload = station.transfer_ends()
    assert isinstance(upload, Upload)
    assert (upload.url, upload.name) == (URL, name)
    lines = upload.content.decode().splitlines()
    assert "DiagnosticsLog of SIM/1 x" in lines[0]
    assert any(line.startswith("connector 1: Charging") for line in lines)
    assert _told(station.settle()) == ["Uploaded"]


def test_the_security_log_holds_what_happened_in_the_time_asked_for(bench: type[Bench]) -> None:
    station = bench().booted()
    for _ in range(2):
        station.command("Reset", {"type": "Hard"})
        station.tick(3)
        station.connect()
        station.live(100)

    def lines(**log: str) -> list[str]:
        _get_log(station, log=log)
        station.settle()
        upload = station.transfer_ends()
        station.settle()
        assert isinstance(upload, Upload)
        return upload.content.decode().splitlines()[1:]

    stamp = station.station.context.timestamp
    assert len(lines()) == 2
    assert all("ResetOrReboot: RemoteReset" in line for line in lines())
    assert len(lines(oldestTimestamp=stamp(station.now - 105))) == 1
    assert len(lines(latestTimestamp=stamp(station.now - 105))) == 1
    assert lines(oldestTimestamp=stamp(station.now)) == []


@pytest.mark.parametrize(
    ("result", "log_status"),
    [
        (TransferStatus.FAILED, "UploadFailure"),
        (TransferStatus.DENIED, "PermissionDenied"),
        (TransferStatus.REFUSED, "BadMessage"),
        (TransferStatus.UNSUPPORTED, "NotSupportedOperation"),
    ],
)
def test_a_failure_is_told_as_precisely_as_can_be(
    bench: type[Bench], result: TransferStatus, log_status: str
) -> None:
    station = bench().booted()
    assert _get_log(station, retries=1)["status"] == "Accepted"
    station.settle()
    station.transfer_ends(result)
    said = station.live(100)
    assert [frame.payload for frame in said if frame.action in NOTICES] == [
        {"status": log_status, "requestId": 3}
    ]
    station.command("GetDiagnostics", {"location": URL, "retries": 1})
    station.settle()
    station.transfer_ends(result)
    assert _told(station.live(100)) == ["UploadFailed"]


def test_an_upload_is_tried_as_often_as_asked(bench: type[Bench]) -> None:
    station = bench().booted()
    _get_log(station, retries=2, retryInterval=30)
    station.settle()
    station.transfer_ends(TransferStatus.FAILED)
    assert _told(station.live(29)) == []
    assert not station.transfers
    station.live(1)
    station.transfer_ends()
    assert _told(station.settle()) == ["Uploaded"]


def test_a_new_request_takes_the_place_of_one_under_way(bench: type[Bench]) -> None:
    station = bench().booted()
    _get_log(station, id_=1)
    station.settle()
    assert _get_log(station, id_=2)["status"] == "AcceptedCanceled"
    assert len(station.transfers) == 1
    said = station.settle()
    station.transfer_ends()
    said += station.settle()
    told = [frame.payload for frame in said if frame.action in NOTICES]
    assert told == [{"status": word, "requestId": 2} for word in ("Uploading", "Uploaded")]


def test_a_trigger_tells_where_it_stands(bench: type[Bench]) -> None:
    station = bench().booted()
    plain = ("TriggerMessage", "DiagnosticsStatusNotification")
    extended = ("ExtendedTriggerMessage", "LogStatusNotification")

    def asked(action: str, message: str) -> Payload:
        assert station.command(action, {"requestedMessage": message}) == {"status": "Accepted"}
        (frame,) = station.settle()
        assert frame.action == message
        return frame.payload

    assert asked(*plain) == {"status": "Idle"}
    assert asked(*extended) == {"status": "Idle"}
    _get_log(station)
    station.settle()
    assert asked(*plain) == {"status": "Idle"}
    assert asked(*extended) == {"status": "Uploading", "requestId": 3}
    station.command("GetDiagnostics", {"location": URL})
    station.settle()
    assert asked(*plain) == {"status": "Uploading"}
    station.transfer_ends()
    station.settle()
    assert asked(*plain) == {"status": "Idle"}


def test_an_upload_is_taken_up_again_after_a_restart(bench: type[Bench]) -> None:
    station = bench().booted()
    _get_log(station)
    station.settle()
    station.command("Reset", {"type": "Hard"})
    station.tick(3)
    station.connect()
    station.live(1)
    assert len(station.transfers) == 1
    station.transfer_ends()
    assert _told(station.settle()) == ["Uploaded"]
