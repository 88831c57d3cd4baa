"""What is believed of a token that a provider may have signed."""

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, OctKey, RSAKey

from control.accounts.oidc.errors import LoginFailedError, UnknownKeyError
from control.accounts.oidc.tokens import (
    Expected,
    LogoutNotice,
    read_id_token,
    read_logout_token,
)

NOW_S = 1_800_000_000
KEY = RSAKey.generate_key(2048, {"kid": "current"})
STRANGER = RSAKey.generate_key(2048, {"kid": "current"})
ELLIPTIC = ECKey.generate_key("P-256", {"kid": "elliptic"})
EXPECTED = Expected(issuer="https://login.example.com", client_id="voltaro", leeway_s=60)
CLAIMS: dict[str, Any] = {
    "iss": "https://login.example.com",
    "sub": "7f3a",
    "aud": "voltaro",
    "exp": NOW_S + 300,
    "iat": NOW_S,
    "nonce": "the-nonce",
}
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT: dict[str, Any] = {
    **{name: CLAIMS[name] for name in ("iss", "sub", "aud", "exp", "iat")},
    "events": {LOGOUT_EVENT: {}},
    "jti": "1",
}


def _keys(*keys: Key) -> KeySet:
    return KeySet(list(keys))


def _sign(claims: dict[str, Any], key: Key = KEY, algorithm: str = "RS256") -> str:
    header = {"alg": algorithm, "kid": "current"}
    if key is ELLIPTIC:
        header["kid"] = "elliptic"
    return jwt.encode(header, claims, key, algorithms=[algorithm])


def _read(token: str, keys: KeySet | None = None) -> dict[str, Any]:
    return read_id_token(
        token,
        keys or _keys(KEY),
        EXPECTED,
        nonce="the-nonce",
        access_token="an access token",
        now_s=NOW_S,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": ["voltaro"]},
        {"aud": ["voltaro", "another"], "azp": "voltaro"},
        {"azp": "voltaro"},
        {"exp": NOW_S - 59},
        {"iat": NOW_S + 59},
    ],
)
def test_a_token_for_us_is_believed(changes: dict[str, Any]) -> None:
    assert _read(_sign({**CLAIMS, **changes}))["sub"] == "7f3a"


def test_keys_of_each_kind_are_found_by_their_id() -> None:
    keys = _keys(ELLIPTIC, KEY)
    assert _read(_sign(CLAIMS, ELLIPTIC, "ES256"), keys)["sub"] == "7f3a"
    assert _read(_sign(CLAIMS, algorithm="PS256"), keys)["sub"] == "7f3a"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"iss": "https://login.example.com/"}, "iss"),
        ({"iss": "https://other.example.com"}, "iss"),
        ({"iss": ["https://login.example.com"]}, "iss"),
        ({"aud": "another"}, "aud"),
        ({"aud": ["voltaro", "another"]}, "azp"),
        ({"aud": ["voltaro", "another"], "azp": "another"}, "azp"),
        ({"azp": "another"}, "azp"),
        ({"nonce": "of another login"}, "nonce"),
        ({"exp": NOW_S - 60}, "expired"),
        ({"exp": "tomorrow"}, "exp"),
        ({"iat": NOW_S + 61}, "future"),
        ({"nbf": NOW_S + 61}, "not yet valid"),
        ({"sub": 7}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": "x" * 256}, "sub"),
        ({"sub": "7f\x003a"}, "sub"),
        ({"at_hash": "of another access token"}, "at_hash"),
        ({"at_hash": ["x"]}, "refused"),
        ({"at_hash": {"x": 1}}, "refused"),
        ({"azp": ["voltaro"]}, "azp"),
        ({"aud": []}, "aud"),
        ({"aud": [7]}, "aud"),
    ],
)
def test_a_token_that_says_something_else_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(LoginFailedError, match=said):
        _read(_sign({**CLAIMS, **changes}))


@pytest.mark.parametrize("missing", sorted(CLAIMS))
def test_a_token_that_leaves_something_out_is_refused(missing: str) -> None:
    with pytest.raises(LoginFailedError, match=missing):
        _read(_sign({name: value for name, value in CLAIMS.items() if name != missing}))


def test_another_key_under_a_known_id_is_an_unknown_one() -> None:
    with pytest.raises(UnknownKeyError):
        _read(_sign(CLAIMS, STRANGER))


def test_a_key_that_nobody_published_is_an_unknown_one() -> None:
    with pytest.raises(UnknownKeyError):
        _read(_sign(CLAIMS, ELLIPTIC, "ES256"))


def test_what_we_know_as_well_as_the_provider_proves_nothing() -> None:
    secret = OctKey.import_key("a secret that both sides know, as HMAC has it", {"kid": "current"})
    token = _sign(CLAIMS, secret, "HS256")
    with pytest.raises(LoginFailedError):
        _read(token, _keys(secret))


@pytest.mark.parametrize("token", ["", "a.b.c", "no token", "é.é.é", "." * 10, "x" * 100_000])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(LoginFailedError):
        _read(token)


def _read_logout(claims: dict[str, Any]) -> LogoutNotice:
    return read_logout_token(_sign(claims), _keys(KEY), EXPECTED, now_s=NOW_S)


def test_a_logout_token_says_whose_sessions_end() -> None:
    assert _read_logout(LOGOUT) == LogoutNotice(
        subject="7f3a", provider_session_id=None, issued_at_s=NOW_S
    )
    by_session = {**LOGOUT, "sid": "s-1"}
    del by_session["sub"]
    assert _read_logout(by_session) == LogoutNotice(
        subject=None, provider_session_id="s-1", issued_at_s=NOW_S
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"events": {}}, "events"),
        ({"events": [LOGOUT_EVENT]}, "events"),
        ({"nonce": "n"}, "nonce"),
        ({"iss": "https://other.example.com"}, "iss"),
        ({"aud": "another"}, "aud"),
        ({"iat": NOW_S - 661}, "too old"),
        ({"exp": NOW_S - 60}, "expired"),
        ({"sub": None}, "neither whose nor which"),
        ({"sid": 7}, "sid"),
        ({"sid": "s\x00"}, "sid"),
    ],
)
def test_another_logout_token_is_refused(changes: dict[str, Any], said: str) -> None:
    claims = {name: value for name, value in {**LOGOUT, **changes}.items() if value is not None}
    with pytest.raises(LoginFailedError, match=said):
        _read_logout(claims)


def test_an_id_token_logs_nobody_out() -> None:
    with pytest.raises(LoginFailedError):
        _read_logout(CLAIMS)
