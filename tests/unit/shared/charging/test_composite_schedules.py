"""What charging profiles come to: the specifications' examples, their rules, and invariants."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.charging.charging_profiles import (
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedulePeriod,
    InstalledProfile,
)
from shared.domain.charging.composite_schedules import (
    LimitPeriod,
    Supply,
    composite_schedule,
    convert_periods,
    differences,
)
from tests.support.charging_profiles import installed, profile

MAX, DEFAULT, TX = "ChargingStationMaxProfile", "TxDefaultProfile", "TxProfile"
EXTERNAL = "ChargingStationExternalConstraints"
MIDNIGHT = datetime(2026, 3, 4, tzinfo=UTC)  # a Wednesday
HOUR = 3600


def at(hour: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hour)


def limits(
    *profiles: InstalledProfile, hours: float = 24, unit: str = "A", **words: Any
) -> list[tuple[float, float | None]]:
    """Return (hour, limit) of each period from midnight on."""
    periods = composite_schedule(
        profiles,
        **{
            "evse_id": 1,
            "start": MIDNIGHT,
            "duration_s": int(hours * HOUR),
            "unit": ChargingRateUnit(unit),
            "supply": Supply(),
            **words,
        },
    )
    return [
        ((p.start - MIDNIGHT) / timedelta(hours=1), None if p.limit is None else float(p.limit))
        for p in periods
    ]


# OCPP 1.6 §3.13.7 and 2.0.1 K §3.6: 11 kW, but 6 kW between 08:00 and 20:00.
DAILY = profile(
    DEFAULT,
    (0, 11000, 3),
    (28800, 6000, 3),
    (72000, 11000, 3),
    id=100,
    kind="Recurring",
    recurrency="Daily",
    start=datetime(2013, 1, 1, tzinfo=UTC),
    duration_s=86400,
    unit="W",
)


def test_the_daily_default_of_the_specification() -> None:
    # Without its name a period says the same as the one before, over midnight too.
    assert limits(installed(DAILY), hours=36, unit="W") == [
        (0, 11000),
        (8, 6000),
        (20, 11000),
        (32, 6000),
    ]


def test_watts_are_all_phases_and_amperes_one() -> None:
    # §7.12: current per phase = power / (line voltage * phases); never rounded up.
    assert limits(installed(DAILY), hours=20) == [(0, 15.9), (8, 8.6)]
    one_phase = installed(profile(DEFAULT, (0, 3680, 1), start=MIDNIGHT, unit="W"))
    assert limits(one_phase) == [(0, 16)]
    assert limits(installed(profile(DEFAULT, (0, 16, 1), start=MIDNIGHT)), unit="W") == [(0, 3680)]
    assert limits(installed(profile(DEFAULT, (0, 16), start=MIDNIGHT)), unit="W") == [(0, 11040)]
    supply = Supply(voltage_v=Decimal(110), number_phases=1)
    assert limits(
        installed(profile(DEFAULT, (0, 16), start=MIDNIGHT)), unit="W", supply=supply
    ) == [(0, 1760)]


def test_current_on_three_phases_is_no_more_power_than_another_profile_leaves_phases_for() -> None:
    three = installed(profile(DEFAULT, (0, 16, 3), start=MIDNIGHT))
    one = installed(profile(MAX, (0, 32, 1), id=2, start=MIDNIGHT))
    assert limits(three, one, unit="W") == [(0, 16 * 230)]


def test_the_stacked_profiles_of_the_specification() -> None:
    # 2.0.1 K §3.6.1: 2 kW from 17:00 to 20:00, not on Sundays, not on Christmas Day.
    peak = profile(
        DEFAULT, (0, 2000), id=10, level=1, kind="Recurring", recurrency="Daily",
        start=datetime(2020, 1, 9, 17, tzinfo=UTC), duration_s=3 * HOUR, unit="W",
    )  # fmt: skip
    sunday = profile(
        DEFAULT, (0, 999999), id=11, level=2, kind="Recurring", recurrency="Weekly",
        start=datetime(2020, 1, 5, tzinfo=UTC), duration_s=86400, unit="W",
    )  # fmt: skip
    christmas = profile(
        DEFAULT, (0, 999999), id=12, level=3, start=datetime(2020, 12, 25, tzinfo=UTC),
        duration_s=86400, unit="W",
        valid_from=datetime(2020, 12, 20, tzinfo=UTC), valid_to=datetime(2021, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    everything = [installed(each) for each in (peak, sunday, christmas)]

    def on(day: datetime) -> list[Decimal | None]:
        periods = composite_schedule(
            everything,
            evse_id=1,
            start=day,
            duration_s=86400,
            unit=ChargingRateUnit.WATT,
            supply=Supply(),
        )
        return [period.limit for period in periods]

    assert on(datetime(2020, 12, 22, tzinfo=UTC)) == [None, 2000, None]  # a Tuesday
    assert on(datetime(2020, 12, 25, tzinfo=UTC)) == [999999]
    assert on(datetime(2020, 12, 27, tzinfo=UTC)) == [999999]  # a Sunday
    assert on(datetime(2021, 12, 25, tzinfo=UTC)) == [None, 2000, None]  # not valid any more


def test_the_lowest_of_the_purposes_counts_and_a_tx_profile_stands_in_for_the_default() -> None:
    # 2.0.1 K §3.5, figures 99 and 100.
    base = [
        installed(profile(MAX, (0, 32), id=1, start=MIDNIGHT)),
        installed(profile(DEFAULT, (0, 20), id=2, level=1, start=MIDNIGHT)),
        installed(profile(DEFAULT, (0, 10), id=3, level=2, start=MIDNIGHT)),
        installed(profile(EXTERNAL, (0, 25), id=4, level=1, start=MIDNIGHT)),
    ]
    assert limits(*base) == [(0, 10)]
    tx = installed(profile(TX, (0, 28), id=5, level=1, start=MIDNIGHT), evse_id=1)
    assert limits(*base, tx) == [(0, 25)]
    assert limits(*base, installed(tx.profile, evse_id=2)) == [(0, 10)]


def test_a_tx_profile_that_has_run_out_gives_the_default_back() -> None:
    default = installed(profile(DEFAULT, (0, 10), id=2, start=MIDNIGHT))
    tx = installed(profile(TX, (0, 28), id=5, kind="Relative", duration_s=HOUR), evse_id=1)
    assert limits(default, tx) == [(0, 28), (1, 10)]
    assert limits(default, tx, charging_since=at(-0.5)) == [(0, 28), (0.5, 10)]


def test_without_a_transaction_a_relative_schedule_begins_now() -> None:
    relative = installed(
        profile(DEFAULT, (0, 6), (HOUR, 16), (2 * HOUR, 32), kind="Relative"), evse_id=1
    )
    assert limits(relative) == [(0, 6), (1, 16), (2, 32)]
    assert limits(relative, charging_since=at(-1.5)) == [(0, 16), (0.5, 32)]


def test_an_absolute_schedule_without_a_start_is_relative() -> None:
    absolute = installed(profile(DEFAULT, (0, 6), (HOUR, 16)), evse_id=1)  # 1.6 §7.13
    assert limits(absolute, charging_since=at(-0.5)) == [(0, 6), (0.5, 16)]


def test_nothing_limits_where_no_schedule_is() -> None:
    assert limits() == [(0, None)]
    future = installed(profile(DEFAULT, (0, 6), start=at(3), duration_s=2 * HOUR))
    assert limits(future) == [(0, None), (3, 6), (5, None)]


def test_a_higher_level_without_duration_never_falls_back() -> None:
    low = installed(profile(DEFAULT, (0, 6), id=1, level=0, start=MIDNIGHT))
    high = installed(profile(DEFAULT, (0, 16), id=2, level=1, start=at(2)))
    assert limits(low, high) == [(0, 6), (2, 16)]


def test_a_profile_counts_while_it_is_valid() -> None:
    low = installed(profile(DEFAULT, (0, 6), id=1, level=0, start=MIDNIGHT))
    high = installed(
        profile(DEFAULT, (0, 16), id=2, level=1, start=MIDNIGHT, valid_from=at(1), valid_to=at(2))
    )  # K01.FR.36, K01.FR.37
    assert limits(low, high) == [(0, 6), (1, 16), (2, 6)]


def test_periods_past_the_duration_are_not_executed() -> None:
    # 1.6 §5.16.4 and K01.FR.11; a longer duration keeps the last limit.
    short = installed(profile(DEFAULT, (0, 6), (2 * HOUR, 16), start=MIDNIGHT, duration_s=HOUR))
    assert limits(short) == [(0, 6), (1, None)]
    long = installed(profile(DEFAULT, (0, 6), (HOUR, 16), start=MIDNIGHT, duration_s=5 * HOUR))
    assert limits(long) == [(0, 6), (1, 16), (5, None)]


def test_what_is_longer_than_its_recurrence_is_not_executed() -> None:
    # errata 3.44
    days = 3 * 86400
    long = installed(
        profile(
            DEFAULT, (0, 6), (12 * HOUR, 16), (30 * HOUR, 32), kind="Recurring",
            recurrency="Daily", start=at(-48), duration_s=days,
        )
    )  # fmt: skip
    assert limits(long, hours=48) == [(0, 6), (12, 16), (24, 6), (36, 16)]


def test_a_recurrence_limits_nothing_before_it_begins() -> None:
    later = installed(
        profile(DEFAULT, (0, 6), kind="Recurring", recurrency="Daily", start=at(30))
    )  # K01.FR.30
    assert limits(later, hours=36) == [(0, None), (30, 6)]


def test_a_default_of_one_evse_replaces_that_of_the_station_at_its_level() -> None:
    # 1.6 §3.13.1
    everywhere = installed(profile(DEFAULT, (0, 6), id=1, start=MIDNIGHT))
    here = installed(profile(DEFAULT, (0, 16), id=2, start=MIDNIGHT, duration_s=HOUR), evse_id=1)
    assert limits(everywhere, here) == [(0, 16), (1, None)]
    assert limits(everywhere, here, evse_id=2) == [(0, 6)]
    above = installed(profile(DEFAULT, (0, 10), id=3, level=1, start=at(12)))
    assert limits(everywhere, here, above) == [(0, 16), (1, None), (12, 10)]


def test_the_station_itself_has_the_limits_that_no_transaction_has() -> None:
    maximum = installed(profile(MAX, (0, 63), id=1, start=MIDNIGHT))
    default = installed(profile(DEFAULT, (0, 6), id=2, start=MIDNIGHT))
    assert limits(maximum, default, evse_id=0) == [(0, 63)]


def test_a_period_tells_whose_limit_it_is_and_its_phases() -> None:
    (period,) = composite_schedule(
        [
            installed(profile(MAX, (0, 32), id=7, start=MIDNIGHT)),
            installed(profile(DEFAULT, (0, 16, 1), id=8, start=MIDNIGHT)),
        ],
        evse_id=1,
        start=MIDNIGHT,
        duration_s=60,
        unit=ChargingRateUnit.AMPERE,
        supply=Supply(),
    )
    assert (period.charging_profile_id, period.number_phases) == (8, 1)


def test_what_a_station_told_is_converted_and_compared() -> None:
    told = convert_periods(
        (
            ChargingSchedulePeriod(start_period_s=0, limit=Decimal(11040)),
            ChargingSchedulePeriod(start_period_s=HOUR, limit=Decimal(3680), number_phases=1),
            ChargingSchedulePeriod(start_period_s=5 * HOUR, limit=Decimal(1)),
        ),
        start=MIDNIGHT,
        duration_s=4 * HOUR,
        unit=ChargingRateUnit.WATT,
        into=ChargingRateUnit.AMPERE,
        supply=Supply(),
    )
    assert [(p.start, p.end, p.limit) for p in told] == [
        (at(0), at(1), 16),
        (at(1), at(4), 16),
    ]
    ours = [
        LimitPeriod(start=at(0), end=at(2), limit=Decimal(16)),
        LimitPeriod(start=at(2), end=at(9), limit=None),
    ]
    (difference,) = differences(ours, told)
    assert (difference.start, difference.end) == (at(2), at(4))
    assert (difference.limit, difference.other_limit) == (None, 16)


@pytest.mark.parametrize(
    ("unit", "into", "number_phases", "limit"),
    [
        ("A", "A", None, 10), ("W", "W", None, 10), ("A", "W", None, 6900), ("A", "W", 1, 2300),
        ("W", "A", 1, Decimal("0.0")),
    ],
)  # fmt: skip
def test_a_told_limit_is_converted_by_the_phases_that_it_tells(
    unit: str, into: str, number_phases: int | None, limit: Decimal | int
) -> None:
    told = ChargingSchedulePeriod(start_period_s=0, limit=Decimal(10), number_phases=number_phases)
    (period,) = convert_periods(
        [told],
        start=MIDNIGHT,
        duration_s=HOUR,
        unit=ChargingRateUnit(unit),
        into=ChargingRateUnit(into),
        supply=Supply(),
    )
    assert (period.limit, period.number_phases) == (limit, number_phases)


def test_a_told_period_that_begins_when_the_schedule_ends_is_none_of_it() -> None:
    told = [
        ChargingSchedulePeriod(start_period_s=start, limit=Decimal(start)) for start in (0, HOUR)
    ]
    words: dict[str, Any] = {
        "start": MIDNIGHT,
        "unit": ChargingRateUnit.AMPERE,
        "into": ChargingRateUnit.AMPERE,
        "supply": Supply(),
    }
    assert len(convert_periods(told, duration_s=HOUR, **words)) == 1
    assert len(convert_periods(told, duration_s=HOUR + 1, **words)) == 2
    assert convert_periods(told[1:], duration_s=HOUR, **words) == []


def limited(*steps: tuple[float, int | None]) -> list[LimitPeriod]:
    """Return a schedule that ends after four hours, by the hour that each limit begins at."""
    ends = [at(hour) for hour, _ in steps[1:]] + [at(4)]
    return [
        LimitPeriod(start=at(hour), end=end, limit=None if limit is None else Decimal(limit))
        for (hour, limit), end in zip(steps, ends, strict=True)
    ]


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (limited((0, 16)), limited((0, 16)), []),
        (limited((0, 16)), limited((0, 10)), [(0, 4, 16, 10)]),
        (limited((0, 16), (1, 16), (2, 16)), limited((0, 10)), [(0, 4, 16, 10)]),
        (limited((0, 16)), limited((0, 10), (1, 10)), [(0, 4, 16, 10)]),
        (limited((0, 16), (1, 20)), limited((0, 10)), [(0, 1, 16, 10), (1, 4, 20, 10)]),
        (limited((0, 16)), limited((0, 10), (1, 12)), [(0, 1, 16, 10), (1, 4, 16, 12)]),
        (limited((0, 16)), limited((0, 10), (1, 16), (2, 10)), [(0, 1, 16, 10), (2, 4, 16, 10)]),
        (limited((0, 16), (1, 10), (2, 16)), limited((0, 10)), [(0, 1, 16, 10), (2, 4, 16, 10)]),
        (limited((0, None)), limited((2, 10)), [(2, 4, None, 10)]),
        (limited((0, 16), (1, 20)), limited((0, 10), (1, 12)), [(0, 1, 16, 10), (1, 4, 20, 12)]),
    ],
)
def test_limits_differ_from_when_to_when_and_by_what(
    ours: list[LimitPeriod], theirs: list[LimitPeriod], expected: list[Any]
) -> None:
    found = [
        ((each.start - MIDNIGHT) / timedelta(hours=1), (each.end - MIDNIGHT) / timedelta(hours=1),
         each.limit, each.other_limit)
        for each in differences(ours, theirs)
    ]  # fmt: skip
    assert found == expected


# Invariants

rates = st.integers(0, 9999).map(lambda tenths: Decimal(tenths) / 10)
hours = st.integers(0, 30).map(lambda h: h * HOUR)


@st.composite
def profiles(draw: st.DrawFn) -> InstalledProfile:
    purpose = draw(st.sampled_from(list(ChargingProfilePurpose)))
    starts = sorted({0, *draw(st.lists(hours, max_size=3))})
    kind = draw(st.sampled_from(["Absolute", "Recurring", "Relative"]))
    recurring = kind == "Recurring"
    anchor = MIDNIGHT + timedelta(hours=draw(st.integers(-200, 30)))
    return installed(
        profile(
            purpose,
            *((start, draw(rates), draw(st.sampled_from([None, 1, 3]))) for start in starts),
            id=draw(st.integers(1, 999)),
            level=draw(st.integers(0, 2)),
            kind=kind,
            recurrency=draw(st.sampled_from(["Daily", "Weekly"])) if recurring else None,
            start=None if kind == "Relative" else anchor,
            duration_s=draw(st.none() | hours.map(lambda s: s + 1)),
            unit=draw(st.sampled_from(["A", "W"])),
            valid_from=draw(st.none() | st.just(at(2))),
            valid_to=draw(st.none() | st.just(at(20))),
        ),
        evse_id=0 if purpose is ChargingProfilePurpose.CHARGING_STATION_MAX_PROFILE else 1,
    )


def compute(of: Sequence[InstalledProfile], unit: ChargingRateUnit) -> list[LimitPeriod]:
    return composite_schedule(
        of, evse_id=1, start=MIDNIGHT, duration_s=86400, unit=unit, supply=Supply()
    )


def limit_at(periods: Sequence[LimitPeriod], time: datetime) -> Decimal | None:
    (found,) = [p.limit for p in periods if p.start <= time < p.end]
    return found


@given(st.lists(profiles(), max_size=6), st.sampled_from(list(ChargingRateUnit)))
def test_a_schedule_has_no_gaps_and_one_decimal(
    of: list[InstalledProfile], unit: ChargingRateUnit
) -> None:
    periods = compute(of, unit)
    assert periods[0].start == MIDNIGHT
    assert periods[-1].end == at(24)
    for earlier, later in itertools.pairwise(periods):
        assert earlier.end == later.start
        assert (earlier.limit, earlier.number_phases, earlier.charging_profile_id) != (
            later.limit, later.number_phases, later.charging_profile_id
        )  # fmt: skip
    for period in periods:
        assert period.start < period.end
        assert period.limit is None or period.limit.as_tuple().exponent == -1


@given(
    st.lists(profiles(), max_size=6),
    st.sampled_from(["ChargingStationMaxProfile", "ChargingStationExternalConstraints"]),
    st.sampled_from(list(ChargingRateUnit)),
)
def test_no_limit_is_above_that_of_a_purpose_that_always_counts(
    of: list[InstalledProfile], purpose: str, unit: ChargingRateUnit
) -> None:
    # K08.FR.04, 1.6 §3.13.3
    alone = compute([each for each in of if each.profile.purpose == purpose], unit)
    together = compute(of, unit)
    for time in {p.start for p in alone} | {p.start for p in together}:
        cap, limit = limit_at(alone, time), limit_at(together, time)
        if cap is not None:
            assert limit is not None
            assert limit <= cap


@given(st.lists(profiles(), max_size=6), rates, st.sampled_from(list(ChargingRateUnit)))
def test_the_highest_level_leads(
    of: list[InstalledProfile], rate: Decimal, unit: ChargingRateUnit
) -> None:
    # K01.FR.17: one above all others, always valid, decides its purpose alone.
    top = installed(profile(TX, (0, rate), id=1000, level=9, start=at(-1), unit=unit), evse_id=1)
    others = [each for each in of if each.profile.purpose not in {TX, DEFAULT}]
    assert compute([*of, top], unit) == compute([*others, top], unit)


@given(
    st.lists(
        profiles(),
        max_size=6,
        unique_by=lambda i: (i.profile.purpose, i.profile.stack_level, i.evse_id),
    ),
    st.randoms(),
)
def test_the_order_of_profiles_does_not_matter(of: list[InstalledProfile], random: Any) -> None:
    shuffled = random.sample(of, len(of))
    assert compute(shuffled, ChargingRateUnit.AMPERE) == compute(of, ChargingRateUnit.AMPERE)


@pytest.mark.parametrize("unit", list(ChargingRateUnit))
def test_limits_of_any_tenth_stay_exact(unit: ChargingRateUnit) -> None:
    for tenths in range(1000):
        rate = Decimal(tenths) / 10
        (period,) = compute([installed(profile(MAX, (0, rate), start=MIDNIGHT, unit=unit))], unit)
        assert period.limit == rate
