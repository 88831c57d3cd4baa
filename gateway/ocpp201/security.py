"""A. Security."""

import asyncio
from collections.abc import Iterable

from ocpp.v201 import call, call_result
from ocpp.v201.enums import Action, CertificateSigningUseEnumType, GenericStatusEnumType

from gateway.certificate_answers import read_certificate_signed_answer
from gateway.handlers import Handlers
from gateway.quotas import Quota
from gateway.routing import AnsweredCall, answered, on, sends
from gateway.translation import parse_time
from shared import x509
from shared.domain import commands
from shared.domain.stations.device_model import SecurityEventReported
from shared.domain.trust.certificates import (
    CertificateSignedAnswered,
    CertificateSigningRequested,
    CertificateSigningUse,
)

_SECURITY_EVENT_NOTIFICATION_ANSWER = call_result.SecurityEventNotification()
_ACCEPTED = "Accepted"


class Security(Handlers):
    """SecurityEventNotification, SignCertificate, CertificateSigned."""

    __slots__ = ()

    @on(Action.security_event_notification)
    async def on_security_event_notification(
        self,
        *,
        type: str,  # noqa: A002 - so it is called in the payload
        timestamp: str,
        tech_info: str | None = None,
        **_: object,
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
        return _SECURITY_EVENT_NOTIFICATION_ANSWER

    @on(Action.sign_certificate)
    async def on_sign_certificate(
        self, *, csr: str, certificate_type: str | None = None, **_: object
    ) -> call_result.SignCertificate:
        """Check and keep a certificate signing request (A02.FR.11, A02.FR.12)."""
        if not self.grant(Quota.SIGNING_REQUESTS):
            return call_result.SignCertificate(status=GenericStatusEnumType.rejected)
        details = await asyncio.to_thread(
            x509.read_signing_request,
            csr,
            organization=self.services.settings.certificate_organization,
        )
        status = await self.services.ingest.submit(
            CertificateSigningRequested(
                station_id=self.station.station_id,
                certificate_type=(
                    None if certificate_type is None else CertificateSigningUse(certificate_type)
                ),
                csr=csr,
                common_name=details.common_name,
                subject=details.subject,
                key_type=details.key_type,
                refusal=details.refusal,
                requested_at=self.services.now(),
            )
        )
        return call_result.SignCertificate(
            status=GenericStatusEnumType.accepted
            if status == _ACCEPTED
            else GenericStatusEnumType.rejected
        )

    @sends(commands.CertificateSigned)
    def certificate_signed(self, command: commands.CertificateSigned) -> call.CertificateSigned:
        """A02, A03; the type only if the request had one (A02.FR.14)."""
        use = command.certificate_type
        return call.CertificateSigned(
            certificate_chain=command.certificate_chain,
            certificate_type=None if use is None else CertificateSigningUseEnumType(use),
        )

    @answered(Action.certificate_signed)
    def certificate_signed_answered(
        self, call: AnsweredCall
    ) -> Iterable[CertificateSignedAnswered]:
        """Keep whether the station took it."""
        yield read_certificate_signed_answer(
            call, station_id=self.station.station_id, answered_at=self.services.now()
        )
