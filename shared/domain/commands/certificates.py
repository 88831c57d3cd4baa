"""Managing the certificates of a station (OCPP 2.0.1 A02, M03 to M05)."""

from dataclasses import dataclass

from shared.domain.commands.command import Command
from shared.domain.trust.certificates import CertificateSigningUse, CertificateUse, HashAlgorithm


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallCertificate(Command):
    """Trust one more root certificate (M05)."""

    certificate_type: CertificateUse
    certificate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteCertificate(Command):
    """Trust a certificate no longer (M04), named as the station named it."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetInstalledCertificateIds(Command):
    """Tell which certificates of these types are installed (M03); none named stands for all.

    OCPP 1.6 can ask for one type at a time.
    """

    certificate_types: tuple[CertificateUse, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSigned(Command):
    """Hand over the certificate that the station asked for, with what is above it (A02, A03).

    `signing_request_id` is the request that it answers; it is not told to the station. Without a
    type it is for both uses (2.0.1 §1.4.1), and 1.6 knows none.
    """

    certificate_chain: str
    certificate_type: CertificateSigningUse | None = None
    signing_request_id: str | None = None
