"""The decision about a token: which rule speaks, and in which order."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.access.authorization import decide
from shared.domain.access.locations import LocationRule
from shared.domain.access.rules import OpenSessions, needs_open_sessions
from shared.domain.access.tokens import AuthorizationStatus, IdToken, IdTokenGroup, IdTokenType

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Status = AuthorizationStatus


def token(**changes: Any) -> IdToken:
    return IdToken(
        **{
            "id_token": "04A2b3C4",
            "type": IdTokenType.ISO14443,
            "status": Status.ACCEPTED,
            "expires_at": None,
            "group_id_token": None,
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


@pytest.mark.parametrize(
    ("kept", "status"),
    [
        (None, Status.INVALID),
        (token(), Status.ACCEPTED),
        (token(status=Status.BLOCKED), Status.BLOCKED),
        (token(status=Status.INVALID), Status.INVALID),
        (token(expires_at=NOW + timedelta(microseconds=1)), Status.ACCEPTED),
        (token(expires_at=NOW), Status.EXPIRED),
        # What its owner decided is more than that its time is over.
        (token(status=Status.BLOCKED, expires_at=NOW), Status.BLOCKED),
    ],
)
def test_a_token_is_what_its_owner_made_of_it(kept: IdToken | None, status: Status) -> None:
    assert decide(kept, NOW).status is status


def test_the_answer_names_the_group_also_where_it_says_no() -> None:
    kept = token(group_id_token="FLEET-7", status=Status.BLOCKED, expires_at=NOW)
    answer = decide(kept, NOW)
    assert (answer.group_id_token, answer.expires_at) == ("FLEET-7", NOW)
    assert not answer.accepted


@pytest.mark.parametrize(
    ("kept", "presented", "accepted"),
    [
        (IdTokenType.ISO14443, None, True),
        (IdTokenType.ISO14443, IdTokenType.ISO15693, True),
        (IdTokenType.ISO14443, IdTokenType.KEY_CODE, False),
        (IdTokenType.KEY_CODE, IdTokenType.ISO14443, False),
        (IdTokenType.EMAID, IdTokenType.EMAID, True),
    ],
)
def test_a_token_is_an_identifier_together_with_its_type(
    kept: IdTokenType, presented: IdTokenType | None, *, accepted: bool
) -> None:
    answer = decide(token(type=kept), NOW, presented_as=presented)
    assert answer.accepted is accepted


def test_a_blocked_group_blocks_its_tokens() -> None:
    kept = token(group_id_token="FLEET-7")
    assert decide(kept, NOW, group=group(status=Status.BLOCKED)).status is Status.BLOCKED


@pytest.mark.parametrize(
    ("rule", "accepted"),
    [
        (LocationRule(), True),
        (LocationRule(id_token_keys=frozenset({"04a2b3c4"})), True),
        (LocationRule(group_keys=frozenset({"fleet-7"})), True),
        (LocationRule(id_token_keys=frozenset({"other"})), False),
        (LocationRule(group_keys=frozenset({"fleet-8"})), False),
    ],
)
def test_a_location_is_for_those_it_names_or_for_everybody(
    rule: LocationRule, *, accepted: bool
) -> None:
    answer = decide(token(group_id_token="Fleet-7"), NOW, rule=rule)
    expected = Status.ACCEPTED if accepted else Status.NOT_AT_THIS_LOCATION
    assert answer.status is expected


@pytest.mark.parametrize(
    ("limit", "group_limit", "open_sessions", "accepted"),
    [
        (1, None, OpenSessions(of_token=0), True),
        (1, None, OpenSessions(of_token=1), False),
        (2, None, OpenSessions(of_token=1), True),
        (None, 2, OpenSessions(of_token=2, of_group=1), True),
        (None, 2, OpenSessions(of_token=0, of_group=2), False),
        (5, 2, OpenSessions(of_token=1, of_group=2), False),
    ],
)
def test_one_start_too_many_is_a_concurrent_transaction(
    limit: int | None, group_limit: int | None, open_sessions: OpenSessions, *, accepted: bool
) -> None:
    kept = token(group_id_token="FLEET-7", max_concurrent_sessions=limit)
    rules = group(max_concurrent_sessions=group_limit)
    answer = decide(kept, NOW, group=rules, open_sessions=open_sessions)
    assert answer.status is (Status.ACCEPTED if accepted else Status.CONCURRENT_TX)


def test_a_token_that_is_only_shown_is_never_one_too_many() -> None:
    # It may be shown to end the very charge that reaches the limit.
    kept = token(max_concurrent_sessions=1)
    assert decide(kept, NOW, open_sessions=None).accepted


@pytest.mark.parametrize("before", [Status.ACCEPTED, Status.CONCURRENT_TX])
@given(of_token=st.integers(0, 9))
def test_a_start_told_again_gets_the_answer_it_got(before: Status, of_token: int) -> None:
    kept = token(max_concurrent_sessions=1)
    again = OpenSessions(of_token=of_token, told_before=before)
    assert decide(kept, NOW, open_sessions=again).status is before


def test_a_start_that_was_refused_for_another_reason_may_be_accepted_when_told_again() -> None:
    again = OpenSessions(told_before=Status.BLOCKED)
    assert decide(token(max_concurrent_sessions=1), NOW, open_sessions=again).accepted


tokens = st.none() | st.builds(
    token,
    status=st.sampled_from([Status.ACCEPTED, Status.BLOCKED, Status.INVALID]),
    expires_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    group_id_token=st.sampled_from([None, "FLEET-7", "fleet-7", "OTHER"]),
    max_concurrent_sessions=st.none() | st.integers(1, 3),
)
groups = st.none() | st.builds(
    group,
    status=st.sampled_from([Status.ACCEPTED, Status.BLOCKED]),
    max_concurrent_sessions=st.none() | st.integers(1, 3),
)
rules = st.builds(
    LocationRule,
    st.frozensets(st.sampled_from(["04a2b3c4", "other"])),
    st.frozensets(st.sampled_from(["fleet-7", "other"])),
)
sessions = st.none() | st.builds(OpenSessions, st.integers(0, 4), st.integers(0, 4))


@given(tokens, groups, rules, sessions)
def test_no_rule_makes_a_yes_of_anothers_no(
    kept: IdToken | None,
    group: IdTokenGroup | None,
    rule: LocationRule,
    open_sessions: OpenSessions | None,
) -> None:
    everything = decide(kept, NOW, group=group, rule=rule, open_sessions=open_sessions)
    alone = [
        decide(kept, NOW),
        decide(kept, NOW, group=group),
        decide(kept, NOW, rule=rule),
        decide(kept, NOW, group=group, open_sessions=open_sessions),
    ]
    assert everything.accepted == all(answer.accepted for answer in alone)
    # And whoever says no first is one of those that say no.
    assert everything.status in {answer.status for answer in alone}


@given(tokens, groups, sessions)
def test_what_is_not_asked_for_does_not_matter(
    kept: IdToken | None, group: IdTokenGroup | None, open_sessions: OpenSessions | None
) -> None:
    if not needs_open_sessions(kept, group):
        assert decide(kept, NOW, group=group, open_sessions=open_sessions) == decide(
            kept, NOW, group=group
        )


@pytest.mark.parametrize(
    ("kept", "rules", "needs"),
    [
        (None, None, False),
        (token(), None, False),
        (token(), group(), False),
        (token(max_concurrent_sessions=1), None, True),
        (token(), group(max_concurrent_sessions=1), True),
        (None, group(max_concurrent_sessions=1), True),
    ],
)
def test_what_goes_on_elsewhere_is_asked_for_only_if_there_is_a_limit(
    kept: IdToken | None, rules: IdTokenGroup | None, *, needs: bool
) -> None:
    assert needs_open_sessions(kept, rules) is needs
