"""Files over real HTTP: operators bring firmware, stations fetch it and bring their logs."""

import asyncio
import hashlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from control.files.links import Allows, Links
from control.files.storage import open_storage
from control.jobs.upkeep.files import remove_expired
from shared.domain.errors import UnavailableError
from shared.domain.upkeep.files import FilePurpose, FileState
from shared.store.pool import Database
from shared.store.upkeep import files, uploads
from shared.store.upkeep.uploads import Upload
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import Api, assert_problem, running
from tests.support.eventually import eventually
from tests.support.http import http_client

KEY = "a-signing-key-that-only-tests-use"
IMAGE = os.urandom(300_000)
PUBLIC = "http://stations.example:8000"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def file_settings(folder: Path) -> dict[str, Any]:
    return {
        "files_directory": folder,
        "files_signing_key": KEY,
        "public_url": PUBLIC,
        "files_max_bytes": 1_000_000,
        "files_quota_bytes": 2_000_000,
    }


@pytest.fixture
async def api(make_settings: MakeSettings, file_settings: dict[str, Any]) -> AsyncIterator[Api]:
    async with running(make_settings(**file_settings)) as served:
        yield served


@pytest.fixture
async def station(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A station's HTTP client: it has URLs and no API key."""
    async with http_client(base_url=api.url, timeout=20) as client:
        yield client


def local(url: str) -> str:
    """Return the path and query of a URL of ours, to ask the server under test for."""
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}" == PUBLIC
    return f"{parts.path}?{parts.query}"


async def bring(client: httpx.AsyncClient, content: bytes = IMAGE) -> dict[str, Any]:
    """Upload firmware and return its record."""
    response = await client.post("/v1/files", params={"name": "cs-2.4.1.bin"}, content=content)
    assert response.status_code == 201, response.text
    record: dict[str, Any] = response.json()
    return record


async def slot(db: Database, *, expires_in_s: float = 60) -> str:
    """Make room for a log and return the path and query of its URL."""
    expires_at = datetime.now(UTC) + timedelta(seconds=expires_in_s)
    file = await files.create(
        db, purpose=FilePurpose.LOG, name="log", station_id="CP-1", expires_at=expires_at
    )
    return local(Links(PUBLIC, KEY).make(Allows.UPLOAD, file.file_id, "log", expires_at).url)


async def the_log(db: Database) -> Any:
    (file,) = await files.list_before(db, before=None, limit=10, purpose=FilePurpose.LOG)
    return file


async def begin(db: Database, upload: Upload, *, lease_s: float = 60) -> None:
    """Begin an upload as a process does that ends before the content is there."""
    await uploads.begin(
        db,
        upload,
        size_bytes=1000,
        ahead_bytes=0,
        lease_s=lease_s,
        max_attempts=10,
        quota_bytes=2_000_000,
    )


async def kept_for_uploads(db: Database) -> int:
    return int(await db.fetchval("SELECT coalesce(sum(upload_bytes), 0) FROM files"))


def size_of(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def stored_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def break_down(folder: Path) -> None:
    folder.rmdir()
    folder.touch()  # even root cannot write into a file as if it were a directory


def mend(folder: Path) -> None:
    folder.unlink()
    folder.mkdir()


async def test_firmware_is_brought_and_fetched_whole(
    client: httpx.AsyncClient, station: httpx.AsyncClient
) -> None:
    record = await bring(client)
    assert record["name"] == "cs-2.4.1.bin"
    assert record["state"] == "stored"
    assert record["size_bytes"] == len(IMAGE)
    assert record["sha256"] == hashlib.sha256(IMAGE).hexdigest()
    assert record["expires_at"] is None
    fetched = await station.get(local(record["download_url"]))
    assert fetched.status_code == 200
    assert fetched.content == IMAGE
    assert fetched.headers["content-length"] == str(len(IMAGE))
    assert fetched.headers["content-disposition"] == 'attachment; filename="cs-2.4.1.bin"'
    head = await station.head(local(record["download_url"]))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(IMAGE))


async def test_a_form_is_as_good_as_a_body(client: httpx.AsyncClient) -> None:
    form = {"file": ("../..\\fw v2.bin", IMAGE, "application/x-firmware")}
    response = await client.post("/v1/files", data={"comment": "x"}, files=form)
    assert response.status_code == 201
    record = response.json()
    assert record["name"] == "fw_v2.bin"
    assert record["content_type"] == "application/x-firmware"
    assert record["sha256"] == hashlib.sha256(IMAGE).hexdigest()


