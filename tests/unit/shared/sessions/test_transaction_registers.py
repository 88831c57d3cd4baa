"""Which registers of OCPP 2.0.1's events may be those at a session's start and end."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.sessions import TransactionEventReported, TransactionEventType
from shared.domain.sessions.facts import RankedRegister, is_certain
from shared.domain.sessions.meter_values import MeterValue, energy_import_wh
from tests.support.session_scripts import sample

AT = datetime(2026, 1, 2, 3, tzinfo=UTC)
STARTED, UPDATED, ENDED = TransactionEventType
SEQ_NO_MAX = 2**32 - 1


def meter_value(after_s: float, *samples: Any) -> MeterValue:
    told = list(samples)
    return MeterValue(AT + timedelta(seconds=after_s), told, energy_import_wh(told))


def event(
    kind: TransactionEventType, *told: MeterValue, seq_no: int = 5, reason: str = "Trigger"
) -> TransactionEventReported:
    return TransactionEventReported(
        station_id="CP-1",
        transaction_id="t-1",
        ocpp_version="2.0.1",
        event_type=kind,
        seq_no=seq_no,
        occurred_at=AT,
        trigger_reason=reason,
        meter_values=list(told),
    )


def shown(register: RankedRegister | None) -> tuple[int, bool] | None:
    return None if register is None else (int(register.energy_wh), is_certain(register.rank))


def both(reported: TransactionEventReported) -> tuple[Any, Any]:
    first, last = reported.registers()
    return shown(first), shown(last)


BEGUN = sample("100", context="Transaction.Begin")
OVER = sample("900", context="Transaction.End")
BETWEEN = sample("500")


@pytest.mark.parametrize(
    ("kind", "samples", "first", "last"),
    [
        (STARTED, [BEGUN], (100, True), None),
        (STARTED, [BETWEEN], (500, False), (500, False)),
        (UPDATED, [BEGUN, BETWEEN], (100, True), (500, False)),
        (UPDATED, [OVER], None, (900, False)),
        (ENDED, [OVER], None, (900, True)),
        (ENDED, [BETWEEN], (500, False), (500, False)),
        (ENDED, [BEGUN, BETWEEN, OVER], (100, True), (900, True)),
        (ENDED, [BEGUN], (100, True), None),
        (ENDED, [], None, None),
        (ENDED, [sample("230", measurand="Voltage")], None, None),
    ],
    ids=str,
)
def test_a_register_is_certain_by_its_context_and_that_at_the_end_by_the_event_as_well(
    kind: TransactionEventType, samples: list[Any], first: Any, last: Any
) -> None:
    assert both(event(kind, meter_value(0, *samples))) == (first, last)


def test_without_a_context_the_earliest_sample_of_an_event_may_be_the_start_and_the_latest_the_end(
) -> None:  # fmt: skip
    told = [meter_value(after_s, sample(str(wh))) for after_s, wh in ((10, 7), (-20, 9), (30, 5))]
    assert both(event(UPDATED, *told)) == ((9, False), (5, False))
    assert both(event(ENDED, *told)) == ((9, False), (5, False))


def test_what_was_taken_long_after_the_end_is_no_register_at_the_end() -> None:
    late, in_time = (
        meter_value(301, sample("7", context="Transaction.End")),
        meter_value(300, sample("6", context="Transaction.End")),
    )
    assert both(event(ENDED, late)) == (None, None)
    assert both(event(ENDED, in_time, late)) == (None, (6, True))
    assert both(event(UPDATED, meter_value(301, BETWEEN)))[1] == (500, False)
    assert both(event(ENDED, meter_value(301, BEGUN)))[0] == (100, True)


def rank(kind: TransactionEventType, seq_no: int, told: Any) -> tuple[int | None, int | None]:
    first, last = event(kind, meter_value(0, told), seq_no=seq_no).registers()
    return first and first.rank, last and last.rank


def test_what_is_certain_stands_above_what_is_not_whatever_the_sequence_numbers_are() -> None:
    certain, _ = rank(STARTED, SEQ_NO_MAX, BEGUN)
    likely, _ = rank(STARTED, 0, BETWEEN)
    assert certain is not None
    assert likely is not None
    assert certain < likely
    _, certain = rank(ENDED, SEQ_NO_MAX, OVER)
    _, likely = rank(UPDATED, SEQ_NO_MAX, BETWEEN)
    assert certain is not None
    assert likely is not None
    assert certain < likely
    assert not is_certain(likely)
    _, likely = rank(ENDED, SEQ_NO_MAX, BETWEEN)
    assert not is_certain(likely)
    assert is_certain(certain)
    assert not is_certain(None)


def test_of_uncertain_registers_the_earliest_event_has_the_start_and_the_latest_the_end() -> None:
    ranks = [rank(UPDATED, seq_no, BETWEEN) for seq_no in (0, 1, 7, SEQ_NO_MAX)]
    firsts, lasts = [first for first, _ in ranks], [last for _, last in ranks]
    assert firsts == sorted(firsts, key=lambda each: each or 0)
    assert lasts == sorted(lasts, key=lambda each: each or 0, reverse=True)
    assert len(set(firsts)) == len(set(lasts)) == 4


def test_of_certain_registers_the_earliest_event_has_it() -> None:
    assert rank(ENDED, 3, OVER) == (None, 3)
    assert rank(UPDATED, 4, BEGUN) == (4, None)


def test_the_token_of_a_stop_ends_the_authorization() -> None:
    assert event(UPDATED, reason="StopAuthorized").ends_authorization
    assert not event(UPDATED, reason="Authorized").ends_authorization


def test_a_registers_digits_are_kept() -> None:
    first, _ = event(STARTED, meter_value(0, sample("100.50"))).registers()
    assert first is not None
    assert first.energy_wh == Decimal("100.50")
    assert str(first.energy_wh) == "100.50"
