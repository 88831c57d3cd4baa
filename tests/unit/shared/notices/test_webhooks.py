"""What an answer means, and how long to wait."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.notices.webhooks import Attempt, back_off_s, error_of, retry_after_s

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_only_success_counts_as_delivered(status: int) -> None:
    assert error_of(status) is None


@pytest.mark.parametrize("status", [100, 199, 300, 301, 302, 307, 308, 400, 404, 410, 429, 500])
def test_everything_else_is_an_error_that_names_its_status(status: int) -> None:
    assert str(status) in (error_of(status) or "")


def test_a_redirect_says_where_to_and_that_it_is_not_followed() -> None:
    error = error_of(302, "http://10.0.0.1/")
    assert error is not None
    assert "http://10.0.0.1/" in error
    assert "not followed" in error


def test_back_off_doubles_up_to_a_bound() -> None:
    waits = [back_off_s(n, first_s=5, longest_s=600) for n in range(1, 10)]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600]


@given(st.integers(1, 10**6))
def test_back_off_is_bounded_however_often_it_failed(failures: int) -> None:
    assert 5 <= back_off_s(failures, first_s=5, longest_s=600) <= 600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("999999", 3600),
        ("9" * 5000, 3600),
        ("Mon, 30 Nov 2026 12:01:00 GMT", 60),
        ("Mon, 30 Nov 2026 12:01:00 -0000", 60),
        ("Mon, 30 Nov 2026 11:00:00 GMT", 0),
        ("Fri, 31 Dec 2027 12:00:00 GMT", 3600),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\N{ARABIC-INDIC DIGIT FIVE}", None),
        ("", None),
    ],
)
def test_retry_after_is_read_and_bounded(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, now=NOW, longest_s=3600) == seconds


@given(st.text(max_size=40))
def test_whatever_retry_after_says_it_is_none_or_within_the_bound(header: str) -> None:
    found = retry_after_s(header, now=NOW, longest_s=3600)
    assert found is None or 0 <= found <= 3600


def test_an_attempt_is_delivered_or_has_an_error() -> None:
    assert Attempt(attempted_at=NOW, seconds=1, status=204).delivered
    assert not Attempt(attempted_at=NOW, seconds=1, error="no answer within 15 s").delivered
    assert Attempt(attempted_at=NOW, seconds=1, status=410, error="gone").gone