async def test_a_download_goes_on_where_it_broke_off(
    client: httpx.AsyncClient, station: httpx.AsyncClient
) -> None:
    url = local((await bring(client))["download_url"])
    part = await station.get(url, headers={"Range": "bytes=299990-"})
    assert part.status_code == 206
    assert part.content == IMAGE[299_990:]
    assert part.headers["content-range"] == f"bytes 299990-299999/{len(IMAGE)}"
    same = {"Range": "bytes=5-9", "If-Range": part.headers["etag"]}
    assert (await station.get(url, headers=same)).content == IMAGE[5:10]
    other = {"Range": "bytes=5-9", "If-Range": '"another"'}
    assert (await station.get(url, headers=other)).status_code == 200
    behind = await station.get(url, headers={"Range": f"bytes={len(IMAGE)}-"})
    assert_problem(behind, 416, "range-not-satisfiable")
    assert behind.headers["content-range"] == f"bytes */{len(IMAGE)}"


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_station_brings_its_log(
    db: Database, station: httpx.AsyncClient, client: httpx.AsyncClient, method: str
) -> None:
    url = await slot(db)
    response = await station.request(method, url, content=b"it was dark\n")
    assert response.status_code == 201
    file = await the_log(db)
    assert (file.state, file.size_bytes) == (FileState.STORED, 12)
    assert file.expires_at > datetime.now(UTC) + timedelta(days=80)
    record = (await client.get(f"/v1/files/{file.file_id}")).json()
    assert (await station.get(local(record["download_url"]))).content == b"it was dark\n"


async def test_a_station_brings_its_log_in_chunks_and_in_a_form(
    db: Database, station: httpx.AsyncClient
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 1000
            await asyncio.sleep(0.01)

    assert (await station.put(await slot(db), content=chunks())).status_code == 201
    assert (await the_log(db)).size_bytes == 5000
    await db.execute("DELETE FROM files")
    form = {"upfile": ("diag.tar.gz", b"content", "application/gzip")}
    assert (await station.post(await slot(db), files=form)).status_code == 201
    file = await the_log(db)
    assert (file.name, file.size_bytes) == ("diag.tar.gz", 7)


@pytest.mark.parametrize("behind_the_question_mark", [True, False])
async def test_a_station_that_takes_the_url_for_a_directory_brings_its_log(
    db: Database, station: httpx.AsyncClient, *, behind_the_question_mark: bool
) -> None:
    path, _, query = (await slot(db)).partition("?")
    name = "diag/../2026-01-02.log"
    url = f"{path}?{query}/{name}" if behind_the_question_mark else f"{path}/d.log?{query}"
    assert (await station.put(url, content=b"content")).status_code == 201
    assert (await the_log(db)).name == ("2026-01-02.log" if behind_the_question_mark else "d.log")


async def test_a_log_that_is_brought_again_stays_as_it_is(
    db: Database, station: httpx.AsyncClient, folder: Path
) -> None:
    url = await slot(db)
    for _ in range(2):  # the answer was lost
        assert (await station.put(url, content=b"content")).status_code == 201
    assert_problem(await station.put(url, content=b"forged"), 409, "conflict")
    assert [path.read_bytes() for path in stored_in(folder)] == [b"content"]


async def test_two_uploads_at_once_leave_one(
    db: Database, station: httpx.AsyncClient, folder: Path
) -> None:
    url = await slot(db)
    answers = await asyncio.gather(*(station.put(url, content=bytes([n]) * 9) for n in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 5]
    assert len(stored_in(folder)) == 1


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        (lambda url: url.replace("signature=", "signature=0"), 403),
        (lambda url: url.replace("expires=", "expires=9"), 403),
        (lambda url: url.partition("?")[0], 403),
        (lambda url: url.replace("/log?", "/other?"), 403),
        (lambda url: url.replace("/log?", f"/{'n' * 20_000}?"), 403),
        (lambda url: url.replace("/files/", "/files/x"), 422),
        (lambda url: url.replace("/log?", "/%2e%2e?"), 403),
        (lambda url: url.replace("/log?", "/..%2f..%2fup.json?"), 403),
    ],
)
async def test_a_changed_url_takes_nothing(
    db: Database, station: httpx.AsyncClient, folder: Path, changed: Any, status: int
) -> None:
    response = await station.put(changed(await slot(db)), content=b"content")
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert stored_in(folder) == []


async def test_an_upload_url_gives_nothing_and_the_other_way_round(
    db: Database, client: httpx.AsyncClient, station: httpx.AsyncClient
) -> None:
    url = await slot(db)
    assert (await station.put(url, content=b"content")).status_code == 201
    assert_problem(await station.get(url), 403, "forbidden")
    download = local((await bring(client))["download_url"])
    assert_problem(await station.put(download, content=b"forged"), 403, "forbidden")
    assert_problem(await station.delete(download), 405, "method-not-allowed")


