"""Delivers events to webhook endpoints: finds what is new, shares endpoints out, serves each."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from uuid import uuid4

import structlog

from control.accounts.encryption import Encryption
from control.jobs.notices.webhook_mail import WebhookMailer
from control.jobs.notices.webhook_service import EndpointService, Shared
from control.jobs.periodic import Job
from control.jobs.settings import WorkerSettings
from control.notices.requests import open_requests
from control.notices.webhook_settings import WebhookSendSettings
from shared.batching import Batcher
from shared.store.judgement import is_away
from shared.store.notices import webhook_expansion, webhook_queue, webhook_retention
from shared.store.notices.webhook_queue import ClaimedEndpoint, Outcome
from shared.store.pool import Database
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

# Of one run, so that a long backlog of one endpoint holds up nobody's claim.
_STEPS_PER_RUN = 20
_REMOVED_AT_ONCE = 20_000
# Together shorter than a request and what is left of a lease when it began.
_NOTE_AGAIN_S = (0.1, 0.5, 2.0, 5.0)


class Deliverer:
    """Serves as many endpoints as it may, each in a task of its own; made by `open_deliverer`.

    Args:
        shared: what all of them use.
        tasks: owns their tasks.
    """

    def __init__(self, shared: Shared, tasks: asyncio.TaskGroup) -> None:
        self._shared = shared
        self._tasks = tasks
        self._serving: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> int:
        """Make deliveries of new events, and begin to serve endpoints that something is due for.

        Returns:
            How many deliveries were made.
        """
        made = await self._expand()
        await self._claim()
        return made

    async def _expand(self) -> int:
        settings, made = self._shared.settings, 0
        for _ in range(_STEPS_PER_RUN):
            added, more = await webhook_expansion.expand(
                self._shared.db,
                batch=settings.webhook_batch,
                down_after=settings.webhook_down_after_failures,
                max_waiting=settings.webhook_max_waiting,
                max_waiting_down=settings.webhook_max_waiting_down,
            )
            made += added
            if not more:
                break
        return made

    async def _claim(self) -> None:
        settings = self._shared.settings
        room = settings.webhook_max_endpoints - len(self._serving)
        if room <= 0:
            return
        claimed_s = time.monotonic()
        for endpoint in await webhook_queue.claim(
            self._shared.db,
            self._shared.worker_id,
            limit=room,
            lease_s=settings.webhook_lease_s,
        ):
            key = endpoint.webhook_endpoint_id
            # One whose lease ran out here while it was served is served once all the same.
            if key not in self._serving:
                task = self._tasks.create_task(self._serve(endpoint, claimed_s))
                self._serving[key] = task
                task.add_done_callback(partial(self._forget, key))

    def _forget(self, key: str, _: asyncio.Task[None]) -> None:
        self._serving.pop(key, None)

    async def _serve(self, endpoint: ClaimedEndpoint, claimed_s: float) -> None:
        """Serve one endpoint; what goes wrong with it is its own affair."""
        with metrics.webhook_endpoints_served.track_inprogress():
            try:
                await EndpointService(self._shared, endpoint, claimed_s).run()
            except Exception as error:
                # Whoever takes it next begins where this one has come to: at once, or if the lease
                # cannot be given back when it runs out.
                metrics.sweep_failures.labels("webhooks").inc()
                key = endpoint.webhook_endpoint_id
                if is_away(error):
                    said = describe_error(error)
                    log.warning("a webhook endpoint has to wait", webhook_endpoint_id=key, why=said)
                else:
                    log.exception("a webhook endpoint was not served", webhook_endpoint_id=key)
                with suppress(Exception):
                    await webhook_queue.release(
                        self._shared.db, self._shared.worker_id, key, revision=None
                    )

    async def stop(self, *, within_s: float) -> None:
        """Begin no more requests, and let those under way end; what takes longer is cancelled."""
        self._shared.stopping.set()
        if self._serving:
            _, late = await asyncio.wait(set(self._serving.values()), timeout=within_s)
            for task in late:
                task.cancel()


@asynccontextmanager
async def open_deliverer(
    db: Database,
    settings: WebhookSendSettings,
    encryption: Encryption,
    *,
    stop_within_s: float,
) -> AsyncIterator[Deliverer]:
    """Hold what delivers for as long as the context lasts.

    Args:
        db: as the owner.
        settings: how.
        encryption: reads the secrets that are signed with.
        stop_within_s: how long requests under way may take at the end.
    """
    async with open_requests(settings) as requests, asyncio.TaskGroup() as tasks:
        batcher = Batcher(partial(_note, db, settings), max_items=200)
        shared = Shared(
            db=db,
            settings=settings,
            encryption=encryption,
            requests=requests,
            outcomes=batcher,
            worker_id=uuid4().hex,
            stopping=asyncio.Event(),
        )
        noting = tasks.create_task(batcher.run())
        deliverer = Deliverer(shared, tasks)
        try:
            yield deliverer
        finally:
            await deliverer.stop(within_s=stop_within_s)
            noting.cancel()


async def _note(db: Database, settings: WebhookSendSettings, outcomes: list[Outcome]) -> list[bool]:
    """Write down what came of attempts, again if a lock or the connection is in the way.

    What is not written down is delivered once more.
    """
    note = partial(
        webhook_queue.note_outcomes,
        db,
        outcomes,
        retry_for_s=settings.webhook_retry_for_s,
        disable_after_s=settings.webhook_disable_after_s,
    )
    for pause_s in _NOTE_AGAIN_S:
        try:
            return await note()
        except Exception as error:
            if not is_away(error):
                raise
            log.warning("deliveries of webhooks wait to be noted", why=describe_error(error))
        await asyncio.sleep(pause_s)
    return await note()


def webhook_jobs(db: Database, deliverer: Deliverer, settings: WorkerSettings) -> list[Job]:
    """Return what is done for webhooks again and again, with its interval."""
    jobs = [
        Job("webhooks", settings.webhook_interval_s, deliverer.run),
        Job(
            "webhook_deliveries",
            settings.webhook_retention_interval_s,
            partial(_look_after, db, settings),
        ),
    ]
    if settings.can_mail:
        jobs.append(Job("webhook_mail", settings.mail_interval_s, WebhookMailer(db, settings).run))
    return jobs


async def _look_after(db: Database, settings: WebhookSendSettings) -> int:
    """Remove what was finished long ago, and count what waits."""
    waiting, oldest_s = await webhook_retention.measure_waiting(db)
    metrics.webhook_deliveries_waiting.set(waiting)
    metrics.webhook_oldest_waiting_seconds.set(oldest_s)
    return await webhook_retention.sweep_finished(
        db, retention_days=settings.webhook_retention_days, limit=_REMOVED_AT_ONCE
    )
