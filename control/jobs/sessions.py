"""Works sessions out: energy, suspicions, ends that were never told."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog

from control.jobs.settings import WorkerSettings
from shared.domain.sessions import (
    ClosingRules,
    HistoryKind,
    Limits,
    Settlement,
    list_changes,
    settle,
)
from shared.store import session_facts, session_settling, stray_ends
from shared.store.judgement import is_away, is_locked
from shared.store.pool import Database
from shared.store.session_facts import DueSession
from shared.store.session_settling import ClaimedSession, Result
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


def limits_of(settings: WorkerSettings) -> Limits:
    """Return what the operator takes for possible."""
    return Limits(
        max_power_w=settings.session_max_power_w,
        tolerance_wh=settings.session_tolerance_wh,
        max_age=timedelta(days=settings.session_max_age_days),
        max_ahead=timedelta(seconds=settings.session_max_ahead_s),
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
        claimed = await session_settling.claim(
            db, limit=settings.settle_batch, lease_s=settings.settle_lease_s
        )
        if not claimed:
            return count
        count += await _work_out(db, claimed, settings)


async def _work_out(
    db: Database, claimed: Sequence[ClaimedSession], settings: WorkerSettings
) -> int:
    """Work claimed sessions out; one that cannot be read or written fails alone."""
    stations = sorted({row["station_id"] for row in claimed})
    try:
        await stray_ends.match(db, stations, limits_of(settings))
        return await _settle(db, await session_facts.load(db, claimed), settings)
    except Exception as error:
        if is_away(error) and not is_locked(error):
            raise
        if len(claimed) == 1 and is_locked(error):
            log.info("a session is locked, and is worked out later", error=str(error))
            return 0
        if len(claimed) == 1:
            _not_settled(str(claimed[0]["session_id"]), error)
            return 0
    middle = len(claimed) // 2
    return await _work_out(db, claimed[:middle], settings) + await _work_out(
        db, claimed[middle:], settings
    )


def _not_settled(session_id: str, error: Exception) -> None:
    """Tell of a fault of ours, which must not keep the other sessions from being billed."""
    metrics.sessions_not_settled.inc()
    log.error("a session could not be worked out", session_id=session_id, exc_info=error)


async def _settle(db: Database, due: Sequence[DueSession], settings: WorkerSettings) -> int:
    limits, rules = limits_of(settings), rules_of(settings)
    now = datetime.now(UTC)
    results = []
    for session in due:
        try:
            settlement = settle(session.facts, now=now, limits=limits, rules=rules)
        except Exception as error:  # noqa: BLE001 - it is logged, and the session is due again
            _not_settled(session.session_id, error)
            continue
        results.append(
            Result(
                due=session,
                settlement=settlement,
                changes=list_changes(session.shown, settlement),
                settle_at=_next_look(settlement, now=now, settings=settings),
            )
        )
    if not results:
        return 0
    stored = await session_settling.store(db, results)
    if new := [result.due.session_id for result in stored if result.due.is_new]:
        await session_settling.wake_predecessors(db, new)
    for result in stored:
        _tell(result)
    return len(stored)


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
