"""What becomes of a command without an answer that can be read, and what of it is kept."""

import pytest

from shared.domain.commands import (
    ClearCache,
    Command,
    CommandState,
    Outcome,
    RemoteStart,
    asked_fields,
    command_params,
    outcome_of_malformed_answer,
    outcome_without_answer,
    parse_command,
)
from shared.domain.errors import InvalidInputError


@pytest.mark.parametrize(
    ("command", "state"),
    [(ClearCache(), CommandState.TIMED_OUT), (RemoteStart(id_token="T"), CommandState.UNKNOWN)],
)
def test_what_may_be_asked_again_has_timed_out_and_of_the_rest_nobody_knows(
    command: Command, state: CommandState
) -> None:
    assert outcome_without_answer(command, "no answer within 30 s") == Outcome(
        state=state, error_code="NoAnswer", error_description="no answer within 30 s"
    )


def test_a_command_whose_answer_cannot_be_read_may_have_been_carried_out() -> None:
    assert outcome_of_malformed_answer("it has five elements") == Outcome(
        state=CommandState.UNKNOWN,
        error_code="MalformedAnswer",
        error_description="the station's answer cannot be read: it has five elements",
    )


def test_what_is_filled_in_when_a_command_is_sent_is_kept_then_and_not_asked_for() -> None:
    assert "remote_start_id" not in asked_fields(RemoteStart)
    assert "evse_id" in asked_fields(RemoteStart)
    asked = RemoteStart(id_token="T")
    assert "remote_start_id" not in command_params(asked)
    assert command_params(asked)["evse_id"] is None
    sent = RemoteStart(id_token="T", remote_start_id=7)
    assert command_params(sent)["remote_start_id"] == 7
    assert parse_command("RemoteStart", command_params(sent)) == sent


@pytest.mark.parametrize(
    ("name", "params"), [("Reboot", {}), ("ClearCache", {"more": 1}), ("RemoteStart", {})]
)
def test_a_command_that_is_not_known_here_is_named(name: str, params: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match=f"there is no command {name} with these fields"):
        parse_command(name, params)
