"""Requests of the commands that any station can be asked."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from control.api.charging.charging_profiles_schemas import (
    TX_PROFILE_EXAMPLE,
    ChargingProfileToSet,
    checked_for_start,
)
from control.api.commands.schemas.request import CommandRequest
from control.api.types import FREE_TEXT, ONE_LINE, Ordinal, Payload
from shared.domain.access.tokens import IdTokenType
from shared.domain.commands import MessageTrigger, OperationalStatus, ResetType

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


class RemoteStart(CommandRequest):
    """Start a charge for a token, on an EVSE or wherever the station chooses.

    `accepted` means that the station will try; that a charge has begun is told by its session.
    """

    type: Literal["RemoteStart"]
    id_token: Annotated[
        str,
        Field(
            min_length=1,
            max_length=36,
            description="OCPP 1.6 stations take 20 characters",
            examples=["04A2B3C4D5E6F7"],
        ),
        ONE_LINE,
    ]
    evse_id: Ordinal | None = None
    id_token_type: IdTokenType | None = Field(
        default=None,
        description="told to OCPP 2.0.1 stations; left out, the type the token is registered with",
    )
    charging_profile: ChargingProfileToSet | None = Field(
        default=None,
        description="a TxProfile for the charge that begins; its transaction_id is left out",
    )

    @model_validator(mode="after")
    def _profile_may_be_sent(self) -> Self:
        if self.charging_profile is not None:
            checked_for_start(self.charging_profile)
        return self


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


EXAMPLES: dict[str, dict[str, Any]] = {
    "RemoteStart": {
        "id_token": "04A2B3C4D5E6F7",
        "evse_id": 1,
        "charging_profile": TX_PROFILE_EXAMPLE,
    },
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
