"""A station's clock may be wrong in any way: what becomes of its charges, minute by minute."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.sessions import Reading, ReadingOf
from tests.support.session_ledger import Ledger
from tests.support.session_scripts import sample
from tests.support.station_clocks import FAULTS, FIRST_WH, SECOND_WH, VERSIONS, Station
from tests.unit.shared.sessions.test_settlement import end, facts, minute, settled, words

BEGAN = datetime(2028, 2, 28, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_running_charge_is_closed_and_no_bill_is_wrong_in_silence(
    version: str, fault: str
) -> None:
    clock = FAULTS[fault]
    station = Station("CP-1", version, clock.offset, BEGAN)
    ledger = Ledger()
    ids: dict[int, str] = {}
    for passed, charge, word in station.words():
        now = BEGAN + timedelta(minutes=passed)
        # Whether a charge that goes on is closed is asked just before each next word of it.
        for settlement in ledger.settle(now).values():
            assert settlement.rule_end is None
        transaction_id = ledger.receive(word(ids.get(charge, "")), now)
        if charge:
            ids.setdefault(charge, transaction_id or f"tx-{charge}")
    settled = ledger.settle(now + timedelta(days=30))
    first, second = settled[ids[1]], settled[ids[2]]
    assert (first.energy_wh, second.energy_wh) == (FIRST_WH, SECOND_WH)
    assert (first.reasons, second.reasons) == (clock.first, clock.second)


def unnamed(stamped: float, came: float, value: int) -> Reading:
    """Return a register that names no transaction, as clock-aligned values often do."""
    return Reading(minute(stamped), minute(came), [sample(str(value))], ReadingOf.NONE)


# One charge from minute 0 to 30 by 1000 Wh, the next one from minute 31 to 60 by as much; between
# them the clock is set back by 10 or by 40 minutes. Values name no transaction.
FIRST = [unnamed(at, at, 1000 + 33 * at) for at in (5, 15, 25, 29)]
SECOND = {
    back: [unnamed(at - back, at, 2000 + 33 * (at - 31)) for at in (32, 35, 45, 55)]
    for back in (10, 40)
}


@pytest.mark.parametrize("back", SECOND)
def test_values_that_name_no_transaction_are_told_apart_by_when_they_came(back: int) -> None:
    shown = [*FIRST, *SECOND[back]]
    first = facts(*shown, ends=(end(2000, at=30),), received_at=minute(0), heard_at=minute(0))
    assert words(settled(first)) == (1000, "registers", [])
    second = facts(
        *shown,
        started_at=minute(31 - back),
        received_at=minute(31),
        heard_at=minute(31),
        meter_start_wh=Decimal(2000),
        ends=(end(3000, at=60 - back, received_at=minute(60)),),
    )
    assert words(settled(second)) == (1000, "registers", [])


def test_a_register_that_falls_in_whatever_order_is_looked_at() -> None:
    values = [(40, 1, 1800), (5, 2, 1900), (10, 3, 1200), (15, 4, 2000)]
    shown = [naming_it(unnamed(*value)) for value in values]
    known = facts(*shown, ends=(end(3000),), received_at=minute(0), heard_at=minute(0))
    assert "register_decreased" in settled(known).reasons


def test_a_register_that_jumps_while_the_clock_is_set_back_is_looked_at() -> None:
    values = [(40, 1, 1800), (41, 2, 1900), (5, 3, 9_000_000), (6, 4, 9_000_100)]
    shown = [naming_it(unnamed(*value)) for value in values]
    known = facts(*shown, ends=(end(9_000_200),), received_at=minute(0), heard_at=minute(0))
    assert {"register_decreased", "register_jumped"} <= settled(known).reasons


def naming_it(reading: Reading) -> Reading:
    return replace(reading, of=ReadingOf.SESSION)


@pytest.mark.parametrize(
    ("again", "words_of_it", "reasons"),
    [
        (300, {}, ["clock_implausible"]),
        (250, {}, []),
        (300, {"context": "Sample.Clock"}, []),
        (300, {"context": "Transaction.End"}, []),
        (300, {"phase": "L1"}, []),
    ],
    ids=["another value", "told again", "by the clock", "the last one", "of a phase"],
)
def test_an_interval_of_a_time_that_a_clock_showed_twice_is_looked_at(
    again: int, words_of_it: dict[str, str], reasons: list[str]
) -> None:
    interval = "Energy.Active.Import.Interval"
    shown = [
        Reading(minute(at), minute(at), [sample("250", measurand=interval)])
        for at in (10, 20, 30, 40, 50, 60)
    ]
    twice = Reading(minute(20), minute(80), [sample(str(again), measurand=interval, **words_of_it)])
    known = facts(*shown, twice, ends=(end(None),), meter_start_wh=None)
    assert sorted(settled(known).reasons) == reasons
