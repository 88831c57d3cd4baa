"""Firmware updates in the words of the API."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from control.api.commands.schemas.firmware import Signature, SigningCertificate, check_signed_or_not
from control.api.types import RequestBody, UtcTime
from control.api.upkeep.transfers_schemas import (
    Location,
    ReportedStatus,
    Retries,
    RetryIntervalS,
    without_secrets,
)
from shared.domain.upkeep import firmware as domain
from shared.domain.upkeep import progress
from shared.domain.upkeep.progress import TransferState

_EXAMPLE: dict[str, Any] = {
    "firmware_update_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
    "station_id": "CS-0001",
    "state": "in_progress",
    "status": "Downloading",
    "status_at": "2025-06-01T02:00:05Z",
    "answer_status": "Accepted",
    "request_id": 17,
    "command_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a12",
    "file_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a13",
    "location": "https://api.example.com/files/0197278e-7e02-7d1c-a6d5-5a3f0f6b7a13/cs-2.4.1.bin"
    "?expires=1749434400&signature=5f1c...",
    "retrieve_at": "2025-06-01T02:00:00Z",
    "install_at": None,
    "retries": 3,
    "retry_interval_s": 60,
    "signed": False,
    "created_at": "2025-06-01T00:00:00Z",
}


class FirmwareUpdateCreate(RequestBody):
    """An update to ask a station for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"file_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a13", "retries": 3}]
        },
    )

    file_id: UUID | None = Field(default=None, description="firmware of /v1/files")
    location: Location | None = Field(default=None, description="or where else it is")
    retrieve_at: UtcTime | None = Field(
        default=None, description="not before then is it downloaded; left out, at once"
    )
    install_at: UtcTime | None = Field(
        default=None, description="OCPP 1.6 can say this of signed firmware only"
    )
    retries: Retries | None = None
    retry_interval_s: RetryIntervalS | None = None
    signing_certificate: SigningCertificate | None = None
    signature: Signature | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.file_id is None) == (self.location is None):
            raise PydanticCustomError(
                "one_of", "either file_id or location is needed, and not both"
            )
        check_signed_or_not(self.signing_certificate, self.signature)
        return self


class FirmwareUpdate(BaseModel):
    """An update of one station's firmware."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    firmware_update_id: str
    station_id: str
    state: TransferState = Field(
        description="`ambiguous`: what the station told last names no request, and can be of "
        "others that were open as well"
    )
    status: str | None = Field(description="the last that the station told, in OCPP's words")
    status_at: datetime | None
    answer_status: str | None = Field(description="what it said to the request")
    request_id: int
    command_id: str | None = Field(
        description="the command that asked for it; null if the station told of it by itself"
    )
    file_id: str | None
    location: str | None
    retrieve_at: datetime | None
    install_at: datetime | None
    retries: int | None
    retry_interval_s: int | None
    signed: bool
    created_at: datetime

    @classmethod
    def of(cls, update: domain.FirmwareUpdate) -> Self:
        """Return an update as it is answered."""
        return cls(**_members(update))


class FirmwareUpdateDetails(FirmwareUpdate):
    """An update with every step that the station told."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_EXAMPLE,
                    "history": [
                        {"status": "Downloading", "reported_at": "2025-06-01T02:00:05Z"},
                    ],
                }
            ]
        }
    )

    history: list[ReportedStatus]

    @classmethod
    def with_history(
        cls, update: domain.FirmwareUpdate, history: list[progress.ReportedStatus]
    ) -> Self:
        """Return an update as it is answered."""
        steps = [ReportedStatus.model_validate(step) for step in history]
        return cls(**_members(update), history=steps)


def _members(update: domain.FirmwareUpdate) -> dict[str, Any]:
    return {
        "firmware_update_id": update.firmware_update_id,
        "station_id": update.station_id,
        "state": update.state,
        "status": update.status,
        "status_at": update.status_at,
        "answer_status": update.answer_status,
        "request_id": update.request_id,
        "command_id": update.command_id,
        "file_id": update.file_id,
        "location": without_secrets(update.location),
        "retrieve_at": update.retrieve_at,
        "install_at": update.install_at,
        "retries": update.retries,
        "retry_interval_s": update.retry_interval_s,
        "signed": update.signature is not None,
        "created_at": update.created_at,
    }
