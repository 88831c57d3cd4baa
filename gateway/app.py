"""The composition root of a gateway pod: what it is made of, and the order of start and stop."""

import asyncio
import gc
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial

import structlog
from websockets.frames import CloseCode

from gateway.admission import FailureLimit, HandshakeFailures, HandshakeRate
from gateway.authentication import Authenticator
from gateway.authorization import (
    DatabaseAuthorizer,
    DecisionLog,
    ExternalAuthorizer,
    Tokens,
    external_api,
)
from gateway.client_certificates import ClientCertificates
from gateway.commands import CommandRunner
from gateway.door import Door
from gateway.event_loop import measure_lag
from gateway.fence import Fence
from gateway.flapping import FlappingGuard
from gateway.handlers import Services
from gateway.ingest import Ingest
from gateway.lease import LeaseKeeper
from gateway.liveness import Liveness, Rival
from gateway.lookups import Lookups
from gateway.management import serve_management
from gateway.ocpp_log import OcppLog
from gateway.ownership import Claims
from gateway.quirks import QuirkCounter
from gateway.quotas import Quota, StationQuotas
from gateway.reconciliation import Reconciler
from gateway.replaying import Replayer
from gateway.security_reports import SecurityReports
from gateway.server import PROTOCOLS, OcppServer
from gateway.settings import GatewaySettings
from gateway.unknown_stations import UnknownStations
from shared.batching import Batcher
from shared.bus.authorization import ChangeListener, Kind, SharedCache
from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import OutcomeAnnouncer, PodRequestReader, PodRequestSender
from shared.domain.access.authorization import Authorization, AuthorizationRequest
from shared.domain.access.tokens import IdToken, IdTokenGroup
from shared.domain.errors import UnavailableError
from shared.domain.stations.stations import Credentials
from shared.store.pool import Database, open_database
from shared.store.retrying import try_again
from shared.store.stations import stations

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
        # What waits for a lock is to be written apart while its answer can still be held.
        db = await stack.enter_async_context(
            open_database(settings, max_lock_timeout_s=settings.ingest_hold_s / 4)
        )
        redis = await stack.enter_async_context(open_redis(settings))

        credentials: Batcher[str, Credentials | None] = Batcher(
            lambda station_ids: try_again(partial(stations.get_credentials, db, station_ids))
        )
        certificates = ClientCertificates(db)
        shared_ttl_s = settings.authorization_shared_cache_ttl_s
        tokens = Tokens(
            db,
            shared_tokens=SharedCache(
                redis, Kind.ID_TOKEN, tuple[IdToken, ...], ttl_s=shared_ttl_s
            ),
            shared_groups=SharedCache(redis, Kind.GROUP, IdTokenGroup, ttl_s=shared_ttl_s),
            listener=ChangeListener(redis, timeout_s=settings.redis_timeout_s),
            settings=settings,
        )
        ingest = Ingest(
            db,
            settings,
            on_away=lambda: server.close_all(CloseCode.TRY_AGAIN_LATER, "the database is away"),
        )
        registry = OwnershipRegistry(redis)
        claims = Claims(db, registry)
        reports, flapping, quotas = _guards(settings, ingest)
        ocpp_log = OcppLog(
            db,
            settings,
            pod_id=pod_id,
            grant_kib=lambda station_id, kib: quotas.take(station_id, Quota.OCPP_LOG_KIB, kib),
        )
        decisions = DecisionLog(
            db,
            settings,
            pod_id=pod_id,
            grant=lambda station_id, count: quotas.take(station_id, Quota.AUTHORIZATIONS, count),
        )
        quirks = QuirkCounter(
            db,
            interval_s=settings.quirks_interval_s,
            max_pending=settings.max_pending_quirks,
            max_per_station=settings.station_max_quirks,
            now=_now,
        )
        unknown_stations = UnknownStations(
            db,
            interval_s=settings.unknown_stations_interval_s,
            keep=settings.max_unknown_stations,
            now=_now,
        )
        fence = Fence(pause_s=settings.pod_lease_s / 3)
        sender = PodRequestSender(redis)
        services = Services(
            settings=settings,
            ingest=ingest,
            authorize=await _authorizer(stack, db, tokens, settings),
            decisions=decisions,
            find_id_tokens=tokens.find,
            find_rule=tokens.find_rule,
            lookups=Lookups(db, hold_s=settings.ingest_hold_s),
            quotas=quotas,
            reports=reports,
            now=_now,
        )
        server = OcppServer(
            settings=settings,
            pod_id=pod_id,
            door=_door(
                stack,
                settings,
                credentials,
                certificates=certificates,
                flapping=flapping,
                find_rival=lambda *question: liveness.find_rival(*question),  # noqa: PLW0108 - made below
                unknown_stations=unknown_stations,
                ingest=ingest,
            ),
            quirks=quirks,
            services=services,
            claims=claims,
            sender=sender,
            flapping=flapping,
            fence=fence,
            ocpp_log=ocpp_log,
        )
        liveness = Liveness(db=db, sender=sender, connections=server, pod_id=pod_id)
        reconciler = Reconciler(
            db=db,
            registry=registry,
            claims=claims,
            connections=server,
            pod_id=pod_id,
            interval_s=settings.reconcile_interval_s,
        )
        leases = LeaseKeeper(
            db=db,
            registry=registry,
            connections=server,
            reconciler=reconciler,
            fence=fence,
            pod_id=pod_id,
            settings=settings,
        )
        reader = PodRequestReader(redis, pod_id)
        runner = CommandRunner(
            db=db,
            ingest=ingest,
            reader=reader,
            announcer=OutcomeAnnouncer(redis),
            connections=server,
            withdraw=reconciler.withdraw,
            liveness=liveness,
            quotas=quotas,
            pod_id=pod_id,
            settings=settings,
        )

        draining = asyncio.Event()
        await leases.take()
        stack.push_async_callback(_forget_stream, reader)
        await stack.enter_async_context(
            _running(
                measure_lag,
                claims.run,
                credentials.run,
                certificates.run,
                fence.run,
                tokens.run,
                ingest.run,
                leases.run,
                runner.run,
                ocpp_log.run,
                decisions.run,
                quirks.run,
                reconciler.run,
                Replayer(db, PROTOCOLS.values(), services, quirks).run,
                unknown_stations.run,
            )
        )
        stack.push_async_callback(leases.give_back)
        await stack.enter_async_context(
            serve_management(
                settings.management_host,
                settings.management_port,
                not_ready=partial(_why_not_ready, draining, ingest),
                impaired=lambda: leases.redis_trouble,
                request_timeout_s=settings.handshake_timeout_s,
                backlog=settings.listen_backlog,
            )
        )
        await stack.enter_async_context(server.serve())
        log.info("ready", ocpp_port=settings.ocpp_port, management_port=settings.management_port)
        try:
            yield server
        finally:
            draining.set()
            # Until the load balancer has seen that, whoever is sent away would come back to us.
            await asyncio.sleep(settings.drain_delay_s)
            runner.stop_accepting()
            with suppress(TimeoutError):
                async with asyncio.timeout(settings.drain_timeout_s):
                    # A station that is cut off from its answer makes a command `unknown`.
                    await runner.drain(timeout_s=settings.drain_commands_s)
                    await server.drain()
                    await runner.drain(timeout_s=settings.drain_commands_s)
                    await ingest.drain()
                    for written in (ocpp_log, decisions, quirks, unknown_stations):
                        await written.flush()