async def test_an_expired_url_is_of_no_use_any_more(
    db: Database, station: httpx.AsyncClient, folder: Path
) -> None:
    response = await station.put(await slot(db, expires_in_s=-1), content=b"content")
    assert "expired" in assert_problem(response, 403, "forbidden")["detail"]
    assert stored_in(folder) == []


async def test_a_file_that_is_too_long_is_refused_and_leaves_nothing(
    db: Database, client: httpx.AsyncClient, station: httpx.AsyncClient, folder: Path
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * 50_000

    url = await slot(db)
    told = await station.put(url, content=b"x" * 2_000_000)
    assert_problem(told, 413, "body-too-large")
    untold = await station.put(url, content=endless())
    assert_problem(untold, 413, "body-too-large")
    slightly = await station.put(url, content=b"x" * 1_000_001)
    assert_problem(slightly, 413, "body-too-large")
    assert_problem(await client.post("/v1/files", content=b"x" * 1_000_001), 413, "body-too-large")
    assert stored_in(folder) == []
    assert (await client.get("/v1/files?purpose=firmware")).json()["items"] == []
    # Another try is welcome.
    assert (await station.put(url, content=b"x")).status_code == 201


async def test_what_does_not_fit_into_the_quota_is_refused(
    db: Database, client: httpx.AsyncClient, station: httpx.AsyncClient, folder: Path
) -> None:
    for _ in range(2):
        await bring(client, b"x" * 900_000)
    response = await client.post("/v1/files", content=_chunked(300_000))
    assert "VOLTARO_FILES_QUOTA_BYTES" in assert_problem(response, 507, "storage-full")["detail"]
    assert len(stored_in(folder)) == 2
    log = await station.put(await slot(db), content=_chunked(300_000))
    assert_problem(log, 507, "storage-full")
    assert len(stored_in(folder)) == 2


async def _chunked(size_bytes: int) -> AsyncIterator[bytes]:
    """Give content whose length is not told before."""
    yield b"x" * size_bytes


async def test_what_cannot_fit_is_refused_before_it_is_sent(
    db: Database, api: Api, client: httpx.AsyncClient
) -> None:
    for _ in range(2):
        await bring(client, b"x" * 900_000)
    address = urlsplit(api.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"PUT {await slot(db)} HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n"
    writer.write(head.encode())
    answer = await asyncio.wait_for(reader.readline(), timeout=10)
    writer.close()
    assert b" 507 " in answer


MIB = 1024 * 1024


@pytest.mark.parametrize("form", [False, True], ids=["body", "form"])
@pytest.mark.parametrize("urls", [1, 6], ids=["one-url", "six-urls"])
async def test_parallel_uploads_do_not_overrun_the_quota(
    db: Database,
    make_settings: MakeSettings,
    file_settings: dict[str, Any],
    folder: Path,
    urls: int,
    form: bool,  # noqa: FBT001 - a parameter of pytest
) -> None:
    quota_bytes = 25 * MIB
    sizes = file_settings | {"files_max_bytes": 16 * MIB, "files_quota_bytes": quota_bytes}
    written = asyncio.Event()
    waiting: set[object] = set()

    async def content() -> AsyncIterator[bytes]:
        if form:
            yield b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
        for _ in range(11):
            yield bytes(MIB)
        waiting.add(object())
        await written.wait()
        yield b"the end"
        if form:
            yield b"\r\n--b--\r\n"

    async def put(client: httpx.AsyncClient, url: str) -> int:
        headers = {"Content-Type": "multipart/form-data; boundary=b"} if form else {}
        with suppress(httpx.TransportError):  # it goes on sending to who has answered and closed
            return (await client.put(url, content=content(), headers=headers)).status_code
        return 0

    async with running(make_settings(**sizes)) as api:
        at = [await slot(db) for _ in range(urls)]
        putting = [asyncio.create_task(put(api.client, at[n % urls])) for n in range(6)]

        async def settled() -> int:
            return len(waiting) + sum(task.done() for task in putting)

        await eventually(settled, lambda count: count == 6, timeout_s=20)
        await asyncio.sleep(0.3)
        assert size_of(folder) <= quota_bytes
        assert await kept_for_uploads(db) <= quota_bytes
        written.set()
        answers = await asyncio.gather(*putting)
    # Those that grow side by side may all be too many.
    brought = answers.count(201)
    assert brought == 1 if urls == 1 else brought <= 2
    assert {*answers} <= {201, 0, 409 if urls == 1 else 507}
    assert await kept_for_uploads(db) == 0
    assert len(stored_in(folder)) == brought


async def test_what_is_announced_is_kept_from_the_start(
    db: Database, api: Api, client: httpx.AsyncClient
) -> None:
    address = urlsplit(api.url)
    writers = []
    for _ in range(2):
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        head = f"PUT {await slot(db)} HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n"
        writer.write(head.encode())
        writers.append(writer)
    await eventually(lambda: kept_for_uploads(db), lambda kept: kept == 1_800_000)
    response = await client.post("/v1/files", content=b"x" * 300_000)
    assert "kept for uploads" in assert_problem(response, 507, "storage-full")["detail"]
    for writer in writers:
        writer.transport.abort()
    await eventually(lambda: kept_for_uploads(db), lambda kept: kept == 0)
    assert (await client.post("/v1/files", content=b"x" * 300_000)).status_code == 201


async def test_an_upload_whose_process_died_gives_its_place_back(
    db: Database, station: httpx.AsyncClient, folder: Path
) -> None:
    url = await slot(db)
    file_id = (await the_log(db)).file_id
    dead = Upload(file_id, f"{file_id}/half")
    await begin(db, dead, lease_s=60)
    (folder / file_id).mkdir()
    (folder / dead.storage_key).write_bytes(b"half")
    refused = await station.put(url, content=b"whole")
    assert "being uploaded now" in assert_problem(refused, 409, "conflict")["detail"]
    assert int(refused.headers["retry-after"]) > 0
    await db.execute("UPDATE files SET upload_until = now()")
    assert (await station.put(url, content=b"whole")).status_code == 201
    assert [path.read_bytes() for path in stored_in(folder)] == [b"whole"]
    assert await kept_for_uploads(db) == 0


async def test_the_worker_tidies_up_behind_dead_uploads(
    db: Database,
    make_settings: MakeSettings,
    file_settings: dict[str, Any],
    folder: Path,
    api: Api,
) -> None:
    assert api.client
    storage = open_storage(make_settings(**file_settings))
    assert storage is not None
    await slot(db)
    file_id = (await the_log(db)).file_id
    await begin(db, Upload(file_id, f"{file_id}/half"), lease_s=0)
    break_down(folder)
    with pytest.raises(UnavailableError):
        await remove_expired(db, storage, limit=10)
    assert await kept_for_uploads(db) == 1000, "what cannot be removed takes room"
    mend(folder)
    assert await remove_expired(db, storage, limit=10) == 0
    assert await kept_for_uploads(db) == 0


async def test_an_upload_that_breaks_off_leaves_nothing(
    db: Database, api: Api, station: httpx.AsyncClient, folder: Path
) -> None:
    url = await slot(db)
    address = urlsplit(api.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"PUT {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n"
    writer.write(head.encode() + b"x" * 200_000)
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.transport.abort()
    del reader
    await asyncio.sleep(0.3)
    assert stored_in(folder) == []
    assert (await the_log(db)).state is FileState.AWAITED
    assert (await station.put(url, content=b"whole")).status_code == 201


async def test_an_upload_that_stands_still_is_given_up(
    db: Database, make_settings: MakeSettings, file_settings: dict[str, Any]
) -> None:
    settings = make_settings(**file_settings, files_idle_timeout_s=0.3)
    async with running(settings) as api:
        address = urlsplit(api.url)
        assert address.hostname is not None
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        head = f"PUT {await slot(db)} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
        writer.write(head.encode())
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({}, b"", 422),
        ({"Content-Range": "bytes 0-3/10"}, b"part", 400),
        ({"Content-Type": "multipart/form-data"}, b"x", 422),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"--b--\r\n", 422),
    ],
    ids=["empty", "a part", "no boundary", "no file"],
)
async def test_what_is_no_file_is_refused_in_words(
    db: Database,
    station: httpx.AsyncClient,
    folder: Path,
    headers: dict[str, str],
    content: bytes,
    status: int,
) -> None:
    response = await station.put(await slot(db), headers=headers, content=content)
    assert response.status_code == status
    assert response.json()["detail"]
    assert stored_in(folder) == []


