"""Certificates in the words of the API."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from control.api.types import FREE_TEXT, RequestBody
from shared import x509
from shared.domain.trust.certificates import (
    CertificateSigningUse,
    CertificateUse,
    HashAlgorithm,
    SigningRequestState,
)

_REQUEST_EXAMPLE: dict[str, Any] = {
    "signing_request_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
    "station_id": "CS-0001",
    "certificate_type": "ChargingStationCertificate",
    "state": "pending",
    "reason": None,
    "subject": "CN=SN-4711,O=Example Charging",
    "key_type": "EC secp256r1",
    "csr": "-----BEGIN CERTIFICATE REQUEST-----\nMIIB...\n-----END CERTIFICATE REQUEST-----\n",
    "certificate_chain": None,
    "serial_number": None,
    "not_after": None,
    "command_id": None,
    "requested_at": "2025-06-01T09:00:00Z",
    "signed_at": None,
    "answered_at": None,
}
_INSTALLED_EXAMPLE: dict[str, Any] = {
    "installed_certificate_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
    "certificate_type": "CSMSRootCertificate",
    "hash_algorithm": "SHA256",
    "issuer_name_hash": "8f2b1c64" * 8,
    "issuer_key_hash": "03d75ea9" * 8,
    "serial_number": "3FA9C2",
    "child_certificates": [],
    "told_at": "2025-06-01T09:00:00Z",
}


class SigningRequest(BaseModel):
    """What a station wants signed, and what became of it."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [_REQUEST_EXAMPLE]}
    )

    signing_request_id: str
    station_id: str
    certificate_type: CertificateSigningUse | None = Field(
        description="null: for the station's connection and for vehicles (OCPP 2.0.1 §1.58.1)"
    )
    state: SigningRequestState
    reason: str | None = Field(description="why it was refused, rejected or not delivered")
    subject: str | None
    key_type: str | None
    csr: str = Field(description="PKCS #10 in PEM")
    certificate_chain: str | None
    serial_number: str | None = Field(description="of the certificate, hexadecimal")
    not_after: datetime | None = Field(description="until when the certificate is valid")
    command_id: str | None = Field(description="the command that delivered it last")
    requested_at: datetime
    signed_at: datetime | None
    answered_at: datetime | None


class SignedCertificate(RequestBody):
    """The certificate for a signing request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "certificate_chain": "-----BEGIN CERTIFICATE-----\nMIIB...\n"
                    "-----END CERTIFICATE-----\n"
                }
            ]
        },
    )

    certificate_chain: Annotated[
        str,
        Field(
            min_length=1,
            max_length=x509.CHAIN_MAX_LENGTH,
            description="the station's certificate and those above it, PEM, in this order",
        ),
        FREE_TEXT,
    ]


class InstalledCertificate(BaseModel):
    """A certificate that a station holds, as last told; `DeleteCertificate` names it so."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [_INSTALLED_EXAMPLE]}
    )

    installed_certificate_id: str
    certificate_type: CertificateUse
    hash_algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    child_certificates: list[dict[str, Any]] = Field(
        description="hash data of those below it in a V2GCertificateChain"
    )
    told_at: datetime
