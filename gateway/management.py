"""The pod's management port: /healthz, /readyz, /metrics."""

import http
from collections.abc import Awaitable, Callable

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from shared.telemetry import metrics


def serve_management(
    host: str,
    port: int,
    *,
    not_ready: Callable[[], Awaitable[str | None]],
    impaired: Callable[[], str | None],
    request_timeout_s: float,
    backlog: int,
) -> Server:
    """Return a small HTTP server, to be entered as an asynchronous context.

    It is the WebSocket server's HTTP half, which never gets to a handshake: one server library in
    the pod is enough.

    Args:
        host: address to listen on.
        port: and port.
        not_ready: says why no station should be sent here now, or None.
        impaired: says what this pod has to do without, or None. Stations are sent here all the
            same: every pod misses it at the same time, and what they say is kept.
        request_timeout_s: a connection whose request is not answered by then is closed.
        backlog: connections that may wait to be accepted; a probe that finds the queue full comes
            back a second later at the earliest.
    """

    async def answer(connection: ServerConnection, request: Request) -> Response:
        match request.path:
            case "/healthz":
                return connection.respond(http.HTTPStatus.OK, "ok\n")
            case "/readyz":
                reason = await not_ready()
                if reason is not None:
                    return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, f"{reason}\n")
                missing = impaired()
                words = "ready" if missing is None else f"ready, but: {missing}"
                return connection.respond(http.HTTPStatus.OK, f"{words}\n")
            case "/metrics":
                body, content_type = metrics.render()
                response = connection.respond(http.HTTPStatus.OK, body.decode())
                del response.headers["Content-Type"]
                response.headers["Content-Type"] = content_type
                return response
        return connection.respond(
            http.HTTPStatus.NOT_FOUND, "here are /healthz, /readyz and /metrics\n"
        )

    async def never(_: ServerConnection) -> None:
        raise AssertionError("unreachable: every request gets an HTTP answer")

    return serve(
        never,
        host,
        port,
        process_request=answer,
        server_header=None,
        open_timeout=request_timeout_s,
        close_timeout=request_timeout_s,
        backlog=backlog,
    )