async def test_a_removed_file_is_gone_for_stations_too(
    client: httpx.AsyncClient, station: httpx.AsyncClient, folder: Path
) -> None:
    record = await bring(client)
    url = f"/v1/files/{record['file_id']}"
    assert (await client.delete(url)).status_code == 204
    assert stored_in(folder) == []
    assert_problem(await station.get(local(record["download_url"])), 404, "not-found")
    assert_problem(await client.delete(url), 404, "not-found")
    assert (await client.get(url)).json()["state"] == "removed"
    assert (await client.get("/v1/files")).json()["items"] == []


async def test_the_worker_removes_what_has_expired_and_what_was_left_half_done(
    db: Database,
    make_settings: MakeSettings,
    file_settings: dict[str, Any],
    station: httpx.AsyncClient,
    client: httpx.AsyncClient,
    folder: Path,
) -> None:
    storage = open_storage(make_settings(**file_settings))
    assert storage is not None
    await station.put(await slot(db), content=b"old")
    kept = await bring(client)
    # A process that ended while it wrote: the attempt is noted, its content is there.
    broken = await files.create(
        db, purpose=FilePurpose.FIRMWARE, name="x", expires_at=datetime.now(UTC)
    )
    key = f"{broken.file_id}/half"
    await begin(db, Upload(broken.file_id, key))
    (folder / broken.file_id).mkdir()
    (folder / key).write_bytes(b"half")
    assert len(stored_in(folder)) == 3
    await db.execute("UPDATE files SET expires_at = now() WHERE purpose = 'log'")
    assert await remove_expired(db, storage, limit=10) == 2
    assert await remove_expired(db, storage, limit=10) == 0
    assert [path.read_bytes() for path in stored_in(folder)] == [IMAGE]
    assert (await client.get(f"/v1/files/{kept['file_id']}")).json()["state"] == "stored"


