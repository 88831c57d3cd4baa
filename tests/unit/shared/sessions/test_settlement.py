"""What a session is, as it follows from what is known of it."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.sessions import (
    ClosingRules,
    End,
    EndRule,
    EndSource,
    HistoryKind,
    Limits,
    Reading,
    ReadingOf,
    Review,
    ReviewDecision,
    ReviewReason,
    SessionFacts,
    Settlement,
    Shown,
    Surroundings,
    list_changes,
    settle,
)
from tests.support.session_scripts import sample

BEGIN = datetime(2026, 1, 2, 3, tzinfo=UTC)
RECEIVED = BEGIN + timedelta(seconds=1)
LIMITS, RULES = Limits(), ClosingRules()
INTERVAL, POWER = "Energy.Active.Import.Interval", "Power.Active.Import"


def minute(number: float) -> datetime:
    return BEGIN + timedelta(minutes=number)


def reading(at: float, *samples: Any) -> Reading:
    return Reading(minute(at), minute(at), list(samples))


def register(at: float, value: Any, **words: Any) -> Reading:
    return reading(at, sample(str(value), **words))


def end(meter_stop_wh: float | None = 3000, at: float = 60, **changes: Any) -> End:
    told = End(
        source=EndSource.STATION,
        ended_at=minute(at),
        meter_stop_wh=None if meter_stop_wh is None else Decimal(meter_stop_wh),
        stopped_reason="Local",
        id_token=None,
        received_at=minute(at),
    )
    return replace(told, **changes)


def facts(*readings: Reading, ends: tuple[End, ...] = (), **changes: Any) -> SessionFacts:
    known = SessionFacts(
        started_at=BEGIN,
        meter_start_wh=Decimal(1000),
        authorization_status=None,
        received_at=RECEIVED,
        heard_at=RECEIVED,
        ends=ends,
        readings=readings,
    )
    return replace(known, **changes)


def settled(known: SessionFacts, *, now: datetime = BEGIN + timedelta(hours=2)) -> Settlement:
    return settle(known, now=now, limits=LIMITS, rules=RULES)


def words(settlement: Settlement) -> tuple[Any, ...]:
    return settlement.energy_wh, settlement.energy_method, sorted(settlement.reasons)


@pytest.mark.parametrize("shuffled", range(5))
def test_the_order_of_readings_does_not_matter(shuffled: int) -> None:
    shown = [
        register(10, 1200), register(20, 1.5, unit="kWh"), register(30, 2000),
        reading(30, sample("1100", measurand=POWER)), register(30, 2000),
    ]  # fmt: skip
    expected = settled(facts(*shown, ends=(end(),)))
    random.Random(shuffled).shuffle(shown)  # noqa: S311 - no secret
    assert settled(facts(*shown, *shown, ends=(end(), end()))) == expected
    assert words(expected) == (2000, "registers", [])


@pytest.mark.parametrize(
    ("evse_id", "reasons"),
    [(None, []), (1, []), (0, ["evse_implausible"]), (-1, ["evse_implausible"])],
)
def test_the_numbers_of_evses_begin_with_1(evse_id: int | None, reasons: list[str]) -> None:
    settlement = settled(facts(ends=(end(),), evse_id=evse_id))
    assert sorted(settlement.reasons) == reasons
    assert settlement.needs_review is bool(reasons)


def test_the_last_digits_of_a_coarse_register_are_no_disagreement() -> None:
    whole = facts(register(30, 2, unit="kWh"), ends=(end(2499),), meter_start_wh=Decimal(1999))
    assert words(settled(whole)) == (500, "registers", [])
    fine = facts(register(30, "1.800", unit="kWh"), ends=(end(2499),), meter_start_wh=Decimal(1999))
    assert ReviewReason.REGISTER_DECREASED in settled(fine).reasons


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([sample("1", measurand=INTERVAL, unit="kWh")], 2000),
        ([sample("400", measurand=INTERVAL, phase=f"L{n}") for n in (1, 2, 3)], 2400),
        (
            [sample("700", measurand=INTERVAL)]
            + [sample("400", measurand=INTERVAL, phase=f"L{n}") for n in (1, 2, 3)],
            1400,
        ),
        ([sample("1", measurand=INTERVAL, multiplier=3)], 2000),
        ([sample("9", measurand=INTERVAL, location="EV"), sample("5", measurand=INTERVAL)], 10),
        ([sample("9", measurand=INTERVAL, phase="N"), sample("5", measurand=INTERVAL)], 10),
        ([sample("9", measurand=INTERVAL, unit="kvarh"), sample("5", measurand=INTERVAL)], 10),
        ([sample("AB", measurand=INTERVAL, format="SignedData"),
          sample("5", measurand=INTERVAL)], 10),
    ],
    ids=["kWh", "phases", "a total beats phases", "multiplier", "the EV's", "neutral", "reactive",
         "signed"],
)  # fmt: skip
def test_intervals_are_summed_up(samples: list[Any], expected: int) -> None:
    known = facts(reading(20, *samples), reading(40, *samples), ends=(end(None),))
    assert words(settled(replace(known, meter_start_wh=None))) == (expected, "intervals", [])


def test_clock_aligned_intervals_are_not_added_to_sampled_ones() -> None:
    shown = [reading(at, sample("500", measurand=INTERVAL)) for at in (15, 30, 45, 60)]
    aligned = [
        reading(at, sample("600", measurand=INTERVAL, context="Sample.Clock")) for at in (20, 50)
    ]
    known = facts(*shown, *aligned, ends=(end(None),), meter_start_wh=None)
    assert settled(known).energy_wh == 2000


@pytest.mark.parametrize(
    ("sampled", "aligned", "expected"),
    [((20, 40), (15, 30, 45), 1800), ((20, 40), (15, 45), 1000), ((20, 40), (30,), 1000)],
    ids=["more aligned", "as many", "more sampled"],
)
def test_of_aligned_and_sampled_intervals_the_longer_series_is_taken(
    sampled: tuple[int, ...], aligned: tuple[int, ...], expected: int
) -> None:
    shown = [reading(at, sample("500", measurand=INTERVAL)) for at in sampled]
    shown += [reading(at, sample("600", measurand=INTERVAL, context="Sample.Clock"))
              for at in aligned]  # fmt: skip
    known = facts(*shown, ends=(end(None),), meter_start_wh=None)
    assert settled(known).energy_wh == expected


def test_power_is_integrated_but_not_over_a_gap() -> None:
    shown = [
        reading(at, *(sample("2", measurand=POWER, unit="kW", phase=f"L{n}") for n in (1, 2, 3)))
        for at in (0, 20, 40, 300, 310)
    ]
    known = facts(*shown, ends=(end(None, at=310),), meter_start_wh=None)
    assert words(settled(known)) == (5000, "power", ["energy_estimated"])


def test_power_that_contradicts_the_registers_is_told() -> None:
    shown = [reading(at, sample("22000", measurand=POWER)) for at in range(0, 61, 10)]
    known = facts(*shown, ends=(end(),))
    assert words(settled(known)) == (2000, "registers", ["energy_disagrees"])
    near = [reading(at, sample("2200", measurand=POWER)) for at in range(0, 61, 10)]
    assert words(settled(facts(*near, ends=(end(),)))) == (2000, "registers", [])


def test_a_sum_that_covers_a_part_only_may_be_less() -> None:
    known = facts(reading(20, sample("300", measurand=INTERVAL)), ends=(end(),))
    assert words(settled(known)) == (2000, "registers", [])
    whole = [reading(at, sample("100", measurand=INTERVAL)) for at in (1, 30, 60)]
    assert settled(facts(*whole, ends=(end(),))).reasons == {ReviewReason.ENERGY_DISAGREES}


@pytest.mark.parametrize(
    ("first", "last", "disagrees"),
    [(3, 57, True), (4, 57, False), (3, 56, False), (10, 40, False), (1, 8, False)],
)
def test_less_energy_disagrees_only_if_nine_tenths_are_covered(
    first: int, last: int, *, disagrees: bool
) -> None:
    shown = [reading(at, sample("100", measurand=INTERVAL)) for at in {first, last}]
    reasons = settled(facts(*shown, ends=(end(),))).reasons
    assert (ReviewReason.ENERGY_DISAGREES in reasons) is disagrees


def test_values_without_a_transaction_are_asked_only_if_there_are_no_others() -> None:
    none = named(register(57, 2500), ReadingOf.NONE)
    known = facts(none, ends=(end(None),))
    assert words(settled(known)) == (1500, "sampled_registers", [])
    known = facts(none, register(20, 1800), ends=(end(None),))
    assert settled(known).energy_wh == 800


def named(shown: Reading, of: ReadingOf) -> Reading:
    return Reading(shown.sampled_at, shown.received_at, shown.samples, of)


def test_values_of_an_unknown_transaction_are_the_next_sessions_once_that_has_begun() -> None:
    shown = [
        named(register(at, value), ReadingOf.UNKNOWN) for at, value in ((20, 1800), (90, 2600))
    ]
    known = facts(*shown, ends=(end(None, at=120),))
    assert settled(known).energy_wh == 1600
    around = Surroundings(next_start_at=minute(80), next_start_received_at=minute(80))
    assert settled(replace(known, surroundings=around)).energy_wh == 800


def test_a_session_without_its_start_is_not_billed() -> None:
    known = facts(register(20, 1800), ends=(end(None),), started_at=None, meter_start_wh=None)
    assert words(settled(known)) == (None, None, ["energy_unknown", "start_missing"])


def test_the_stations_end_stands_above_an_operators_and_a_match() -> None:
    ends = [
        end(1300, source=EndSource.MATCHED), end(1200, source=EndSource.OPERATOR), end(1100),
    ]  # fmt: skip
    for last, expected in ((3, 1100), (2, 1200), (1, 1300)):
        settlement = settled(facts(ends=tuple(ends[:last])))
        assert settlement.end is not None
        assert settlement.end.meter_stop_wh == expected


def available(received: float, *, told: float | None = None) -> Surroundings:
    since = minute(received if told is None else told)
    return Surroundings(available_since=since, available_received_at=minute(received))


def around(rule: EndRule) -> Surroundings:
    match rule:
        case EndRule.NEXT_START:
            return Surroundings(next_start_at=minute(60), next_start_received_at=minute(60))
        case EndRule.STATION_REBOOTED:
            return Surroundings(booted_at=minute(60))
        case EndRule.CONNECTOR_AVAILABLE:
            return available(60)
        case EndRule.STATION_SILENT:
            return Surroundings(offline_since=minute(60))
        case EndRule.SESSION_QUIET:
            return Surroundings()


@pytest.mark.parametrize("rule", EndRule)
def test_a_rule_waits_for_its_time_and_says_when_to_look(rule: EndRule) -> None:
    known = facts(register(30, 1800), surroundings=around(rule))
    open_ = settled(known, now=minute(60))
    assert open_.end is None
    assert open_.look_at is not None
    assert settled(known, now=open_.look_at - timedelta(seconds=1)).end is None
    closed = settled(known, now=open_.look_at)
    assert closed.rule_end is not None
    assert closed.end is not None
    assert (closed.rule_end.rule, closed.end.ended_at) == (rule, minute(30))
    assert words(closed) == (800, "sampled_registers", ["end_missing"])


@pytest.mark.parametrize(
    "surroundings",
    [Surroundings(booted_at=minute(5)), available(5), available(5, told=60), available(60, told=5)],
    ids=["booted", "available", "told after", "stamped before"],
)
def test_a_session_that_has_spoken_since_goes_on(surroundings: Surroundings) -> None:
    known = facts(register(30, 1800), surroundings=surroundings)
    assert settled(known, now=minute(120)).end is None


def test_a_conclusion_stands_until_the_session_speaks_again() -> None:
    known = facts(register(30, 1800), surroundings=around(EndRule.CONNECTOR_AVAILABLE))
    concluded = settled(known, now=minute(100)).rule_end
    taken = replace(known, surroundings=Surroundings(), concluded=concluded)
    assert settled(taken, now=minute(110)).rule_end == concluded
    speaks = replace(taken, readings=(*taken.readings, register(105, 2600)))
    assert settled(speaks, now=minute(110)).end is None


def test_what_was_on_its_way_when_a_rule_concluded_is_spoken_since() -> None:
    known = facts(register(30, 1800), surroundings=around(EndRule.CONNECTOR_AVAILABLE))
    concluded = settled(known, now=minute(100)).rule_end
    on_its_way = Reading(minute(95), minute(99), [sample("2600")])
    speaks = replace(
        known,
        readings=(*known.readings, on_its_way),
        surroundings=Surroundings(),
        concluded=concluded,
    )
    assert settled(speaks, now=minute(110)).end is None


def test_what_another_session_turns_out_to_have_said_moves_a_conclusion() -> None:
    unknown = named(register(90, 2600), ReadingOf.UNKNOWN)
    known = facts(register(30, 1800), unknown, surroundings=around(EndRule.STATION_SILENT))
    concluded = settled(known, now=minute(3000)).rule_end
    assert concluded is not None
    assert concluded.ended_at == minute(90)
    begun = Surroundings(next_start_at=minute(80), next_start_received_at=minute(3001))
    later = settled(replace(known, surroundings=begun, concluded=concluded), now=minute(3001))
    assert later.end is not None
    assert (later.end.ended_at, later.energy_wh) == (minute(30), 800)


def test_a_decision_holds_while_nothing_changes_what_it_was_about() -> None:
    known = facts(ends=(end(900),), heard_at=minute(60))
    before = settled(known)
    assert before.needs_review
    review = Review(
        decision=ReviewDecision.CORRECT,
        reasons=before.reasons,
        energy_wh=Decimal(10),
        ended_at=minute(60),
        corrects_energy=True,
    )
    assert not settled(replace(known, review=review)).needs_review
    other = replace(known, review=review, ends=(end(900), end(950)))
    assert settled(other).needs_review
    void = replace(review, decision=ReviewDecision.VOID)
    assert not settled(replace(other, review=void)).needs_review
    accepted = Review(
        decision=ReviewDecision.ACCEPT,
        reasons=frozenset(),
        energy_wh=Decimal(2000),
        ended_at=minute(60),
    )
    assert settled(facts(ends=(end(),), review=accepted)).reasons == set()
    changed = settled(facts(ends=(end(2900),), review=accepted))
    assert changed.reasons == {ReviewReason.CHANGED_AFTER_REVIEW}


def test_the_history_tells_what_changed_once() -> None:
    known = facts(register(30, 1800), surroundings=around(EndRule.NEXT_START))
    closed = settled(known)
    nothing = Shown(ended_by=None, end_rule=None, reasons=frozenset())
    kinds = [kind for kind, _ in list_changes(nothing, closed)]
    assert kinds == [HistoryKind.CLOSED_BY_RULE, HistoryKind.NEEDS_REVIEW]
    shown = Shown(ended_by=EndSource.RULE, end_rule=EndRule.NEXT_START, reasons=closed.reasons)
    assert list_changes(shown, closed) == []
    real = settled(replace(known, ends=(end(),)))
    assert [kind for kind, _ in list_changes(shown, real)] == [HistoryKind.RULE_END_REPLACED]


def test_a_connector_that_is_available_from_the_end_of_time_on_is_so_since_we_know_it() -> None:
    last = Surroundings(
        available_since=datetime.max.replace(tzinfo=UTC), available_received_at=minute(60)
    )
    assert settled(facts(surroundings=last), now=minute(69)).end is None
    closed = settled(facts(surroundings=last), now=minute(70))
    assert closed.rule_end is not None
    assert closed.rule_end.rule is EndRule.CONNECTOR_AVAILABLE
