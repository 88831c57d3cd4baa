"""Requests of commands that manage certificates."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from control.api.commands.schemas.request import CommandRequest
from control.api.types import FREE_TEXT
from shared import x509
from shared.domain.errors import InvalidInputError
from shared.domain.trust.certificates import CertificateSigningUse, CertificateUse, HashAlgorithm

_ROOT = """-----BEGIN CERTIFICATE-----
MIIBMTCB2KADAgECAgM/qcIwCgYIKoZIzj0EAwIwFzEVMBMGA1UEAwwMRXhhbXBs
ZSBSb290MB4XDTI1MDEwMTAwMDAwMFoXDTQ1MDEwMTAwMDAwMFowFzEVMBMGA1UE
AwwMRXhhbXBsZSBSb290MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEREfxB8ki
vblRj4BzVk08D8L+4f/SdwR2VJZZGLP//MkCEiGn5mK2brVUr/FTrn1wSHcAMN5y
aoghFSxNjsaty6MTMBEwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBF
AiAXT/PHPYJa7reU5UVOjJPJSs0Xn5dp/9AbRLyVM6HvBAIhAP9HFpN+lBeSqkgd
gTcguR60hEhjrtqWV4WpkqhBJUde
-----END CERTIFICATE-----
"""


def _checked_chain(value: str) -> str:
    try:
        x509.check_order(value)
    except InvalidInputError as error:
        raise _not_usable(error) from error
    return value


def _not_usable(error: InvalidInputError) -> PydanticCustomError:
    return PydanticCustomError("certificate", "{reason}", {"reason": str(error)})


Hash = Annotated[
    str, Field(pattern=r"^[0-9A-Fa-f]{1,128}$", description="hexadecimal, as the station told it")
]


class InstallCertificate(CommandRequest):
    """Make the station trust one more root certificate."""

    type: Literal["InstallCertificate"]
    certificate_type: CertificateUse = Field(
        description="OCPP 1.6 knows CSMSRootCertificate and ManufacturerRootCertificate"
    )
    certificate: Annotated[
        str,
        Field(
            min_length=1,
            max_length=5500,
            description="X.509 in PEM; one that may sign others (basic constraints CA:TRUE)",
        ),
        FREE_TEXT,
    ]

    @field_validator("certificate")
    @classmethod
    def _is_a_root(cls, value: str, info: ValidationInfo) -> str:
        use = info.data.get("certificate_type")
        if use is not None:  # else its own fault is told
            try:
                x509.check_root(value, use, now=datetime.now(UTC))
            except InvalidInputError as error:
                raise _not_usable(error) from error
        return value


class DeleteCertificate(CommandRequest):
    """Make the station trust a certificate no longer, named as it named it.

    Without any CSMSRootCertificate a station cannot connect with TLS any more.
    """

    type: Literal["DeleteCertificate"]
    hash_algorithm: HashAlgorithm
    issuer_name_hash: Hash
    issuer_key_hash: Hash
    serial_number: Annotated[
        str, Field(pattern=r"^[0-9A-Fa-f]{1,40}$", description="hexadecimal, without leading zeros")
    ]


class GetInstalledCertificateIds(CommandRequest):
    """Have the station tell which certificates it holds; they are kept."""

    type: Literal["GetInstalledCertificateIds"]
    certificate_types: tuple[CertificateUse, ...] = Field(
        default=(), max_length=5, description="OCPP 1.6: exactly one; else none stands for all"
    )


class CertificateSigned(CommandRequest):
    """Hand a signed certificate to the station.

    `POST /v1/certificate-signing-requests/{id}/certificate` does this for a request of the
    station's, and again when it was offline.
    """

    type: Literal["CertificateSigned"]
    certificate_chain: Annotated[
        str,
        Field(
            min_length=1,
            max_length=x509.CHAIN_MAX_LENGTH,
            description="the station's certificate and those above it, PEM, in this order",
        ),
        FREE_TEXT,
        AfterValidator(_checked_chain),
    ]
    certificate_type: CertificateSigningUse | None = Field(
        default=None,
        description="left out, the station uses it for its connection to us and for vehicles "
        "(OCPP 2.0.1 §1.4.1)",
    )
    signing_request_id: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        description="the request that is answered",
    )


EXAMPLES: dict[str, dict[str, Any]] = {
    "DeleteCertificate": {
        "hash_algorithm": "SHA256",
        "issuer_name_hash": "8f2b1c64" * 8,
        "issuer_key_hash": "03d75ea9" * 8,
        "serial_number": "3FA9C2",
    },
    "GetInstalledCertificateIds": {"certificate_types": ["CSMSRootCertificate"]},
    "CertificateSigned": {"certificate_chain": _ROOT},
    "InstallCertificate": {
        "certificate_type": "CSMSRootCertificate",
        "certificate": _ROOT,
    },
}
"""The fields of one request of each type."""