async def test_an_upload_that_ends_after_its_file_was_removed_leaves_nothing(
    db: Database, client: httpx.AsyncClient, station: httpx.AsyncClient, folder: Path
) -> None:
    url = await slot(db)
    file_id = (await the_log(db)).file_id
    removing = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"begins"
        await removing.wait()
        yield b"ends"

    upload = asyncio.create_task(station.put(url, content=body()))
    await eventually(lambda: files.list_contents(db, file_id), bool)
    await files.expire(db, file_id)  # as whoever removes it begins
    removing.set()
    assert "expired" in assert_problem(await upload, 409, "conflict")["detail"]
    assert stored_in(folder) == []
    assert (await client.delete(f"/v1/files/{file_id}")).status_code == 204


async def test_a_storage_that_is_away_is_a_503_and_the_content_may_come_again(
    db: Database, station: httpx.AsyncClient, folder: Path
) -> None:
    url = await slot(db)
    break_down(folder)
    assert_problem(await station.put(url, content=b"content"), 503, "unavailable")
    mend(folder)
    assert (await station.put(url, content=b"content")).status_code == 201


async def test_a_slot_is_not_tried_for_ever(
    db: Database, make_settings: MakeSettings, file_settings: dict[str, Any]
) -> None:
    settings = make_settings(**file_settings, files_max_attempts=2)
    async with running(settings) as api:
        url = await slot(db)
        for _ in range(2):
            assert (await api.client.put(url, content=b"")).status_code == 422
        assert_problem(await api.client.put(url, content=b"content"), 409, "conflict")


async def test_where_files_are_not_set_up_the_api_says_what_to_set(
    make_settings: MakeSettings,
) -> None:
    async with running(make_settings()) as api:
        response = await api.client.post("/v1/files", content=b"x")
        detail = assert_problem(response, 409, "conflict")["detail"]
        assert "VOLTARO_FILES_DIRECTORY" in detail
        link = await api.client.get("/files/0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11/x?expires=1")
        assert_problem(link, 409, "conflict")


async def test_an_upload_is_not_held_in_memory(
    make_settings: MakeSettings, file_settings: dict[str, Any]
) -> None:
    """60 MB go through while the process grows by less than half of that."""
    settings = make_settings(
        **{**file_settings, "files_max_bytes": 100_000_000, "files_quota_bytes": 200_000_000}
    )
    size = 60_000_000

    def send(address: tuple[str, int], key: str) -> bytes:
        with socket.create_connection(address) as connection:
            head = (
                "POST /v1/files HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                f"Authorization: {key}\r\nContent-Length: {size}\r\n\r\n"
            )
            connection.sendall(head.encode())
            chunk = b"x" * 100_000
            for _ in range(size // len(chunk)):
                connection.sendall(chunk)
            return connection.recv(100)

    async with running(settings) as api:
        address = urlsplit(api.url)
        assert address.hostname is not None
        assert address.port is not None
        before = resident_bytes()
        most = before
        upload = asyncio.create_task(
            asyncio.to_thread(
                send, (address.hostname, address.port), api.client.headers["authorization"]
            )
        )
        while not upload.done():
            most = max(most, resident_bytes())
            await asyncio.sleep(0.01)
        assert (await upload).startswith(b"HTTP/1.1 201")
    assert most - before < size / 2


def resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
