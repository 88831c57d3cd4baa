"""What stands around the API in these tests: a caller, and the gateway's end of the protocol."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.datastructures import State

from control.app import create_api, running_api
from control.management import serving_management
from control.problems import CODES
from control.services import Services
from control.serving import listen, serve
from control.settings import ControlSettings
from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import (
    CloseConnection,
    OutcomeAnnouncer,
    PodRequest,
    PodRequestReader,
    RunCommand,
)
from shared.domain.commands import CommandRecord, CommandState, Outcome
from shared.domain.stations.stations import (
    Connection,
    Ownership,
    RegistrationStatus,
    SecurityProfile,
)
from shared.settings import ServiceSettings
from shared.store import pods
from shared.store.commands import commands
from shared.store.pool import Database
from shared.store.stations import connections, stations
from tests.support.http import http_client

DOCUMENT = create_api().openapi()
API_KEY = "a-key-that-only-tests-use"
SEEN = ("energy_wh", "ended_at", "review_reasons", "review_decision")
"""What a review says that it is upon."""
ACCEPTED = Outcome(state=CommandState.ACCEPTED, status="Accepted", response={"status": "Accepted"})


# FastAPI makes ready each route at its first request: 80 ms for those that a test asks.
_IDLE: list[FastAPI] = []


@dataclass(frozen=True)
class Api:
    """The API behind a real socket, a caller with its key, and one of its management port."""

    client: httpx.AsyncClient
    management: httpx.AsyncClient
    app: FastAPI
    stop: asyncio.Event

    @property
    def url(self) -> str:
        return str(self.client.base_url)

    @property
    def services(self) -> Services:
        services = self.app.state.services
        assert isinstance(services, Services)
        return services


@contextmanager
def _lent_app() -> Iterator[FastAPI]:
    """Lend an API that no other test holds, for the next one to use again unless it was changed."""
    app = _IDLE.pop() if _IDLE else create_api()
    routes, made_with = len(app.routes), dict(app.state._state)
    yield app
    app.state = State(made_with)
    if len(app.routes) == routes:
        _IDLE.append(app)


@asynccontextmanager
async def running(settings: ControlSettings) -> AsyncIterator[Api]:
    """Serve the API on a free port."""
    stop = asyncio.Event()
    with (
        _lent_app() as lent,
        listen("127.0.0.1", 0) as listener,
        listen("127.0.0.1", 0) as management,
    ):
        port, management_port = listener.getsockname()[1], management.getsockname()[1]
        async with (
            running_api(settings, lent) as app,
            serving_management(
                app.state.management, management, settings=settings, shutdown_timeout_s=2
            ),
        ):
            serving = asyncio.create_task(
                serve(
                    app,
                    listener,
                    stop=stop,
                    on_stop=app.state.services.stop_waiting,
                    settings=settings,
                    shutdown_timeout_s=2,
                )
            )
            headers = {"Authorization": f"Bearer {API_KEY}"}
            base_url = f"http://127.0.0.1:{port}"
            async with (
                http_client(base_url=base_url, headers=headers, timeout=20) as client,
                http_client(base_url=f"http://127.0.0.1:{management_port}") as prober,
            ):
                yield Api(client, prober, app, stop)
            stop.set()
            await serving


class PodPlayer:
    """Plays a gateway pod: holds stations, reads its stream, ends commands through the store."""

    def __init__(self, db: Database, redis: Redis, pod_id: str) -> None:
        self.pod_id = pod_id
        self._db = db
        self._registry = OwnershipRegistry(redis)
        self._reader = PodRequestReader(redis, pod_id, block_s=0.5)
        self._announcer = OutcomeAnnouncer(redis)
        self._held: dict[str, Ownership] = {}
        self._requests: deque[PodRequest] = deque()

    async def start(self, *, lease_s: float = 60) -> None:
        await pods.renew_lease(self._db, pod_id=self.pod_id, pod_name="pod", lease_s=lease_s)
        await self._registry.renew_lease(self.pod_id, lease_s=lease_s)

    async def hold(self, station_id: str) -> Ownership:
        """Register a station unless it is, and take its connection."""
        if station_id not in self._held and not any(
            await stations.get_credentials(self._db, [station_id])
        ):
            await register(self._db, station_id)
        connection = Connection(
            station_id=station_id,
            connection_id=uuid4().hex,
            pod_id=self.pod_id,
            ocpp_version="1.6",
        )
        (ownership,) = await connections.claim(self._db, [connection])
        assert ownership is not None
        await self._registry.claim([ownership])
        self._held[station_id] = ownership
        return ownership

    async def next_request(self) -> PodRequest:
        """Return the next request on the stream, which is taken off it."""
        async with asyncio.timeout(10):
            while not self._requests:
                for entry_id, request in await self._reader.read():
                    await self._reader.acknowledge([entry_id])
                    assert request is not None
                    self._requests.append(request)
        return self._requests.popleft()

    async def next_command(self) -> RunCommand:
        request = await self.next_request()
        assert isinstance(request, RunCommand)
        return request

    async def next_close(self) -> CloseConnection:
        request = await self.next_request()
        assert isinstance(request, CloseConnection)
        return request

    async def take(self, request: RunCommand) -> CommandRecord | None:
        connection_id = self._held[request.station_id].connection_id
        return await commands.take_for_sending(
            self._db, request.command_id, connection_id=connection_id, pod_id=self.pod_id
        )

    async def finish(
        self, request: RunCommand, outcome: Outcome = ACCEPTED, *, announced: bool = True
    ) -> None:
        assert await commands.finish(self._db, request.command_id, outcome)
        if announced:
            await self._announcer.announce(
                control_id=request.control_id, command_id=request.command_id
            )

    async def answer(self, outcome: Outcome = ACCEPTED, *, announced: bool = True) -> RunCommand:
        """Run the next command, as if its station answered so."""
        request = await self.next_command()
        assert await self.take(request) is not None
        await self.finish(request, outcome, announced=announced)
        return request


@asynccontextmanager
async def playing_pod(
    db: Database, settings: ServiceSettings, pod_id: str = "pod-1-abcdef"
) -> AsyncIterator[PodPlayer]:
    # The reader of a real pod goes on after a time-out; this one plays only what it is told to.
    async with open_redis(settings.model_copy(update={"redis_timeout_s": 10.0})) as redis:
        pod = PodPlayer(db, redis, pod_id)
        await pod.start()
        yield pod


async def register(db: Database, station_id: str, **changes: Any) -> None:
    await stations.create(
        db,
        **{
            "station_id": station_id,
            "name": None,
            "security_profile": SecurityProfile.BASIC_AUTHENTICATION,
            "password_hash": "$argon2id$not-a-real-one",
            "registration_status": RegistrationStatus.ACCEPTED,
            "heartbeat_interval_s": None,
            **changes,
        },
    )


async def decide(client: httpx.AsyncClient, session: dict[str, Any], **body: Any) -> httpx.Response:
    """Decide upon a session as it was read."""
    seen = {name: session[name] for name in SEEN}
    url = f"/v1/sessions/{session['session_id']}/review"
    return await client.post(url, json={"seen": seen, **body})


def assert_problem(response: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """Check that an answer is this problem, and return its members."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["type"] == f"urn:voltaro:problem:{name}"
    assert problem["title"]
    assert problem["detail"]
    listed = documented_codes(response.request.method, response.request.url.path, status)
    assert listed is None or problem["code"] in listed, (
        f"{response.request.method} {response.request.url.path} answered {problem['code']} and "
        f"lists {sorted(listed)}: add it to the route's responses=problems.responses(…)"
    )
    return problem


@cache
def documented_codes(method: str, path: str, status: int) -> frozenset[str] | None:
    """Return which codes an answer may have; None of what is no operation of the document."""
    for template, operations in DOCUMENT["paths"].items():
        pattern = re.sub(r"\\{[^/]*\\}", "[^/]+", re.escape(template))
        if method.lower() in operations and re.fullmatch(pattern, path):
            said = operations[method.lower()]["responses"].get(str(status), {})
            return frozenset(said.get(CODES, ()))
    return None
