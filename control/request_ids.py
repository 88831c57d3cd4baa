"""Gives each request an id, by which its answer, its log lines and its audit entries are found."""

import re
from contextvars import ContextVar
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-ID"
# What load balancers and tracing make: UUIDs, hexadecimal digits, base64.
_HARMLESS = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")

current: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Id of the request that is worked on."""


class RequestIds:
    """ASGI middleware: takes the id that a caller gives if it is short and harmless, or makes one.

    It is in `request.state.request_id`, in every line of the log, and in the answer's header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app within an id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _HARMLESS.fullmatch(given) else str(uuid4())
        scope.setdefault("state", {})["request_id"] = request_id

        async def telling_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        token = current.set(request_id)
        try:
            with structlog.contextvars.bound_contextvars(request_id=request_id):
                await self._app(scope, receive, telling_send)
        finally:
            current.reset(token)
