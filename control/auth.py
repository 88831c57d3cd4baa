"""Who may use the API: callers with one of its keys, and who each of them is."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Annotated, cast

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from control import problems
from control.problems import problem_response
from shared.domain.accounts.principals import ROOT, Principal

_SCHEME = "bearer"


class ApiKeys:
    """The keys that are accepted, kept as digests.

    Digests have one length, so that comparing them in constant time tells nothing about a key.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [_digest(key) for key in keys]

    def accept(self, key: str) -> bool:
        """Tell whether `key` is one of them, in a time that does not depend on which."""
        digest = _digest(key)
        # A list, so that every key is compared.
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return any(matches)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


class RequireApiKey:
    """ASGI middleware: below `prefix` nothing is read, parsed or looked up without a key.

    Args:
        app: what is protected.
        prefix: first part of the paths that need a key.
    """

    def __init__(self, app: ASGIApp, *, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer 401."""
        if scope["type"] != "http" or not scope["path"].startswith(self._prefix):
            await self._app(scope, receive, send)
            return
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        keys: ApiKeys = scope["app"].state.services.api_keys
        if scheme.lower() == _SCHEME and keys.accept(key.strip()):
            scope.setdefault("state", {})["principal"] = ROOT
            await self._app(scope, receive, send)
            return
        detail = (
            "this API key is not known"
            if scheme
            else "the header Authorization is missing: send `Authorization: Bearer <API key>`"
        )
        response = problem_response(
            problems.UNAUTHORIZED, detail, headers={"WWW-Authenticate": 'Bearer realm="voltaro"'}
        )
        await response(scope, receive, send)


def _principal(request: Request) -> Principal:
    return cast("Principal", request.state.principal)


PrincipalDep = Annotated[Principal, Depends(_principal)]
"""Who sent the request: of routes below the prefix alone, where nobody else comes through."""
