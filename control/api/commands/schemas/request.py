"""What every request of a command has."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from control.api.waiting import Waiting
from shared.domain import commands as domain


class CommandRequest(Waiting):
    """What every command takes beside its own fields."""

    type: str

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
