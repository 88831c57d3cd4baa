"""The CSRF token: derived from the session, and good for it alone."""

import pytest
from starlette.requests import Request

from control.accounts import cookies
from control.accounts.secrets import digest, is_key, new_key, new_token


def request(cookie: str) -> Request:
    return Request({"type": "http", "path": "/", "headers": [(b"cookie", cookie.encode())]})


def test_a_csrf_token_is_that_of_one_session() -> None:
    first, second = new_token(), new_token()
    assert cookies.is_csrf_token(first, cookies.csrf_token(first))
    assert not cookies.is_csrf_token(first, cookies.csrf_token(second))
    assert first not in cookies.csrf_token(first)


@pytest.mark.parametrize("told", ["", "x", "\xff", "\ud800", "x" * 10_000])
def test_whatever_else_is_told_is_refused(told: str) -> None:
    assert not cookies.is_csrf_token("a-token", told)


def test_with_https_only_the_cookie_counts_that_only_https_can_set() -> None:
    both = request("voltaro_session=planted; __Host-voltaro_session=right")
    assert cookies.read_token(both, secure=True) == "right"
    assert cookies.read_token(request("voltaro_session=plain"), secure=True) is None
    assert cookies.read_token(request("voltaro_session=plain"), secure=False) == "plain"
    assert cookies.read_token(request("other=1"), secure=False) is None
    assert cookies.read_token(request(f"voltaro_session={'x' * 129}"), secure=False) is None


def test_keys_are_told_from_other_words_and_differ_in_all_but_their_start() -> None:
    (first, first_prefix), (second, second_prefix) = new_key(), new_key()
    assert is_key(first)
    assert first.startswith(f"{first_prefix}_")
    assert first_prefix != second_prefix
    assert len(first.removeprefix(f"{first_prefix}_")) == 43
    assert digest(first) != digest(second)
    assert not is_key("some-other-word")
    assert not is_key("voltaro_" + "x" * 1000)
