"""Refuses bodies that are too long before they are read."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control import problems
from control.problems import problem_response
from control.settings import ControlSettings

# Where files are uploaded: with an API key, and by signed URLs.
_UPLOADS = "/v1/files"
_SIGNED_URLS = "/files/"
# What a form has around its file.
_FORM_BYTES = 64 * 1024


class BodyLimit:
    """ASGI middleware: bodies up to a limit, whether their length is told or not.

    It is `http_max_body_bytes`, and where files are uploaded `files_max_bytes`: those are not held
    in memory.

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
        limit = _limit(scope["path"], scope["app"].state.services.settings)
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


def _limit(path: str, settings: ControlSettings) -> int:
    if path == _UPLOADS or path.startswith(_SIGNED_URLS):
        return settings.files_max_bytes + _FORM_BYTES
    return settings.http_max_body_bytes
