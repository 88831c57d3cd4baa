"""The rules that decide about a token, each in turn: the first that refuses is the answer.

Both who decides and who explains go by this one list, so that no explanation tells of a rule that
nobody goes by.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from shared.domain.access.decisions import DecisionReason
from shared.domain.access.locations import EVERYBODY, LocationRule
from shared.domain.access.tokens import (
    AuthorizationStatus,
    IdToken,
    IdTokenGroup,
    IdTokenType,
    is_same_type,
)


@dataclass(frozen=True, slots=True)
class OpenSessions:
    """What else a token and its group charge when one more session starts.

    A session of the same EVSE is not among them: it is the same start told again, or its end was
    lost. `told_before` is what was answered to this very start, None if it is new.
    """

    of_token: int = 0
    of_group: int = 0
    told_before: AuthorizationStatus | None = None


NO_OPEN_SESSIONS = OpenSessions()


@dataclass(slots=True)
class Case:
    """What there is to know about a token that asks.

    Not frozen, as each decision makes one: that would cost more than the rules.

    Args:
        token: as kept, or None if nobody registered the one that is meant.
        at: now, aware.
        group: the rules of the token's group, None if it has none.
        location: who may charge where the station stands.
        presented_as: the type that the station told, None if it told none.
        open_sessions: what else goes on, if this is the start of a transaction; None if the token
            is only shown.
        known: the types of all tokens with this text that the station's organization knows.
        free: nobody has to be authorized there, or had to be when the charge began.
    """

    token: IdToken | None
    at: datetime
    group: IdTokenGroup | None = None
    location: LocationRule = EVERYBODY
    presented_as: IdTokenType | None = None
    open_sessions: OpenSessions | None = None
    known: tuple[IdTokenType, ...] = ()
    free: bool = False

    def in_sight(self) -> "Case":
        """Return the case as the station's organization knows it.

        Tokens and groups of an organization that the station does not stand below are none of its
        business.
        """
        token = self.token if self.token and self.location.knows(self.token) else None
        group = self.group if self.group and self.location.knows(self.group) else None
        if token is self.token and group is self.group:
            return self
        return replace(self, token=token, group=group)


class Finding(NamedTuple):
    """What a rule says: `status` is Accepted if it has nothing against the token."""

    status: AuthorizationStatus
    reason: DecisionReason
    explanation: str


class RuleName(StrEnum):
    """What a rule looks at."""

    FREE_LOCATION = "free_location"
    """It refuses nobody: where it holds, no other rule is asked."""
    REGISTERED = "registered"
    STATUS = "status"
    GROUP = "group"
    EXPIRY = "expiry"
    LOCATION = "location"
    CONCURRENT_SESSIONS = "concurrent_sessions"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it has against a token, and what it says of one that it lets pass."""

    name: RuleName
    refuse: Callable[[Case], Finding | None]
    passed: Callable[[Case], str] = field(repr=False)


_STATUS_REASONS = {
    AuthorizationStatus.BLOCKED: DecisionReason.TOKEN_BLOCKED,
    AuthorizationStatus.INVALID: DecisionReason.TOKEN_INVALID,
}


