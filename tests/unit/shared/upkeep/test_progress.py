"""How far a firmware update or a log is."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.commands import CommandState
from shared.domain.upkeep.firmware import FIRMWARE_WORDS
from shared.domain.upkeep.logs import LOG_WORDS
from shared.domain.upkeep.progress import (
    IDLE,
    Progress,
    ReportedStatus,
    TransferState,
    transfer_state,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = ("Downloading", "Downloaded", "Installing", "Installed", "DownloadFailed", IDLE)


@pytest.mark.parametrize(
    ("status", "answer", "command", "state"),
    [
        (None, None, None, TransferState.REQUESTED),
        (None, None, CommandState.QUEUED, TransferState.REQUESTED),
        (None, None, CommandState.SENT, TransferState.REQUESTED),
        (None, None, CommandState.EXPIRED, TransferState.NOT_SENT),
        (None, None, CommandState.CANCELLED, TransferState.NOT_SENT),
        (None, None, CommandState.FAILED, TransferState.REFUSED),
        (None, None, CommandState.UNKNOWN, TransferState.UNANSWERED),
        (None, None, CommandState.TIMED_OUT, TransferState.UNANSWERED),
        (None, "Accepted", CommandState.ACCEPTED, TransferState.ACCEPTED),
        (None, "AcceptedCanceled", CommandState.REJECTED, TransferState.ACCEPTED),
        (None, "InvalidCertificate", CommandState.REJECTED, TransferState.REFUSED),
        # What the station does counts for more than what became of the command.
        ("Downloading", None, CommandState.UNKNOWN, TransferState.IN_PROGRESS),
        ("InvalidSignature", "Accepted", None, TransferState.FAILED),
        ("Installed", None, None, TransferState.SUCCEEDED),
    ],
)
def test_the_state_follows_from_the_last_that_is_known(
    status: str | None, answer: str | None, command: CommandState | None, state: TransferState
) -> None:
    found = transfer_state(
        FIRMWARE_WORDS,
        status=status,
        answer_status=answer,
        command_state=command,
        ambiguous=False,
    )
    assert found is state


def test_every_word_of_the_whitepaper_has_a_meaning() -> None:
    ends = FIRMWARE_WORDS.succeeded | FIRMWARE_WORDS.failed
    assert ends == {
        "Installed", "DownloadFailed", "InstallationFailed", "InstallVerificationFailed",
        "InvalidSignature",
    }  # fmt: skip
    assert LOG_WORDS.succeeded == {"Uploaded"}
    assert not LOG_WORDS.failed & {"Uploading", "Idle", "Uploaded"}


@given(st.lists(st.sampled_from(STATUSES), max_size=12))
def test_what_is_told_again_changes_nothing(statuses: list[str]) -> None:
    told = [
        ReportedStatus(status, START + timedelta(seconds=second))
        for second, status in enumerate(statuses)
    ]
    once = Progress()
    for step in told:
        once.tell(step)
    assert all(a.status != b.status for a, b in zip(once.steps, once.steps[1:], strict=False))
    work = [status for status in statuses if status != IDLE]
    assert once.status == (work[-1] if work else None)
    # The batch is written again, on top of what it left.
    again = Progress(once.status, once.status_at)
    for step in told:
        again.tell(step)
    assert (again.status, again.status_at) == (once.status, once.status_at)
    assert {step.status for step in again.steps} <= {IDLE}


def test_every_word_has_its_place_in_the_order() -> None:
    for words in (FIRMWARE_WORDS, LOG_WORDS):
        ordered = [status for statuses in words.order for status in statuses]
        assert len(ordered) == len(set(ordered))
        assert words.succeeded | words.failed | words.beginnings <= set(ordered)
        assert all(words.rank(status) > 0 for status in words.succeeded | words.failed)


def test_what_can_be_of_another_transfer_is_no_state_until_it_is_told_with_certainty() -> None:
    progress = Progress()
    progress.tell(ReportedStatus("Downloading", START, ambiguous=True))
    progress.tell(ReportedStatus("Downloading", START + timedelta(seconds=1), ambiguous=True))
    assert (len(progress.steps), progress.ambiguous) == (1, True)
    progress.tell(ReportedStatus("Downloading", START + timedelta(seconds=2)))
    assert (len(progress.steps), progress.ambiguous) == (2, False)
    progress.tell(ReportedStatus("Downloading", START + timedelta(seconds=3), ambiguous=True))
    assert (len(progress.steps), progress.ambiguous) == (2, False)
    for ambiguous, state in ((True, TransferState.AMBIGUOUS), (False, TransferState.SUCCEEDED)):
        found = transfer_state(
            FIRMWARE_WORDS,
            status="Installed",
            answer_status="Accepted",
            command_state=None,
            ambiguous=ambiguous,
        )
        assert found is state


def test_what_came_with_the_last_word_has_been_told() -> None:
    progress = Progress()
    for status, second in (("Downloading", 0), ("Downloaded", 0), ("Installing", 1)):
        progress.tell(ReportedStatus(status, START + timedelta(seconds=second)))
    assert [step.status for step in progress.steps] == ["Downloading", "Installing"]
