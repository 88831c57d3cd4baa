"""Client certificates: what a station may come in with (security profile 3)."""

import asyncio
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, status

from control import problems
from control.api.trust.client_certificates_schemas import ClientCertificate, ClientCertificatePin
from control.api.types import StationId
from control.errors import InvalidFieldError
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import ServicesDep
from shared import x509
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import InvalidInputError
from shared.domain.trust.certificates import PresentedCertificate
from shared.store.stations import stations
from shared.store.trust import client_certificates

router = APIRouter(prefix="/v1/stations/{station_id}/client-certificates", tags=["certificates"])

_RESOURCE = "client-certificates"
_SHA1_DIGITS = 40


@router.get("", responses=problems.responses(NotFoundCode.STATION))
async def list_client_certificates(
    station_id: StationId,
    services: ServicesDep,
    paging: PagingDep,
    sort: Annotated[
        Literal["client_certificate_id", "-client_certificate_id"], SORT
    ] = "client_certificate_id",
) -> Page[ClientCertificate]:
    """List the certificates that a station may come in with, and those that were revoked.

    What is issued through a signing request of the station's stands here by itself.
    """
    order = Order.of(_RESOURCE, sort, usual="client_certificate_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda after, limit: client_certificates.list_after(
            services.db,
            station_id=station_id,
            after=after,
            limit=limit,
            goes_down=order.goes_down,
        ),
        key_of=lambda row: row.client_certificate_id,
        shown=ClientCertificate.model_validate,
        count=lambda up_to: client_certificates.count(
            services.db, station_id=station_id, up_to=up_to
        ),
        owner=lambda: stations.get(services.db, station_id),
    )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problems.responses(NotFoundCode.STATION, ConflictCode.CERTIFICATE_OF_ANOTHER_STATION),
)
async def pin_client_certificate(
    station_id: StationId, body: ClientCertificatePin, services: ServicesDep
) -> ClientCertificate:
    """Let a station come in with a certificate that it has from elsewhere, as from its factory.

    Its authority has to be among those that the gateway, or the proxy in front, verifies by. One
    that was revoked counts again.
    """
    presented, not_after = await _read(body)
    pinned = await client_certificates.pin(services.db, station_id, presented, not_after=not_after)
    return ClientCertificate.model_validate(pinned)


async def _read(body: ClientCertificatePin) -> tuple[PresentedCertificate, datetime | None]:
    if body.certificate is not None:
        try:
            details = await asyncio.to_thread(x509.read_certificate, body.certificate)
        except InvalidInputError as error:
            raise InvalidFieldError("body", "certificate", str(error)) from error
        return details.presented, details.not_after
    if body.fingerprint is not None:
        digits = body.fingerprint.lower()
        if len(digits) == _SHA1_DIGITS:
            return PresentedCertificate(sha1=digits), None
        return PresentedCertificate(sha256=digits), None
    return PresentedCertificate(issuer=body.issuer, common_name=body.common_name), None


@router.delete(
    "/{client_certificate_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems.responses(NotFoundCode.CLIENT_CERTIFICATE),
)
async def revoke_client_certificate(
    station_id: StationId, client_certificate_id: UUID, services: ServicesDep
) -> None:
    """Let a station come in with a certificate no longer, and close its connection.

    A station whose own certificate still counts comes back at once.
    """
    await services.connections.require_reachable(station_id)
    await client_certificates.revoke(services.db, station_id, str(client_certificate_id))
    await services.connections.close(station_id)
