"""The API's commands are the domain's."""

from dataclasses import fields
from typing import get_args

import pytest
from pydantic import TypeAdapter

from control.api.commands.schemas import EXAMPLES, AnyCommandRequest, CommandRequest
from shared.domain.commands import COMMANDS, RemoteStop, asked_fields, command_params

ADAPTER: TypeAdapter[CommandRequest] = TypeAdapter(AnyCommandRequest)
REQUESTS = {request.__name__: request for request in get_args(get_args(AnyCommandRequest)[0])}
COMMON_FIELDS = CommandRequest.model_fields.keys()


def test_every_command_can_be_asked_for() -> None:
    assert REQUESTS.keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_request_has_the_fields_of_its_command_and_the_same_defaults(name: str) -> None:
    request, command = REQUESTS[name], COMMANDS[name]
    own = request.model_fields.keys() - COMMON_FIELDS
    if command is RemoteStop:
        own -= {"session_id"}  # resolved by the API
    assert own == set(asked_fields(command))
    if command is not RemoteStop:
        for field in (each for each in fields(command) if each.name in own):
            required = request.model_fields[field.name].is_required()
            assert required == (field.default is field.default_factory)
            if not required:
                assert request.model_fields[field.name].default == field.default


@pytest.mark.parametrize("name", COMMANDS)
def test_a_request_becomes_its_command(name: str) -> None:
    example = EXAMPLES[name]
    if name == "RemoteStop":
        example = {"transaction_id": "1042"}
    command = ADAPTER.validate_python({"type": name, **example}).to_command()
    assert type(command) is COMMANDS[name]
    params = command_params(command)
    for field, value in example.items():
        if field in params:
            assert params[field] == (tuple(value) if isinstance(value, list) else value)
