"""Refuses bodies in an encoding that nobody here reads, in words that say which one is read."""

from email.message import Message as Headers

from starlette.datastructures import Headers as RequestHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from control import problems
from control.problems import problem_response, shorten

_PREFIX = "/v1/"
_ECHO_MAX_LENGTH = 100
# RFC 8259 §8.1: JSON between systems is UTF-8. ASCII is a part of it.
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


class JsonEncoding:
    """ASGI middleware: JSON comes as UTF-8, and not compressed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer 415."""
        refusal = None
        if scope["type"] == "http" and scope["path"].startswith(_PREFIX):
            refusal = _refusal(RequestHeaders(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
            return
        response = problem_response(
            problems.UNSUPPORTED_MEDIA_TYPE, refusal, headers={"Accept-Encoding": "identity"}
        )
        await response(scope, receive, send)


def _refusal(headers: RequestHeaders) -> str | None:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        return (
            f"the body came with Content-Encoding: {shorten(encoding, _ECHO_MAX_LENGTH)}: "
            "send it as it is"
        )
    declared = Headers()
    declared["content-type"] = headers.get("content-type", "")
    charset = str(declared.get_param("charset", "utf-8")).strip().lower()
    if declared.get_content_subtype().endswith("json") and charset not in _CHARSETS:
        return f"the body came as {shorten(charset, _ECHO_MAX_LENGTH)}: send JSON as UTF-8"
    return None
