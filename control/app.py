"""The composition root: what the API stands on is opened here, and closed in the opposite order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from uuid import uuid4

import structlog
from fastapi import Depends, FastAPI

from control import docs_page, fields, openapi, password_page, query_names
from control.access.changes import AuthorizationChanges
from control.accounts.api_keys import ApiKeys
from control.accounts.oidc.login import OidcLogin
from control.accounts.oidc.provider import open_provider
from control.accounts.rate_limits import (
    MAX_COUNTED_AT_ONCE,
    LimitFailures,
    LimitRequests,
    RateLimits,
    count_what_is_not_counted,
)
from control.accounts.rules import RouteRules
from control.accounts.service import Accounts
from control.api.access import (
    authorizations,
    id_token_groups,
    id_tokens,
    local_lists,
    locations,
)
from control.api.accounts import api_keys, audit_log, login, me, oidc, organizations, users
from control.api.charging import charging_profiles, reservations
from control.api.commands import batches, commands
from control.api.notices import (
    alert_rules,
    alerts,
    event_stream,
    events,
    exported_events,
    reports,
    webhook_deliveries,
    webhook_endpoints,
)
from control.api.sessions import dead_letters, exported_meter_values, meter_values, sessions
from control.api.stations import (
    availability,
    configuration,
    location_names,
    maintenance,
    ocpp_log,
    quirks,
    stations,
    unknown_stations,
    wanted_settings,
)
from control.api.trust import certificates, client_certificates, security_events
from control.api.upkeep import file_links, files, firmware_updates, jobs, logs
from control.auth import RequireCredentials
from control.body_limit import BodyLimit
from control.commands.dispatch import Dispatcher
from control.commands.outcomes import Outcomes
from control.errors import UnexpectedErrors, install_error_handlers
from control.exports.service import Exports
from control.files.service import set_up_files
from control.head_requests import HeadRequests
from control.http_metrics import HttpMetrics
from control.management import Dependency, health_router, management_app, serving_management
from control.media_types import JsonEncoding
from control.notices.streams import EventStreams
from control.passwords import StationPasswords
from control.proxies import TrustedProxies
from control.request_ids import RequestIds
from control.services import Services
from control.serving import listen, serve
from control.settings import ControlSettings
from control.stations.connections import LiveConnections
from shared.bus import client as bus
from shared.bus.allowances import AllowanceRegistry
from shared.bus.authorization import ChangePublisher
from shared.bus.event_words import EventWords
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import OutcomeListener, PodRequestSender
from shared.store import pool
from shared.store.request_database import RequestDatabases

log = structlog.get_logger()


def create_api() -> FastAPI:
    """Return the API, not yet on anything: enough to read its OpenAPI document."""
    app = FastAPI(
        title="Voltaro",
        version=version("voltaro"),
        description=openapi.DESCRIPTION,
        openapi_tags=openapi.TAGS,
        docs_url=None,  # ours needs no other host
        redoc_url=None,
        generate_unique_id_function=openapi.operation_id,
    )
    for resource in (
        stations,
        commands,
        batches,
        sessions,
        dead_letters,
        ocpp_log,
        availability,
        maintenance,
        configuration,
        wanted_settings,
        meter_values,
        exported_meter_values,
        id_tokens,
        id_token_groups,
        authorizations,
        locations,
        location_names,
        local_lists,
        charging_profiles,
        reservations,
        unknown_stations,
        quirks,
        firmware_updates,
        logs,
        files,
        jobs,
        certificates,
        client_certificates,
        security_events,
        event_stream,
        exported_events,
        events,
        reports,
        webhook_endpoints,
        webhook_deliveries,
        alert_rules,
        alerts,
        api_keys,
        organizations,
        users,
        me,
        login,
        audit_log,
    ):
        app.include_router(
            fields.with_fields(resource.router),
            dependencies=[Depends(query_names.refuse_unknown)],
            responses=openapi.EVERY_ROUTE,
        )
    # Providers send browsers back with parameters of their own.
    app.include_router(oidc.router, responses=openapi.EVERY_ROUTE)
    # Stations ask for these, and some add parameters of their own to a URL.
    app.include_router(file_links.router, responses=openapi.EVERY_ROUTE)
    app.include_router(health_router)
    app.include_router(docs_page.router)
    app.include_router(password_page.router)
    install_error_handlers(app)
    openapi.describe(app)
    app.state.rules = RouteRules(app)
    # The last one added is the first to see a request.
    app.add_middleware(HeadRequests)
    app.add_middleware(JsonEncoding)
    app.add_middleware(BodyLimit)
    app.add_middleware(LimitRequests)
    app.add_middleware(RequireCredentials)
    app.add_middleware(LimitFailures)
    app.add_middleware(UnexpectedErrors)
    app.add_middleware(HttpMetrics)
    app.add_middleware(TrustedProxies)
    app.add_middleware(RequestIds)
    return app


@asynccontextmanager
async def running_api(
    settings: ControlSettings, app: FastAPI | None = None
) -> AsyncIterator[FastAPI]:
    """Hold the API with everything it stands on for as long as the context lasts.

    What its management port serves is in `app.state.management`.

    Args:
        settings: what it is to stand on.
        app: what `create_api` has returned, and nobody holds now; else it is made here.

    Raises:
        UnavailableError: Postgres cannot be reached now. Redis may be away.
    """
    control_id = uuid4().hex
    async with AsyncExitStack() as opened:
        db = await opened.enter_async_context(pool.open_database(settings))
        redis = await opened.enter_async_context(bus.open_redis(settings))
        quick_redis = await opened.enter_async_context(
            bus.open_redis(
                settings.model_copy(update={"redis_timeout_s": settings.rate_limit_timeout_s})
            )
        )
        registry, sender = OwnershipRegistry(redis), PodRequestSender(redis)
        passwords = StationPasswords(settings)
        outcomes = Outcomes(
            db,
            OutcomeListener(redis, control_id, timeout_s=settings.redis_timeout_s),
            poll_interval_s=settings.command_poll_interval_s,
            max_waiting=settings.command_max_waiting,
        )
        event_streams = EventStreams(
            db, EventWords(redis, timeout_s=settings.redis_timeout_s), settings
        )
        keys = ApiKeys(db, (key.get_secret_value() for key in settings.api_keys), settings)
        accounts = opened.enter_context(Accounts(db, settings))
        provider = await opened.enter_async_context(open_provider(settings))
        tasks = await opened.enter_async_context(asyncio.TaskGroup())
        for run in (
            outcomes.run,
            event_streams.run,
            *keys.tasks,
            *accounts.sessions.tasks,
        ):
            opened.callback(tasks.create_task(run()).cancel)
        app = app or create_api()
        app.state.services = Services(
            settings=settings,
            api_keys=keys,
            accounts=accounts,
            oidc=None if provider is None else OidcLogin(provider, settings),
            rate_limits=RateLimits(
                AllowanceRegistry(
                    quick_redis,
                    timeout_s=settings.rate_limit_timeout_s,
                    pause_s=settings.rate_limit_pause_s,
                    max_at_once=MAX_COUNTED_AT_ONCE,
                    on_not_counted=count_what_is_not_counted,
                ),
                settings,
            ),
            db=db,
            databases=RequestDatabases(db),
            connections=LiveConnections(registry, sender),
            dispatcher=Dispatcher(
                db=db,
                registry=registry,
                sender=sender,
                outcomes=outcomes,
                passwords=passwords,
                control_id=control_id,
                reconnect_wait_s=settings.command_reconnect_wait_s,
                max_queued=settings.command_max_queued,
            ),
            outcomes=outcomes,
            passwords=passwords,
            files=set_up_files(db, settings),
            exports=Exports(settings),
            authorization=AuthorizationChanges(
                # A gateway's read of Postgres ends within the command time-out.
                ChangePublisher(redis, tombstone_s=2 * settings.database_command_timeout_s)
            ),
            event_streams=event_streams,
        )
        app.state.management = management_app(
            Dependency("postgres", partial(pool.is_reachable, db), required=True),
            # Everything but commands works without Redis.
            Dependency("redis", partial(bus.require_writable, redis), required=False),
        )
        yield app


async def run(settings: ControlSettings, stop: asyncio.Event) -> None:
    """Serve the API until `stop` is set.

    Raises:
        UnavailableError: Postgres cannot be reached, or the port is taken.
    """
    with (
        listen(settings.management_host, settings.management_port) as management,
        listen(settings.http_host, settings.http_port) as listener,
    ):
        async with (
            running_api(settings) as app,
            serving_management(
                app.state.management,
                management,
                settings=settings,
                shutdown_timeout_s=settings.shutdown_timeout_s,
            ),
        ):
            host, port = listener.getsockname()[:2]
            log.info("the API listens", host=host, port=port)
            services: Services = app.state.services
            await services.accounts.tell_what_does_not_work()
            await serve(
                app,
                listener,
                stop=stop,
                # Calls that wait for a station answer 202 then, event streams say where to resume,
                # and neither holds up the end.
                on_stop=services.stop_waiting,
                settings=settings,
                shutdown_timeout_s=settings.shutdown_timeout_s,
                keep_alive_s=settings.http_keep_alive_s,
            )
    log.info("the API has stopped")
