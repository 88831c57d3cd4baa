"""Ends that name no transaction of their station: whose are they, if that is certain?

Stations send 0 or -1 when they never got the answer to their StartTransaction, and now and then an
id that belongs to somebody else. A StopTransaction of OCPP 1.6 does not say the connector (§4.10),
so that an end is matched only if one open session of the same station can be meant, and no other.
Another station's session is never looked at.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice

from shared.domain.sessions.limits import Limits

# A last sample may be stamped shortly after the end that was told with it.
_LAST_SAMPLE_GRACE = timedelta(minutes=1)


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

    `sampled_until` is the last of the meter values that name it.
    """

    session_id: str
    started_at: datetime
    meter_start_wh: Decimal
    id_token: str | None
    sampled_until: datetime | None


def match_ends(
    strays: Iterable[StrayEnd],
    sessions: Sequence[OpenSession],
    *,
    evses: int,
    limits: Limits,
    sampled_since: datetime | None = None,
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

    Returns:
        Session ids by `letter_id`. It depends on what is given and not on its order, so that it is
        worked out anew whenever something comes.
    """
    by_token: defaultdict[str | None, list[OpenSession]] = defaultdict(list)
    for session in sessions:
        by_token[None if session.id_token is None else session.id_token.casefold()].append(session)
    found: dict[str, str] = {}
    uncertain = set()
    for stray in strays:
        if stray.id_token is None and evses != 1:
            continue
        meant = sessions if stray.id_token is None else by_token[stray.id_token.casefold()]
        # Two are as good as many: it is not certain.
        fitting = list(islice((each for each in meant if _fits(stray, each, limits)), 2))
        if len(fitting) == 1:
            found[stray.letter_id] = fitting[0].session_id
        if sampled_since is not None and stray.ended_at < sampled_since:
            uncertain.add(stray.letter_id)
    claims = Counter(found.values())
    return {
        letter: session
        for letter, session in found.items()
        if claims[session] == 1 and letter not in uncertain
    }


def _fits(stray: StrayEnd, session: OpenSession, limits: Limits) -> bool:
    if stray.ended_at < session.started_at:
        return False
    if (
        session.sampled_until is not None
        and session.sampled_until - stray.ended_at > _LAST_SAMPLE_GRACE
    ):
        return False
    energy_wh = stray.meter_stop_wh - session.meter_start_wh
    return 0 <= energy_wh <= limits.most_wh(stray.ended_at - session.started_at)
