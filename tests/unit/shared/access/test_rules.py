"""What the rules say in words, and when a location is free for all."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.access.authorization import decide
from shared.domain.access.decisions import DecisionReason
from shared.domain.access.locations import LocationRule
from shared.domain.access.rules import Case, OpenSessions, RuleName, explain, judge
from shared.domain.access.tokens import AuthorizationStatus, IdToken, IdTokenGroup, IdTokenType

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Status = AuthorizationStatus


def token(**changes: Any) -> IdToken:
    return IdToken(
        **{
            "id_token": "04A2B3C4",
            "type": IdTokenType.ISO14443,
            "status": Status.ACCEPTED,
            "expires_at": None,
            "group_id_token": "FLEET-7",
            "created_at": NOW,
            "updated_at": NOW,
            **changes,
        }
    )


def group(**changes: Any) -> IdTokenGroup:
    return IdTokenGroup(
        **{
            "group_id_token": "FLEET-7",
            "name": None,
            "status": Status.ACCEPTED,
            "max_concurrent_sessions": None,
            "created_at": NOW,
            "updated_at": NOW,
            **changes,
        }
    )


MANY = frozenset(f"tag-{n}" for n in range(8))


@pytest.mark.parametrize(
    ("case", "reason", "words"),
    [
        (Case(None, NOW), DecisionReason.TOKEN_UNKNOWN, "no such token is registered"),
        (
            Case(None, NOW, known=(IdTokenType.EMAID, IdTokenType.KEY_CODE)),
            DecisionReason.TOKEN_AMBIGUOUS,
            (
                "several tokens have this text (KeyCode, eMAID), none of them or more than one is "
                "a card, and OCPP 1.6 does not tell which one is meant"
            ),
        ),
        (
            Case(token(), NOW, presented_as=IdTokenType.KEY_CODE),
            DecisionReason.TOKEN_OF_OTHER_TYPE,
            "no such token is registered as KeyCode, only as ISO14443",
        ),
        (
            Case(token(status=Status.INVALID), NOW),
            DecisionReason.TOKEN_INVALID,
            "the token is invalid, changed last on 2026-01-02 03:04 UTC",
        ),
        (
            Case(token(), NOW, group=group(status=Status.BLOCKED)),
            DecisionReason.GROUP_BLOCKED,
            "its group FLEET-7 is blocked, changed last on 2026-01-02 03:04 UTC",
        ),
        (
            Case(token(expires_at=NOW), NOW),
            DecisionReason.TOKEN_EXPIRED,
            "the token expired on 2026-01-02 03:04 UTC",
        ),
        (
            Case(
                token(), NOW, location=LocationRule(MANY, frozenset({"staff"}), location_id="depot")
            ),
            DecisionReason.NOT_AT_THIS_LOCATION,
            (
                "location depot allows only the tokens TAG-0, TAG-1, TAG-2, TAG-3, TAG-4 and 3 "
                "more and the groups STAFF"
            ),
        ),
        (
            Case(token(max_concurrent_sessions=1), NOW, open_sessions=OpenSessions(of_token=1)),
            DecisionReason.TOO_MANY_SESSIONS,
            "the token charges elsewhere: 1 of the 1 charges that it may have at a time",
        ),
        (
            Case(
                token(),
                NOW,
                group=group(max_concurrent_sessions=2),
                open_sessions=OpenSessions(of_group=2),
            ),
            DecisionReason.TOO_MANY_SESSIONS,
            "its group FLEET-7 charges elsewhere: 2 of the 2 charges that it may have at a time",
        ),
        (
            Case(
                token(max_concurrent_sessions=1),
                NOW,
                open_sessions=OpenSessions(told_before=Status.CONCURRENT_TX),
            ),
            DecisionReason.START_TOLD_AGAIN,
            "this start was told before, and refused then as one charge too many",
        ),
    ],
)
def test_a_refusal_says_why(case: Case, reason: DecisionReason, words: str) -> None:
    finding = judge(case)
    assert (finding.reason, finding.explanation) == (reason, words)
    # The explanation tells the same of the rule that refuses.
    refused = [ruling for ruling in explain(case) if ruling.refused]
    assert refused[0].explanation == words


cases = st.builds(
    Case,
    st.none()
    | st.builds(
        token,
        status=st.sampled_from([Status.ACCEPTED, Status.BLOCKED, Status.INVALID]),
        expires_at=st.none() | st.datetimes(timezones=st.just(UTC)),
        max_concurrent_sessions=st.none() | st.integers(1, 3),
    ),
    st.just(NOW),
    group=st.none() | st.builds(group, status=st.sampled_from([Status.ACCEPTED, Status.BLOCKED])),
    location=st.builds(LocationRule, st.just(frozenset()), st.frozensets(st.just("staff"))),
    presented_as=st.none() | st.sampled_from(IdTokenType),
    open_sessions=st.none() | st.builds(OpenSessions, st.integers(0, 3)),
    free=st.booleans(),
)


@given(cases)
def test_who_explains_and_who_decides_say_the_same(case: Case) -> None:
    finding = judge(case)
    rulings = list(explain(case))
    refused = [ruling for ruling in rulings if ruling.refused]
    assert (finding.status is Status.ACCEPTED) == (not refused)
    if refused:
        assert refused[0].explanation == finding.explanation
    assert all(ruling.explanation for ruling in rulings)
    asked = [ruling.name for ruling in rulings if ruling.name is not RuleName.FREE_LOCATION]
    assert asked == [name for name in RuleName if name is not RuleName.FREE_LOCATION]


def test_of_a_token_that_was_not_looked_at_nothing_is_told() -> None:
    rule = LocationRule(location_id="lake", free_since=NOW - timedelta(days=1))
    kept = token(status=Status.BLOCKED, expires_at=NOW)
    answer = decide(kept, NOW, rule=rule, free=True)
    assert answer.accepted
    assert answer.free
    assert (answer.expires_at, answer.group_id_token) == (None, None)


@pytest.mark.parametrize(
    ("at", "until", "free"),
    [
        (timedelta(0), None, True),
        (-timedelta(days=1), None, True),
        (-timedelta(days=10), None, True),  # the moment that it became so
        (-timedelta(days=10, minutes=15), None, True),  # a clock may be slow
        (-timedelta(days=10, minutes=16), None, False),
        (-timedelta(days=30), None, False),
        (-timedelta(days=32), None, True),  # a clock that tells nothing: now counts
        (-timedelta(days=20_000), None, True),
        (timedelta(days=1), None, True),
        (timedelta(0), -timedelta(days=5), False),
        (-timedelta(days=5), -timedelta(days=5), False),
        (-timedelta(days=5, seconds=1), -timedelta(days=5), True),
        (-timedelta(days=20_000), -timedelta(days=5), False),
        (timedelta(days=1), -timedelta(days=5), False),
    ],
)
def test_a_location_is_free_for_what_began_while_it_was(
    at: timedelta, until: timedelta | None, *, free: bool
) -> None:
    rule = LocationRule(
        free_since=NOW - timedelta(days=10), free_until=None if until is None else NOW + until
    )
    assert rule.is_free(NOW + at, now=NOW) is free


def test_a_location_that_never_was_free_is_not() -> None:
    assert not LocationRule(location_id="depot").is_free(NOW, now=NOW)
