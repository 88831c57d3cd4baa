"""Commands in the words of the API: one request per command of the domain, and the record."""

from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from control.api.schemas.types import FREE_TEXT, ONE_LINE, Ordinal, Payload
from control.redaction import redact
from shared.domain import commands as domain
from shared.domain.commands import CommandState, MessageTrigger, OperationalStatus, ResetType
from shared.domain.tokens import IdTokenType

TIMEOUT_MAX_S = 300.0
WAIT_MAX_S = 330.0

_RECORD_EXAMPLE: dict[str, Any] = {
    "command_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
    "station_id": "CS-0001",
    "type": "RemoteStart",
    "params": {"id_token": "04A2B3C4D5E6F7", "evse_id": 1},
    "state": "accepted",
    "status": "Accepted",
    "response": {"status": "Accepted"},
    "error_code": None,
    "error_description": None,
    "idempotency_key": "order-4711",
    "expires_at": "2025-06-01T09:00:30Z",
    "created_at": "2025-06-01T09:00:00Z",
    "sent_at": "2025-06-01T09:00:00.004Z",
    "finished_at": "2025-06-01T09:00:00.131Z",
    "pod_id": "gateway-0-3fa1c2",
}

ConfigurationKey = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        description="OCPP 1.6: configuration key, of up to 50 characters. OCPP 2.0.1: "
        "`Component.Variable`, with an instance of either in brackets, EVSE and connector of the "
        "component in parentheses, and an attribute other than Actual behind a slash",
        examples=[
            "MeterValueSampleInterval",
            "OCPPCommCtrlr.HeartbeatInterval",
            "DeviceDataCtrlr.ItemsPerMessage[GetReport]",
            "EVSE(1).Power/MaxSet",
        ],
    ),
    ONE_LINE,
]


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


class RemoteStart(CommandRequest):
    """Start a charge for a token, on an EVSE or wherever the station chooses.

    `accepted` means that the station will try; that a charge has begun is told by its session.
    """

    type: Literal["RemoteStart"]
    id_token: str = Field(
        min_length=1,
        max_length=36,
        description="OCPP 1.6 stations take 20 characters",
        examples=["04A2B3C4D5E6F7"],
    )
    evse_id: Ordinal | None = None
    id_token_type: IdTokenType | None = Field(
        default=None,
        description="told to OCPP 2.0.1 stations; left out, the type the token is registered with",
    )


class RemoteStop(CommandRequest):
    """Stop a charge, named by its session or by the station's transaction id."""

    type: Literal["RemoteStop"]
    session_id: UUID | None = None
    transaction_id: Annotated[str, Field(min_length=1, max_length=36), ONE_LINE] | None = None

    @model_validator(mode="after")
    def _names_one_charge(self) -> Self:
        if (self.session_id is None) == (self.transaction_id is None):
            raise PydanticCustomError(
                "one_of", "either session_id or transaction_id is needed, and not both"
            )
        return self


class Reset(CommandRequest):
    """Restart the station, at once or when nobody charges. OCPP 1.6: Hard and Soft."""

    type: Literal["Reset"]
    reset_type: ResetType = ResetType.ON_IDLE
    evse_id: Ordinal | None = Field(
        default=None,
        description="only this EVSE; stations of OCPP 1.6 can restart as a whole only",
    )


class ChangeAvailability(CommandRequest):
    """Take an EVSE, or the whole station when none is named, in or out of service."""

    type: Literal["ChangeAvailability"]
    operational_status: OperationalStatus
    evse_id: Ordinal | None = None


class UnlockConnector(CommandRequest):
    """Release the cable."""

    type: Literal["UnlockConnector"]
    evse_id: Ordinal
    connector_id: Ordinal = 1


class GetConfiguration(CommandRequest):
    """Read configuration; all of it when no keys are named."""

    type: Literal["GetConfiguration"]
    keys: tuple[ConfigurationKey, ...] = Field(default=(), max_length=1000)


