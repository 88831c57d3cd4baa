"""Settings of the login by a provider say what is wrong with them."""

import pytest
from pydantic import ValidationError

from control.accounts.oidc.settings import OidcSettings
from shared.domain.accounts.claims import ClaimRule
from shared.domain.accounts.roles import Role

WHOLE = {
    "oidc_issuer": "https://login.example.com",
    "oidc_client_id": "voltaro",
    "oidc_client_secret": "a secret",
    "oidc_redirect_url": "https://csms.example.com/v1/oidc/callback",
    "oidc_roles": '{"a": "admin", "b": {"role": "viewer", "organization_id": "hotel"}}',
}


def test_rules_stand_in_the_order_in_which_they_are_written() -> None:
    assert OidcSettings(**WHOLE).oidc_roles == (
        ClaimRule(value="a", role=Role.ADMIN),
        ClaimRule(value="b", role=Role.VIEWER, organization_id="hotel"),
    )


def test_nothing_is_needed_where_there_is_no_provider() -> None:
    assert OidcSettings().oidc_issuer is None


@pytest.mark.parametrize(
    "missing", ["oidc_client_id", "oidc_client_secret", "oidc_redirect_url", "oidc_roles"]
)
def test_what_a_provider_needs_is_named(missing: str) -> None:
    with pytest.raises(ValidationError, match=f"VOLTARO_{missing.upper()}"):
        OidcSettings(**{name: value for name, value in WHOLE.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("oidc_issuer", "http://login.example.com"),
        ("oidc_issuer", "http://127.0.0.1.example.com"),
        ("oidc_issuer", "login.example.com"),
        ("oidc_issuer", "https://"),
        ("oidc_redirect_url", "https://csms.example.com/callback"),
        ("oidc_logged_out_url", "javascript:void"),
        ("oidc_scopes", "profile email"),
        ("oidc_roles", "admin"),
        ("oidc_roles", '["admin"]'),
        ("oidc_roles", '{"a": 7}'),
        ("oidc_roles", '{"a": "owner"}'),
        ("oidc_roles", '{"a": {"organization_id": "hotel"}}'),
        ("oidc_roles", '{"a": {"role": "admin", "organisation": "hotel"}}'),
    ],
)
def test_what_cannot_be_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        OidcSettings(**{**WHOLE, name: value})


def test_the_secret_is_not_shown() -> None:
    assert "a secret" not in repr(OidcSettings(**WHOLE))
