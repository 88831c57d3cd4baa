"""Requests of commands that update firmware."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from control.api.commands.schemas.request import CommandRequest
from control.api.types import FREE_TEXT
from control.api.upkeep.transfers_schemas import (
    Location,
    RequestId,
    Retries,
    RetryIntervalS,
    TimeText,
)

SigningCertificate = Annotated[
    str,
    Field(min_length=1, max_length=5500, description="of the manufacturer, X.509 in PEM"),
    FREE_TEXT,
]
Signature = Annotated[
    str,
    Field(min_length=1, max_length=800, description="of the whole image, in Base64"),
    FREE_TEXT,
]


class UpdateFirmware(CommandRequest):
    """Download firmware and install it.

    `POST /v1/stations/{station_id}/firmware-updates` does this with a file that was uploaded here.
    """

    type: Literal["UpdateFirmware"]
    location: Location
    retrieve_at: TimeText = Field(description="not before then is it downloaded")
    install_at: TimeText | None = Field(
        default=None, description="OCPP 1.6 can say this of signed firmware only"
    )
    retries: Retries | None = None
    retry_interval_s: RetryIntervalS | None = None
    signing_certificate: SigningCertificate | None = None
    signature: Signature | None = None
    request_id: RequestId | None = None

    @model_validator(mode="after")
    def _is_signed_or_not(self) -> Self:
        check_signed_or_not(self.signing_certificate, self.signature)
        return self


def check_signed_or_not(signing_certificate: str | None, signature: str | None) -> None:
    """Refuse half of what a signed update needs.

    Raises:
        PydanticCustomError: there is one without the other.
    """
    if (signing_certificate is None) != (signature is None):
        raise PydanticCustomError(
            "both_or_none", "signing_certificate and signature are needed together, or neither"
        )


EXAMPLES: dict[str, dict[str, Any]] = {
    "UpdateFirmware": {
        "location": "https://firmware.example.com/cs-2.4.1.bin",
        "retrieve_at": "2025-06-01T02:00:00Z",
        "retries": 3,
    }
}
"""The fields of one request of each type."""
