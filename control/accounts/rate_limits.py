"""Refuses who calls too often, before anything is read or looked up for them.

Who has proven who they are is counted as that, wherever they call from; nobody else's requests
count against them. Others are counted by address, and once more, strictly, if what they brought
does not count. Credentials are looked at before that, so that an address that guesses locks out
nobody who knows.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control import problems
from control.accounts.rate_limit_settings import RateLimitSettings
from control.accounts.rules import PREFIX
from control.addresses import address_key
from control.problems import ProblemResponse, problem_response
from shared.bus.allowances import Allowance, NotCounted, Taken
from shared.domain.accounts.principals import Principal, PrincipalKind
from shared.telemetry import metrics

_UNAUTHORIZED = 401
MAX_COUNTED_AT_ONCE = 256
"""Requests that are being counted: each takes a connection for half a millisecond."""


class Allowances(Protocol):
    """What counts: `AllowanceRegistry`."""

    async def take(self, allowance: Allowance, name: str) -> Taken | None:
        """Take one request; None if nobody counts now."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of one request's allowance."""

    allowance: Allowance
    taken: Taken

    @property
    def headers(self) -> dict[str, str]:
        """Return what a client learns of it (draft-ietf-httpapi-ratelimit-headers-10, §3 and §4).

        `q` requests come back in `w` seconds; `r` are left now, and all are there in `t` seconds.
        """
        name = f'"{self.allowance.name}"'
        policy = f"{name};q={self.allowance.most};w={max(1, math.ceil(self.allowance.refill_s))}"
        told = {
            "RateLimit-Policy": policy,
            "RateLimit": f"{name};r={self.taken.left};t={math.ceil(self.taken.full_s)}",
        }
        if not self.taken.allowed:
            told["Retry-After"] = str(max(1, math.ceil(self.taken.retry_s)))
        return told


class RateLimits:
    """How often who may call.

    Args:
        allowances: what counts.
        settings: how many.
    """

    def __init__(self, allowances: Allowances, settings: RateLimitSettings) -> None:
        self._allowances = allowances
        self._of_principals = Allowance(
            "requests", settings.rate_limit_per_s, settings.rate_limit_burst
        )
        self._of_root = Allowance(
            "root", settings.rate_limit_root_per_s, settings.rate_limit_root_burst
        )
        self._of_addresses = Allowance(
            "address", settings.rate_limit_address_per_s, settings.rate_limit_address_burst
        )
        self._of_failures = Allowance(
            "failures", settings.rate_limit_failures_per_s, settings.rate_limit_failures_burst
        )

    async def of_principal(self, principal: Principal) -> _Answer | None:
        """Count a request of somebody who is known; None if nobody counts."""
        is_root = principal.kind is PrincipalKind.ROOT_KEY
        allowance = self._of_root if is_root else self._of_principals
        return await self._take(allowance, f"{principal.kind}:{principal.principal_id}")

    async def of_address(self, scope: Scope) -> _Answer | None:
        """Count a request of nobody in particular."""
        return await self._take(self._of_addresses, address_key(scope))

    async def of_failure(self, scope: Scope) -> _Answer | None:
        """Count a request whose credentials do not count."""
        return await self._take(self._of_failures, address_key(scope))

    async def _take(self, allowance: Allowance, name: str) -> _Answer | None:
        if not allowance.per_s:
            return None
        taken = await self._allowances.take(allowance, name)
        return None if taken is None else _Answer(allowance, taken)


def count_what_is_not_counted(reason: NotCounted) -> None:
    """Count a request that was let through because nobody could count it."""
    metrics.rate_limit_not_counted.labels(reason).inc()


class LimitRequests:
    """ASGI middleware, within that which finds out who sent a request: so many and no more."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through and tell what is left, or answer 429."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        limits: RateLimits = scope["app"].state.services.rate_limits
        principal: Principal | None = scope.get("state", {}).get("principal")
        answer = await (
            limits.of_address(scope) if principal is None else limits.of_principal(principal)
        )
        if answer is None:
            await self._app(scope, receive, send)
        elif answer.taken.allowed:
            await self._app(scope, receive, _telling(send, answer))
        else:
            whose = "from this address" if principal is None else f"of {principal.name!r}"
            await _refusal(answer, f"too many requests {whose}")(scope, receive, send)


class LimitFailures:
    """ASGI middleware, around that which finds out who sent a request: 429 in place of many 401."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the answer through unless it is one 401 too many."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        limits: RateLimits = scope["app"].state.services.rate_limits
        replaced = False

        async def watched_send(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] == _UNAUTHORIZED:
                answer = await limits.of_failure(scope)
                if answer is not None and not answer.taken.allowed:
                    replaced = True
                    detail = "too many requests from this address whose credentials do not count"
                    await _refusal(answer, detail)(scope, receive, send)
            if not replaced:
                await send(message)

        await self._app(scope, receive, watched_send)


def _telling(send: Send, answer: _Answer) -> Send:
    async def telling_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(answer.headers)
        await send(message)

    return telling_send


def _refusal(answer: _Answer, detail: str) -> ProblemResponse:
    metrics.rate_limited.labels(answer.allowance.name).inc()
    headers = answer.headers
    return problem_response(
        problems.RATE_LIMITED,
        f"{detail}: {answer.allowance.most} at once and {answer.allowance.per_s:g} a second are "
        f"let through; wait {headers['Retry-After']} s",
        headers=headers,
    )
