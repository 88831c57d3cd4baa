"""The composition root of a gateway pod: what it is made of, and the order of start and stop."""

import asyncio
import gc
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial

import structlog
from websockets.frames import CloseCode

from gateway.authentication import Authenticator
from gateway.commands import CommandRunner
from gateway.handlers import Services
from gateway.ingest import Ingest
from gateway.lease import LeaseKeeper
from gateway.management import serve_management
from gateway.ownership import Claims
from gateway.server import OcppServer
from gateway.settings import GatewaySettings
from shared.batching import Batcher
from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import OutcomeAnnouncer, PodRequestReader, PodRequestSender
from shared.domain.errors import UnavailableError
from shared.domain.stations import Credentials
from shared.domain.tokens import IdToken
from shared.store import id_tokens, stations
from shared.store.pool import open_database

log = structlog.get_logger()


async def run(settings: GatewaySettings) -> None:
    """Run a gateway pod until SIGTERM or SIGINT, then drain it.

    Raises:
        UnavailableError: Postgres cannot be reached at the start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    async with pod(settings) as server:
        _spare_the_garbage_collector()
        await stop.wait()
        log.info("draining", connections=len(server.all()))


def _spare_the_garbage_collector() -> None:
    """Look for cycles less often, and never among what lives as long as the process.

    Every message makes a task and some futures, so with the default thresholds all modules and all
    connections would be walked through several times a second: 5 % of a Heartbeat's cost with 50
    connections. Reference counts free nearly everything; cycles come from exceptions now and then,
    and may wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@asynccontextmanager
async def pod(settings: GatewaySettings) -> AsyncIterator[OcppServer]:
    """Hold a running pod for as long as the context lasts; leaving it drains the pod."""
    # A restarted pod is another pod: it must not inherit the lease or the stations of the last.
    pod_id = f"{settings.pod_name}-{secrets.token_hex(3)}"
    structlog.contextvars.bind_contextvars(pod_id=pod_id)
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(open_database(settings))
        redis = await stack.enter_async_context(open_redis(settings))

        credentials: Batcher[str, Credentials | None] = Batcher(
            partial(stations.get_credentials, db)
        )
        tokens: Batcher[str, IdToken | None] = Batcher(partial(id_tokens.find, db))
        ingest = Ingest(
            db,
            settings,
            on_away=lambda: server.close_all(CloseCode.TRY_AGAIN_LATER, "the database is away"),
        )
        registry = OwnershipRegistry(redis)
        claims = Claims(db, registry)
        server = OcppServer(
            settings=settings,
            pod_id=pod_id,
            authenticator=Authenticator(
                credentials.submit, cache_size=settings.password_cache_size
            ),
            services=Services(
                settings=settings,
                ingest=ingest,
                find_id_token=tokens.submit,
                now=lambda: datetime.now(UTC),
            ),
            claims=claims,
            sender=PodRequestSender(redis),
        )
        leases = LeaseKeeper(
            db=db, registry=registry, connections=server, pod_id=pod_id, settings=settings
        )
        reader = PodRequestReader(redis, pod_id)
        runner = CommandRunner(
            db=db,
            ingest=ingest,
            reader=reader,
            announcer=OutcomeAnnouncer(redis),
            connections=server,
            pod_id=pod_id,
            settings=settings,
        )

        draining = asyncio.Event()

        async def not_ready() -> str | None:
            if draining.is_set():
                return "draining"
            return None if ingest.available else "Postgres does not answer"

        await leases.take()
        stack.push_async_callback(_forget_stream, reader)
        await stack.enter_async_context(
            _running(
                claims.run,
                credentials.run,
                tokens.run,
                ingest.run,
                leases.run,
                runner.run,
            )
        )
        stack.push_async_callback(leases.give_back)
        await stack.enter_async_context(
            serve_management(
                settings.management_host, settings.management_port, not_ready=not_ready
            )
        )
        await stack.enter_async_context(server.serve())
        log.info("ready", ocpp_port=settings.ocpp_port, management_port=settings.management_port)
        try:
            yield server
        finally:
            draining.set()
            runner.stop_accepting()
            with suppress(TimeoutError):
                async with asyncio.timeout(settings.drain_timeout_s):
                    await server.drain()
                    await ingest.drain()


async def _forget_stream(reader: PodRequestReader) -> None:
    with suppress(UnavailableError):  # it expires
        await reader.delete()


@asynccontextmanager
async def _running(*services: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """Run services for as long as the context lasts; one that fails ends the pod."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(service()) for service in services]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
