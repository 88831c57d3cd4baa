"""Commands in the words of the API: one request per command of the domain, and the record."""

from typing import Annotated, Any

from pydantic import Field

from control.api.schemas.commands import core
from control.api.schemas.commands.core import RemoteStop
from control.api.schemas.commands.record import Command
from control.api.schemas.commands.request import WAIT_MAX_S, CommandRequest

__all__ = [
    "EXAMPLES",
    "OPENAPI_EXAMPLES",
    "WAIT_MAX_S",
    "AnyCommandRequest",
    "Command",
    "CommandRequest",
    "RemoteStop",
]

AnyCommandRequest = Annotated[
    core.RemoteStart
    | core.RemoteStop
    | core.Reset
    | core.ChangeAvailability
    | core.UnlockConnector
    | core.GetConfiguration
    | core.ChangeConfiguration
    | core.ClearCache
    | core.TriggerMessage
    | core.DataTransfer
    | core.Call,
    Field(discriminator="type"),
]

EXAMPLES: dict[str, dict[str, Any]] = {**core.EXAMPLES}
"""The fields of one request of each type."""

OPENAPI_EXAMPLES: dict[str, Any] = {
    name: {"summary": name, "value": {"type": name, **example}}
    for name, example in EXAMPLES.items()
}
