"""Charges that are as they should be, told as coarsely or as late as stations do: no person waits.

Beside each stands what looks alike and is not.
"""

import random
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.sessions import Reading, ReadingOf
from tests.support.session_scripts import REGISTER, sample
from tests.unit.shared.sessions.test_settlement import (
    INTERVAL,
    POWER,
    end,
    facts,
    named,
    reading,
    register,
    settled,
    words,
)


def wh(power_w: int, minutes: int) -> int:
    return power_w * minutes // 60


def aligned(power_w: int, *, until: int) -> list[Reading]:
    """Return what flowed in each quarter of an hour from a minute past a full hour on."""
    return [
        reading(
            at - 1,
            sample(str(wh(power_w, min(15, at - 1))), measurand=INTERVAL, context="Sample.Clock"),
        )
        for at in range(15, until + 2, 15)
    ]


@pytest.mark.parametrize("minutes", [298, 299, 300, 600])
def test_intervals_need_not_tell_what_flowed_after_the_last_of_them(minutes: int) -> None:
    stop = end(1000 + wh(7000, minutes), at=minutes)
    assert settled(facts(*aligned(7000, until=minutes), ends=(stop,))).reasons == set()
    half = facts(*aligned(3500, until=minutes), ends=(stop,))
    assert settled(half).reasons == {"energy_disagrees"}


@pytest.mark.parametrize("seed", range(20))
def test_phases_in_tenths_of_kwh_do_not_contradict_registers_in_wh(seed: int) -> None:
    made_up = random.Random(seed)  # noqa: S311 - no secret
    energy_wh = made_up.randint(500, 4000)
    begun = [made_up.uniform(1e5, 9e5) for _ in range(3)]

    def shown(at: int, factor: float = 1) -> Reading:
        phases = (before + factor * energy_wh / 3 * at / 60 for before in begun)
        return reading(
            at,
            *(
                sample(f"{int(phase_wh / 100) / 10:.1f}", unit="kWh", phase=f"L{number}")
                for number, phase_wh in enumerate(phases, 1)
            ),
        )

    stop = end(1000 + energy_wh)
    assert settled(facts(*map(shown, range(0, 61, 10)), ends=(stop,))).reasons == set()
    other = facts(shown(0), shown(60, 1 + 800 / energy_wh), ends=(stop,))
    assert settled(other).reasons == {"energy_disagrees"}


@pytest.mark.parametrize(("told", "reasons"), [("0.5", set()), ("0.9", {"energy_disagrees"})])
def test_intervals_in_tenths_of_kwh_are_cut_each_time(told: str, reasons: set[str]) -> None:
    shown = [reading(at, sample(told, measurand=INTERVAL, unit="kWh")) for at in range(5, 61, 5)]
    assert settled(facts(*shown, ends=(end(1000 + 12 * 590),))).reasons == reasons


@pytest.mark.parametrize(
    ("watts", "energy_wh", "reasons"),
    [
        ((11_000, 0, 0, 0, 0), 366, set()),
        ((11_000, 11_000, 0, 0, 0), 2800, set()),
        ((11_000, 11_000, 0, 0, 0), 1500, {"energy_disagrees"}),
        ((0, 11_000, 11_000, 11_000, 0), 5600, set()),
        ((11_000, 11_000, 11_000, 11_000, 11_000), 6000, {"energy_disagrees"}),
    ],
)
def test_power_does_not_say_when_it_changed_between_two_samples(
    watts: tuple[int, ...], energy_wh: int, reasons: set[str]
) -> None:
    shown = [
        reading(15 * number, sample(str(power_w), measurand=POWER))
        for number, power_w in enumerate(watts)
    ]
    assert settled(facts(*shown, ends=(end(1000 + energy_wh),))).reasons == reasons


@pytest.mark.parametrize(
    ("registers", "power_w", "expected"),
    [
        ((0, 0), 3, (0, "registers", [])),
        ((1000, 1000), 3, (0, "registers", [])),
        ((1000, 1000), 2000, (0, "registers", ["energy_disagrees"])),
        ((0, 0), 2000, (2000, "power", ["energy_estimated"])),
    ],
    ids=["from 0", "a lifetime's", "a lifetime's that stands still", "no register at all"],
)
def test_a_charge_of_nothing_has_no_energy_by_the_noise_of_its_power(
    registers: tuple[int, int], power_w: int, expected: tuple[Any, ...]
) -> None:
    shown = [reading(at, sample(str(power_w), measurand=POWER)) for at in range(0, 61, 10)]
    known = facts(*shown, ends=(end(registers[1]),), meter_start_wh=Decimal(registers[0]))
    assert words(settled(known)) == expected


