"""Counts and times requests."""

import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.telemetry import metrics

# Whatever else a client makes up counts as one, or it could make up as many time series.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HttpMetrics:
    """ASGI middleware: one count and one duration per request, by the route's template.

    An answer without an end is one when it begins.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app and note what it answered and how long that took."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500  # unless an answer begins
        is_noted = False

        def note() -> None:
            nonlocal is_noted
            is_noted = True
            method = scope["method"] if scope["method"] in _METHODS else "other"
            # The router leaves the matched route in the scope.
            route = getattr(scope.get("route"), "path_format", "(none)")
            metrics.http_requests.labels(method, route, status).inc()
            metrics.http_request_seconds.labels(method, route).observe(time.perf_counter() - began)

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if _is_endless(message):
                    note()
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        finally:
            if not is_noted:
                note()


def _is_endless(start: Message) -> bool:
    kind: str = Headers(raw=start.get("headers", [])).get("content-type", "")
    return kind.startswith("text/event-stream")
