"""Composite schedules as SVG: well-formed, inert, and true to what they draw."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from control.charging.schedule_drawing import draw
from shared.domain.charging.composite_schedules import LimitPeriod

MIDNIGHT = datetime(2026, 3, 4, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"


def period(start: float, end: float, limit: str | None) -> LimitPeriod:
    return LimitPeriod(
        start=MIDNIGHT + timedelta(hours=start),
        end=MIDNIGHT + timedelta(hours=end),
        limit=None if limit is None else Decimal(limit),
    )


def parsed(**words: Any) -> ET.Element:
    drawing = draw(**{"title": "t", "unit": "A", "periods": [period(0, 24, "16.0")], **words})
    return ET.fromstring(drawing)  # noqa: S314 - our own


def steps(root: ET.Element, name: str) -> list[tuple[str, float]]:
    """Return (command, last coordinate) of each step of a line."""
    (path,) = [
        path
        for path in root.iter(f"{SVG}path")
        if path.get("class") == name and "h28" not in path.get("d", "")  # of the legend
    ]
    found = re.findall(r"([MVH])([\d.,]+)", path.get("d", ""))
    return [(command, float(value.split(",")[-1])) for command, value in found]


def texts(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def test_a_line_steps_where_the_limit_changes() -> None:
    root = parsed(periods=[period(0, 12, "10"), period(12, 24, "20.0")])
    line = steps(root, "csms")
    assert [command for command, _ in line] == ["M", "H", "V", "H"]
    assert line[1][1] < line[3][1]  # to the right
    assert line[0][1] > line[2][1]  # and up, which is less y
    # 20 of 25 is twice as high as 10.
    bottom = 360 - 48
    assert round((bottom - line[2][1]) / (bottom - line[0][1]), 2) == 2


def test_a_line_is_broken_where_nothing_limits() -> None:
    root = parsed(periods=[period(0, 8, "10"), period(8, 9, None), period(9, 24, "10")])
    assert [command for command, _ in steps(root, "csms")] == ["M", "H", "M", "H"]
    assert "no limit" in texts(root)


def test_what_the_station_told_is_cut_to_the_same_time() -> None:
    told = [period(-5, 2, "7"), period(2, 99, "8")]
    root = parsed(station_periods=told)
    line = steps(root, "station")
    assert [value for command, value in line if command == "H"][-1] == 960 - 24
    assert "as the station told" in texts(root)
    elsewhere = parsed(station_periods=[period(30, 40, "7")])
    assert "as the station told" not in texts(elsewhere)


def test_axes_are_labelled_with_round_numbers_and_times_of_day() -> None:
    words = texts(parsed(periods=[period(0, 24, "8.1")]))
    assert {"0", "2", "4", "6", "8", "10", "A"} <= set(words)
    assert {"00:00", "06:00", "18:00", "2026-03-04 00:00 UTC", "2026-03-05 00:00 UTC"} <= set(words)


def test_no_limits_at_all_and_limits_of_nothing_can_be_drawn() -> None:
    parsed(periods=[period(0, 1, None)])
    parsed(periods=[period(0, 1, "0.0")])


@given(st.text())
def test_a_title_is_text_whatever_it_says(title: str) -> None:
    # A surrogate that stands alone is no text; ids with one are refused long before.
    title = title.encode(errors="ignore").decode()
    root = parsed(title=f"<script>{title}</script>&\x00")
    assert not list(root.iter(f"{SVG}script"))


@given(st.decimals(0, 10**11, places=1), st.integers(1, 604_800))
def test_any_limit_and_duration_can_be_drawn(limit: Decimal, duration_s: int) -> None:
    drawn = LimitPeriod(start=MIDNIGHT, end=MIDNIGHT + timedelta(seconds=duration_s), limit=limit)
    root = parsed(periods=[drawn])
    assert len(list(root.iter())) < 60
