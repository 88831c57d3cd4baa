"""What roles may do."""

import pytest

from shared.domain.accounts.permissions import EVERYTHING, Permission
from shared.domain.accounts.roles import Role


def test_an_administrator_may_do_everything_and_nobody_else_may() -> None:
    assert Role.ADMIN.permissions == EVERYTHING
    assert [role for role in Role if role.permissions == EVERYTHING] == [Role.ADMIN]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_accounts_are_the_administrators_business_alone(role: Role) -> None:
    assert not any(permission.startswith("accounts:") for permission in role.permissions)


@pytest.mark.parametrize("role", Role)
def test_whoever_may_change_something_may_also_see_it(role: Role) -> None:
    changes = [each for each in role.permissions if each.endswith(":write")]
    seen = {Permission(each.replace(":write", ":read")) for each in changes}
    assert seen <= role.permissions


def test_a_viewer_changes_nothing() -> None:
    assert all(permission.endswith(":read") for permission in Role.VIEWER.permissions)


def test_a_technician_decides_neither_who_charges_nor_what_is_billed() -> None:
    assert Role.FIELD_TECHNICIAN.permissions.isdisjoint(
        {Permission.ACCESS_WRITE, Permission.SESSIONS_WRITE, Permission.TRUST_WRITE}
    )


def test_finance_touches_no_station() -> None:
    writes = {each for each in Role.FINANCE.permissions if each.endswith(":write")}
    assert writes == {Permission.SESSIONS_WRITE}
