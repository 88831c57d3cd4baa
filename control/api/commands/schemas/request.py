"""What every request of a command has."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from control.api.waiting import TIMEOUT_MAX_S, Waiting
from shared.domain import commands as domain

WAITING_TIMEOUT_MAX_S = 604_800.0


class IfOffline(StrEnum):
    """What becomes of a command whose station is offline."""

    REFUSE = "refuse"
    """The call is answered with a 409, and nothing is kept."""
    WAIT = "wait"
    """The command waits for the station until its deadline."""


class CommandRequest(Waiting):
    """What every command takes beside its own fields."""

    type: str
    timeout_s: float | None = Field(
        default=None,
        gt=0,
        le=WAITING_TIMEOUT_MAX_S,
        description=f"deadline: the command is not sent later than this. 30 if left out, and "
        f"{TIMEOUT_MAX_S:g} at most; with `if_offline` `wait` an hour, and a week",
    )
    if_offline: IfOffline = Field(
        default=IfOffline.REFUSE,
        description="what becomes of it if the station is offline. `refuse`: a 409, and nothing is "
        "kept. `wait`: it is queued until the station is back or its deadline comes, and can be "
        "cancelled until it is sent; the call answers 202 at once unless it says `wait_s`. Think "
        "of who may stand at the station by then: a remote start may be hours late",
    )

    def to_command(self) -> domain.Command:
        """Return the command of the domain of the same name, with what is asked of it."""
        command = domain.COMMANDS[self.type]
        names = domain.asked_fields(command)
        return command(**{name: _plain(getattr(self, name)) for name in names})


def _plain(value: Any) -> Any:  # noqa: ANN401 - any field
    """Return a field as the JSON that a command is kept as."""
    match value:
        case BaseModel():
            return value.model_dump(mode="json", exclude_none=True)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case _:
            return value
