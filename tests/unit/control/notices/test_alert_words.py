"""What people read of alerts."""

from datetime import UTC, datetime
from string import Template
from zoneinfo import ZoneInfo

import pytest

from control.notices.alert_words import duration, size, time, zone
from control.notices.templates import Html, fill, joined


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59.6, "1 minute"),
        (900, "15 minutes"),
        (3661, "1 hour 1 minute"),
        (90_061, "1 day 1 hour"),
        (172_800, "2 days"),
        (-5, "0 seconds"),
    ],
)
def test_a_duration_is_told_in_two_units_at_most(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("size_bytes", "words"), [(0, "0 bytes"), (1500, "1.5 kB"), (2 * 10**12, "2.0 TB")]
)
def test_a_size_has_a_unit(size_bytes: float, words: str) -> None:
    assert size(size_bytes) == words


def test_a_time_is_by_the_clock_of_the_place_and_names_it() -> None:
    at = datetime(2026, 7, 1, 3, 5, tzinfo=UTC)
    assert time(at, zone("Europe/Berlin")) == "2026-07-01 05:05 CEST"
    assert time(at, UTC) == "2026-07-01 03:05 UTC"


def test_the_first_zone_that_is_known_counts() -> None:
    assert zone(None, "Europe/Berlin") == ZoneInfo("Europe/Berlin")
    assert zone("Gone/Away", "Asia/Tokyo") == ZoneInfo("Asia/Tokyo")
    assert zone(None, None) is UTC


def test_whatever_is_put_into_html_is_escaped_but_html_of_ours() -> None:
    template = Template("<b title='$quoted'>$text</b>$more")
    inner = fill(Template("<i>$text</i>"), text="a & b")
    filled = fill(template, quoted="it's", text="<script>", more=joined([inner, inner]))
    assert filled == ("<b title='it&#x27;s'>&lt;script&gt;</b><i>a &amp; b</i><i>a &amp; b</i>")
    assert isinstance(filled, Html)
    with pytest.raises(KeyError):
        fill(template, text="alone")
