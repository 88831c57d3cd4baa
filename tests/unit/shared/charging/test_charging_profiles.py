"""Charging profiles: what may be sent, and rates that keep their digits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.charging.charging_profiles import (
    ChargingProfile,
    ChargingSchedulePeriod,
    RecurrencyKind,
    check_profile,
    one_decimal,
    parse_document,
    parse_start_document,
    to_document,
    to_rate,
)
from shared.domain.errors import InvalidInputError
from tests.support.charging_profiles import profile

MAX, DEFAULT, TX = "ChargingStationMaxProfile", "TxDefaultProfile", "TxProfile"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("of", "evse_id"),
    [
        (profile(MAX, (0, 32), start=NOON), 0),
        (profile(DEFAULT, (0, 16), (60, 8.1), start=NOON), 0),
        (profile(DEFAULT, (0, 16), kind="Relative"), 1),
        (profile(DEFAULT, (0, 16), kind="Recurring", recurrency="Daily", start=NOON), 1),
        (profile(TX, (0, 16), kind="Relative", transaction_id="7"), 1),
        (profile(TX, (0, 16), start=NOON, valid_from=NOON), 2),  # errata 3.65
    ],
)
def test_a_profile_may_be_sent(of: ChargingProfile, evse_id: int) -> None:
    assert check_profile(of, evse_id=evse_id) is of


@pytest.mark.parametrize(
    ("of", "evse_id", "message"),
    [
        (profile("ChargingStationExternalConstraints", (0, 1), start=NOON), 0, "not ours to set"),
        (profile(MAX, (0, 32), start=NOON), 1, "set it for evse_id 0"),
        (profile(MAX, (0, 32), kind="Relative"), 0, "cannot be Relative"),
        (profile(TX, (0, 16), kind="Relative"), 0, "of one transaction"),
        (profile(DEFAULT, (0, 16), kind="Relative", transaction_id="7"), 1, "only a TxProfile"),
        (profile(DEFAULT, (0, 16), kind="Recurring", start=NOON), 1, "recurrency_kind"),
        (profile(DEFAULT, (0, 16), recurrency="Daily", start=NOON), 1, "recurrency_kind"),
        (profile(DEFAULT, (0, 16), kind="Relative", start=NOON), 1, "leave start_schedule out"),
        (profile(DEFAULT, (0, 16)), 1, "needs a start_schedule"),
        (profile(DEFAULT, (0, 1), start=NOON, valid_from=NOON, valid_to=NOON), 1, "later than"),
        (profile(DEFAULT, (5, 16), start=NOON), 1, "start_period_s 0"),
        (profile(DEFAULT, start=NOON), 1, "start_period_s 0"),
        (profile(DEFAULT, (0, 16), (60, 8), (60, 9), start=NOON), 1, "in the order"),
    ],
)
def test_a_profile_may_not_be_sent(of: ChargingProfile, evse_id: int, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        check_profile(of, evse_id=evse_id)


@pytest.mark.parametrize(
    ("number_phases", "phase_to_use", "may"),
    [(1, 2, True), (1, None, True), (3, None, True), (None, 2, False), (2, 2, False)],
)
def test_a_phase_is_chosen_only_for_a_charge_on_one(
    number_phases: int | None, phase_to_use: int | None, *, may: bool
) -> None:
    plain = profile(DEFAULT, (0, 16), kind="Relative")
    period = ChargingSchedulePeriod(
        start_period_s=0,
        limit=Decimal(16),
        number_phases=number_phases,
        phase_to_use=phase_to_use,
    )
    of = replace(plain, charging_schedule=replace(plain.charging_schedule, periods=(period,)))
    if may:
        assert check_profile(of, evse_id=1) is of
    else:
        with pytest.raises(InvalidInputError, match="needs number_phases 1"):
            check_profile(of, evse_id=1)


def test_a_remote_start_has_a_tx_profile_without_transaction() -> None:
    of = profile(TX, (0, 16), kind="Relative")
    assert parse_start_document(to_document(of)) == of
    with pytest.raises(InvalidInputError, match="no id yet"):
        parse_start_document(to_document(profile(TX, (0, 16), start=NOON, transaction_id="7")))
    with pytest.raises(InvalidInputError, match="with a TxProfile"):
        parse_start_document(to_document(profile(DEFAULT, (0, 16), start=NOON)))


@given(st.integers(0, 10**11))
def test_a_rate_keeps_its_digits_on_every_way_it_takes(tenths: int) -> None:
    rate = Decimal(tenths) / 10
    of = profile(DEFAULT, (0, rate), kind="Relative")
    # As text, which is how the store has it; as a number of JSON, which is how a command has it.
    for document in (to_document(of), with_numbers(to_document(of))):
        read = parse_document(msgspec.json.decode(msgspec.json.encode(document)))
        limit = one_decimal(read.charging_schedule.periods[0].limit)
        assert limit == rate
        assert limit.as_tuple().exponent == -1


def with_numbers(document: dict[str, Any]) -> dict[str, Any]:
    for period in document["charging_schedule"]["periods"]:
        period["limit"] = float(period["limit"])
    return document


def test_everything_that_a_profile_says_stands_in_its_document_and_comes_back() -> None:
    document = {
        "charging_profile_id": 7,
        "stack_level": 2,
        "purpose": "TxProfile",
        "kind": "Recurring",
        "recurrency_kind": "Daily",
        "valid_from": "2026-03-04T12:00:00+00:00",
        "valid_to": "2026-03-05T12:00:00+00:00",
        "transaction_id": "42",
        "charging_schedule": {
            "charging_rate_unit": "A",
            "start_schedule": "2026-03-04T13:00:00+00:00",
            "duration_s": 3600,
            "min_charging_rate": "6.0",
            "periods": [
                {"start_period_s": 0, "limit": "16.0", "number_phases": 1, "phase_to_use": 2},
                {"start_period_s": 60, "limit": "8.1"},
            ],
        },
    }
    read = parse_document(document)
    assert to_document(read) == document
    schedule = read.charging_schedule
    assert read.recurrency_kind is RecurrencyKind.DAILY
    assert read.valid_to == NOON + timedelta(days=1)
    assert schedule.start_schedule == NOON + timedelta(hours=1)
    assert (schedule.duration_s, schedule.min_charging_rate) == (3600, Decimal("6.0"))


def test_times_are_kept_in_utc() -> None:
    of = profile(TX, (0, 16), start=NOON, valid_from=NOON)
    document = to_document(of)
    document["valid_from"] = "2026-03-04T14:00:00+02:00"
    assert to_document(parse_document(document)) == to_document(of)
    read = parse_document(document)
    assert read.valid_from is not None
    assert (read.valid_from.tzinfo, read.valid_to) == (UTC, None)


@pytest.mark.parametrize("value", [8.15, "8.100000001", "0.05", "1e40"])
def test_a_rate_of_more_decimals_is_not_rounded_in_silence(value: float | str) -> None:
    with pytest.raises(InvalidInputError, match="at most one decimal"):
        one_decimal(to_rate(value))


@pytest.mark.parametrize("value", ["x", None, "NaN", float("inf"), {}])
def test_what_is_no_number_is_no_rate(value: Any) -> None:
    with pytest.raises(InvalidInputError, match="no charging rate"):
        to_rate(value)


@pytest.mark.parametrize(
    "document", [{}, {"charging_schedule": None}, to_document(profile(TX, (0, 1))) | {"kind": "X"}]
)
def test_what_is_no_profile_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(
        InvalidInputError, match=r"no charging profile: (Key|Attribute|Value)Error: "
    ):
        parse_document(document)
