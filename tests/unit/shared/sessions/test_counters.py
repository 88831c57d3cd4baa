"""Samples that stand beside the time they were taken at, and those of another counter."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.sessions import (
    ClosingRules,
    End,
    EndSource,
    Limits,
    Reading,
    ReviewReason,
    SessionFacts,
    Settlement,
    settle,
)
from shared.domain.stations.quirks import QuirkKind
from tests.support.session_scripts import sample

STARTED = datetime(2026, 1, 2, 3, tzinfo=UTC)
INTERVAL, POWER = "Energy.Active.Import.Interval", "Power.Active.Import"
BEGIN, BREAK, TO_END = "Transaction.Begin", "Interruption.Begin", "Transaction.End"
STEPS = ((10, 660), (20, 1320), (30, 1980), (40, 2640), (50, 3300))


def minute(number: float) -> datetime:
    return STARTED + timedelta(minutes=number)


def reading(at: float, *samples: Any) -> Reading:
    return Reading(minute(at), minute(at), list(samples))


def register(at: float, value: Any, **words: Any) -> Reading:
    return reading(at, sample(str(value), **words))


def end(meter_stop_wh: int | None) -> End:
    return End(
        source=EndSource.STATION,
        ended_at=minute(60),
        meter_stop_wh=None if meter_stop_wh is None else Decimal(meter_stop_wh),
        stopped_reason="Local",
        id_token=None,
        received_at=minute(60),
    )


def settled(known: SessionFacts) -> Settlement:
    return settle(known, now=minute(120), limits=Limits(), rules=ClosingRules())


def words(settlement: Settlement) -> tuple[Any, ...]:
    return settlement.energy_wh, settlement.energy_method, sorted(settlement.reasons)


def charge(*readings: Reading, start: int = 0, wh: int | None = 4000) -> SessionFacts:
    """Return a charge of an hour that begins at a register, and ends higher by so much."""
    stop = None if wh is None else start + wh
    return SessionFacts(
        started_at=STARTED,
        meter_start_wh=Decimal(start),
        authorization_status=None,
        received_at=minute(0),
        heard_at=minute(0),
        ends=(end(stop),),
        readings=readings,
    )


def sampled(start: int = 0, **words: Any) -> list[Reading]:
    return [register(at, start + wh, **words) for at, wh in STEPS]


def quirks(settlement: Settlement) -> list[str]:
    return sorted(settlement.quirks)


HONEST = (4000, "registers", [])


@pytest.mark.parametrize("context", [BEGIN, BREAK])
@pytest.mark.parametrize("start", [0, 100_000])
@pytest.mark.parametrize(
    "tell",
    [
        lambda start, context: [
            reading(at, sample(str(start + wh)), sample(str(start), context=context))
            for at, wh in STEPS
        ],
        lambda start, context: [
            reading(at, sample(str(start), context=context), sample(str(start + wh)))
            for at, wh in STEPS[:1]
        ],
        lambda start, context: [
            *sampled(start), *(register(at + 0.02, start, context=context) for at, _ in STEPS)
        ],
        lambda start, context: [
            reading(
                at,
                sample(str(Decimal(start + wh) / 1000), unit="kWh"),
                sample(str(Decimal(start) / 1000), unit="kWh", context=context),
            )
            for at, wh in STEPS
        ],
    ],
    ids=["in every reading", "once", "in readings of their own", "in kWh"],
)  # fmt: skip
def test_what_was_shown_at_the_begin_is_no_register_of_later(
    tell: Any, start: int, context: str
) -> None:
    settlement = settled(charge(*tell(start, context), start=start))
    assert words(settlement) == HONEST
    assert quirks(settlement) == ["begin_repeated"]
    assert settlement.estimates[1].energy_wh == (3300 if len(tell(start, context)) > 1 else 660)


def test_a_begin_that_is_told_at_the_begin_is_no_quirk() -> None:
    told = [register(at, 100_000, context=BEGIN) for at in (0, 0.05)]
    settlement = settled(charge(*told, *sampled(100_000), start=100_000))
    assert (words(settlement), quirks(settlement)) == (HONEST, [])


def test_the_register_of_an_interruption_stands_once_at_its_time() -> None:
    told = [
        register(25, 101_500, context=BREAK),
        *(
            reading(at, sample(str(100_000 + wh)), sample("101500", context=BREAK))
            for at, wh in STEPS[2:]
        ),
    ]
    settlement = settled(charge(*told, start=100_000))
    assert (words(settlement), quirks(settlement)) == (HONEST, ["begin_repeated"])


@pytest.mark.parametrize("context", [BEGIN, BREAK, TO_END, "Other"])
def test_a_make_that_gives_one_context_to_all_has_registers_like_any_other(context: str) -> None:
    shown = sampled(100_000, context=context)
    settlement = settled(charge(*shown, start=100_000))
    assert (words(settlement), quirks(settlement)) == (HONEST, [])
    assert settlement.estimates[1].energy_wh == 3300
    reset = [*shown[:3], register(40, 20, context=context), register(50, 700, context=context)]
    assert settled(charge(*reset, start=100_000)).needs_review


def test_a_register_that_falls_is_no_begin_because_it_is_called_one() -> None:
    for context in (BEGIN, BREAK):
        odd = register(35, 50_000, context=context)
        settlement = settled(charge(*sampled(100_000), odd, start=100_000))
        assert settlement.needs_review
        higher = register(35, 150_000, context=context)
        assert settled(charge(*sampled(100_000), higher, start=100_000)).needs_review


def test_a_begin_beside_a_start_that_was_not_read_yet_is_the_first_register() -> None:
    told = [
        reading(at, sample(str(100_000 + wh)), sample("100000", context=BEGIN)) for at, wh in STEPS
    ]
    known = replace(charge(*told, start=0), ends=(end(104_000),))
    assert words(settled(known)) == (3300, "sampled_registers", ["placeholder_register"])


def test_a_begin_of_another_register_than_the_start_is_looked_at() -> None:
    told = [
        reading(at, sample(str(100_000 + wh)), sample("100500", context=BEGIN)) for at, wh in STEPS
    ]
    assert settled(charge(*told, start=100_000)).reasons == {ReviewReason.REGISTER_JUMPED}


@pytest.mark.parametrize("start", [0, 100_000])
def test_registers_of_phases_at_the_begin_are_no_later_ones_either(start: int) -> None:
    told = []
    for at, wh in ((0, 0), *STEPS, (59, 3990)):
        now = [sample(str(start + wh // 3), phase=f"L{n}") for n in (1, 2, 3)]
        begin = [sample(str(start), phase=f"L{n}", context=BEGIN) for n in (1, 2, 3)]
        told.append(reading(at, *now, *begin))
    told.append(
        reading(59.5, *(sample(str(start), phase=f"L{n}", context=BEGIN) for n in (1, 2, 3)))
    )
    known = replace(charge(*told), meter_start_wh=None, ends=(end(None),))
    settlement = settled(known)
    assert (settlement.energy_wh, settlement.energy_method) == (3990, "phase_registers")
    assert quirks(settlement) == ["begin_repeated"]


@pytest.mark.parametrize(
    ("measurand", "value", "begin", "expected"),
    [(INTERVAL, "660", "999", (3300, "intervals")), (POWER, "3960", "9000", (2640, "power"))],
)
def test_intervals_and_power_of_the_begin_are_not_added_up(
    measurand: str, value: str, begin: str, expected: tuple[int, str]
) -> None:
    told = [
        reading(
            at,
            sample(value, measurand=measurand),
            sample(begin, measurand=measurand, context=BEGIN),
        )
        for at, _ in STEPS
    ]
    known = replace(charge(*told), meter_start_wh=None, ends=(end(None),))
    settlement = settled(known)
    assert (settlement.energy_wh, settlement.energy_method) == expected
    assert quirks(settlement) == ["begin_repeated"]


# --- samples of another counter


@pytest.mark.parametrize(
    "shown",
    [
        sampled(0),
        [register(at, Decimal(wh) / 1000, unit="kWh") for at, wh in STEPS],
        [register(at, wh // 1000, unit="kWh") for at, wh in STEPS],
        [register(0, 0), register(1, 0), *sampled(0)],
        [register(0, 0, context=BEGIN), *sampled(0), register(60, 4000, context=TO_END)],
        [register(0, 100_000, context=BEGIN), *sampled(0), register(60, 104_000, context=TO_END)],
        [reading(at, sample(str(wh)), sample("0", context=BEGIN)) for at, wh in STEPS],
        [reading(at, sample(str(wh)), sample("100000", context=BEGIN)) for at, wh in STEPS],
        [*sampled(0), register(45, 102_970, context="Sample.Clock")],
        [register(50, 3300)],
    ],
    ids=["in Wh", "in kWh", "in whole kWh", "zeros first", "begin and end as well",
         "begin and end of the lifetime", "the begin repeated", "the lifetime's begin repeated",
         "clock-aligned ones of the lifetime", "a single one"],
)  # fmt: skip
def test_samples_that_count_from_0_confirm_what_a_lifetime_register_tells(
    shown: list[Reading],
) -> None:
    settlement = settled(charge(*shown, start=100_000))
    assert words(settlement) == HONEST
    assert "other_counter" in quirks(settlement)
    assert settlement.estimates[1].energy_wh <= 4000


def test_without_samples_no_more_flows_than_twice_as_fast_as_with_them() -> None:
    """3298 Wh in 50 minutes beyond their last digits: twice that is 1319 Wh in ten, and 52 more."""
    assert not settled(charge(*sampled(0), start=100_000, wh=4671)).needs_review
    assert settled(charge(*sampled(0), start=100_000, wh=4672)).needs_review


def test_an_interruption_of_samples_that_count_from_0_may_be_told_again() -> None:
    told = [
        reading(at, sample(str(wh)), *([sample("1500", context=BREAK)] if at > 30 else []))
        for at, wh in STEPS
    ]
    settlement = settled(charge(*told, start=100_000))
    assert words(settlement) == HONEST
    assert quirks(settlement) == ["begin_repeated", "other_counter"]


def test_samples_of_another_meter_are_none_of_the_register() -> None:
    car = [register(at, 5, context=BEGIN, location="EV") for at, _ in STEPS]
    assert words(settled(charge(*sampled(100_000), *car, start=100_000))) == HONEST


def test_without_a_register_at_the_start_nothing_confirms_samples_that_fall() -> None:
    falling = [register(10, 5000), register(20, 10), register(30, 600)]
    known = replace(charge(*falling), meter_start_wh=None)
    assert ReviewReason.REGISTER_DECREASED in settled(known).reasons


def test_samples_that_count_from_0_may_pass_the_start() -> None:
    settlement = settled(charge(*sampled(0), start=1000))
    assert (words(settlement), quirks(settlement)) == (HONEST, ["other_counter"])


def test_nothing_flowed_and_the_samples_stay_at_0() -> None:
    shown = [register(at, 0) for at, _ in STEPS]
    settlement = settled(charge(*shown, start=100_000, wh=0))
    assert (words(settlement), quirks(settlement)) == ((0, "registers", []), ["other_counter"])


@pytest.mark.parametrize(
    ("shown", "wh"),
    [
        ([register(at, 0) for at, _ in STEPS], 4000),
        ([*sampled(0)[:3], register(40, 10), register(50, 700)], 4000),
        (sampled(0), 3000),
        (sampled(0), 40_000),
        ([register(at, Decimal(wh) / 1000) for at, wh in STEPS], 4000),
        (sampled(50_000), 4000),
        ([register(10, 1980), register(20, 1320), register(30, 660)], 4000),
        (sampled(0), None),
        ([register(20, 0), register(30, 101_800)], 4000),
    ],
    ids=["always 0", "they begin anew", "they rose more", "they rose much less",
         "in another unit than they say", "from another point", "they fall",
         "no register at the end", "a zero before the lifetime's"],
)  # fmt: skip
def test_samples_that_do_not_rise_with_the_register_are_looked_at(
    shown: list[Reading], wh: int | None
) -> None:
    settlement = settled(charge(*shown, start=100_000, wh=wh))
    assert settlement.needs_review
    assert QuirkKind.OTHER_COUNTER not in settlement.quirks


def test_a_lifetime_register_that_wrapped_is_looked_at() -> None:
    known = replace(charge(*sampled(0), start=9_999_000), ends=(end(3000),))
    assert ReviewReason.METER_STOP_BELOW_START in settled(known).reasons


def test_samples_of_the_lifetime_confirm_a_start_and_an_end_that_count_from_0() -> None:
    settlement = settled(charge(*sampled(7_000_000)))
    assert (words(settlement), quirks(settlement)) == (HONEST, ["other_counter"])
    assert [each.energy_wh for each in settlement.estimates] == [4000, 2640]


@pytest.mark.parametrize(
    ("shown", "stop_wh", "energy_wh"),
    [
        (sampled(7_000_000), 7_004_000, 2640),
        (sampled(7_000_000), 2000, 2640),
        (sampled(7_000_000), 40_000, 2640),
        (sampled(7_000_000)[:1], 4000, None),
        ([*sampled(7_000_000)[:4], register(50, 20)], 4000, None),
    ],
    ids=["the end is of the lifetime", "they rose more", "they rose much less", "a single one",
         "they fall"],
)  # fmt: skip
def test_a_start_at_0_that_the_samples_do_not_confirm_is_looked_at(
    shown: list[Reading], stop_wh: int, energy_wh: int | None
) -> None:
    settlement = settled(replace(charge(*shown), ends=(end(stop_wh),)))
    assert settlement.needs_review
    assert settlement.energy_wh == energy_wh or energy_wh is None
    assert QuirkKind.OTHER_COUNTER not in settlement.quirks


def test_a_start_that_is_not_0_is_of_no_counter_that_begins_with_the_charge() -> None:
    settlement = settled(charge(*sampled(7_000_000), start=1000))
    assert settlement.needs_review
    assert quirks(settlement) == []


# --- an end a little below its start


@pytest.mark.parametrize("fall", [1, 52])
def test_an_end_a_little_below_its_start_is_the_same_register(fall: int) -> None:
    settlement = settled(charge(start=1000, wh=-fall))
    assert (words(settlement), settlement.needs_review) == ((0, "registers", []), False)
    assert settlement.estimates[0].energy_wh == -fall
    shown = register(59, 1000 - fall)
    assert words(settled(charge(shown, start=1000, wh=None))) == (0, "sampled_registers", [])


def test_an_end_further_below_its_start_is_looked_at() -> None:
    assert words(settled(charge(start=1000, wh=-53))) == (
        None, None, ["energy_unknown", "meter_stop_below_start"],
    )  # fmt: skip


def test_intervals_are_not_taken_for_a_register_that_fell_a_little() -> None:
    shown = [reading(at, sample("500", measurand=INTERVAL)) for at in (15, 30, 45, 60)]
    settlement = settled(charge(*shown, start=1000, wh=-1))
    assert words(settlement) == (0, "registers", ["energy_disagrees"])


def test_the_order_of_readings_does_not_matter_to_what_was_understood() -> None:
    told = [reading(at, sample(str(wh)), sample("0", context=BEGIN)) for at, wh in STEPS]
    expected = settled(charge(*told, start=100_000))
    assert settled(charge(*reversed(told), start=100_000)) == expected
