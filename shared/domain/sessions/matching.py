"""Ends that name no transaction of their station: whose are they, if that is certain?

Stations send 0 or -1 when they never got the answer to their StartTransaction, some makes with
every end, and now and then one sends an id that belongs to somebody else. A StopTransaction of OCPP
1.6 does not say the connector (§4.10), so that an end is matched only if one session of the same
station can be meant, and no other. A station tells its transactions in order (§3.7.1), one at a
time on each connector: the next start there bounds the session before it, and a session that has
its end is no other end's. Another station's session is never looked at.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shared.domain.sessions.limits import LAST_DIGITS_WH, Limits

# A last sample may be stamped shortly after the end that was told with it.
_LAST_SAMPLE_GRACE = timedelta(minutes=1)


class TooManyPairsError(Exception):
    """There are more pairs of an end and a session than are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayEnd:
    """An end whose transaction the station does not have."""

    letter_id: str
    ended_at: datetime
    meter_stop_wh: Decimal
    id_token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A session whose station has not told its end; a rule may have closed it.

    Args:
        session_id: of ours.
        started_at: by the station's clock.
        meter_start_wh: the register at the start.
        id_token: who charges.
        sampled_until: the last of the meter values that name it.
        next_started_at: when the next session on its EVSE began, if we learned of that later as
            well. Where both orders differ the station's clock was set back, or it told an old
            charge after a newer one, and neither of the two bounds the other.
    """

    session_id: str
    started_at: datetime
    meter_start_wh: Decimal
    id_token: str | None
    sampled_until: datetime | None
    next_started_at: datetime | None = None


@dataclass(slots=True)
class _Candidates:
    """The sessions that an end may still mean."""

    stray: StrayEnd
    session_ids: set[str]


def match_ends(
    strays: Iterable[StrayEnd],
    sessions: Iterable[OpenSession],
    *,
    evses: int,
    limits: Limits,
    sampled_since: datetime | None = None,
    max_pairs: int | None = None,
) -> dict[str, str]:
    """Return which ends belong to which sessions, where that is certain.

    Args:
        strays: one station's.
        sessions: all of the same station that have no end of their own.
        evses: how many the station is known to have. With a single one the session that is open is
            meant, with several the id token must tell it.
        limits: what is possible at all.
        sampled_since: `sampled_until` is not known where it is before. Ends of before may be those
            of a session, which then is no other's, but are not matched.
        max_pairs: so many ends and sessions are compared with each other at most.

    Returns:
        Session ids by `letter_id`. It depends on what is given and not on its order, so that it is
        worked out anew whenever something comes.

    Raises:
        TooManyPairsError: there are more to compare.
    """
    found: dict[str, str] = {}
    rest = _find_candidates(strays, sessions, evses, limits, max_pairs)
    while certain := _find_certain(rest, evses, sampled_since):
        found |= {stray.letter_id: session_id for session_id, stray in certain.items()}
        rest = [each for each in rest if each.stray.letter_id not in found]
        for each in rest:
            each.session_ids -= certain.keys()
    return found


def _find_candidates(
    strays: Iterable[StrayEnd],
    sessions: Iterable[OpenSession],
    evses: int,
    limits: Limits,
    max_pairs: int | None,
) -> list[_Candidates]:
    """Return what each end may mean by itself, in the order of time."""
    found, pairs = [], 0
    to_come = sorted(sessions, key=lambda session: session.started_at, reverse=True)
    begun: defaultdict[str | None, list[OpenSession]] = defaultdict(list)  # None: of any token
    for stray in sorted(strays, key=lambda stray: stray.ended_at):
        if stray.id_token is None and evses != 1:
            continue
        while to_come and to_come[-1].started_at <= stray.ended_at:
            session = to_come.pop()
            begun[None].append(session)
            if session.id_token is not None:
                begun[session.id_token.casefold()].append(session)
        token = None if stray.id_token is None else stray.id_token.casefold()
        # A session that was followed before this end was so before all later ones.
        begun[token] = meant = [each for each in begun[token] if not _is_followed(each, stray)]
        pairs += len(meant)
        if max_pairs is not None and pairs > max_pairs:
            raise TooManyPairsError
        fitting = {each.session_id for each in meant if _fits(stray, each, limits)}
        found.append(_Candidates(stray, fitting))
    return found


def _is_followed(session: OpenSession, stray: StrayEnd) -> bool:
    """Tell whether another session began before an end; at one instant either may be meant."""
    return session.next_started_at is not None and session.next_started_at < stray.ended_at


def _fits(stray: StrayEnd, session: OpenSession, limits: Limits) -> bool:
    if (
        session.sampled_until is not None
        and session.sampled_until - stray.ended_at > _LAST_SAMPLE_GRACE
    ):
        return False
    energy_wh = stray.meter_stop_wh - session.meter_start_wh
    least_wh = -(limits.tolerance_wh + LAST_DIGITS_WH)
    return least_wh <= energy_wh <= limits.most_wh(stray.ended_at - session.started_at)


def _find_certain(
    rest: Iterable[_Candidates], evses: int, sampled_since: datetime | None
) -> dict[str, StrayEnd]:
    """Return the sessions that are the only ones an end can mean, each with that end."""
    claims: defaultdict[str, list[StrayEnd]] = defaultdict(list)
    for each in rest:
        if len(each.session_ids) == 1:
            claims[next(iter(each.session_ids))].append(each.stray)
    certain = {}
    for session_id, claiming in claims.items():
        first, *others = claiming
        # On one EVSE a session ends with the first end that follows its start. With several the
        # other one may be right, as a start that was lost may have been elsewhere.
        if others and (evses != 1 or others[0].ended_at == first.ended_at):
            continue
        if sampled_since is None or first.ended_at >= sampled_since:
            certain[session_id] = first
    return certain
