"""Files over HTTP against a real server, and a station that uses them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from ocpp.v16 import call

from simulator.events import FirmwareProgressed, LogProgressed, Registered
from simulator.http_files import HttpFiles
from simulator.maintenance import FirmwareUpdate
from simulator.profile import StationProfile
from simulator.running import run_station
from simulator.transfers import TransferStatus
from tests.support.file_server import FileServer, file_server
from tests.unit.simulator.csms import running_csms


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with file_server() as files:
        yield files


FILES = HttpFiles(timeout_s=5.0, max_bytes=1000)


async def test_a_file_is_downloaded(server: FileServer) -> None:
    server.answers["GET /fw.bin?a=b"] = (200, b"image")
    result = await FILES.download(f"{server.url}/fw.bin?a=b")
    assert (result.status, result.content) == (TransferStatus.DONE, b"image")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (401, TransferStatus.DENIED),
        (403, TransferStatus.DENIED),
        (404, TransferStatus.REFUSED),
        (503, TransferStatus.FAILED),
    ],
)
async def test_refusals_are_told_apart(
    server: FileServer, code: int, status: TransferStatus
) -> None:
    server.answers = {"GET /f": (code, b""), "PUT /f": (code, b"")}
    assert (await FILES.download(f"{server.url}/f")).status is status
    assert (await FILES.upload(f"{server.url}/f", b"x")).status is status


async def test_a_file_that_is_too_large_fails(server: FileServer) -> None:
    server.answers["GET /fw"] = (200, b"x" * 1001)
    result = await FILES.download(f"{server.url}/fw")
    assert result.status is TransferStatus.FAILED
    assert "1000 bytes" in result.problem


async def test_a_file_is_uploaded_with_put_or_else_with_post(server: FileServer) -> None:
    server.answers = {"PUT /a": (201, b""), "PUT /b": (405, b""), "POST /b": (200, b"")}
    for path in ("a", "b"):
        result = await FILES.upload(f"{server.url}/{path}", b"log")
        assert result.status is TransferStatus.DONE
    assert server.received == [("PUT /a", b"log"), ("PUT /b", b"log"), ("POST /b", b"log")]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("ftp://127.0.0.1/f", TransferStatus.UNSUPPORTED),
        ("file:///etc/passwd", TransferStatus.UNSUPPORTED),
        ("nonsense", TransferStatus.UNSUPPORTED),
        ("http://[", TransferStatus.FAILED),
        ("http://127.0.0.1:1/f", TransferStatus.FAILED),
        ("http:///f", TransferStatus.FAILED),
    ],
)
async def test_what_cannot_be_reached_is_a_result_and_no_error(
    url: str, status: TransferStatus
) -> None:
    assert (await FILES.download(url)).status is status
    assert (await FILES.upload(url, b"x")).status is status


async def test_a_station_updates_itself_and_uploads_its_log(server: FileServer) -> None:
    server.answers = {"GET /v3.2.1.bin": (200, b"image"), "PUT /log": (201, b"")}
    profile = StationProfile(
        station_id="SIM-1", reboot_s=(0.05, 0.05), install_s=(0.05, 0.05), reset_delay_s=0.05
    )
    async with running_csms() as csms, run_station(profile, url=csms.url) as station:
        await station.wait_for(Registered)
        await csms.peers["SIM-1"].call(call.GetDiagnostics(location=f"{server.url}/log"))
        await station.wait_for(LogProgressed, lambda event: event.status == "Uploaded")
        (uploaded,) = [body for target, body in server.received if target == "PUT /log"]
        assert b"DiagnosticsLog of SIM-1" in uploaded
        update = call.UpdateFirmware(
            location=f"{server.url}/v3.2.1.bin", retrieve_date="2026-01-01T00:00:00Z"
        )
        await csms.peers["SIM-1"].call(update)
        await station.wait_for(FirmwareProgressed, lambda event: event.status == "Installed")
        assert csms.payloads("BootNotification")[-1]["firmwareVersion"] == "3.2.1"


async def test_a_station_that_is_stopped_leaves_no_transfer_behind() -> None:
    never = asyncio.Event()
    ended = []

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        never.set()
        ended.append(await reader.read(-1))
        writer.close()

    async with (
        await asyncio.start_server(hang, "127.0.0.1", 0) as listener,
        running_csms() as csms,
    ):
        host, port = listener.sockets[0].getsockname()
        async with run_station(StationProfile(station_id="SIM-1"), url=csms.url) as station:
            await station.wait_for(Registered)
            update = FirmwareUpdate(
                location=f"http://{host}:{port}/f",
                retrieve_at=0.0,
                attempts=1,
                retry_interval_s=0.0,
            )
            station.station.firmware.begin(update)
            station.lose_connection()
            await asyncio.wait_for(never.wait(), 5)
        assert [task.get_name() for task in asyncio.all_tasks() if "file" in task.get_name()] == []
