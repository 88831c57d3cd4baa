"""The directory that `voltaro up` keeps everything in: who may use it, and what lies where."""

import errno
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO

from cli.up.account import may_own, runs_as_others
from cli.up.errors import UpError
from cli.up.servers import POSTGRES_MAJOR_VERSION

_MARKER = "voltaro-data"
_FORMAT = "1"
_LOCK = "lock"
_CREDENTIALS = "credentials.json"
_STATE = "up.json"
# A file system's own: a volume just mounted here is empty all the same.
_NOT_CONTENT = {"lost+found"}
# Credentials of a later version than the directory may be; they are made when they are missing.
_ADDED_LATER = {"files_signing_key", "application_password", "accounts_encryption_key"}
# How long what is left of a killed `voltaro up` may take to end.
_LEFTOVERS_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Secrets made at the first start.

    `postgres_password` is the superuser's, whom only `up` itself connects as, and
    `application_password` that of the role which our processes connect as.
    """

    api_key: str
    postgres_password: str
    application_password: str
    redis_password: str
    station_password: str
    files_signing_key: str
    accounts_encryption_key: str

    @classmethod
    def random(cls) -> "Credentials":
        """Make new ones; hexadecimal, so that they stand in URLs and files without quoting."""
        return cls(
            api_key=f"vk_{secrets.token_hex(24)}",
            postgres_password=secrets.token_hex(24),
            application_password=secrets.token_hex(24),
            redis_password=secrets.token_hex(24),
            # 16 to 40 characters (2.0.1, A00.FR.205).
            station_password=secrets.token_hex(16),
            files_signing_key=secrets.token_hex(32),
            accounts_encryption_key=secrets.token_hex(32),
        )


@dataclass(frozen=True)
class DataDirectory:
    """A data directory that this process holds the lock of."""

    path: Path

    @property
    def postgres(self) -> Path:
        """The Postgres cluster."""
        return self.path / "postgres"

    @property
    def redis(self) -> Path:
        """Redis's configuration and working directory."""
        return self.path / "redis"

    @property
    def haproxy(self) -> Path:
        """HAProxy's configuration."""
        return self.path / "haproxy"

    @property
    def files(self) -> Path:
        """Firmware for stations, and logs of them."""
        return self.path / "files"

    @property
    def logs(self) -> Path:
        """One log file per program."""
        return self.path / "logs"

    def credentials(self) -> Credentials:
        """Return the credentials, made and kept at the first call ever.

        Raises:
            UpError: The file is damaged, or gone while the database that knows them is not.
        """
        file = self.path / _CREDENTIALS
        if not file.exists():
            if self.postgres.exists():
                raise UpError(
                    f"{file} is gone, and without it the database in {self.postgres} cannot be "
                    f"opened: restore it, or start anew with --reset, which removes all data."
                )
            self._write_secret(file, asdict(Credentials.random()))
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            if missing := _ADDED_LATER - content.keys():
                made = asdict(Credentials.random())
                content |= {name: made[name] for name in missing}
                self._write_secret(file, content)
            return Credentials(**{field.name: content[field.name] for field in fields(Credentials)})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UpError(
                f"{file} is damaged: restore it, or start anew with --reset, "
                "which removes all data."
            ) from None

    def check_postgres(self) -> None:
        """Refuse a database that our Postgres cannot open.

        Raises:
            UpError: It is of another major version, not whole, in use, or somebody else's.
        """
        if not self.postgres.exists():
            return
        version_file = self.postgres / "PG_VERSION"
        try:
            version = version_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise UpError(
                f"{self.postgres} is not a whole database (it has no PG_VERSION): restore it from "
                "a backup, or start anew with --reset, which removes all data."
            ) from None
        if version != POSTGRES_MAJOR_VERSION:
            raise UpError(
                f"{self.postgres} was written by Postgres {version}, and this is Postgres "
                f"{POSTGRES_MAJOR_VERSION}: keep it by choosing another --data, or start anew with "
                "--reset, which removes all data."
            )
        owner = self.postgres.stat().st_uid
        if not may_own(owner):
            raise UpError(
                f"{self.postgres} belongs to the user with uid {owner}, as it was made by another "
                "user: run `voltaro up` as that one, or choose another --data."
            )

    def remembered_port(self, name: str) -> int | None:
        """Return the port kept for a server by `remember_port`, if any."""
        try:
            return int((self.path / f"{name}.port").read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None

    def remember_port(self, name: str, port: int) -> None:
        """Keep a server's port for the next start."""
        (self.path / f"{name}.port").write_text(f"{port}\n", encoding="ascii")

    def write_state(self, state: dict[str, object]) -> None:
        """Say in `up.json` what runs now; readers never see half of it."""
        self._write_secret(self.path / _STATE, state)

    def remove_state(self) -> None:
        """Remove `up.json`: nothing runs."""
        (self.path / _STATE).unlink(missing_ok=True)

    def _write_secret(self, file: Path, content: dict[str, object]) -> None:
        unfinished = file.with_name(f"{file.name}.unfinished")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        unfinished.rename(file)


@contextmanager
def open_data_directory(path: Path, *, reset: bool) -> Iterator[DataDirectory]:
    """Lend a data directory that no other `voltaro up` uses meanwhile; made if missing.

    Args:
        path: Where it is.
        reset: Remove everything in it first.

    Raises:
        UpError: It cannot be used; the message says why and what to do.
    """
    path = path.expanduser().resolve()
    with ExitStack() as stack:
        try:
            _claim(path)
            lock = stack.enter_context((path / _LOCK).open("a+", encoding="ascii"))
            _lock(lock, path)
            _wait_for_leftovers(path)
            if reset:
                _empty(path)
            data = DataDirectory(path)
            data.logs.mkdir(mode=0o700, exist_ok=True)
            data.remove_state()
        except OSError as error:
            raise UpError(
                f"{error.filename or path} cannot be used: {error.strerror}. Choose a directory "
                "that you may write to, and that has room, with --data."
            ) from error
        yield data


def _claim(path: Path) -> None:
    """Make sure the directory exists and is ours, without changing one that is not."""
    marker = path / _MARKER
    if path.exists() and not path.is_dir():
        raise UpError(f"{path} is not a directory: choose another one with --data.")
    # Root's servers run as other users, who must be let through to their own subdirectories.
    path.mkdir(mode=0o711 if runs_as_others() else 0o700, parents=True, exist_ok=True)
    if not marker.exists():
        content = sorted(entry.name for entry in path.iterdir() if entry.name not in _NOT_CONTENT)
        if content:
            raise UpError(
                f"{path} was not made by `voltaro up` (it holds {content[0]}): choose an empty or "
                "a new directory with --data."
            )
        marker.write_text(f"{_FORMAT}\n", encoding="ascii")
    if not os.access(path, os.W_OK):  # what was made earlier may still be writable
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if marker.read_text(encoding="ascii").strip() != _FORMAT:
        raise UpError(
            f"{path} was made by another version of Voltaro: use that one, or choose another "
            "directory with --data."
        )


def _lock(lock: IO[str], path: Path) -> None:
    """Take the lock and leave our pid for others to read; the kernel drops it when we end."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip()
        raise UpError(
            f"Another `voltaro up` (pid {holder}) uses {path}: stop that one with "
            f"`kill {holder}`, or choose another directory with --data."
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()


def _wait_for_leftovers(path: Path) -> None:
    """Let the Postgres of a killed `voltaro up` end, then remove the pid file it may have left.

    Postgres would refuse to start if the pid in that file were another process's by now.
    """
    cluster = path / "postgres"
    deadline = time.monotonic() + _LEFTOVERS_TIMEOUT_S
    while leftovers := _postgres_processes(cluster):
        if time.monotonic() > deadline:
            raise UpError(
                f"Postgres still runs in {cluster} (pid {leftovers[0]}), though no `voltaro up` "
                f"does: stop it with `kill -INT {leftovers[0]}`, then try again."
            )
        time.sleep(0.05)
    (cluster / "postmaster.pid").unlink(missing_ok=True)


def _postgres_processes(cluster: Path) -> list[int]:
    """Return the pids of the Postgres processes in a cluster; each has it as working directory."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (
                process.joinpath("cwd").readlink() == cluster
                and process.joinpath("comm").read_text(encoding="utf-8").strip() == "postgres"
            ):
                pids.append(int(process.name))
        except OSError:
            continue  # it has ended, or is another user's
    return sorted(pids)


def _empty(path: Path) -> None:
    """Remove everything but what says that the directory is ours and in use."""
    for entry in path.iterdir():
        if entry.name in {_MARKER, _LOCK, *_NOT_CONTENT}:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
