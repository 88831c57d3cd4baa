"""Of which request a status is that names none: not of one that it cannot be of."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.upkeep.firmware import FIRMWARE_WORDS
from shared.domain.upkeep.logs import LOG_WORDS
from shared.domain.upkeep.progress import IDLE, Progress, Words
from shared.domain.upkeep.unnamed_progress import Transfer, find_meant

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def transfer(
    status: str | None = None,
    *,
    ago: timedelta = MINUTE,
    answered: bool = True,
    superseded: bool = False,
    ambiguous: bool = False,
    due_in: timedelta | None = None,
) -> Transfer:
    told_at = None if status is None else NOW - ago
    return Transfer(
        progress=Progress(status, told_at, ambiguous),
        answered=answered,
        superseded=superseded,
        heard_at=NOW - ago,
        due_at=None if due_in is None else NOW + due_in,
    )


def meant(status: str, *transfers: Transfer, words: Words = FIRMWARE_WORDS) -> list[int]:
    """Return the positions of the transfers that a status can be of; 0 is the newest."""
    found = find_meant(transfers, status, NOW, words)
    return [position for position, each in enumerate(transfers) if each in found]


def log(status: str, *transfers: Transfer) -> list[int]:
    return meant(status, *transfers, words=LOG_WORDS)


def at(heard: int, due: int | None = None, told: int | None = None) -> Transfer:
    """Return a transfer by the minutes at which it was heard of, is due, and told of."""
    return Transfer(
        progress=Progress(
            None if told is None else "Downloading", None if told is None else NOW + told * MINUTE
        ),
        answered=True,
        superseded=False,
        heard_at=NOW + heard * MINUTE,
        due_at=None if due is None else NOW + due * MINUTE,
    )


DAY = 24 * 60


@pytest.mark.parametrize(
    ("of", "until"),
    [
        (at(0), 60),
        (at(0, due=300), 360),
        (at(0, due=-300), 60),
        (at(0, told=5), DAY + 5),
        (at(10, told=5), DAY + 10),
        (at(10, due=3, told=5), DAY + 10),
        (at(0, due=7, told=5), DAY + 7),
        (at(0, due=3, told=5), DAY + 5),
    ],
)
def test_a_transfer_is_given_up_an_hour_before_and_a_day_after_it_has_begun(
    of: Transfer, until: int
) -> None:
    assert of.is_alive(NOW + until * MINUTE, FIRMWARE_WORDS)
    assert not of.is_alive(NOW + until * MINUTE + timedelta(seconds=1), FIRMWARE_WORDS)


def test_what_came_before_the_last_word_was_told() -> None:
    assert at(0, told=5).is_known_to_be_told(NOW + 4 * MINUTE)
    assert at(0, told=5).is_known_to_be_told(NOW + 5 * MINUTE)
    assert not at(0, told=5).is_known_to_be_told(NOW + 6 * MINUTE)
    assert not at(0).is_known_to_be_told(NOW)


@pytest.mark.parametrize(("due_in", "expected"), [(5, [0, 1]), (6, [1])])
def test_a_transfer_begins_five_minutes_early_at_most(due_in: int, expected: list[int]) -> None:
    waiting, begun = transfer(due_in=due_in * MINUTE), transfer(due_in=-MINUTE)
    assert meant("Installing", waiting, begun) == expected


def test_what_nobody_asked_for_is_of_none() -> None:
    assert meant("Downloading") == []
    assert meant("Downloading", transfer("Installed")) == []
    assert log("Uploading", transfer("Uploaded"), transfer("Uploaded")) == []


@pytest.mark.parametrize("status", ["Downloading", "Installed", "DownloadFailed", "of 2.1"])
@pytest.mark.parametrize("known", [None, "Downloading", "Installing", "DownloadFailed"])
def test_the_only_one_that_is_open_is_meant_whatever_its_status(
    status: str, known: str | None
) -> None:
    assert meant(status, transfer(known)) == [0]
    if status != "Installed":  # which is said again
        assert meant(status, transfer("Installed"), transfer(known)) == [1]


def test_one_that_succeeded_says_so_again_or_nothing() -> None:
    assert meant("Installed", transfer("Installed")) == [0]
    assert meant("Installing", transfer("Installed")) == []
    assert meant("Installed", transfer(), transfer("Installed")) == [0]


def test_two_that_have_not_begun_cannot_be_told_apart() -> None:
    assert meant("Downloading", transfer(), transfer()) == [0, 1]
    assert log("Uploading", transfer(), transfer(), transfer()) == [0, 1, 2]
    told = [transfer("Uploading", ambiguous=True), transfer("Uploading", ambiguous=True)]
    assert log("Uploaded", *told) == [0, 1]


def test_what_goes_on_is_of_the_one_that_has_begun() -> None:
    assert meant("Installed", transfer(), transfer("Installing")) == [1]
    assert log("UploadFailure", transfer(), transfer("Uploading")) == [1]
    assert log("Uploaded", transfer("Uploading"), transfer()) == [0]


def test_a_beginning_is_not_of_one_that_is_further() -> None:
    assert meant("Downloading", transfer(), transfer("Installing")) == [0]
    assert meant("Downloading", transfer(), transfer("DownloadFailed")) == [0]
    # The same once more, or the other's first word.
    assert meant("Downloading", transfer(), transfer("Downloading")) == [0, 1]


def test_what_was_answered_comes_before_what_was_not() -> None:
    assert meant("Downloading", transfer(answered=False), transfer()) == [1]
    assert meant("Installed", transfer(answered=False), transfer("Installing")) == [1]
    assert meant("Downloading", transfer(answered=False), transfer("Installed")) == [0]
    assert meant("Downloading", transfer(answered=False), transfer(answered=False)) == [0, 1]


def test_what_was_given_up_makes_nothing_doubtful() -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    assert log("Uploading", transfer(), transfer(ago=hour + MINUTE)) == [0]
    assert log("Uploading", transfer(), transfer(ago=hour - MINUTE)) == [0, 1]
    assert log("Uploaded", transfer(), transfer("Uploading", ago=day - MINUTE)) == [1]
    assert log("Uploaded", transfer(), transfer("Uploading", ago=day + MINUTE)) == [0]
    # A station may be slow all the same.
    assert log("Uploaded", transfer(ago=2 * day), transfer(ago=3 * day)) == [0]
    assert log("Uploaded", transfer("Uploaded"), transfer("Uploading", ago=3 * day)) == [0]


def test_one_that_was_canceled_for_another_says_only_that() -> None:
    canceled = transfer("Uploading", superseded=True)
    assert log("Uploaded", transfer(), canceled) == [0]
    assert log("AcceptedCanceled", transfer(), canceled) == [1]
    assert meant("Installed", transfer(), transfer("Installing", superseded=True)) == [0]


def test_what_is_not_due_has_not_begun() -> None:
    assert meant("Downloading", transfer(due_in=timedelta(hours=8)), transfer()) == [1]
    assert meant("Downloading", transfer(due_in=timedelta(minutes=4)), transfer()) == [0, 1]
    assert meant("DownloadScheduled", transfer(due_in=timedelta(hours=8)), transfer()) == [0, 1]
    assert meant("Downloading", transfer(due_in=timedelta(hours=8))) == [0]
    # An hour of silence counts from then on.
    late = transfer(ago=timedelta(hours=9), due_in=-MINUTE)
    assert meant("Downloading", transfer(), late) == [0, 1]


def test_that_a_station_is_idle_is_kept_with_the_newest() -> None:
    assert meant(IDLE, transfer(), transfer("Downloading")) == [0]
    assert meant(IDLE, transfer("Installed"), transfer()) == [0]
    assert meant(IDLE) == []
