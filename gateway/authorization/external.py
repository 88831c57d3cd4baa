"""Authorization by an operator's own HTTP API; docs/how-to/external-authorization.md is its manual.

Whatever goes wrong there, a station gets its answer in time: by the policy for failures.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

import httpx
import msgspec
import structlog

from gateway.authorization.lookup import Found
from gateway.authorization.memory import Memory
from gateway.authorization_settings import AuthorizationFailurePolicy
from gateway.errors import StoreAwayError
from gateway.settings import GatewaySettings
from gateway.translation import format_time
from shared.domain.access.authorization import (
    Authorization,
    AuthorizationRequest,
    free_authorization,
    is_free,
)
from shared.domain.access.decisions import DecisionReason, DecisionSource
from shared.domain.access.locations import EVERYBODY, LocationRule
from shared.domain.access.rules import day_and_time, has_expired
from shared.domain.access.tokens import AuthorizationStatus, id_token_key, typed_key
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_ANSWER_MAX_BYTES = 64 * 1024
# So many requests in a row have to fail until the API is left alone for a while.
_FAILURES_TO_PAUSE = 5
# What an API says of the token, and not of this place or moment: such answers may stand in for
# others that it does not give.
_ABOUT_THE_TOKEN = frozenset(
    {
        AuthorizationStatus.ACCEPTED,
        AuthorizationStatus.BLOCKED,
        AuthorizationStatus.EXPIRED,
        AuthorizationStatus.INVALID,
        AuthorizationStatus.NO_CREDIT,
        AuthorizationStatus.UNKNOWN,
    }
)


class _Answer(msgspec.Struct):
    """What the API answers with; other members are its own business."""

    status: AuthorizationStatus
    expires_at: datetime | None = None
    group_id_token: str | None = None


class _UnusableAnswerError(Exception):
    """The API answered, but not with a decision."""


@asynccontextmanager
async def external_api(settings: GatewaySettings) -> AsyncIterator[httpx.AsyncClient]:
    """Hold an HTTP client for the API for as long as the context lasts."""
    token = settings.authorization_bearer_token
    async with httpx.AsyncClient(
        headers={} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"},
        timeout=settings.authorization_timeout_s,
        limits=httpx.Limits(
            max_connections=settings.authorization_max_requests,
            max_keepalive_connections=settings.authorization_max_requests,
        ),
        follow_redirects=False,
    ) as client:
        yield client


class ExternalAuthorizer:
    """Asks the API, and decides by itself when the API does not.

    Args:
        client: from `external_api`.
        settings: where the API is, how long it may take, what its failure means.
        find_rule: tells of a station whether its location is free for all: then the API is not
            asked, and what else the rule says does not count.
        now: tells the time.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        settings: GatewaySettings,
        *,
        find_rule: Callable[[str], Awaitable[Found[LocationRule]]],
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._find_rule = find_rule
        self._url = str(settings.authorization_url)
        self._timeout_s = settings.authorization_timeout_s
        self._policy = settings.authorization_failure_policy
        self._retry_interval_s = settings.authorization_retry_interval_s
        self._now = now
        self._clock = clock
        self._decoder = msgspec.json.Decoder(_Answer)
        self._slots = asyncio.Semaphore(settings.authorization_max_requests)
        self._known: Memory[Authorization] = Memory(
            max_items=settings.authorization_cache_size,
            ttl_s=settings.authorization_answer_validity_s,
            clock=clock,
        )
        self._failures = 0
        self._paused_until_s = 0.0

    async def authorize(self, request: AuthorizationRequest) -> Authorization:
        """Return the API's decision, or that of the policy for failures; it never raises."""
        rule = await self._rule_of(request.station_id)
        if rule.free_since is not None and is_free(rule, request, now=self._now()):
            authorization = free_authorization(rule)
            metrics.authorizations.labels("rule", authorization.status).inc()
            return authorization
        type_ = request.presented_as
        key = (
            id_token_key(request.id_token) if type_ is None else typed_key(request.id_token, type_)
        )
        answer = await self._ask(request)
        if isinstance(answer, str):
            authorization, source = self._without_answer(key, answer), "policy"
        else:
            authorization, source = answer, "external"
            if authorization.status in _ABOUT_THE_TOKEN:
                self._known.keep(key, authorization)
        authorization = self._unless_expired(authorization)
        metrics.authorizations.labels(source, authorization.status).inc()
        return authorization

    async def _rule_of(self, station_id: str) -> LocationRule:
        try:
            return (await self._find_rule(station_id)).value
        except Exception as error:  # the API may answer all the same
            if not isinstance(error, StoreAwayError):
                log.exception("whether a location is free for all is not known")
            return EVERYBODY

    async def _ask(self, request: AuthorizationRequest) -> Authorization | str:
        """Return the API's answer, or why there is none, in words."""
        began_s = self._clock()
        if self._failures >= _FAILURES_TO_PAUSE:
            if began_s < self._paused_until_s:
                metrics.external_authorization_seconds.labels("not_asked").observe(0)
                return f"the external API failed {self._failures} times in a row and rests"
            self._paused_until_s = began_s + self._retry_interval_s  # this one request tries
        outcome = "answered"
        try:
            # The wait for a slot counts: the station does not care what we wait for.
            async with asyncio.timeout(self._timeout_s), self._slots:
                answer = await self._post(request)
        except (TimeoutError, httpx.TimeoutException) as error:
            outcome, why = "timed_out", f"did not answer in {self._timeout_s:g} s"
            self._count_failure(request, error)
        except _UnusableAnswerError as error:
            outcome, why = "unusable", f"did not decide: {error}"
            self._count_failure(request, error)
        except httpx.HTTPError as error:
            outcome, why = "unreachable", f"cannot be reached ({type(error).__name__})"
            self._count_failure(request, error)
        else:
            self._failures = 0
            return answer
        finally:
            metrics.external_authorization_seconds.labels(outcome).observe(self._clock() - began_s)
        return f"the external API {why}"

    async def _post(self, request: AuthorizationRequest) -> Authorization:
        async with self._client.stream("POST", self._url, json=_body(request)) as response:
            if response.status_code != httpx.codes.OK:
                raise _UnusableAnswerError(f"it answered with status {response.status_code}")
            content = b""
            async for part in response.aiter_bytes():
                content += part
                if len(content) > _ANSWER_MAX_BYTES:
                    raise _UnusableAnswerError(f"it answered more than {_ANSWER_MAX_BYTES} bytes")
        try:
            answer = self._decoder.decode(content)
        except msgspec.DecodeError as error:
            raise _UnusableAnswerError(f"its answer cannot be read: {error}") from error
        if answer.expires_at is not None and answer.expires_at.tzinfo is None:
            raise _UnusableAnswerError("expires_at has no zone")
        return Authorization(
            answer.status,
            answer.expires_at,
            answer.group_id_token,
            DecisionReason.EXTERNAL_ANSWER,
            f"the external API answered {answer.status}",
            DecisionSource.EXTERNAL_API,
        )

    def _count_failure(self, request: AuthorizationRequest, error: Exception) -> None:
        self._failures += 1
        if self._failures == _FAILURES_TO_PAUSE:
            self._paused_until_s = self._clock() + self._retry_interval_s
        log.warning(
            "the authorization API did not decide, so the policy for its failure does",
            station_id=request.station_id,
            policy=self._policy,
            error=describe_error(error),
            failures_in_a_row=self._failures,
        )

    def _without_answer(self, key: str, why: str) -> Authorization:
        reason = DecisionReason.EXTERNAL_FAILURE
        status = AuthorizationStatus.INVALID
        match self._policy:
            case AuthorizationFailurePolicy.ACCEPT:
                status = AuthorizationStatus.ACCEPTED
                words = f"{why}, and every token is accepted then"
            case AuthorizationFailurePolicy.CACHED if known := self._known.find(key):
                words = f"{why}, and its last answer for this token counts then"
                return replace(
                    known[0], reason=reason, explanation=words, source=DecisionSource.MEMORY
                )
            case AuthorizationFailurePolicy.CACHED:
                words = f"{why}, and tokens that it has not decided about lately are refused then"
            case _:
                words = f"{why}, and every token is refused then"
        return Authorization(status, reason=reason, explanation=words)

    def _unless_expired(self, authorization: Authorization) -> Authorization:
        expires_at = authorization.expires_at
        if not authorization.accepted or expires_at is None:
            return authorization
        if not has_expired(expires_at, self._now()):
            return authorization
        return replace(
            authorization,
            status=AuthorizationStatus.EXPIRED,
            reason=DecisionReason.EXTERNAL_ANSWER_EXPIRED,
            explanation=f"{authorization.explanation}, until {day_and_time(expires_at)}",
        )


def _body(request: AuthorizationRequest) -> dict[str, object]:
    start = request.start
    return {
        "station_id": request.station_id,
        "id_token": request.id_token,
        "id_token_type": request.presented_as,
        "purpose": "authorize" if start is None else "start",
        "evse_id": start and start.evse_id,
        "started_at": start and format_time(start.started_at),
        "transaction_id": start and start.transaction_id,
    }
