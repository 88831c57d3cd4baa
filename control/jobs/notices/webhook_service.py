"""Serves one webhook endpoint for a turn: the deliveries of each station one after another."""

import asyncio
import random
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from control.accounts.encryption import Encryption, UnreadableSecretError
from control.notices.deliveries import body_of, headers_of
from control.notices.requests import WebhookRequests
from control.notices.webhook_settings import WebhookSendSettings
from shared.batching import Batcher
from shared.domain.notices.webhooks import Attempt, DisabledReason, back_off_s
from shared.store.notices import webhook_disabling, webhook_queue
from shared.store.notices.webhook_queue import ClaimedEndpoint, DueDelivery, Outcome
from shared.store.pool import Database
from shared.telemetry import metrics

log = structlog.get_logger()

# Read together: enough that the next one of a lane is at hand, few enough to be held in memory
# (200 endpoints of 64 events of some kilobytes).
_READ_AT_ONCE = 64
_JITTER = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all endpoints of a worker use.

    Attributes:
        outcomes: notes what came of attempts, of all endpoints together.
        worker_id: whose the leases are.
        stopping: set when no more requests may begin.
    """

    db: Database
    settings: WebhookSendSettings
    encryption: Encryption
    requests: WebhookRequests
    outcomes: Batcher[Outcome, bool]
    worker_id: str
    stopping: asyncio.Event


class EndpointService:
    """One endpoint's turn.

    Of each lane (a station) one delivery is on its way at a time, and the next follows when it is
    written down that this one was delivered. A lane whose delivery fails waits until that is tried
    again; others go on. One that has failed some times in a row is down: one delivery is tried, and
    if that fails the endpoint is left alone for a while, whatever waits for it.

    Args:
        shared: what all endpoints use.
        endpoint: as it was claimed.
        claimed_s: when, by the clock that only grows.
    """

    def __init__(self, shared: Shared, endpoint: ClaimedEndpoint, claimed_s: float) -> None:
        self._shared = shared
        self._settings = shared.settings
        self._endpoint = endpoint
        self._failures = endpoint.failures
        self._lease_ends_s = claimed_s + self._settings.webhook_lease_s
        self._turn_ends_s = claimed_s + self._settings.webhook_turn_s
        self._waiting: deque[DueDelivery] = deque()
        self._lanes: dict[asyncio.Task[None], str] = {}
        # What was read last, and whether there was more than fitted.
        self._read_s = -1.0
        self._read_all = False
        # Nothing more is begun in this turn.
        self._over = False

    async def run(self) -> None:
        """Serve until nothing is due, the turn is over, or the endpoint is to be left alone.

        Raises:
            Exception: what the database raises; the lease then runs out by itself.
        """
        try:
            revision = await self._take_turn()
            while self._lanes:
                await self._one_ends()
        finally:
            for task in self._lanes:
                task.cancel()
            await asyncio.gather(*self._lanes, return_exceptions=True)
        await webhook_queue.release(
            self._shared.db,
            self._shared.worker_id,
            self._endpoint.webhook_endpoint_id,
            revision=revision,
        )

    async def _take_turn(self) -> int | None:
        """Deliver what is due; return the revision at which nothing was, None if something may be.

        When it returns, requests may still be under way.
        """
        while not self._is_over():
            self._begin()
            if self._wants_more():
                revision = await self._read()
                if revision is None:
                    return None
                if not self._waiting and not self._lanes:
                    return revision
                self._begin()
            await self._one_ends()
        return None

    def _is_over(self) -> bool:
        return self._over or self._shared.stopping.is_set() or time.monotonic() >= self._turn_ends_s

    @property
    def _is_down(self) -> bool:
        return self._failures >= self._settings.webhook_down_after_failures

    def _room(self) -> int:
        """Return how many more requests may begin."""
        return (1 if self._is_down else self._settings.webhook_concurrency) - len(self._lanes)

    def _may_begin(self) -> bool:
        """Tell whether a request that begins now ends before the lease does."""
        return self._lease_ends_s - time.monotonic() > self._settings.webhook_timeout_s

    def _begin(self) -> None:
        """Begin what may begin of what was read, in its order."""
        busy = set(self._lanes.values())
        kept: deque[DueDelivery] = deque()
        while self._waiting and self._room() > 0 and self._may_begin():
            delivery = self._waiting.popleft()
            if delivery.lane in busy:
                kept.append(delivery)
                continue
            busy.add(delivery.lane)
            self._lanes[asyncio.create_task(self._deliver(delivery))] = delivery.lane
        self._waiting = kept + self._waiting

    def _wants_more(self) -> bool:
        """Tell whether to read what is due, and what the endpoint is now.

        Not for each delivery: where all was read, what came since is looked for now and then.
        """
        if not self._may_begin():
            return True
        if time.monotonic() - self._read_s > self._settings.webhook_interval_s:
            return True
        return self._room() > 0 and (not self._lanes or not self._read_all)

    async def _read(self) -> int | None:
        """Keep the endpoint for longer, and read what is due if there is room for it.

        Returns:
            The revision before that, None if the turn is over.
        """
        asked_s = time.monotonic()
        endpoint = await webhook_queue.renew(
            self._shared.db,
            self._shared.worker_id,
            self._endpoint.webhook_endpoint_id,
            lease_s=self._settings.webhook_lease_s,
        )
        if endpoint is None:
            self._over = True
            return None
        self._endpoint = endpoint
        self._lease_ends_s = asked_s + self._settings.webhook_lease_s
        if self._room() > 0:
            known = {*self._lanes.values(), *(each.lane for each in self._waiting)}
            due = await webhook_queue.read_due(
                self._shared.db,
                endpoint.webhook_endpoint_id,
                lanes_on_their_way=sorted(known),
                limit=_READ_AT_ONCE,
            )
            self._waiting.extend(due)
            self._read_all = len(due) < _READ_AT_ONCE
        self._read_s = time.monotonic()
        return endpoint.revision

    async def _one_ends(self) -> None:
        """Wait until a request has ended, and no longer than until it is time to read again."""
        if not self._lanes:
            return
        done, _ = await asyncio.wait(
            self._lanes,
            timeout=self._settings.webhook_interval_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        for task in done:
            del self._lanes[task]
            task.result()

    async def _deliver(self, delivery: DueDelivery) -> None:
        is_kept = delivery.event is not None or delivery.test_data is not None
        attempt = await self._attempt(delivery) if is_kept else None
        was_down = self._is_down
        outcome = self._judge(delivery, attempt)
        if attempt is None or not attempt.delivered:
            # The rest of its lane waits for it.
            self._waiting = deque(each for each in self._waiting if each.lane != delivery.lane)
        failed_for_too_long = await self._shared.outcomes.submit(outcome)
        if attempt is None:
            return
        if attempt.gone:
            await self._disable(DisabledReason.GONE)
        elif failed_for_too_long:
            await self._disable(DisabledReason.FAILING)
        elif attempt.delivered and was_down:
            await webhook_queue.put_off_no_longer(
                self._shared.db, self._endpoint.webhook_endpoint_id
            )

    async def _attempt(self, delivery: DueDelivery) -> Attempt:
        body = body_of(self._endpoint, delivery)
        try:
            headers = headers_of(self._endpoint, delivery, body, self._shared.encryption)
        except UnreadableSecretError:
            return Attempt(
                attempted_at=datetime.now(UTC),
                seconds=0.0,
                error="its secret cannot be read: VOLTARO_ACCOUNTS_ENCRYPTION_KEYS of the worker "
                "has not the key that it was encrypted with. Set it, or rotate the secret",
            )
        attempt = await self._shared.requests.send(self._endpoint.url, headers, body)
        metrics.webhook_attempts.labels("delivered" if attempt.delivered else "failed").inc()
        metrics.webhook_attempt_seconds.observe(attempt.seconds)
        return attempt

    def _judge(self, delivery: DueDelivery, attempt: Attempt | None) -> Outcome:
        """Return what an attempt means for its delivery and for the endpoint."""
        leave_alone_s = 0.0
        if attempt is not None and attempt.delivered:
            self._failures = 0
            self._over = False
        elif attempt is not None:
            self._failures += 1
            leave_alone_s = attempt.retry_after_s or 0.0
            if self._is_down:
                beyond = self._failures - self._settings.webhook_down_after_failures + 1
                leave_alone_s = max(leave_alone_s, self._back_off_s(beyond))
            if leave_alone_s > 0:
                self._over = True
        retry_s = max(self._back_off_s(delivery.failures + 1), leave_alone_s)
        return Outcome(
            webhook_endpoint_id=self._endpoint.webhook_endpoint_id,
            webhook_delivery_id=delivery.webhook_delivery_id,
            attempt=attempt,
            retry_s=retry_s,
            failures=self._failures,
            leave_alone_s=leave_alone_s,
        )

    def _back_off_s(self, failures: int) -> float:
        factor = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
        return factor * back_off_s(
            failures,
            first_s=self._settings.webhook_retry_first_s,
            longest_s=self._settings.webhook_retry_longest_s,
        )

    async def _disable(self, reason: DisabledReason) -> None:
        self._over = True
        key = self._endpoint.webhook_endpoint_id
        if await webhook_disabling.disable(self._shared.db, key, reason):
            metrics.webhook_endpoints_disabled.labels(reason).inc()
            log.warning("a webhook endpoint was switched off", webhook_endpoint_id=key, why=reason)
