"""Client certificates that stations may come in with, in the words of the API."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from control.api.types import FREE_TEXT, ONE_LINE, RequestBody
from shared import x509
from shared.domain.trust.certificates import CertificateOrigin

_SHA256 = "8f2b1c64" * 8
_EXAMPLE: dict[str, Any] = {
    "client_certificate_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
    "origin": "issued",
    "sha256": _SHA256,
    "sha1": "03d75ea9" * 5,
    "issuer": "CN=Stations CA,O=Example Charging",
    "common_name": "CS-0001",
    "not_after": "2026-06-01T09:00:00Z",
    "signing_request_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a10",
    "created_at": "2025-06-01T09:00:00Z",
    "revoked_at": None,
}


class ClientCertificate(BaseModel):
    """A certificate that a station may come in with; without a fingerprint, all of a name."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    client_certificate_id: str
    origin: CertificateOrigin = Field(
        description="issued: it answers a signing request of the station's; pinned: an operator "
        "said so; migrated: the station used one of this name before that was kept"
    )
    sha256: str | None = Field(description="fingerprint")
    sha1: str | None = Field(description="fingerprint, for proxies that tell no other")
    issuer: str | None = Field(description="as in RFC 4514; null: whoever is trusted")
    common_name: str | None
    not_after: datetime | None = Field(description="until when it is valid, if we have seen it")
    signing_request_id: str | None
    created_at: datetime
    revoked_at: datetime | None = Field(description="since when it does not count any more")


class ClientCertificatePin(RequestBody):
    """A certificate that a station brings: itself, its fingerprint, or its issuer and name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"fingerprint": _SHA256},
                {"issuer": "CN=Factory CA,O=VendorX", "common_name": "SN-4711"},
            ]
        },
    )

    certificate: (
        Annotated[str, Field(max_length=x509.CHAIN_MAX_LENGTH, description="PEM"), FREE_TEXT] | None
    ) = None
    fingerprint: str | None = Field(
        default=None,
        pattern=r"^([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$",
        description="SHA-256, or SHA-1 where a proxy tells no other, in hexadecimal; the security "
        "event InvalidChargingStationCertificate tells it of a station that was refused",
    )
    issuer: (
        Annotated[
            str,
            Field(
                max_length=1024,
                description="as in RFC 4514, the last member first; with common_name, for "
                "all certificates of this name. Behind a proxy nobody sees the issuer: there the "
                "name alone decides",
            ),
            ONE_LINE,
        ]
        | None
    ) = None
    common_name: Annotated[str, Field(max_length=64), ONE_LINE] | None = None

    @model_validator(mode="after")
    def _is_one_of_three(self) -> Self:
        given = frozenset(name for name, value in self if value)
        if given not in _WAYS:
            raise PydanticCustomError(
                "one_of_three",
                "give certificate, or fingerprint, or issuer and common_name together",
            )
        return self


_WAYS = (
    frozenset({"certificate"}),
    frozenset({"fingerprint"}),
    frozenset({"issuer", "common_name"}),
)
