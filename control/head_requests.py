"""Answers HEAD as GET without its body (RFC 9110 §9.3.2), which FastAPI's routes do not."""

import asyncio

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

        answered = asyncio.Event()

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
            elif not answered.is_set():
                answered.set()
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        async def receive_until_answered() -> Message:
            """Have what streams its answer end as if its reader had left: nobody wants the rest."""
            arriving = asyncio.ensure_future(receive())
            waiting = asyncio.ensure_future(answered.wait())
            try:
                await asyncio.wait((arriving, waiting), return_when=asyncio.FIRST_COMPLETED)
                return arriving.result() if arriving.done() else {"type": "http.disconnect"}
            finally:
                arriving.cancel()
                waiting.cancel()

        scope["method"] = "GET"
        try:
            await self._app(scope, receive_until_answered, send_head)
        finally:
            scope["method"] = "HEAD"
