"""Requests to webhook endpoints: to addresses that are allowed, within a time, and no further."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpcore
import httpx

from control.notices.addresses import AddressPolicy
from control.notices.webhook_settings import WebhookSendSettings
from shared.domain.notices.webhooks import Attempt, error_of, retry_after_s
from shared.telemetry.errors import describe_error

# What is kept of an answer, and how much of it is read: whoever says more is not listened to.
ANSWER_KEPT_BYTES = 1024
_ANSWER_READ_BYTES = 16 * 1024
_KEEP_ALIVE_S = 20.0
_MAX_IDLE = 200
# A name that nobody answers for holds a thread for some seconds, and only one per name.
_RESOLVERS = 32
# Further ones of a name's addresses are hardly better.
_ADDRESSES_TRIED = 3
_LOCATION_MAX_LENGTH = 200
_ERROR_MAX_BYTES = 500


class RefusedAddressError(httpcore.ConnectError):
    """A host has no address that may be connected to."""


class Resolver:
    """Asks for the addresses of hosts in threads of its own, each host once at a time."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="webhook-names")
        self._asked: dict[tuple[str, int], asyncio.Task[list[str]]] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host.

        Raises:
            OSError: it has none, or nobody answers.
        """
        key = (host, port)
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.create_task(self._ask(host, port))
            asked.add_done_callback(lambda _: self._asked.pop(key, None))
        # Whoever gives up waiting does not spoil it for others.
        return await asyncio.shield(asked)

    async def _ask(self, host: str, port: int) -> list[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, _look_up, host, port
        )
        return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))

    async def close(self) -> None:
        """Ask no more; whoever still waits is told that it was cancelled."""
        asked = list(self._asked.values())
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to addresses that are allowed alone: to the very address that was looked at.

    A name may have another address the next time that it is asked for, so a check before the
    connection says nothing. TLS goes by the name all the same.

    Args:
        policy: which addresses are.
        resolver: knows the addresses of names.
    """

    def __init__(self, policy: AddressPolicy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as the base class has it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first allowed address of a host that answers.

        Raises:
            RefusedAddressError: none of them is allowed.
            httpcore.ConnectError: none of them answers, or there is none.
        """
        try:
            addresses = await self._resolver.addresses(host.strip("[]"), port)
        except OSError as error:
            raise httpcore.ConnectError(f"nobody knows the host {host}: {error}") from error
        allowed = [address for address in addresses if self._policy.allows(address)]
        if not allowed:
            raise RefusedAddressError(
                f"{host} has the address {', '.join(addresses[:_ADDRESSES_TRIED])}, which is not "
                "of the public internet: whoever runs this installation can allow it with "
                "VOLTARO_WEBHOOK_ALLOWED_NETWORKS"
            )
        failed: Exception | None = None
        for address in allowed[:_ADDRESSES_TRIED]:
            try:
                return await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise httpcore.ConnectError(
            f"{host} does not take a connection at {', '.join(allowed[:_ADDRESSES_TRIED])}: "
            f"{failed}"
        ) from failed

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._network.sleep(seconds)


class WebhookRequests:
    """Sends requests to endpoints; made by `open_requests`.

    Args:
        pool: of connections, over a guarded network.
        settings: how long a request may take, and what scheme a URL may have.
    """

    def __init__(self, pool: httpcore.AsyncConnectionPool, settings: WebhookSendSettings) -> None:
        self._pool = pool
        self._settings = settings

    async def send(self, url: str, headers: dict[str, str], body: str) -> Attempt:
        """Send one request, and return what came of it; nothing that goes wrong is raised."""
        attempted_at, began_s = datetime.now(UTC), time.monotonic()
        status, answer, retry_s = None, None, None
        error: str | None
        try:
            async with asyncio.timeout(self._settings.webhook_timeout_s):
                status, answer_headers, answer = await self._exchange(url, headers, body)
            error = error_of(status, answer_headers.get("location"))
            retry_s = retry_after_s(
                answer_headers.get("retry-after"),
                now=datetime.now(UTC),
                longest_s=self._settings.webhook_retry_after_longest_s,
            )
        except TimeoutError:
            error = f"no answer within {self._settings.webhook_timeout_s:g} s"
        except Exception as failure:  # noqa: BLE001 - whatever a server does is its own failure
            said = str(failure) or describe_error(failure)
            error = _readable(said.encode("utf-8", "replace")[:_ERROR_MAX_BYTES])
        return Attempt(
            attempted_at=attempted_at,
            seconds=time.monotonic() - began_s,
            status=status,
            error=error,
            answer=answer,
            retry_after_s=None if error is None else retry_s,
        )

    async def _exchange(
        self, url: str, headers: dict[str, str], body: str
    ) -> tuple[int, dict[str, str], str]:
        if not self._settings.webhook_allow_http and not url.startswith("https://"):
            raise RefusedAddressError(
                "its url is not https, and VOLTARO_WEBHOOK_ALLOW_HTTP is not set"
            )
        async with self._pool.stream(
            "POST",
            url,
            headers=list(headers.items()),
            content=body.encode(),
            # So that of several addresses one that is silent does not take all of the time.
            extensions={"timeout": {"connect": self._settings.webhook_timeout_s / 3}},
        ) as response:
            answer = b""
            async for chunk in response.aiter_stream():
                answer += chunk
                if len(answer) > _ANSWER_READ_BYTES:
                    break  # the connection is closed with the rest unread
        told = {
            name.decode("ascii", "replace").lower(): _readable(value[:_LOCATION_MAX_LENGTH])
            for name, value in response.headers
        }
        return response.status, told, _readable(answer[:ANSWER_KEPT_BYTES])


def _readable(raw: bytes) -> str:
    """Return bytes as a text that Postgres keeps."""
    return raw.decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


@asynccontextmanager
async def open_requests(settings: WebhookSendSettings) -> AsyncIterator[WebhookRequests]:
    """Hold connections to endpoints for as long as the context lasts."""
    resolver = Resolver()
    network = GuardedNetwork(AddressPolicy(settings.allowed_networks), resolver)
    # Certificates are checked as httpx does it: against certifi's list, or SSL_CERT_FILE's.
    pool = httpcore.AsyncConnectionPool(
        ssl_context=httpx.create_ssl_context(),
        # The engine bounds how many are open: by endpoint, and endpoints.
        max_connections=None,
        max_keepalive_connections=_MAX_IDLE,
        keepalive_expiry=_KEEP_ALIVE_S,
        network_backend=network,
    )
    try:
        async with pool:
            yield WebhookRequests(pool, settings)
    finally:
        await resolver.close()
