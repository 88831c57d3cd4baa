"""Which role somebody has by what a provider says."""

from typing import Any

import pytest

from shared.domain.accounts.claims import ClaimRule, claim_values, matching_rule
from shared.domain.accounts.roles import Role

ADMIN = ClaimRule(value="csms-admins", role=Role.ADMIN)
DESK = ClaimRule(value="hotel-desk", role=Role.VIEWER, organization_id="hotel")


@pytest.mark.parametrize(
    ("claims", "name", "values"),
    [
        ({"groups": ["a", "b"]}, "groups", ["a", "b"]),
        ({"groups": "a"}, "groups", ["a"]),
        ({"groups": ["a", 7, None, ["b"]]}, "groups", ["a"]),
        ({"groups": {"a": True}}, "groups", []),
        ({"groups": 7}, "groups", []),
        ({}, "groups", []),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", ["a"]),
        ({"realm_access": ["roles"]}, "realm_access.roles", []),
        ({"https://example.com/roles": ["a"]}, "https://example.com/roles", ["a"]),
    ],
)
def test_a_claim_holds_words(claims: dict[str, Any], name: str, values: list[str]) -> None:
    assert claim_values(claims, name) == values


@pytest.mark.parametrize("verified", [None, False, "true", 1])
def test_an_address_that_is_not_verified_is_nobodys(verified: object) -> None:
    claims = {"email": "ada@example.com", "email_verified": verified}
    assert claim_values(claims, "email") == []
    assert claim_values({**claims, "email_verified": True}, "email") == ["ada@example.com"]


def test_the_first_rule_that_fits_counts_in_whatever_order_the_claim_is() -> None:
    for values in (["hotel-desk", "csms-admins"], ["csms-admins", "hotel-desk"]):
        assert matching_rule({"groups": values}, "groups", [ADMIN, DESK]) == ADMIN
        assert matching_rule({"groups": values}, "groups", [DESK, ADMIN]) == DESK


def test_no_rule_fits_by_a_part_of_a_word_or_in_other_letters() -> None:
    assert matching_rule({"groups": "csms-admins-of-others"}, "groups", [ADMIN]) is None
    assert matching_rule({"groups": "CSMS-Admins"}, "groups", [ADMIN]) is None
