"""Finds the server that takes writes, among those that the URL of the database names."""

import asyncio
from typing import TypeAlias
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import asyncpg
import structlog
from asyncpg.connect_utils import SessionAttribute

from shared.store.server_connection import ServerConnection

log = structlog.get_logger()

Server: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# A connection is made within 20 ms in a network that is well; who needs longer may be gone.
_HEAD_START_S = 0.5


class Hosts:
    """Connects to the host that takes writes, and never to a standby.

    asyncpg asks one host after another by itself. But one whose machine is lost does not even
    refuse, and uses up the whole time-out, so that its successor would never be asked. Here the
    next host is asked when one has not answered for half a second, or at once if it refuses.

    The host found last is asked first: a fail-over is paid for once, and an old primary that comes
    back takes nobody from the new one.

    Args:
        database_url: `postgresql://user:password@host:port,host:port/database`.
        connect_timeout_s: How long one host may take to answer.
        command_timeout_s: How long a statement may take; None for as long as it likes.
        lock_timeout_s: How long it may wait for a lock that somebody else holds.
    """

    def __init__(
        self,
        database_url: str,
        *,
        connect_timeout_s: float,
        command_timeout_s: float | None,
        lock_timeout_s: float,
    ) -> None:
        parts = urlsplit(database_url)
        credentials, at, hosts = parts.netloc.rpartition("@")
        self._urls = {
            host: parts._replace(netloc=f"{credentials}{at}{host}").geturl()
            for host in hosts.split(",")
        }
        self._connect_timeout_s = connect_timeout_s
        self._command_timeout_s = command_timeout_s
        self._server_settings = {"lock_timeout": f"{max(1, round(1000 * lock_timeout_s))}ms"}
        self._connections: WeakKeyDictionary[Server, str] = WeakKeyDictionary()
        self._found: str | None = None

    async def connect(self, *_: object, **_options: object) -> Server:
        """Connect to the host that takes writes now, and end what is connected to another one.

        Takes and ignores what a pool says: it knows no more than this.

        Returns:
            The connection.

        Raises:
            asyncpg.TargetServerAttributeNotMatched: All hosts answer, and none takes writes.
            OSError: A host does not answer, and no other takes writes; likewise TimeoutError, and
                asyncpg.PostgresError of one that refuses us.
        """
        to_ask = sorted(self._urls, key=lambda host: host != self._found)
        asked: set[asyncio.Task[tuple[str, Server]]] = set()
        errors: list[BaseException] = []
        try:
            while to_ask or asked:
                if to_ask:
                    asked.add(asyncio.create_task(self._ask(to_ask.pop(0))))
                answered, asked = await asyncio.wait(
                    asked,
                    timeout=_HEAD_START_S if to_ask else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for each in answered:
                    error = each.exception()
                    if error is None:
                        asked |= answered - {each}
                        host, connection = each.result()
                        self._move(host, connection)
                        return connection
                    errors.append(error)
        finally:
            await _give_up(asked)
        # A standby is as it should be; what keeps the other host from answering is worth telling.
        raise min(
            errors, key=lambda error: isinstance(error, asyncpg.TargetServerAttributeNotMatched)
        )

    async def _ask(self, host: str) -> tuple[str, Server]:
        connection = await asyncpg.connect(
            self._urls[host],
            timeout=self._connect_timeout_s,
            command_timeout=self._command_timeout_s,
            server_settings=self._server_settings,
            connection_class=ServerConnection,
            target_session_attrs=SessionAttribute.read_write,
        )
        return host, connection

    def _move(self, host: str, connection: Server) -> None:
        if self._found not in {None, host}:
            log.warning("another host of VOLTARO_DATABASE_URL takes writes now", host=host)
        self._found = host
        # A server that hangs ends none of them, and each would cost its next user a time-out.
        for other, its_host in list(self._connections.items()):
            if its_host != host:
                other.terminate()
        self._connections[connection] = host


async def _give_up(asked: set[asyncio.Task[tuple[str, Server]]]) -> None:
    for each in asked:
        each.cancel()
    for outcome in await asyncio.gather(*asked, return_exceptions=True):
        if not isinstance(outcome, BaseException):
            _, connection = outcome
            connection.terminate()
