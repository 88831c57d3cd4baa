"""Transactions that share an id are told apart by their starts."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.commands import RemoteStart, command_params, remote_start_id_of
from shared.domain.sessions.transaction_ids import (
    KnownTransaction,
    find_meant,
    find_started,
    id_beside_ours,
    id_of_start,
    told_transaction_id,
)

BEGIN = datetime(2026, 1, 2, 3, tzinfo=UTC)


def minute(number: float) -> datetime:
    return BEGIN + timedelta(minutes=number)


FIRST, SECOND = KnownTransaction("7", minute(0)), KnownTransaction("7 #b", minute(120))
UNTOLD = KnownTransaction("7 #c", None)


@pytest.mark.parametrize(
    ("at", "meant"), [(-10, FIRST), (0, FIRST), (119, FIRST), (120, SECOND), (999, SECOND)]
)
def test_something_belongs_to_the_latest_that_had_begun(at: float, meant: KnownTransaction) -> None:
    assert find_meant([FIRST, SECOND], minute(at)) == meant
    assert find_meant([SECOND, FIRST], minute(at)) == meant


def test_what_is_older_than_every_known_start_belongs_to_the_one_that_was_never_told() -> None:
    assert find_meant([FIRST, UNTOLD], minute(-10)) == UNTOLD
    assert find_meant([UNTOLD, FIRST], minute(10)) == FIRST


@pytest.mark.parametrize(
    ("known", "at", "found"),
    [
        ([FIRST, SECOND], 120, SECOND),
        ([FIRST, SECOND], 0.5, FIRST),
        ([FIRST, SECOND], 1, FIRST),
        ([FIRST, SECOND], 1.1, None),
        ([FIRST, SECOND], 60, None),
        ([FIRST, UNTOLD], 60, UNTOLD),
        ([UNTOLD, FIRST], 0, FIRST),
        ([], 0, None),
    ],
)
def test_a_start_is_one_that_is_known_or_of_the_transaction_without_one(
    known: list[KnownTransaction], at: float, found: KnownTransaction | None
) -> None:
    assert find_started(known, minute(at)) == found


@pytest.mark.parametrize("told", ["7", "a-b*c", "", "1 2"])
def test_a_station_gets_the_id_that_it_knows(told: str) -> None:
    assert told_transaction_id(told) == told
    assert told_transaction_id(id_beside_ours(told)) == told
    assert told_transaction_id(id_of_start(id_beside_ours(told), minute(0))) == told


def test_a_remote_start_is_found_by_a_number_that_follows_from_its_command() -> None:
    number = remote_start_id_of("0197278e-7e02-7d1c-a6d5-5a3ff00df00d")
    assert number == 0x700DF00D
    assert "remote_start_id" not in command_params(RemoteStart(id_token="T"))
