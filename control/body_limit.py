"""Refuses bodies that are too long before they are read."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control import problems
from control.problems import problem_response


class BodyLimit:
    """ASGI middleware: bodies up to `http_max_body_bytes`, whether their length is told or not.

    Starlette's own limit answers in plain text where the length was told, which is no problem
    document.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through as far as its body is short enough, or answer 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit: int = scope["app"].state.services.settings.http_max_body_bytes
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > limit:
            response = problem_response(
                problems.BODY_TOO_LARGE,
                f"the body has {declared} bytes, and {limit} are accepted",
                headers={"Connection": "close"},
            )
            await response(scope, receive, send)
            return
        received = 0

        async def limited_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(problems.BODY_TOO_LARGE.status)
            return message

        await self._app(scope, limited_receive, send)
