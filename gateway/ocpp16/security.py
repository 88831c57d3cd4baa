"""The security extension of OCPP 1.6 (whitepaper, edition 3): events and certificates."""

import asyncio
from collections.abc import Iterable

from ocpp.v16 import call, call_result, datatypes
from ocpp.v16.enums import Action, CertificateUse, GenericStatus, HashAlgorithm

from gateway.certificate_answers import read_certificate_signed_answer
from gateway.errors import CannotBeSaidError
from gateway.handlers import Handlers
from gateway.quotas import Quota
from gateway.routing import AnsweredCall, answered, on, sends
from gateway.translation import parse_time
from shared import x509
from shared.domain import commands
from shared.domain.stations.device_model import SecurityEventReported
from shared.domain.trust import certificates
from shared.domain.trust.certificates import (
    CertificateDeleted,
    CertificateHashData,
    CertificateInstalled,
    CertificateSignedAnswered,
    CertificateSigningRequested,
    CertificateSigningUse,
    InstalledCertificatesReported,
    ReportedCertificate,
)

_CERTIFICATE_USE = {
    certificates.CertificateUse.CSMS_ROOT: CertificateUse.central_system_root_certificate,
    certificates.CertificateUse.MANUFACTURER_ROOT: CertificateUse.manufacturer_root_certificate,
}
_USE_OF = {str(word): use for use, word in _CERTIFICATE_USE.items()}
_ACCEPTED = "Accepted"
_GONE = frozenset({_ACCEPTED, "NotFound"})


class Security(Handlers):
    """SecurityEventNotification, and the messages about certificates."""

    __slots__ = ()

    @on(Action.security_event_notification)
    async def on_security_event_notification(
        self,
        *,
        type: str,  # noqa: A002 - so it is called in the payload
        timestamp: str,
        tech_info: str | None = None,
    ) -> call_result.SecurityEventNotification:
        """Keep a security event (A04)."""
        occurred_at = parse_time(timestamp)
        if self.grant(Quota.SECURITY_EVENTS):
            await self.services.ingest.submit(
                SecurityEventReported(
                    station_id=self.station.station_id,
                    type=type,
                    occurred_at=occurred_at,
                    tech_info=tech_info,
                )
            )
        return call_result.SecurityEventNotification()

    @on(Action.sign_certificate)
    async def on_sign_certificate(self, *, csr: str) -> call_result.SignCertificate:
        """Check and keep a certificate signing request (A02.FR.11, A02.FR.12)."""
        if not self.grant(Quota.SIGNING_REQUESTS):
            return call_result.SignCertificate(status=GenericStatus.rejected)
        details = await asyncio.to_thread(
            x509.read_signing_request,
            csr,
            organization=self.services.settings.certificate_organization,
        )
        status = await self.services.ingest.submit(
            CertificateSigningRequested(
                station_id=self.station.station_id,
                certificate_type=CertificateSigningUse.CHARGING_STATION,
                csr=csr,
                common_name=details.common_name,
                subject=details.subject,
                key_type=details.key_type,
                refusal=details.refusal,
                requested_at=self.services.now(),
            )
        )
        return call_result.SignCertificate(
            status=GenericStatus.accepted if status == _ACCEPTED else GenericStatus.rejected
        )

    @sends(commands.CertificateSigned)
    def certificate_signed(self, command: commands.CertificateSigned) -> call.CertificateSigned:
        """A02, A03."""
        use = command.certificate_type
        if use is not None and use != CertificateSigningUse.CHARGING_STATION:
            raise CannotBeSaidError(
                f"OCPP 1.6 knows no {use}: its stations have ChargingStationCertificate only"
            )
        return call.CertificateSigned(certificate_chain=command.certificate_chain)

    @answered(Action.certificate_signed)
    def certificate_signed_answered(
        self, call: AnsweredCall
    ) -> Iterable[CertificateSignedAnswered]:
        """Keep whether the station took it."""
        yield read_certificate_signed_answer(
            call, station_id=self.station.station_id, answered_at=self.services.now()
        )

    @sends(commands.InstallCertificate)
    def install_certificate(self, command: commands.InstallCertificate) -> call.InstallCertificate:
        """M05."""
        return call.InstallCertificate(
            certificate_type=_to_use(command.certificate_type), certificate=command.certificate
        )

    @answered(Action.install_certificate)
    def install_certificate_answered(self, call: AnsweredCall) -> Iterable[CertificateInstalled]:
        """Keep a root that was installed; how it is named follows from the certificate."""
        hash_data = x509.read_root_hash_data(call.request["certificate"])
        if call.answer["status"] == _ACCEPTED and hash_data is not None:
            yield CertificateInstalled(
                station_id=self.station.station_id,
                certificate_type=_USE_OF[call.request["certificateType"]],
                hash_data=hash_data,
                installed_at=self.services.now(),
            )

    @sends(commands.DeleteCertificate)
    def delete_certificate(self, command: commands.DeleteCertificate) -> call.DeleteCertificate:
        """M04."""
        return call.DeleteCertificate(
            certificate_hash_data=datatypes.CertificateHashData(
                hash_algorithm=HashAlgorithm(command.hash_algorithm),
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
        """M03."""
        if len(command.certificate_types) != 1:
            raise CannotBeSaidError(
                "a station of OCPP 1.6 tells the certificates of one type at a time: name one in "
                "certificate_types"
            )
        return call.GetInstalledCertificateIds(
            certificate_type=_to_use(command.certificate_types[0])
        )

    @answered(Action.get_installed_certificate_ids)
    def get_installed_certificate_ids_answered(
        self, call: AnsweredCall
    ) -> Iterable[InstalledCertificatesReported]:
        """Keep the list; NotFound is an empty one (M03.FR.02)."""
        use = _USE_OF[call.request["certificateType"]]
        yield InstalledCertificatesReported(
            station_id=self.station.station_id,
            certificate_types=(use,),
            certificates=[
                ReportedCertificate(
                    certificate_type=use, hash_data=_to_hash_data(data), child_certificates=[]
                )
                for data in call.answer.get("certificateHashData", ())
            ],
            reported_at=self.services.now(),
        )


def _to_use(use: str) -> CertificateUse:
    word = _CERTIFICATE_USE.get(certificates.CertificateUse(use))
    if word is None:
        raise CannotBeSaidError(
            f"OCPP 1.6 knows no {use}: there are CSMSRootCertificate and "
            "ManufacturerRootCertificate"
        )
    return word


def _to_hash_data(data: dict[str, str]) -> CertificateHashData:
    return CertificateHashData(
        hash_algorithm=certificates.HashAlgorithm(data["hashAlgorithm"]),
        issuer_name_hash=data["issuerNameHash"],
        issuer_key_hash=data["issuerKeyHash"],
        serial_number=data["serialNumber"],
    )
