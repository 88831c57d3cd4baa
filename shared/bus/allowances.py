"""How much somebody may still ask: counted in Redis, so that all processes count alike.

A Redis that is away or slow is no reason to refuse anybody, nor to have anybody wait: then nobody
is counted, and after a failure Redis is left alone for a while.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog
from redis.asyncio import Redis

from shared.bus import keys
from shared.bus.client import redis_errors_as_unavailable
from shared.domain.errors import UnavailableError

log = structlog.get_logger()

_TAKE = (Path(__file__).parent / "lua" / "take.lua").read_text()
_US_PER_S = 1_000_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many requests at once, and then so many a second.

    `per_s` of 0 is no limit.
    """

    name: str
    per_s: float
    most: int

    @property
    def refill_s(self) -> float:
        """How long it takes until all of it is there again."""
        return self.most / self.per_s


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of asking for one request.

    Attributes:
        allowed: whether it was there.
        left: how many more are there now.
        retry_s: when the next one is, if none was there.
        full_s: when all of them are.
    """

    allowed: bool
    left: int
    retry_s: float
    full_s: float


class NotCounted(StrEnum):
    """Why a request was let through without being counted."""

    FAILED = "failed"
    """Redis is away, refused or was too slow."""
    LEFT_ALONE = "left_alone"
    """It was so a moment ago."""
    BUSY = "busy"
    """Too many are being counted at this moment."""


class AllowanceRegistry:
    """Takes requests out of allowances, one round trip each.

    Args:
        client: Redis.
        timeout_s: how long that may take.
        pause_s: for how long Redis is left alone after it failed.
        max_at_once: how many may be on their way; each may need a connection of its own.
        on_not_counted: called for each request that is let through without.
    """

    def __init__(
        self,
        client: Redis,
        *,
        timeout_s: float,
        pause_s: float,
        max_at_once: int,
        on_not_counted: Callable[[NotCounted], None],
    ) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._pause_s = pause_s
        self._max_at_once = max_at_once
        self._on_not_counted = on_not_counted
        self._at_once = 0
        self._failing = False
        self._left_alone_until = 0.0

    async def take(self, allowance: Allowance, name: str) -> Taken | None:
        """Take one request; None if nobody counts now.

        Args:
            allowance: how much there is.
            name: whose.
        """
        reason = self._reason_not_to_ask()
        if reason is None:
            self._at_once += 1
            try:
                async with asyncio.timeout(self._timeout_s):
                    taken = await self._ask(allowance, name)
            except (UnavailableError, TimeoutError) as error:
                self._leave_alone(error)
                reason = NotCounted.FAILED
            else:
                self._note_answer()
                return taken
            finally:
                self._at_once -= 1
        self._on_not_counted(reason)
        return None

    def _reason_not_to_ask(self) -> NotCounted | None:
        if self._failing:
            now = time.monotonic()
            if now < self._left_alone_until:
                return NotCounted.LEFT_ALONE
            # This one finds out, and all others wait for what it finds.
            self._left_alone_until = now + self._pause_s
            return None
        return NotCounted.BUSY if self._at_once >= self._max_at_once else None

    async def _ask(self, allowance: Allowance, name: str) -> Taken:
        with redis_errors_as_unavailable("counting a request"):
            allowed, left, retry_us, full_us = await self._client.eval(
                _TAKE,
                1,
                keys.allowance(allowance.name, name),
                str(max(1, round(_US_PER_S / allowance.per_s))),
                str(allowance.most),
            )
        return Taken(bool(allowed), int(left), retry_us / _US_PER_S, full_us / _US_PER_S)

    def _leave_alone(self, error: Exception) -> None:
        self._left_alone_until = time.monotonic() + self._pause_s
        if not self._failing:
            self._failing = True
            log.warning(
                "requests are not counted, and none is refused for being one too many",
                error=str(error) or f"Redis took longer than {self._timeout_s:g} s",
            )

    def _note_answer(self) -> None:
        if self._failing:
            self._failing = False
            log.info("requests are counted again")
