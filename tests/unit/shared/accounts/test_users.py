"""Users, their sessions, and keys: who is behind them, and when they are over."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.accounts.api_keys import ApiKey
from shared.domain.accounts.permissions import Permission
from shared.domain.accounts.principals import Principal, PrincipalKind
from shared.domain.accounts.roles import Role
from shared.domain.accounts.users import User, UserSession, email_key

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
IDLE = timedelta(minutes=30)
USER = User(
    user_id="u-1",
    organization_id="north",
    email="Ada@example.com",
    name="Ada",
    role=Role.FINANCE,
    disabled=False,
    has_password=True,
    has_second_factor=False,
    last_login_at=None,
    created_at=NOW,
    updated_at=NOW,
)


def session(*, used: timedelta = timedelta(0), left: timedelta = timedelta(hours=1)) -> UserSession:
    return UserSession(
        user_session_id="s-1",
        user=USER,
        address=None,
        user_agent=None,
        last_used_at=NOW - used,
        expires_at=NOW + left,
        created_at=NOW,
    )


def key(expires_at: datetime | None) -> ApiKey:
    return ApiKey(
        api_key_id="k-1",
        organization_id="north",
        name="portal",
        prefix="voltaro_0",
        scopes=frozenset({Permission.STATIONS_READ, Permission.STATIONS_WRITE}),
        permissions=frozenset({Permission.STATIONS_READ}),
        expires_at=expires_at,
        last_used_at=None,
        created_by="Ada",
        created_by_user_id="u-1",
        created_at=NOW,
        updated_at=NOW,
    )


def test_letter_case_of_an_address_does_not_count() -> None:
    assert email_key(" ADA@Example.COM ") == email_key("ada@example.com") == "ada@example.com"


def test_behind_a_user_is_a_principal_with_the_permissions_of_their_role() -> None:
    assert USER.principal == Principal(
        kind=PrincipalKind.USER,
        principal_id="u-1",
        name="Ada",
        organization_id="north",
        permissions=Role.FINANCE.permissions,
        user_id="u-1",
    )


def test_behind_a_key_is_a_principal_with_what_it_may_do_now() -> None:
    assert key(None).principal == Principal(
        kind=PrincipalKind.API_KEY,
        principal_id="k-1",
        name="portal",
        organization_id="north",
        permissions=frozenset({Permission.STATIONS_READ}),
        user_id="u-1",
    )


@pytest.mark.parametrize(
    ("expires_at", "expired"),
    [(None, False), (NOW + timedelta(microseconds=1), False), (NOW, True)],
)
def test_a_key_is_expired_from_its_time_on(expires_at: datetime | None, *, expired: bool) -> None:
    assert key(expires_at).is_expired(NOW) is expired


@pytest.mark.parametrize(
    ("used", "left", "over"),
    [
        (timedelta(0), timedelta(microseconds=1), False),
        (timedelta(0), timedelta(0), True),
        (IDLE - timedelta(microseconds=1), IDLE, False),
        (IDLE, IDLE, True),
    ],
)
def test_a_session_ends_unused_and_at_its_age(
    used: timedelta, left: timedelta, *, over: bool
) -> None:
    found = session(used=used, left=left)
    assert found.is_over(NOW, last_used_at=None, idle=IDLE) is over


def test_a_later_use_that_is_known_keeps_a_session_and_an_earlier_one_ends_none() -> None:
    unused = session(used=2 * IDLE)
    assert not unused.is_over(NOW, last_used_at=NOW - IDLE / 2, idle=IDLE)
    assert not session().is_over(NOW, last_used_at=NOW - 2 * IDLE, idle=IDLE)


@pytest.mark.parametrize("role", Role)
def test_each_role_says_whom_it_is_for(role: Role) -> None:
    assert role.description
    assert role.permissions
