"""How much of a session its energy covers, and what other methods may say beside it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.sessions import Limits
from shared.domain.sessions.coverage import methods_disagree, reasons_of_coverage
from shared.domain.sessions.energy import EnergyEstimate, EnergyMethod

BEGIN = datetime(2026, 1, 2, 3, tzinfo=UTC)
WHOLE = timedelta(minutes=100)
LIMITS = Limits()
REGISTERS, SAMPLED = EnergyMethod.REGISTERS, EnergyMethod.SAMPLED_REGISTERS
PHASES, INTERVALS = EnergyMethod.PHASE_REGISTERS, EnergyMethod.INTERVALS
POWER = EnergyMethod.POWER


def minute(number: float) -> datetime:
    return BEGIN + timedelta(minutes=number)


def estimate(
    method: EnergyMethod, wh: float, first: float = 0, last: float = 100, step: float = 0
) -> EnergyEstimate:
    return EnergyEstimate(method, Decimal(wh), minute(first), minute(last), timedelta(minutes=step))


@pytest.mark.parametrize("method", [SAMPLED, PHASES, INTERVALS, POWER])
@pytest.mark.parametrize(
    ("first", "last", "step", "reasons"),
    [
        (0, 100, 0, set()),
        (5, 95, 0, set()),
        (5.1, 95, 0, {"start_uncovered"}),
        (5, 94.9, 0, {"end_uncovered"}),
        (20, 80, 15, set()),
        (20.1, 79.9, 15, {"start_uncovered", "end_uncovered"}),
    ],
)
def test_five_minutes_and_a_step_may_be_uncovered_at_either_end(
    method: EnergyMethod, first: float, last: float, step: float, reasons: set[str]
) -> None:
    best = estimate(method, 1000, first, last, step)
    told = reasons_of_coverage(
        best,
        started_at=minute(0),
        ended_at=minute(100),
        whole=WHOLE,
        events_missing=0,
        limits=LIMITS,
    )
    assert told == reasons


def test_what_was_not_told_or_does_not_matter_is_not_uncovered() -> None:
    best = estimate(SAMPLED, 1000, 50, 51)
    ends = (None, minute(100)), (minute(0), None), (None, None)
    told = [
        reasons_of_coverage(
            best,
            started_at=started_at,
            ended_at=ended_at,
            whole=WHOLE,
            events_missing=0,
            limits=LIMITS,
        )
        for started_at, ended_at in ends
    ]
    assert told == [{"end_uncovered"}, {"start_uncovered"}, set()]


@pytest.mark.parametrize(
    ("method", "missing", "reasons"),
    [(SAMPLED, 0, set()), (SAMPLED, 1, {"events_missing"}), (REGISTERS, 7, set())],
)
def test_events_that_are_missing_matter_unless_the_registers_of_start_and_end_are_there(
    method: EnergyMethod, missing: int, reasons: set[str]
) -> None:
    told = reasons_of_coverage(
        estimate(method, 1000, 1, 99),
        started_at=minute(0),
        ended_at=minute(100),
        whole=WHOLE,
        events_missing=missing,
        limits=LIMITS,
    )
    assert told == reasons


@pytest.mark.parametrize(
    ("first_s", "last_s", "reasons"),
    [(10, 5990, set()), (11, 5990, {"events_missing"}), (10, 5989, {"events_missing"})],
)
def test_registers_read_within_ten_seconds_of_start_and_end_are_those_of_start_and_end(
    first_s: int, last_s: int, reasons: set[str]
) -> None:
    told = reasons_of_coverage(
        estimate(SAMPLED, 1000, first_s / 60, last_s / 60),
        started_at=minute(0),
        ended_at=minute(100),
        whole=WHOLE,
        events_missing=2,
        limits=LIMITS,
    )
    assert told == reasons


@pytest.mark.parametrize(("whole", "reasons"), [(9, set()), (8.9, {"start_uncovered"})])
def test_a_third_of_a_short_session_may_be_uncovered_at_either_end(
    whole: float, reasons: set[str]
) -> None:
    told = reasons_of_coverage(
        estimate(SAMPLED, 1000, 3, whole),
        started_at=minute(0),
        ended_at=minute(whole),
        whole=timedelta(minutes=whole),
        events_missing=0,
        limits=LIMITS,
    )
    assert told == reasons


def test_registers_of_start_and_end_cover_all_whenever_they_were_read() -> None:
    told = reasons_of_coverage(
        estimate(REGISTERS, 1000, 40, 60),
        started_at=minute(0),
        ended_at=minute(100),
        whole=WHOLE,
        events_missing=0,
        limits=LIMITS,
    )
    assert told == set()


# Two hundredths of 10 kWh, or a fourth where power was sampled, and twice 50 Wh.
@pytest.mark.parametrize(("method", "most"), [(PHASES, 300), (INTERVALS, 300), (POWER, 2600)])
@pytest.mark.parametrize("sign", [1, -1])
def test_another_method_may_differ_by_its_part_and_the_tolerance_of_two_readings(
    method: EnergyMethod, most: int, sign: int
) -> None:
    best = estimate(REGISTERS, 10_000)
    for by_wh, disagrees in ((most, False), (most + 1, True)):
        other = estimate(method, 10_000 + sign * by_wh)
        assert methods_disagree(best, [best, other], WHOLE, LIMITS) is disagrees


@pytest.mark.parametrize(
    ("first", "last", "less", "disagrees"),
    [(10, 100, 9000, True), (10.1, 100, 9000, False), (0, 90, 9000, True), (50, 51, 11_000, True)],
)
def test_less_disagrees_if_nine_tenths_are_covered_and_more_at_any_time(
    first: float, last: float, less: int, *, disagrees: bool
) -> None:
    best, other = estimate(REGISTERS, 10_000), estimate(PHASES, less, first, last)
    assert methods_disagree(best, [best, other], WHOLE, LIMITS) is disagrees


def test_registers_do_not_disagree_with_each_other_here() -> None:
    best, other = estimate(REGISTERS, 10_000), estimate(SAMPLED, 90_000)
    phases = estimate(PHASES, 90_000)
    assert not methods_disagree(best, [best, other], WHOLE, LIMITS)
    assert methods_disagree(best, [best, other, phases], WHOLE, LIMITS)