class ChangeConfiguration(CommandRequest):
    """Write one configuration value."""

    type: Literal["ChangeConfiguration"]
    key: ConfigurationKey
    value: Annotated[
        str,
        Field(
            max_length=2500,
            description="OCPP 1.6 values have up to 500 characters",
            examples=["60"],
        ),
        FREE_TEXT,
    ]


class ClearCache(CommandRequest):
    """Empty the station's authorization cache."""

    type: Literal["ClearCache"]


class TriggerMessage(CommandRequest):
    """Make the station send a message now."""

    type: Literal["TriggerMessage"]
    requested_message: MessageTrigger
    evse_id: Ordinal | None = None


class DataTransfer(CommandRequest):
    """Say something in a vendor's own words."""

    type: Literal["DataTransfer"]
    vendor_id: Annotated[str, Field(min_length=1, max_length=255), ONE_LINE]
    message_id: Annotated[str, Field(max_length=50), ONE_LINE] | None = None
    data: Annotated[str, FREE_TEXT] | None = None


class Call(CommandRequest):
    """Send one CALL as it stands, checked against the schema of the station's own OCPP version."""

    type: Literal["Call"]
    action: str = Field(pattern=r"^[A-Za-z0-9]{1,64}$", examples=["GetLocalListVersion"])
    payload: Payload


AnyCommandRequest = Annotated[
    RemoteStart
    | RemoteStop
    | Reset
    | ChangeAvailability
    | UnlockConnector
    | GetConfiguration
    | ChangeConfiguration
    | ClearCache
    | TriggerMessage
    | DataTransfer
    | Call,
    Field(discriminator="type"),
]

EXAMPLES: dict[str, dict[str, Any]] = {
    "RemoteStart": {"id_token": "04A2B3C4D5E6F7", "evse_id": 1},
    "RemoteStop": {"session_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11"},
    "Reset": {"reset_type": "OnIdle"},
    "ChangeAvailability": {"operational_status": "Inoperative", "evse_id": 2},
    "UnlockConnector": {"evse_id": 1},
    "GetConfiguration": {"keys": ["HeartbeatInterval", "MeterValueSampleInterval"]},
    "ChangeConfiguration": {"key": "MeterValueSampleInterval", "value": "60"},
    "ClearCache": {"timeout_s": 60, "wait_s": 0},
    "TriggerMessage": {"requested_message": "StatusNotification", "evse_id": 1},
    "DataTransfer": {"vendor_id": "com.example", "message_id": "Banner", "data": "Welcome"},
    "Call": {"action": "GetLocalListVersion", "payload": {}},
}
"""The fields of one request of each type."""

OPENAPI_EXAMPLES: dict[str, Any] = {
    name: {"summary": name, "value": {"type": name, **example}}
    for name, example in EXAMPLES.items()
}


class Command(BaseModel):
    """A command, from `queued` to its outcome."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [_RECORD_EXAMPLE]}
    )

    command_id: str
    station_id: str
    type: str
    params: dict[str, Any] = Field(description="the command's own fields; secrets are left out")
    state: CommandState = Field(
        description=(
            "`queued`: not yet sent. `sent`: no answer yet. "
            "`accepted`, `rejected`: the station said yes or no; yes is not yet the deed. "
            "`answered`: its answer is neither. "
            "`failed`: it answered with an error, or the command cannot be said in its version. "
            "`timed_out`: no answer, and asking again is harmless. "
            "`unknown`: no answer, and it may have been carried out all the same. "
            "`expired`, `cancelled`: never sent."
        )
    )
    status: str | None = Field(description="the station's own word, such as Accepted")
    response: dict[str, Any] | None = Field(
        description="the station's whole answer; secrets are left out"
    )
    error_code: str | None
    error_description: str | None
    idempotency_key: str | None
    expires_at: datetime = Field(description="it is not sent later than this")
    created_at: datetime
    sent_at: datetime | None
    finished_at: datetime | None
    pod_id: str | None = Field(description="the gateway pod that sent it")

    @classmethod
    def of(cls, record: domain.CommandRecord) -> Self:
        """Return the command as it is answered."""
        answer = cls.model_validate(record)
        answer.params = redact(answer.params)
        answer.response = redact(answer.response)
        return answer
