"""Commands: what we ask of a station, in words that every version of OCPP can be asked in.

A command is at most once on the wire. Its life::

    queued ──> sent ──> accepted | answered | rejected | failed    the station's own answer
      │          └────> timed_out | unknown                        no answer came
      ├───────────────> failed                                     it could not be sent
      └───────────────> expired | cancelled                        never sent
"""

from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from shared.domain.errors import InvalidInputError
from shared.domain.tokens import IdTokenType


class CommandState(StrEnum):
    """Where a command is in its life."""

    QUEUED = "queued"
    SENT = "sent"
    ACCEPTED = "accepted"
    """The station said yes. That is not yet the deed: a started charge is a fact of its own."""
    ANSWERED = "answered"
    """The station answered, and the answer is neither a yes nor a no."""
    REJECTED = "rejected"
    FAILED = "failed"
    """The station answered with a CALLERROR, or the command cannot be said in its version."""
    TIMED_OUT = "timed_out"
    """Sent, no answer; asking again is harmless."""
    UNKNOWN = "unknown"
    """Sent, no answer; it may have been carried out, so it is never sent again by itself."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to the command."""
        return self not in (CommandState.QUEUED, CommandState.SENT)


class ResetType(StrEnum):
    """ResetEnumType; OCPP 1.6 calls them Hard and Soft."""

    IMMEDIATE = "Immediate"
    ON_IDLE = "OnIdle"


class OperationalStatus(StrEnum):
    """OperationalStatusEnumType."""

    OPERATIVE = "Operative"
    INOPERATIVE = "Inoperative"


class MessageTrigger(StrEnum):
    """MessageTriggerEnumType; 1.6 calls the log's status DiagnosticsStatusNotification."""

    BOOT_NOTIFICATION = "BootNotification"
    LOG_STATUS_NOTIFICATION = "LogStatusNotification"
    FIRMWARE_STATUS_NOTIFICATION = "FirmwareStatusNotification"
    HEARTBEAT = "Heartbeat"
    METER_VALUES = "MeterValues"
    STATUS_NOTIFICATION = "StatusNotification"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What every command has.

    `repeatable` says that doing it twice harms nobody, so that a missing answer is a time-out and
    not an unknown.
    """

    repeatable: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteStart(Command):
    """Start a charge for a token, on an EVSE or wherever the station chooses.

    `id_token_type` None means the one that the token is registered with. OCPP 1.6 knows no types.
    """

    repeatable: ClassVar[bool] = False
    id_token: str
    evse_id: int | None = None
    id_token_type: IdTokenType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteStop(Command):
    """Stop the charge with this transaction id."""

    repeatable: ClassVar[bool] = False
    transaction_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Command):
    """Restart the station, or one EVSE of it, at once or when nobody charges.

    OCPP 1.6 can restart the whole station only.
    """

    repeatable: ClassVar[bool] = False
    reset_type: ResetType = ResetType.ON_IDLE
    evse_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAvailability(Command):
    """Take an EVSE, or the whole station when none is named, in or out of service."""

    operational_status: OperationalStatus
    evse_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockConnector(Command):
    """Release the cable."""

    repeatable: ClassVar[bool] = False
    evse_id: int
    connector_id: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GetConfiguration(Command):
    """Read configuration; all of it when no keys are named.

    A key is a configuration key of OCPP 1.6, or a `Component.Variable` of OCPP 2.0.1, whose
    stations tell all of it later, in reports.
    """

    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeConfiguration(Command):
    """Write one configuration value; its key is written as in `GetConfiguration`."""

    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearCache(Command):
    """Empty the station's authorization cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerMessage(Command):
    """Make the station send a message now."""

    requested_message: MessageTrigger
    evse_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTransfer(Command):
    """Say something in a vendor's own words."""

    repeatable: ClassVar[bool] = False
    vendor_id: str
    message_id: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Command):
    """Send one CALL as it stands, checked against the schema of the station's own version."""

    repeatable: ClassVar[bool] = False
    action: str
    payload: dict[str, Any]


COMMANDS: dict[str, type[Command]] = {
    command.__name__: command
    for command in (
        RemoteStart,
        RemoteStop,
        Reset,
        ChangeAvailability,
        UnlockConnector,
        GetConfiguration,
        ChangeConfiguration,
        ClearCache,
        TriggerMessage,
        DataTransfer,
        Call,
    )
}
"""Every command by the name it has in the API and in the store."""


def command_params(command: Command) -> dict[str, Any]:
    """Return a command's fields, ready to be kept as JSON."""
    return {field.name: getattr(command, field.name) for field in fields(command)}


def parse_command(name: str, params: dict[str, Any]) -> Command:
    """Build the command `name` from what `command_params` gave.

    Raises:
        InvalidInputError: no command has that name or those fields, as after a roll-back to a
            version that does not know it yet.
    """
    try:
        return COMMANDS[name](**params)
    except (KeyError, TypeError) as error:
        raise InvalidInputError(f"there is no command {name} with these fields: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a command.

    `status` and `response` are the station's own words; `error_code` and `error_description` say
    what went wrong on the way or what its CALLERROR said.
    """

    state: CommandState
    status: str | None = None
    response: dict[str, Any] | None = None
    error_code: str | None = None
    error_description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRecord:
    """A command as it is kept, from `queued` to its outcome."""

    command_id: str
    station_id: str
    type: str
    params: dict[str, Any]
    state: CommandState
    idempotency_key: str | None
    expires_at: datetime
    created_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None
    pod_id: str | None
    status: str | None
    response: dict[str, Any] | None
    error_code: str | None
    error_description: str | None


def outcome_without_answer(command: Command, description: str) -> Outcome:
    """Return the outcome of a command that was sent and never answered."""
    state = CommandState.TIMED_OUT if command.repeatable else CommandState.UNKNOWN
    return Outcome(state=state, error_code="NoAnswer", error_description=description)
