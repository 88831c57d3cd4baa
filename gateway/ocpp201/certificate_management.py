"""M. Certificate management: which certificates a station trusts."""

from collections.abc import Iterable
from typing import Any

from ocpp.v201 import call
from ocpp.v201.datatypes import CertificateHashDataType
from ocpp.v201.enums import (
    Action,
    GetCertificateIdUseEnumType,
    HashAlgorithmEnumType,
    InstallCertificateUseEnumType,
)

from gateway.errors import CannotBeSaidError
from gateway.handlers import Handlers
from gateway.routing import AnsweredCall, answered, sends
from shared import x509
from shared.domain import commands
from shared.domain.trust.certificates import (
    CertificateDeleted,
    CertificateHashData,
    CertificateInstalled,
    CertificateUse,
    HashAlgorithm,
    InstalledCertificatesReported,
    ReportedCertificate,
)

_ACCEPTED = "Accepted"
_GONE = frozenset({_ACCEPTED, "NotFound"})


class CertificateManagement(Handlers):
    """InstallCertificate, DeleteCertificate, GetInstalledCertificateIds."""

    __slots__ = ()

    @sends(commands.InstallCertificate)
    def install_certificate(self, command: commands.InstallCertificate) -> call.InstallCertificate:
        """M05."""
        if CertificateUse(command.certificate_type) is CertificateUse.V2G_CHAIN:
            raise CannotBeSaidError(
                "a V2GCertificateChain cannot be installed: the station asks for it "
                "(SignCertificate), and CertificateSigned answers"
            )
        return call.InstallCertificate(
            certificate_type=InstallCertificateUseEnumType(command.certificate_type),
            certificate=command.certificate,
        )

    @answered(Action.install_certificate)
    def install_certificate_answered(self, call: AnsweredCall) -> Iterable[CertificateInstalled]:
        """Keep a root that was installed; how it is named follows from the certificate."""
        hash_data = x509.read_root_hash_data(call.request["certificate"])
        if call.answer["status"] == _ACCEPTED and hash_data is not None:
            yield CertificateInstalled(
                station_id=self.station.station_id,
                certificate_type=CertificateUse(call.request["certificateType"]),
                hash_data=hash_data,
                installed_at=self.services.now(),
            )

    @sends(commands.DeleteCertificate)
    def delete_certificate(self, command: commands.DeleteCertificate) -> call.DeleteCertificate:
        """M04."""
        return call.DeleteCertificate(
            certificate_hash_data=CertificateHashDataType(
                hash_algorithm=HashAlgorithmEnumType(command.hash_algorithm),
                issuer_name_hash=command.issuer_name_hash,
                issuer_key_hash=command.issuer_key_hash,
                serial_number=command.serial_number,
            )
        )

    @answered(Action.delete_certificate)
    def delete_certificate_answered(self, call: AnsweredCall) -> Iterable[CertificateDeleted]:
        """Forget a certificate that the station does not hold any more, or never did."""
        if call.answer["status"] in _GONE:
            yield CertificateDeleted(
                station_id=self.station.station_id,
                hash_data=_to_hash_data(call.request["certificateHashData"]),
                deleted_at=self.services.now(),
            )

    @sends(commands.GetInstalledCertificateIds)
    def get_installed_certificate_ids(
        self, command: commands.GetInstalledCertificateIds
    ) -> call.GetInstalledCertificateIds:
        """M03; no types at all asks for every one."""
        types = [GetCertificateIdUseEnumType(use) for use in command.certificate_types]
        return call.GetInstalledCertificateIds(certificate_type=types or None)

    @answered(Action.get_installed_certificate_ids)
    def get_installed_certificate_ids_answered(
        self, call: AnsweredCall
    ) -> Iterable[InstalledCertificatesReported]:
        """Keep the list; NotFound is an empty one (M03.FR.02)."""
        asked = call.request.get("certificateType")
        yield InstalledCertificatesReported(
            station_id=self.station.station_id,
            certificate_types=tuple(map(CertificateUse, asked)) if asked else None,
            certificates=[
                _to_certificate(chain) for chain in call.answer.get("certificateHashDataChain", ())
            ],
            reported_at=self.services.now(),
        )


def _to_certificate(chain: dict[str, Any]) -> ReportedCertificate:
    return ReportedCertificate(
        certificate_type=CertificateUse(chain["certificateType"]),
        hash_data=_to_hash_data(chain["certificateHashData"]),
        child_certificates=[
            {
                "hash_algorithm": child["hashAlgorithm"],
                "issuer_name_hash": child["issuerNameHash"],
                "issuer_key_hash": child["issuerKeyHash"],
                "serial_number": child["serialNumber"],
            }
            for child in chain.get("childCertificateHashData", ())
        ],
    )


def _to_hash_data(data: dict[str, str]) -> CertificateHashData:
    return CertificateHashData(
        hash_algorithm=HashAlgorithm(data["hashAlgorithm"]),
        issuer_name_hash=data["issuerNameHash"],
        issuer_key_hash=data["issuerKeyHash"],
        serial_number=data["serialNumber"],
    )
