"""Draws composite schedules as SVG: time to the right, limits upwards, nothing but text made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import escape
from math import floor, log10

from shared.domain.charging.composite_schedules import LimitPeriod
from shared.domain.decimals import plain_digits

_WIDTH, _HEIGHT = 960, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 24, 56, 48
_MAX_TIME_TICKS = 12
_LIMIT_TICKS = 5
_TIME_STEPS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 120, 180, 360, 720, 1440))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}"
    ".title{font-size:15px;font-weight:600}"
    ".grid{stroke:#ddd}"
    ".csms{fill:none;stroke:#0b6;stroke-width:2}"
    ".station{fill:none;stroke:#c50;stroke-width:2;stroke-dasharray:6 4}"
    ".unlimited{fill:#0b6;fill-opacity:.12}"
    ".empty{fill:#777}"
)


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where times and limits stand on the page."""

    start: datetime
    end: datetime
    top: Decimal

    def x(self, time: datetime) -> str:
        part = (time - self.start) / (self.end - self.start)
        return f"{_LEFT + part * (_WIDTH - _LEFT - _RIGHT):.1f}"

    def y(self, limit: Decimal) -> str:
        part = float(limit / self.top)
        return f"{_HEIGHT - _BOTTOM - part * (_HEIGHT - _TOP - _BOTTOM):.1f}"


def draw(
    *,
    title: str,
    unit: str,
    periods: Sequence[LimitPeriod],
    station_periods: Sequence[LimitPeriod] = (),
) -> str:
    """Return an SVG document of a composite schedule.

    Args:
        title: stands above; any text.
        unit: of the limits.
        periods: what the profiles come to, without gaps, at least one.
        station_periods: what the station told, to stand beside it where the time is the same.
    """
    start, end = periods[0].start, periods[-1].end
    theirs = [period for period in station_periods if period.start < end and period.end > start]
    limits = [period.limit for period in (*periods, *theirs) if period.limit is not None]
    axes = _Axes(start, end, _round_up(max(limits, default=Decimal(0))))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{_text(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text class="title" x="{_LEFT}" y="22">{_text(title)}</text>',
        *_legend(has_station=bool(theirs)),
        *_limit_axis(axes, unit),
        *_time_axis(axes),
        *_unlimited(axes, periods),
        *_line(axes, periods, "csms"),
        *_line(axes, theirs, "station"),
        "</svg>",
    ]
    return "\n".join(parts)


def _text(value: str) -> str:
    # XML has no words for control characters, escaped or not.
    return escape("".join(c if c >= " " else "�" for c in value))


def _legend(*, has_station: bool) -> Iterator[str]:
    entries = ["csms", "station"] if has_station else ["csms"]
    words = {"csms": "from the profiles", "station": "as the station told"}
    for index, name in enumerate(entries):
        x = _LEFT + index * 200
        yield f'<path class="{name}" d="M{x},38 h28"/>'
        yield f'<text x="{x + 36}" y="42">{words[name]}</text>'


def _limit_axis(axes: _Axes, unit: str) -> Iterator[str]:
    for index in range(_LIMIT_TICKS + 1):
        limit = axes.top * index / _LIMIT_TICKS
        y = axes.y(limit)
        yield f'<path class="grid" d="M{_LEFT},{y} H{_WIDTH - _RIGHT}"/>'
        label = plain_digits(limit.normalize())
        yield f'<text x="{_LEFT - 8}" y="{y}" dy="4" text-anchor="end">{label}</text>'
    yield f'<text x="{_LEFT - 8}" y="42" text-anchor="end">{_text(unit)}</text>'


def _time_axis(axes: _Axes) -> Iterator[str]:
    duration = axes.end - axes.start
    step = next((s for s in _TIME_STEPS if duration / s <= _MAX_TIME_TICKS), _TIME_STEPS[-1])
    tick = _EPOCH + -((_EPOCH - axes.start) // step) * step
    y = _HEIGHT - _BOTTOM
    while tick <= axes.end:
        if tick >= axes.start:
            x = axes.x(tick)
            yield f'<path class="grid" d="M{x},{_TOP} V{y}"/>'
            yield f'<text x="{x}" y="{y + 18}" text-anchor="middle">{tick:%H:%M}</text>'
        tick += step
    yield f'<text x="{_LEFT}" y="{y + 36}">{axes.start:%Y-%m-%d %H:%M} UTC</text>'
    yield (
        f'<text x="{_WIDTH - _RIGHT}" y="{y + 36}" text-anchor="end">'
        f"{axes.end:%Y-%m-%d %H:%M} UTC</text>"
    )


def _unlimited(axes: _Axes, periods: Sequence[LimitPeriod]) -> Iterator[str]:
    height = _HEIGHT - _TOP - _BOTTOM
    for period in periods:
        if period.limit is None:
            x, width = axes.x(period.start), float(axes.x(period.end)) - float(axes.x(period.start))
            yield (
                f'<rect class="unlimited" x="{x}" y="{_TOP}" width="{width:.1f}" '
                f'height="{height}"/>'
            )
            yield (
                f'<text class="empty" x="{float(x) + width / 2:.1f}" y="{_TOP + 20}" '
                'text-anchor="middle">no limit</text>'
            )


def _line(axes: _Axes, periods: Sequence[LimitPeriod], name: str) -> Iterator[str]:
    """Give one path of steps, broken where nothing limits."""
    steps = []
    connected = False
    for period in periods:
        if period.limit is None:
            connected = False
            continue
        start, end = max(period.start, axes.start), min(period.end, axes.end)
        y = axes.y(period.limit)
        move = f"V{y}" if connected else f"M{axes.x(start)},{y}"
        steps.append(f"{move} H{axes.x(end)}")
        connected = True
    if steps:
        yield f'<path class="{name}" d="{" ".join(steps)}"/>'


def _round_up(limit: Decimal) -> Decimal:
    """Return 1, 2, 2.5 or 5 times a power of ten, with room above the highest limit."""
    if limit <= 0:
        return Decimal(1)
    power = Decimal(10) ** floor(log10(limit))
    return next(
        power * factor
        for factor in map(Decimal, ("1", "2", "2.5", "5", "10", "20"))
        if power * factor >= limit * Decimal("1.05")
    )
