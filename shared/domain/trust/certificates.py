"""Certificates: those installed in stations, and those that stations ask to be signed."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class CertificateUse(StrEnum):
    """GetCertificateIdUseEnumType of OCPP 2.0.1.

    OCPP 1.6 knows the first two, and calls the first one CentralSystemRootCertificate.
    """

    CSMS_ROOT = "CSMSRootCertificate"
    MANUFACTURER_ROOT = "ManufacturerRootCertificate"
    V2G_ROOT = "V2GRootCertificate"
    MO_ROOT = "MORootCertificate"
    V2G_CHAIN = "V2GCertificateChain"


class CertificateSigningUse(StrEnum):
    """CertificateSigningUseEnumType; OCPP 1.6 knows the first only."""

    CHARGING_STATION = "ChargingStationCertificate"
    V2G = "V2GCertificate"


class CertificateOrigin(StrEnum):
    """How we know that a client certificate is a station's."""

    ISSUED = "issued"
    """It answers a signing request of the station's."""
    PINNED = "pinned"
    """An operator says so."""
    MIGRATED = "migrated"
    """The station came with such a one before we kept which ones are whose."""


class CertificateBelonging(StrEnum):
    """Whose a client certificate is, seen from the station that it came with."""

    OWN = "own"
    REVOKED = "revoked"
    OF_ANOTHER = "of_another"
    UNKNOWN = "unknown"


class HashAlgorithm(StrEnum):
    """HashAlgorithmEnumType."""

    SHA256 = "SHA256"
    SHA384 = "SHA384"
    SHA512 = "SHA512"


class SigningRequestState(StrEnum):
    """How a certificate signing request stands."""

    PENDING = "pending"
    """It waits for an operator or the certificate authority."""
    REFUSED = "refused"
    """It was not valid, and the station was told so."""
    SIGNED = "signed"
    """The chain is there, and is on its way to the station."""
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """The station did not take the certificate."""
    UNDELIVERED = "undelivered"
    """The station did not answer any of the tries to hand it over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateHashData:
    """CertificateHashDataType: names a certificate as OCSP does (RFC 6960 §4.1.1)."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledCertificate:
    """A certificate that a station holds, as last told."""

    installed_certificate_id: str
    station_id: str
    certificate_type: CertificateUse
    hash_algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    child_certificates: list[dict[str, Any]]
    told_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedCertificate:
    """A client certificate, verified up to its root, as far as it is told.

    Our own TLS sees all of it; a proxy in front tells what it was set up to tell. `issuer` is as in
    RFC 4514, the fingerprints are hexadecimal in lower case. A fingerprint that ought to be there
    and cannot be read is empty, so that no certificate has it.
    """

    common_name: str | None = None
    issuer: str | None = None
    sha256: str | None = None
    sha1: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A certificate that a station may come in with; without a fingerprint, all of a name."""

    client_certificate_id: str
    station_id: str
    origin: CertificateOrigin
    sha256: str | None
    sha1: str | None
    issuer: str | None
    common_name: str | None
    not_after: datetime | None
    signing_request_id: str | None
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRequest:
    """A certificate signing request of a station, from its receipt to the station's answer.

    Without `certificate_type` the certificate is for both uses (OCPP 2.0.1 §1.58.1).
    """

    signing_request_id: str
    station_id: str
    certificate_type: CertificateSigningUse | None
    csr: str
    subject: str | None
    key_type: str | None
    state: SigningRequestState
    reason: str | None
    certificate_chain: str | None
    serial_number: str | None
    not_after: datetime | None
    command_id: str | None
    requested_at: datetime
    signed_at: datetime | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedCertificate:
    """One certificate of a station's list, with the hash data of those below it in its chain."""

    certificate_type: CertificateUse
    hash_data: CertificateHashData
    child_certificates: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledCertificatesReported:
    """The station told which certificates of some types it holds; None stands for all types."""

    station_id: str
    certificate_types: tuple[CertificateUse, ...] | None
    certificates: list[ReportedCertificate]
    reported_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateInstalled:
    """The station accepted a certificate."""

    station_id: str
    certificate_type: CertificateUse
    hash_data: CertificateHashData
    installed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateDeleted:
    """The station holds a certificate no longer: it deleted it, or has none such."""

    station_id: str
    hash_data: CertificateHashData
    deleted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSigningRequested:
    """The station asked for a certificate.

    `refusal` is why it will not get one, or None as far as the request itself is in order. Whether
    `common_name` is the station's, the store decides, which knows what an operator has said.
    Without `certificate_type` the certificate is for both uses.
    """

    station_id: str
    certificate_type: CertificateSigningUse | None
    csr: str
    common_name: str | None
    subject: str | None
    key_type: str | None
    refusal: str | None
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSignedAnswered:
    """The station took a signed certificate, or did not.

    `presented` names the one that it took, unless it is one for vehicles.
    """

    station_id: str
    command_id: str
    accepted: bool
    answered_at: datetime
    presented: PresentedCertificate | None = None
    not_after: datetime | None = None
