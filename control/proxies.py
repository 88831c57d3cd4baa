"""Whose word counts of where a request came from: that of proxies which the operator trusts."""

from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware


class TrustedProxies:
    """ASGI middleware: takes address and scheme of `X-Forwarded-…`, if a trusted proxy says so.

    Whom to trust is a setting of the running API, which the routes are made without.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._trusting: dict[str, ProxyHeadersMiddleware] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        proxies: str = scope["app"].state.services.settings.http_trusted_proxies
        trusting = self._trusting.get(proxies)
        if trusting is None:
            trusted = [each.strip() for each in proxies.split(",")]
            trusting = ProxyHeadersMiddleware(cast("Any", self._app), trusted)
            self._trusting[proxies] = trusting
        await trusting(cast("Any", scope), cast("Any", receive), cast("Any", send))