@pytest.mark.parametrize(
    ("before_s", "after_s", "energy_wh"),
    [(0, 0, 4000), (0.35, 0.35, 4000), (9, 9, 4000), (0, 11, 3000), (11, 0, 3800), (11, 11, 2800)],
)
@pytest.mark.parametrize("phases", [(None,), ("L1", "L2", "L3")], ids=["total", "phases"])
def test_what_start_and_end_show_may_be_stamped_some_seconds_beside_them(
    phases: tuple[str | None, ...], before_s: float, after_s: float, energy_wh: int
) -> None:
    def shown(at: float, register_wh: int) -> Reading:
        return reading(at, *(sample(str(register_wh // len(phases)), measurand=REGISTER,
                                    **({"phase": phase} if phase else {}))
                             for phase in phases))  # fmt: skip

    known = facts(
        shown(-before_s / 60, 3000),
        shown(2, 3200), shown(57, 6000),
        shown(60 + after_s / 60, 7000),
        ends=(end(None),), meter_start_wh=None,
    )  # fmt: skip
    assert settled(known).energy_wh == pytest.approx(energy_wh, abs=3)
    assert settled(known).reasons == set()


def test_what_another_transaction_told_beside_start_and_end_is_not_taken() -> None:
    shown = [
        named(register(at, value), ReadingOf.UNKNOWN)
        for at, value in ((-0.1, 500), (2, 1200), (57, 3000), (60.1, 9000))
    ]
    known = facts(*shown, ends=(end(None),), meter_start_wh=None)
    assert settled(known).energy_wh == 1800


@pytest.mark.parametrize(
    ("first", "last", "reasons"),
    [
        (0, 60, set()),
        (0, 57, {"events_missing"}),
        (2, 60, {"events_missing"}),
        (0.1, 59.9, set()),
    ],
)
def test_what_is_missing_between_samples_at_start_and_end_does_not_matter(
    first: float, last: float, reasons: set[str]
) -> None:
    known = facts(
        register(first, 1000), register(last, 5000),
        ends=(end(None),), meter_start_wh=None, events_missing=5,
    )  # fmt: skip
    assert settled(known).reasons == reasons
    summed = facts(
        *(reading(at, sample("100", measurand=INTERVAL)) for at in (first, last)),
        ends=(end(None),), meter_start_wh=None, events_missing=5,
    )  # fmt: skip
    assert settled(summed).reasons == {"events_missing"}


@pytest.mark.parametrize(
    ("first", "last", "reasons"),
    [
        (4.4, 4.6, {"start_uncovered", "end_uncovered"}),
        (0, 4.6, {"end_uncovered"}),
        (4, 9, {"start_uncovered"}),
        (1, 8, set()),
        (2, 7, set()),
    ],
)
def test_most_of_a_short_charge_has_to_be_covered(
    first: float, last: float, reasons: set[str]
) -> None:
    known = facts(
        register(first, 1000), register(last, 1500), ends=(end(None, at=9),), meter_start_wh=None
    )
    assert settled(known).reasons == reasons


def test_what_tells_no_energy_does_not_hide_what_tells_it_without_a_transaction() -> None:
    shown = [named(register(at, 1000 + 50 * at), ReadingOf.NONE) for at in range(0, 61, 4)]
    known = facts(reading(3), *shown, ends=(end(None),), meter_start_wh=None)
    assert words(settled(known)) == (3000, "sampled_registers", [])


def test_the_digits_of_a_total_are_none_of_the_phases() -> None:
    def shown(at: int, total_kwh: int, phase_wh: int) -> Reading:
        phases = [sample(str(phase_wh), phase=f"L{number}") for number in (1, 2, 3)]
        return reading(at, sample(str(total_kwh), unit="kWh"), *phases)

    known = facts(shown(0, 1, 0), shown(60, 3, 1000), ends=(end(3000),))
    assert settled(known).reasons == {"energy_disagrees"}


def test_who_leaves_zeros_out_at_the_end_has_as_many_digits_as_it_shows_elsewhere() -> None:
    told = ["1.2", "1", "1", "1", "1", "1.1"] * 2
    shown = [
        reading(5 * number, sample(kwh, measurand=INTERVAL, unit="kWh"))
        for number, kwh in enumerate(told, 1)
    ]
    assert settled(facts(*shown, ends=(end(13_600),))).reasons == set()
    assert settled(facts(*shown, ends=(end(16_000),))).reasons == {"energy_disagrees"}
