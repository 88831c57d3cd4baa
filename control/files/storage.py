"""Where the content of files stands: a directory, or a bucket of an S3-compatible storage.

Both are obstore's (the Rust crate object_store): one asynchronous interface for either, which keeps
the GIL free, uploads in parts with bounded memory, and shows no content before it is whole. An
AWS SDK would bring an HTTP client of its own and fifty times the code, and no directory.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from control.files.settings import FileStorageSettings
from shared.domain.errors import UnavailableError

log = structlog.get_logger()

_Store: TypeAlias = LocalStore | S3Store

# The least that S3 takes as a part. Two at a time: 10 MiB per upload, and the next part is read
# while the last one is written.
_PART_BYTES = 5 * 1024 * 1024
_PARTS_AT_A_TIME = 2
_CHUNK_BYTES = 256 * 1024


class Storage:
    """Keeps content under keys.

    Args:
        store: a directory or a bucket.
        directory: if it is one, where.
    """

    def __init__(self, store: _Store, *, directory: Path | None = None) -> None:
        self._store = store
        self._directory = directory

    async def write(self, key: str, content: AsyncIterator[bytes]) -> None:
        """Write content as it comes. Nothing is kept if it ends with an error.

        Raises:
            UnavailableError: the storage cannot be written now.
        """
        with _away("written"):
            await self._store.put_async(
                key,
                content,
                use_multipart=True,
                chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_A_TIME,
            )

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Return the bytes from `start` up to but without `end`, as they come.

        Raises:
            UnavailableError: the storage cannot be read now, or has lost the content.
        """
        with _away("read"):
            result = await self._store.get_async(key, options={"range": (start, end)})
        return _chunks(result.stream(min_chunk_size=_CHUNK_BYTES))

    async def delete(self, key: str) -> None:
        """Remove content and what a process left of it that was killed; it may be gone already.

        Raises:
            UnavailableError: the storage cannot be changed now.
        """
        with _away("changed"):
            with suppress(FileNotFoundError):
                await self._store.delete_async(key)
            if self._directory is not None:
                await asyncio.to_thread(_tidy, self._directory / key)


async def _chunks(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in stream:
        yield bytes(chunk)


def _tidy(path: Path) -> None:
    """Remove the unfinished parts of a file, which obstore neither shows nor deletes."""
    for part in path.parent.glob(f"{path.name}#*"):
        part.unlink(missing_ok=True)
    with suppress(OSError):  # not empty, or gone
        path.parent.rmdir()


@contextmanager
def _away(done: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        # The message repeats itself with every layer; the first line says it.
        reason = str(error).partition("\n")[0]
        raise UnavailableError(
            f"the storage of files cannot be {done} ({reason}): look at VOLTARO_FILES_DIRECTORY or "
            "VOLTARO_FILES_S3_*, at permissions and free space"
        ) from error


def open_storage(settings: FileStorageSettings) -> Storage | None:
    """Return the storage, or None if none is set.

    Raises:
        UnavailableError: the directory cannot be made or used.
    """
    if settings.files_directory is not None:
        directory = _directory(settings.files_directory)
        return Storage(LocalStore(directory), directory=directory)
    return None if settings.files_s3_bucket is None else Storage(_bucket(settings))


def _directory(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path.resolve()
    except OSError as error:
        raise UnavailableError(
            f"VOLTARO_FILES_DIRECTORY={path} cannot be used ({error.strerror}): it has to be a "
            "directory that this process may write to"
        ) from error


def _bucket(settings: FileStorageSettings) -> S3Store:
    assert settings.files_s3_bucket is not None  # noqa: S101 - asked by the only caller
    secret = settings.files_s3_secret_access_key
    timeout_s = settings.files_storage_timeout_s
    return S3Store(
        settings.files_s3_bucket,
        prefix=settings.files_s3_prefix or None,
        endpoint=settings.files_s3_endpoint,
        region=settings.files_s3_region,
        access_key_id=settings.files_s3_access_key_id,
        secret_access_key=secret and secret.get_secret_value(),
        # What is not AWS rarely has a name per bucket.
        virtual_hosted_style_request=settings.files_s3_endpoint is None,
        client_options={
            "allow_http": (settings.files_s3_endpoint or "").startswith("http://"),
            "timeout": timedelta(seconds=timeout_s),
        },
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=timeout_s)},
    )
