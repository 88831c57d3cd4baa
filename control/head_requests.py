"""Answers HEAD as GET without its body (RFC 9110 §9.3.2), which FastAPI's routes do not."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# These know HEAD themselves, and do not read the file for it.
_SIGNED_URLS = "/files/"


class HeadRequests:
    """ASGI middleware: what answers GET answers HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the route that knows GET answer, and keep its body back."""
        if (
            scope["type"] != "http"
            or scope["method"] != "HEAD"
            or scope["path"].startswith(_SIGNED_URLS)
        ):
            await self._app(scope, receive, send)
            return

        answered = False

        async def send_head(message: Message) -> None:
            nonlocal answered
            if message["type"] != "http.response.body":
                await send(message)
            elif not answered:
                # What streams its answer is told by `receive` that it has ended, and makes no more.
                answered = True
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        scope["method"] = "GET"
        try:
            await self._app(scope, receive, send_head)
        finally:
            scope["method"] = "HEAD"