async def _why_not_ready(draining: asyncio.Event, ingest: Ingest) -> str | None:
    if draining.is_set():
        return "draining"
    return None if ingest.available else "Postgres does not answer"


def _guards(
    settings: GatewaySettings, ingest: Ingest
) -> tuple[SecurityReports, FlappingGuard, StationQuotas]:
    """Return what tells of a station, and what keeps one from being too much of a trouble."""
    reports = SecurityReports(ingest, now=_now, max_remembered=settings.max_remembered_failures)
    return reports, FlappingGuard(settings, reports), StationQuotas(settings, reports)


def _now() -> datetime:
    return datetime.now(UTC)


def _door(
    stack: AsyncExitStack,
    settings: GatewaySettings,
    credentials: Batcher[str, Credentials | None],
    *,
    certificates: ClientCertificates,
    flapping: FlappingGuard,
    find_rival: Callable[[str, float], Awaitable[Rival | None]],
    unknown_stations: UnknownStations,
    ingest: Ingest,
) -> Door:
    """Return what decides who may connect."""
    limit = partial(FailureLimit, max_keys=settings.max_remembered_failures)
    failures = HandshakeFailures(
        addresses=limit(
            burst=settings.address_failures, refill_s=settings.address_failure_refill_s
        ),
        pairs=limit(burst=settings.station_failures, refill_s=settings.station_failure_refill_s),
        stations=limit(
            burst=settings.station_failures_anywhere,
            refill_s=settings.station_failure_anywhere_refill_s,
        ),
    )
    authenticator = Authenticator(
        credentials.submit,
        judge_certificate=certificates.judge,
        cache_size=settings.password_cache_size,
        overlap_s=settings.password_overlap_s,
        guess_retry_after_s=failures.guess_retry_after_s,
    )
    stack.callback(authenticator.close)
    return Door(
        settings=settings,
        rate=HandshakeRate(
            per_s=settings.handshakes_per_s,
            burst=settings.handshakes_burst,
            max_wait_s=settings.handshakes_max_wait_s,
        ),
        authenticator=authenticator,
        failures=failures,
        flapping=flapping,
        find_rival=find_rival,
        unknown_stations=unknown_stations,
        ingest=ingest,
        now=_now,
    )


async def _authorizer(
    stack: AsyncExitStack, db: Database, tokens: Tokens, settings: GatewaySettings
) -> Callable[[AuthorizationRequest], Awaitable[Authorization]]:
    """Return what decides who may charge: an API of the operator's, or the database."""
    if settings.authorization_url is not None:
        client = await stack.enter_async_context(external_api(settings))
        return ExternalAuthorizer(client, settings, find_rule=tokens.find_rule, now=_now).authorize
    return DatabaseAuthorizer(db, tokens, hold_s=settings.ingest_hold_s, now=_now).authorize


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
