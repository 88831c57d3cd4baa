"""Signs what stations ask for, if there is an authority, and delivers what is signed."""

import asyncio
from datetime import UTC, datetime

import structlog

from control.jobs.periodic import each_by_itself
from control.jobs.settings import WorkerSettings
from control.trust.authority import CertificateAuthority, load_certificate_authority
from control.trust.delivery import deliver
from shared import x509
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender, RunCommand
from shared.domain.commands import Command, CommandRecord
from shared.domain.errors import ConflictError, InvalidInputError, StationOfflineError
from shared.domain.trust.certificates import CertificateSigningUse, SigningRequest
from shared.store.commands import commands
from shared.store.pool import Database
from shared.store.trust import signing_requests

log = structlog.get_logger()

_NOBODY_WAITS = ""


class CertificateKeeper:
    """Sees certificate signing requests through.

    Args:
        db: where they are kept.
        registry: knows which pod holds a station.
        sender: writes to the pods' streams.
        settings: the authority, and how many tries a delivery has.

    Raises:
        UnavailableError: the authority's files cannot be read.
    """

    def __init__(
        self,
        db: Database,
        registry: OwnershipRegistry,
        sender: PodRequestSender,
        settings: WorkerSettings,
    ) -> None:
        self._db = db
        self._registry = registry
        self._sender = sender
        self._settings = settings
        self._authority = _load_authority(settings)

    async def run(self) -> int:
        """Sign and deliver; return how many certificates moved on."""
        signed = 0 if self._authority is None else await self._sign_pending(self._authority)
        waiting = await signing_requests.list_deliverable(
            self._db, limit=self._settings.certificates_batch
        )
        delivered = await each_by_itself(self._db, "certificates", waiting, self._deliver)
        given_up = await signing_requests.sweep_undelivered(
            self._db, max_deliveries=self._settings.certificate_max_deliveries
        )
        return signed + delivered + given_up

    async def _deliver(self, signing_request_id: str) -> bool:
        return await deliver(
            self._db,
            self._send,
            signing_request_id,
            max_deliveries=self._settings.certificate_max_deliveries,
        )

    async def _sign_pending(self, authority: CertificateAuthority) -> int:
        # Those of V2G certificates are not ours to sign: their root is that of ISO 15118. And their
        # commonName is not looked at, while for us it is who a station is.
        pending = await signing_requests.list_pending(
            self._db,
            certificate_type=CertificateSigningUse.CHARGING_STATION,
            limit=self._settings.certificates_batch,
        )
        requests = {request.signing_request_id: request for request in pending}

        async def sign(signing_request_id: str) -> bool:
            return await self._sign(authority, requests[signing_request_id])

        return await each_by_itself(self._db, "certificates", requests, sign)

    async def _sign(self, authority: CertificateAuthority, request: SigningRequest) -> bool:
        try:
            if await self._refuse_if_not_its_own(request):
                return False
            # A thread, as RSA takes its time.
            await self._keep(request, await asyncio.to_thread(_sign, authority, request))
        except ConflictError:
            return False  # an operator or another worker was faster
        except InvalidInputError as error:
            log.error(  # noqa: TRY400 - a sentence, no traceback
                "a certificate cannot be signed",
                signing_request_id=request.signing_request_id,
                station_id=request.station_id,
                error=str(error),
            )
            return False
        return True

    async def _refuse_if_not_its_own(self, request: SigningRequest) -> bool:
        """Look again at whose name it is: stations may have changed since the request came."""
        details = await asyncio.to_thread(x509.read_signing_request, request.csr, organization=None)
        objection = details.refusal or await signing_requests.find_objection(
            self._db, request.signing_request_id, details.common_name
        )
        if objection is None:
            return False
        await signing_requests.refuse(self._db, request.signing_request_id, objection)
        log.warning(
            "a certificate is not signed",
            signing_request_id=request.signing_request_id,
            station_id=request.station_id,
            reason=objection,
        )
        return True

    async def _keep(
        self, request: SigningRequest, signed: tuple[str, x509.CertificateDetails]
    ) -> None:
        chain, details = signed
        await signing_requests.keep_signed(
            self._db,
            request.signing_request_id,
            certificate_chain=chain,
            serial_number=details.serial_number,
            presented=details.presented,
            not_after=details.not_after,
            replaces=False,
        )

    async def _send(self, station_id: str, command: Command) -> CommandRecord:
        route = (await self._registry.find_routes([station_id])).get(station_id)
        if route is None:
            raise StationOfflineError(f"station {station_id!r} is offline")
        record, _ = await commands.create(
            self._db,
            station_id=station_id,
            command=command,
            timeout_s=self._settings.certificate_command_timeout_s,
        )
        request = RunCommand(record.command_id, station_id, _NOBODY_WAITS)
        await self._sender.send(route.pod_id, request)
        return record


def _sign(
    authority: CertificateAuthority, request: SigningRequest
) -> tuple[str, x509.CertificateDetails]:
    now = datetime.now(UTC)
    chain = authority.sign(request.csr, now=now)
    return chain, x509.check_chain(chain, csr=request.csr, now=now)


def _load_authority(settings: WorkerSettings) -> CertificateAuthority | None:
    certificate = settings.certificate_authority_certificate
    key = settings.certificate_authority_key
    if certificate is None or key is None:
        return None
    return load_certificate_authority(
        certificate, key, lifetime_days=settings.certificate_lifetime_days
    )
