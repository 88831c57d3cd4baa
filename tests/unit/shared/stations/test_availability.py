"""Uptime, worked out from history."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidInputError
from shared.domain.stations.availability import (
    Period,
    StatusChange,
    Uptime,
    measure_uptime,
    parse_month,
)
from shared.domain.stations.stations import ConnectorStatus

START = datetime(2026, 11, 1, tzinfo=UTC)
HOURS = 100
PERIOD = Period(START, START + timedelta(hours=HOURS))


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def span(start: float, end: float) -> Period:
    return Period(at(start), at(end))


def change(hour: float, status: ConnectorStatus) -> StatusChange:
    return StatusChange(at(hour), status)


def measure(
    *,
    connected: tuple[Period, ...] = (span(-10, 200),),
    statuses: tuple[StatusChange, ...] = (change(-5, ConnectorStatus.AVAILABLE),),
    station: tuple[StatusChange, ...] = (),
    maintenance: tuple[Period, ...] = (),
) -> Uptime:
    return measure_uptime(
        PERIOD,
        connected=connected,
        statuses=statuses,
        station_statuses=station,
        maintenance=maintenance,
    )


def hours(duration: timedelta) -> float:
    return duration / timedelta(hours=1)


def test_a_connector_that_was_there_all_the_time_has_all_its_uptime() -> None:
    uptime = measure()
    assert hours(uptime.measured) == hours(uptime.available) == HOURS
    assert uptime.percent == 100


def test_every_kind_of_outage_is_told_apart_and_occupied_is_available() -> None:
    uptime = measure(
        connected=(span(-1, 10), span(20, 100)),
        statuses=(
            change(-5, ConnectorStatus.AVAILABLE),
            change(5, ConnectorStatus.OCCUPIED),
            change(15, ConnectorStatus.FAULTED),  # 5 h of it offline
            change(30, ConnectorStatus.RESERVED),
            change(40, ConnectorStatus.UNAVAILABLE),
            change(45, ConnectorStatus.AVAILABLE),
        ),
    )
    assert hours(uptime.offline) == 10
    assert hours(uptime.faulted) == 10
    assert hours(uptime.unavailable) == 5
    assert hours(uptime.outage) == 25
    assert uptime.percent == 75


def test_planned_maintenance_leaves_out_what_of_it_was_an_outage() -> None:
    uptime = measure(
        connected=(span(-1, 10), span(20, 100)),
        maintenance=(span(5, 12), span(11, 15)),  # 5 h of it the connector was there
    )
    assert hours(uptime.offline) == 10
    assert hours(uptime.excluded) == 5
    assert uptime.percent == 95


def test_the_station_itself_may_be_faulted_or_unavailable() -> None:
    uptime = measure(
        station=(
            change(10, ConnectorStatus.UNAVAILABLE),
            change(20, ConnectorStatus.FAULTED),
            change(25, ConnectorStatus.AVAILABLE),
        )
    )
    assert (hours(uptime.unavailable), hours(uptime.faulted)) == (10, 5)


def test_what_was_before_a_connector_was_first_heard_of_is_not_measured() -> None:
    uptime = measure(connected=(span(90, 200),), statuses=(change(95, ConnectorStatus.FAULTED),))
    assert hours(uptime.measured) == hours(uptime.faulted) == 5
    assert uptime.percent == 0


@pytest.mark.parametrize("statuses", [(), (change(101, ConnectorStatus.AVAILABLE),)])
def test_a_connector_that_nobody_knew_has_no_uptime(statuses: tuple[StatusChange, ...]) -> None:
    uptime = measure(statuses=statuses)
    assert not uptime.measured
    assert uptime.percent is None


_hour = st.integers(-20, 120)
_spans = st.lists(st.tuples(_hour, _hour), max_size=6)
_changes = st.lists(st.tuples(_hour, st.sampled_from(ConnectorStatus)), max_size=8)


@given(_spans, _changes, _changes, _spans)
def test_it_is_what_looking_at_every_single_hour_finds(
    connected: list[tuple[int, int]],
    statuses: list[tuple[int, ConnectorStatus]],
    station: list[tuple[int, ConnectorStatus]],
    maintenance: list[tuple[int, int]],
) -> None:
    statuses.sort(key=lambda each: each[0])
    station.sort(key=lambda each: each[0])
    uptime = measure(
        connected=tuple(span(*each) for each in connected),
        statuses=tuple(change(*each) for each in statuses),
        station=tuple(change(*each) for each in station),
        maintenance=tuple(span(*each) for each in maintenance),
    )
    counted = dict.fromkeys(("available", "offline", "faulted", "unavailable", "excluded"), 0)
    for hour in range(HOURS):
        told = [status for since, status in statuses if since <= hour]
        if not told:
            continue
        own = {told[-1], *[status for since, status in station if since <= hour][-1:]}
        if not any(start <= hour < end for start, end in connected):
            word = "offline"
        elif ConnectorStatus.FAULTED in own:
            word = "faulted"
        elif ConnectorStatus.UNAVAILABLE in own:
            word = "unavailable"
        else:
            word = "available"
        counted[word] += 1
        planned = any(start <= hour < end for start, end in maintenance)
        counted["excluded"] += planned and word != "available"
    assert {word: hours(getattr(uptime, word)) for word in counted} == counted
    assert uptime.measured == uptime.available + uptime.outage


def test_a_month_is_one_of_utc() -> None:
    assert parse_month("2026-12") == Period(
        datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    )
    assert parse_month("2028-02").end == datetime(2028, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "9999-12", "", "2026-11-01", "x"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="2026-11"):
        parse_month(text)
