"""What every request of a command has."""

from dataclasses import fields

from pydantic import BaseModel, ConfigDict, Field

from shared.domain import commands as domain

TIMEOUT_MAX_S = 300.0
WAIT_MAX_S = 330.0


class CommandRequest(BaseModel):
    """What every command takes beside its own fields."""

    model_config = ConfigDict(extra="forbid")

    type: str
    timeout_s: float | None = Field(
        default=None,
        gt=0,
        le=TIMEOUT_MAX_S,
        description="deadline: the command is not sent later than this; 30 if left out",
    )
    wait_s: float | None = Field(
        default=None,
        ge=0,
        le=WAIT_MAX_S,
        description="how long this call waits for the outcome before it answers 202; 0 does not "
        "wait. Left out, it waits as long as `timeout_s` and a little longer",
    )

    def to_command(self) -> domain.Command:
        """Return the command of the domain of the same name, with the same fields."""
        command = domain.COMMANDS[self.type]
        return command(**{field.name: getattr(self, field.name) for field in fields(command)})
