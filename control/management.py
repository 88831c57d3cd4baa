"""What Kubernetes and Prometheus ask every process for: /healthz, /readyz, /metrics."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Response
from starlette.responses import JSONResponse

from control.errors import UnexpectedErrors, install_error_handlers
from control.head_requests import HeadRequests
from control.http_settings import HttpSettings
from control.serving import serve
from shared.domain.errors import UnavailableError
from shared.telemetry import metrics


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something a process stands on.

    Args:
        name: as it is named in the answer.
        is_reachable: asks it now; an `UnavailableError` says why it is of no use.
        required: whether the process is of no use without it. A process that still does part of
            its work must stay ready: every replica misses the same dependency at the same time, so
            Kubernetes would take all of them out of service and make a part's outage a whole one.
    """

    name: str
    is_reachable: Callable[[], Awaitable[bool]]
    required: bool


health_router = APIRouter(include_in_schema=False)
"""/healthz by itself, which the API's port has as well: docs/adr/0008-management-port.md."""


@health_router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Tell that the process runs; a restart would not bring a dependency back."""
    return {"status": "ok"}


def management_app(*dependencies: Dependency) -> FastAPI:
    """Return what answers on the management port.

    Args:
        dependencies: what /readyz asks; all at once, each within its own time-out.
    """
    app = FastAPI(openapi_url=None)
    install_error_handlers(app)
    app.add_middleware(HeadRequests)
    app.add_middleware(UnexpectedErrors)
    app.include_router(health_router)

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """Tell whether requests can be served, and which dependency is away."""
        asked = await asyncio.gather(*map(_find_trouble, dependencies))
        found = dict(zip(dependencies, asked, strict=True))
        ready = all(found[each] is None for each in dependencies if each.required)
        answer: dict[str, object] = {
            "status": "ready" if ready else "unavailable",
            "dependencies": {
                each.name: "ok" if trouble is None else "away" for each, trouble in found.items()
            },
        }
        if reasons := {each.name: trouble for each, trouble in found.items() if trouble}:
            answer["reasons"] = reasons
        return JSONResponse(
            answer, status_code=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        )

    @app.get("/metrics")
    async def metrics_page() -> Response:
        """Return every metric in Prometheus' text format."""
        body, content_type = metrics.render()
        return Response(body, headers={"Content-Type": content_type})

    return app


async def _find_trouble(dependency: Dependency) -> str | None:
    """Return why a dependency is of no use now, or None."""
    try:
        return None if await dependency.is_reachable() else "it does not answer"
    except UnavailableError as error:
        return str(error)


@asynccontextmanager
async def serving_management(
    app: FastAPI, listener: socket.socket, *, settings: HttpSettings, shutdown_timeout_s: float
) -> AsyncIterator[None]:
    """Serve the management port for as long as the context lasts, to the end of a drain.

    Args:
        app: of `management_app`.
        listener: where.
        settings: bounds of connections.
        shutdown_timeout_s: how long requests in work may take at the end.
    """
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            serve(
                app,
                listener,
                stop=stop,
                settings=settings,
                shutdown_timeout_s=shutdown_timeout_s,
            )
        )
        try:
            yield
        finally:
            stop.set()
