"""Works sessions out: energy, suspicions, ends that were never told."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from control.jobs.periodic import raise_if_away
from control.jobs.settings import WorkerSettings
from shared.domain.sessions import (
    ClosingRules,
    HistoryKind,
    Limits,
    ReviewReason,
    Settlement,
    list_changes,
    settle,
)
from shared.store.judgement import is_locked
from shared.store.pool import Database
from shared.store.sessions import facts, settling, stray_ends
from shared.store.sessions.facts import ClaimedSession, DueSession
from shared.store.sessions.settling import Result
from shared.telemetry import metrics

log = structlog.get_logger()

# What comes late comes soon after, or when the station is back from an outage. A meter value does
# not say that it came, so that sessions that are over are looked at a few times more.
_LOOKS_AFTER_END = (
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(days=7),
)
# How much longer each further try of a session waits, and how long at most.
_RETRY_FACTOR = 4
_MAX_RETRY_S = 86_400.0


def limits_of(settings: WorkerSettings) -> Limits:
    """Return what the operator takes for possible."""
    return Limits(
        max_power_w=settings.session_max_power_w,
        tolerance_wh=settings.session_tolerance_wh,
        max_age=timedelta(days=settings.session_max_age_days),
        max_ahead=timedelta(seconds=settings.session_max_ahead_s),
        max_uncovered=timedelta(seconds=settings.session_max_uncovered_s),
    )


def rules_of(settings: WorkerSettings) -> ClosingRules:
    """Return when the operator takes a session without an end for over."""
    return ClosingRules(
        next_start=timedelta(seconds=settings.session_next_start_grace_s),
        rebooted=timedelta(seconds=settings.session_rebooted_grace_s),
        available=timedelta(seconds=settings.session_available_grace_s),
        silent=timedelta(seconds=settings.session_silent_grace_s),
        quiet=timedelta(seconds=settings.session_quiet_grace_s),
    )


async def settle_due(db: Database, settings: WorkerSettings) -> int:
    """Work out the sessions that are due, in batches until none is left; return how many.

    A session that gets an end by a match is due once more: it was claimed before that was known.
    """
    count = 0
    while True:
        claimed = await settling.claim(
            db, limit=settings.settle_batch, lease_s=settings.settle_lease_s
        )
        if not claimed:
            return count
        await _match_strays(db, sorted({row["station_id"] for row in claimed}), settings)
        count += await _work_out(db, claimed, settings)


async def _match_strays(db: Database, station_ids: Sequence[str], settings: WorkerSettings) -> None:
    """Match the stray ends of stations; those of one where that fails stay as they are."""
    try:
        async with asyncio.timeout(settings.settle_timeout_s):
            await stray_ends.match(db, station_ids, limits_of(settings))
    except Exception as error:
        await raise_if_away(db, error)
        if len(station_ids) == 1:
            metrics.stray_ends_not_matched.inc()
            log.exception("stray ends could not be matched", station_id=station_ids[0])
            return
    else:
        return
    for station_id in station_ids:
        await _match_strays(db, [station_id], settings)


async def _work_out(
    db: Database, claimed: Sequence[ClaimedSession], settings: WorkerSettings
) -> int:
    """Work claimed sessions out; one that cannot be read or written fails alone."""
    limits = limits_of(settings)
    try:
        async with asyncio.timeout(settings.settle_timeout_s):
            due = await facts.load(
                db, claimed, max_samples=settings.settle_max_samples, max_age=limits.max_age
            )
            return await _settle(db, due, settings)
    except Exception as error:  # noqa: BLE001 - each is tried by itself
        await raise_if_away(db, error)
        if len(claimed) == 1 and is_locked(error):
            log.info("a session is locked, and is worked out later", error=str(error))
            return 0
        if len(claimed) == 1:
            return await _put_back(db, claimed[0], error, settings)
    # Not by halves: if reading takes too long, each half with such a session would cost that again.
    return sum([await _work_out(db, [session], settings) for session in claimed])


async def _put_back(
    db: Database, claimed: ClaimedSession, error: Exception, settings: WorkerSettings
) -> int:
    """Have a session tried again later, or have people look at it, as it fails again and again."""
    session_id, failures = str(claimed["session_id"]), claimed["settle_failures"]
    metrics.sessions_not_settled.inc()
    log.error(
        "a session could not be worked out",
        session_id=session_id,
        failures=failures + 1,
        exc_info=error,
    )
    delay_s = min(settings.settle_retry_s * _RETRY_FACTOR**failures, _MAX_RETRY_S)
    if failures + 1 < settings.settle_max_failures:
        await settling.put_back(db, claimed, delay_s=delay_s)
        return 0
    try:
        async with asyncio.timeout(settings.settle_timeout_s):
            return await _settle(db, [await facts.load_unread(db, claimed)], settings)
    except Exception as again:
        await raise_if_away(db, again)
        log.exception("a session cannot be worked out", session_id=session_id)
    if await settling.give_up(db, claimed, delay_s=_MAX_RETRY_S):
        metrics.sessions_flagged.labels(ReviewReason.NOT_WORKED_OUT).inc()
    return 0


async def _settle(db: Database, due: Sequence[DueSession], settings: WorkerSettings) -> int:
    # A thread, as many samples take their time.
    results = await asyncio.to_thread(_results, due, settings)
    stored = await settling.store(db, results, max_quirks_per_station=settings.station_max_quirks)
    if new := [result.due.session_id for result in stored if result.due.is_new]:
        await settling.wake_predecessors(db, new)
    for result in stored:
        _tell(result)
    return len(stored)


def _results(due: Sequence[DueSession], settings: WorkerSettings) -> list[Result]:
    limits, rules = limits_of(settings), rules_of(settings)
    results = []
    for session in due:
        now = session.claimed_at
        settlement = settle(session.facts, now=now, limits=limits, rules=rules)
        results.append(
            Result(
                due=session,
                settlement=settlement,
                changes=list_changes(session.shown, settlement),
                settle_at=_next_look(settlement, now=now, settings=settings),
            )
        )
    return results


def _next_look(
    settlement: Settlement, *, now: datetime, settings: WorkerSettings
) -> datetime | None:
    """Return when a session may have become another without anybody saying so."""
    if settlement.end is None:
        regular = now + timedelta(seconds=settings.settle_open_interval_s)
        return regular if settlement.look_at is None else min(regular, settlement.look_at)
    over_since = max(settlement.heard_at, settlement.end.received_at)
    return min(
        (look for after in _LOOKS_AFTER_END if (look := over_since + after) > now), default=None
    )


def _tell(result: Result) -> None:
    """Count and log what people have to know."""
    for kind, detail in result.changes:
        match kind:
            case HistoryKind.CLOSED_BY_RULE:
                metrics.sessions_closed_by_rule.labels(detail["rule"]).inc()
                log.warning(
                    "a session whose end was never told is closed by rule",
                    session_id=result.due.session_id,
                    rule=detail["rule"],
                )
            case HistoryKind.NEEDS_REVIEW:
                for reason in detail["reasons"]:
                    metrics.sessions_flagged.labels(reason).inc()
            case _:
                pass
