"""Holds what is the case against the rules of alerts."""

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import structlog

from control.jobs.periodic import each_by_itself
from control.jobs.settings import WorkerSettings
from shared.domain.notices.alerts import AlertKind
from shared.store import partitions
from shared.store.notices import alert_evaluation, alert_rules
from shared.store.notices.alert_conditions import WATCHES
from shared.store.notices.alert_evaluation import Slice
from shared.store.partitions import DailyTable
from shared.store.pool import Database
from shared.telemetry import metrics

log = structlog.get_logger()

_JOB = "alerts"
_FORGOTTEN_AT_ONCE = 5000
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class AlertKeeper:
    """Has alerts fire and resolve, kind by kind; one that fails keeps no other from it.

    Args:
        db: where everything stands.
        settings: how much a run does.
        clock: tells the time that everything is judged by.
    """

    def __init__(self, db: Database, settings: WorkerSettings, *, clock: Clock = utc_now) -> None:
        self._db = db
        self._settings = settings
        self._clock = clock
        self._looked_at = ""

    async def run(self) -> int:
        """Look at each kind that there is a rule of; return how many alerts changed."""
        asked = await alert_rules.enabled_parameters(self._db)
        # What is open of a kind that no rule asks for any more is over.
        open_counts = await alert_evaluation.count_open(self._db)
        kinds = {*asked, *(AlertKind(kind) for kind, _ in open_counts)}
        changed = 0

        async def look(kind: AlertKind) -> bool:
            nonlocal changed
            changed += await self._look(kind, asked.get(kind, ()))
            return True

        await each_by_itself(self._db, _JOB, sorted(kinds), look)
        await self._show()
        return changed

    async def _look(self, kind: AlertKind, parameters: Sequence[Mapping[str, Any]]) -> int:
        watch = WATCHES[kind]
        slice_ = await self._next_slice() if watch.in_slices and parameters else None
        if watch.in_slices and parameters and slice_ is None:
            return 0  # no station
        told = await self._tell(kind) if watch.of_installation and parameters else ()
        began = perf_counter()
        evaluated = await alert_evaluation.evaluate(
            self._db,
            kind,
            parameters,
            now=self._clock(),
            limit=self._settings.alerts_batch,
            stations=slice_,
            told=told,
        )
        if evaluated is None:
            return 0
        metrics.alert_evaluation_seconds.labels(kind).observe(perf_counter() - began)
        changed = evaluated.fired + evaluated.resolved
        if changed:
            metrics.alert_notifications.labels("event", "put").inc(changed)
            log.info(
                "alerts changed", kind=kind, fired=evaluated.fired, resolved=evaluated.resolved
            )
        if slice_ is not None:
            self._looked_at = slice_.last
        return changed

    async def _next_slice(self) -> Slice | None:
        size = self._settings.alerts_slice_stations
        return await alert_evaluation.find_slice(
            self._db, after=self._looked_at, stations=size
        ) or await alert_evaluation.find_slice(self._db, after="", stations=size)

    async def _tell(self, kind: AlertKind) -> Sequence[Mapping[str, Any]]:
        if kind is AlertKind.PARTITIONS:
            return await tell_of_partitions(self._db, self._clock())
        paths = list(self._settings.alert_disk_paths)
        if self._settings.files_directory is not None:
            paths.append(self._settings.files_directory)
        return await asyncio.to_thread(tell_of_disks, paths)

    async def _show(self) -> None:
        counts = await alert_evaluation.count_open(self._db)
        metrics.alerts_open.clear()
        for (kind, severity), count in counts.items():
            metrics.alerts_open.labels(kind, severity).set(count)


async def tell_of_partitions(db: Database, now: datetime) -> list[Mapping[str, Any]]:
    """Return for how many days, today included, each table has its partitions."""
    told: list[Mapping[str, Any]] = []
    for table in DailyTable:
        days = await partitions.count_ahead(db, table, now.astimezone(UTC).date())
        told.append(
            {"subject": f"partitions/{table}", "evidence": {"table": table, "days_ahead": days}}
        )
    return told


def tell_of_disks(paths: Sequence[Path]) -> list[Mapping[str, Any]]:
    """Return how much room there is; a directory that cannot be read has none."""
    told: list[Mapping[str, Any]] = []
    for path in paths:
        try:
            usage = shutil.disk_usage(path)
        except OSError as error:
            evidence = {"path": str(path), "free_percent": 0, "error": error.strerror}
        else:
            percent = round(100 * usage.free / max(usage.total, 1), 1)
            evidence = {
                "path": str(path),
                "free_percent": percent,
                "free_bytes": usage.free,
                "total_bytes": usage.total,
            }
        told.append({"subject": f"disk/{path}", "evidence": evidence})
    return told


async def forget_alerts(db: Database, *, retention_days: int, clock: Clock = utc_now) -> int:
    """Forget alerts that have long been over; return how many."""
    return await alert_evaluation.forget_resolved(
        db, before=clock() - timedelta(days=retention_days), limit=_FORGOTTEN_AT_ONCE
    )