def day_and_time(at: datetime) -> str:
    """Return a moment as explanations say it: in UTC, to the minute."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _not_registered(case: Case) -> Finding | None:
    token, presented_as = case.token, case.presented_as
    if token is not None and (presented_as is None or is_same_type(token.type, presented_as)):
        return None
    types = ", ".join(sorted({*case.known, *(() if token is None else (token.type,))}))
    if not types:
        reason, explanation = DecisionReason.TOKEN_UNKNOWN, "no such token is registered"
    elif presented_as is None:
        reason = DecisionReason.TOKEN_AMBIGUOUS
        explanation = (
            f"several tokens have this text ({types}), none of them or more than one is a card, "
            "and OCPP 1.6 does not tell which one is meant"
        )
    else:
        reason = DecisionReason.TOKEN_OF_OTHER_TYPE
        explanation = f"no such token is registered as {presented_as}, only as {types}"
    return Finding(AuthorizationStatus.INVALID, reason, explanation)


def _registered(case: Case) -> str:
    token = case.token
    return "" if token is None else f"the token is registered as {token.type}"


def _bad_status(case: Case) -> Finding | None:
    token = case.token
    if token is None or token.status is AuthorizationStatus.ACCEPTED:
        return None
    reason = _STATUS_REASONS.get(token.status, DecisionReason.TOKEN_INVALID)
    words = f"the token is {token.status.lower()}, changed last on {day_and_time(token.updated_at)}"
    return Finding(token.status, reason, words)


def _blocked_group(case: Case) -> Finding | None:
    group = case.group
    if group is None or group.status is AuthorizationStatus.ACCEPTED:
        return None
    words = (
        f"its group {group.group_id_token} is {group.status.lower()}, changed last on "
        f"{day_and_time(group.updated_at)}"
    )
    return Finding(group.status, DecisionReason.GROUP_BLOCKED, words)


def _group_passes(case: Case) -> str:
    token = case.token
    if token is None or token.group_id_token is None:
        return "the token is in no group"
    return f"its group {token.group_id_token} is not blocked"


def has_expired(expires_at: datetime | None, at: datetime) -> bool:
    """Tell whether a validity has ended; the moment of its end is outside."""
    return expires_at is not None and expires_at <= at


def _expired(case: Case) -> Finding | None:
    token = case.token
    if token is None or token.expires_at is None or not has_expired(token.expires_at, case.at):
        return None
    words = f"the token expired on {day_and_time(token.expires_at)}"
    return Finding(AuthorizationStatus.EXPIRED, DecisionReason.TOKEN_EXPIRED, words)


def _not_expired(case: Case) -> str:
    token = case.token
    if token is None or token.expires_at is None:
        return "the token does not expire"
    return f"the token expires on {day_and_time(token.expires_at)}"


def _elsewhere(case: Case) -> Finding | None:
    token = case.token
    if token is None or case.location.allows(token):
        return None
    return Finding(
        AuthorizationStatus.NOT_AT_THIS_LOCATION,
        DecisionReason.NOT_AT_THIS_LOCATION,
        case.location.in_words(),
    )


def _too_many(case: Case) -> Finding | None:
    token, sessions = case.token, case.open_sessions
    if token is None or sessions is None:
        return None
    if sessions.told_before is not None:
        if sessions.told_before is not AuthorizationStatus.CONCURRENT_TX:
            return None
        words = "this start was told before, and refused then as one charge too many"
        reason = DecisionReason.START_TOLD_AGAIN
    elif _reaches(sessions.of_token, token.max_concurrent_sessions):
        words = (
            f"the token charges elsewhere: {sessions.of_token} of the "
            f"{token.max_concurrent_sessions} charges that it may have at a time"
        )
        reason = DecisionReason.TOO_MANY_SESSIONS
    elif (group := case.group) is not None and _reaches(
        sessions.of_group, group.max_concurrent_sessions
    ):
        words = (
            f"its group {group.group_id_token} charges elsewhere: {sessions.of_group} of the "
            f"{group.max_concurrent_sessions} charges that it may have at a time"
        )
        reason = DecisionReason.TOO_MANY_SESSIONS
    else:
        return None
    return Finding(AuthorizationStatus.CONCURRENT_TX, reason, words)


def _reaches(count: int, limit: int | None) -> bool:
    return limit is not None and count >= limit


def _not_too_many(case: Case) -> str:
    if not needs_open_sessions(case.token, case.group):
        return "the token may have any number of charges at a time"
    if case.open_sessions is None:
        return "it starts no charge now, so its limit of charges at a time does not count"
    return "one more charge is within its limit"


def needs_open_sessions(token: IdToken | None, group: IdTokenGroup | None) -> bool:
    """Tell whether the decision about a start depends on what goes on elsewhere."""
    return (token is not None and token.max_concurrent_sessions is not None) or (
        group is not None and group.max_concurrent_sessions is not None
    )


RULES = (
    Rule(RuleName.REGISTERED, _not_registered, _registered),
    Rule(RuleName.STATUS, _bad_status, lambda _: "the token is not blocked"),
    Rule(RuleName.GROUP, _blocked_group, _group_passes),
    Rule(RuleName.EXPIRY, _expired, _not_expired),
    Rule(RuleName.LOCATION, _elsewhere, lambda case: case.location.in_words()),
    Rule(RuleName.CONCURRENT_SESSIONS, _too_many, _not_too_many),
)
"""In the order in which they are asked."""

_CHECKS = tuple(rule.refuse for rule in RULES)
_ALLOWED = Finding(
    AuthorizationStatus.ACCEPTED, DecisionReason.ALLOWED, "no rule has anything against the token"
)


def free_at(location: LocationRule) -> Finding:
    """Return the answer to every token at a location that is free for all.

    It is also that to a blocked one: who is refused there charges with another card or with none,
    so that a refusal keeps nobody out, and nobody is billed by a token that was not looked at.
    """
    return Finding(
        AuthorizationStatus.ACCEPTED,
        DecisionReason.FREE_LOCATION,
        f"location {location.location_id} is free for all: no token is looked at",
    )


def judge(case: Case) -> Finding:
    """Return what the first rule says that refuses, or that none does."""
    if case.free:
        return free_at(case.location)
    case = case.in_sight()
    for refuse in _CHECKS:
        finding = refuse(case)
        if finding is not None:
            return finding
    return _ALLOWED


@dataclass(frozen=True, slots=True)
class Ruling:
    """What one rule says of a case. `refused` is None where it has nothing to look at."""

    name: RuleName
    refused: bool | None
    explanation: str


def explain(case: Case) -> Iterator[Ruling]:
    """Tell what each rule says, in the order in which they are asked, beyond the first refusal."""
    case = case.in_sight()
    if case.free:
        words = free_at(case.location).explanation
        yield Ruling(RuleName.FREE_LOCATION, refused=False, explanation=words)
    for rule in RULES:
        finding = rule.refuse(case)
        if case.free:
            yield Ruling(rule.name, refused=None, explanation="not asked: the location is free")
        elif finding is not None:
            yield Ruling(rule.name, refused=True, explanation=finding.explanation)
        elif case.token is None and rule.name is not RuleName.REGISTERED:
            yield Ruling(rule.name, refused=None, explanation="there is no token to look at")
        else:
            yield Ruling(rule.name, refused=False, explanation=rule.passed(case))
