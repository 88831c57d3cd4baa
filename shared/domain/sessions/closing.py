"""Sessions whose end is never told, closed by rule.

A station may drop a StopTransaction that it could not deliver (OCPP 1.6 §3.7.1). A rule's end is a
conclusion and no fact: the station's own end replaces it whenever it comes, and a later word of the
session revokes it unless the rule still holds.

Rules wait by one clock, which is ours: a station's may be hours off, and be set back between two
words. What it says of the order of things counts only where they also came to us in that order.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class EndRule(StrEnum):
    """What shows that a session is over."""

    NEXT_START = "next_start"
    """Another session began on its EVSE, later by the station's clock and by ours."""
    STATION_REBOOTED = "station_rebooted"
    """The station booted, and has not spoken of the session since."""
    CONNECTOR_AVAILABLE = "connector_available"
    """Its connector is available."""
    STATION_SILENT = "station_silent"
    """The station is offline, and has been for long."""
    SESSION_QUIET = "session_quiet"
    """The station is there, but has not spoken of the session for days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingRules:
    """How long each sign must have stood before the session is closed.

    Too long keeps a session from being billed; too short costs a review, because the station's own
    end still replaces the rule's.

    Args:
        next_start: a station tells its transactions in order (OCPP 1.6 §3.7.1), so that an end that
            has not come before the next start is late already; a minute covers a pod's hold.
        rebooted: longer than a station takes to empty its queue after a boot, and than the usual
            interval between meter values.
        available: longer than a station takes to send the StopTransaction after the status.
        silent: longer than nearly any charge and most outages.
        quiet: longer than cars are left plugged in; stations without meter values say nothing
            between start and stop.
    """

    next_start: timedelta = timedelta(minutes=1)
    rebooted: timedelta = timedelta(minutes=20)
    available: timedelta = timedelta(minutes=10)
    silent: timedelta = timedelta(days=1)
    quiet: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is known of the station beside the session itself. Times are by our clock but two.

    Args:
        next_start_at: when the next session on the EVSE began, by the station's clock.
        next_start_received_at: when we learned of one there that began later, and of which we
            learned later. A clock that was set back stamps a session before those that it follows.
        booted_at: the station's last accepted boot.
        available_since: since when the connector is available, by the station's clock.
        available_received_at: when we learned that.
        offline_since: since when the station is offline; None while it is online.
    """

    next_start_at: datetime | None = None
    next_start_received_at: datetime | None = None
    booted_at: datetime | None = None
    available_since: datetime | None = None
    available_received_at: datetime | None = None
    offline_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEnd:
    """A session's end as a rule concluded it.

    `ended_at` is the last that the meter showed, or the start: nobody pays for time that nobody
    vouches for. `concluded_at` is when, by our clock.
    """

    rule: EndRule
    ended_at: datetime
    concluded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWords:
    """What an open session said last.

    Args:
        heard_at: when the last message about it came, by our clock.
        said_at: the latest time in its messages, by the station's.
    """

    heard_at: datetime
    said_at: datetime


def conclude_end(
    words: LastWords,
    around: Surroundings,
    rules: ClosingRules,
    *,
    now: datetime,
    earlier: RuleEnd | None = None,
) -> tuple[RuleEnd | None, datetime | None]:
    """Tell whether a session without an end is over.

    Args:
        words: what it said last.
        around: what else is known.
        rules: how long each sign must have stood.
        now: by our clock.
        earlier: what was concluded before. It stands until the session speaks again: that a
            connector is taken by the next car does not bring the session before it back. What it
            said last may still become an earlier time: another session may turn out to have said
            it. A later one was said since, even if it came before the conclusion: it was on its way
            into the database then.

    Returns:
        The end if there is one, and otherwise the next time at which one of the signs that are
        there now will have stood for long enough.
    """
    if earlier is not None and not _has_spoken(words, since=earlier):
        return replace(earlier, ended_at=words.said_at), None
    due = _due_times(words, around, rules)
    for rule, due_at in due:
        if due_at <= now:
            return RuleEnd(rule=rule, ended_at=words.said_at, concluded_at=now), None
    return None, min(due_at for _, due_at in due)


def _has_spoken(words: LastWords, *, since: RuleEnd) -> bool:
    return words.heard_at > since.concluded_at or words.said_at > since.ended_at


def _due_times(
    words: LastWords, around: Surroundings, rules: ClosingRules
) -> list[tuple[EndRule, datetime]]:
    """Return from when on each rule holds, the strongest sign first."""
    due: list[tuple[EndRule, datetime]] = []
    if around.next_start_received_at is not None:
        due.append((EndRule.NEXT_START, around.next_start_received_at + rules.next_start))
    if around.booted_at is not None and around.booted_at > words.heard_at:
        due.append((EndRule.STATION_REBOOTED, around.booted_at + rules.rebooted))
    if (available_at := _available_at(words, around)) is not None:
        due.append((EndRule.CONNECTOR_AVAILABLE, available_at + rules.available))
    if around.offline_since is not None:
        since = max(around.offline_since, words.heard_at)
        due.append((EndRule.STATION_SILENT, since + rules.silent))
    due.append((EndRule.SESSION_QUIET, words.heard_at + rules.quiet))
    return due


def _available_at(words: LastWords, around: Surroundings) -> datetime | None:
    """Return when we learned that the connector is available, if that was after the last words.

    It must have been by either clock: a status from before a charge may come late.
    """
    told_at, received_at = around.available_since, around.available_received_at
    if told_at is None or told_at <= words.said_at:
        return None
    return received_at if received_at is not None and received_at >= words.heard_at else None
