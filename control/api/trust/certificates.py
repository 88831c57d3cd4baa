"""Certificates: what stations hold, and what they want signed."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from control import problems
from control.api.trust.certificates_schemas import (
    InstalledCertificate,
    SignedCertificate,
    SigningRequest,
)
from control.api.types import StationId, UtcTime
from control.errors import InvalidFieldError
from control.paging import SORT, UUIDS, Order, Page, PagingDep
from control.services import ServicesDep
from control.trust.delivery import deliver
from shared import x509
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import InvalidInputError
from shared.domain.trust.certificates import SigningRequestState
from shared.store.stations import stations
from shared.store.trust import certificates, signing_request_lists, signing_requests

router = APIRouter(prefix="/v1", tags=["certificates"])

_INSTALLED = "installed-certificates"
_REQUESTS = "certificate-signing-requests"


@router.get(
    "/stations/{station_id}/certificates", responses=problems.responses(NotFoundCode.STATION)
)
async def list_installed_certificates(
    station_id: StationId,
    services: ServicesDep,
    paging: PagingDep,
    sort: Annotated[
        Literal["installed_certificate_id", "-installed_certificate_id"], SORT
    ] = "installed_certificate_id",
) -> Page[InstalledCertificate]:
    """List the certificates that a station holds, as far as it told.

    The command GetInstalledCertificateIds asks it; InstallCertificate and DeleteCertificate change
    the list.
    """
    order = Order.of(_INSTALLED, sort, usual="installed_certificate_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda after, limit: certificates.list_after(
            services.db,
            station_id=station_id,
            after=after,
            limit=limit,
            goes_down=order.goes_down,
        ),
        key_of=lambda row: row.installed_certificate_id,
        shown=InstalledCertificate.model_validate,
        count=lambda up_to: certificates.count(services.db, station_id=station_id, up_to=up_to),
        owner=lambda: stations.get(services.db, station_id),
    )


@router.get("/certificate-signing-requests")
async def list_signing_requests(
    *,
    services: ServicesDep,
    paging: PagingDep,
    station_id: Annotated[StationId | None, Query(description="only this station's")] = None,
    state: Annotated[SigningRequestState | None, Query(description="only these")] = None,
    since: Annotated[
        UtcTime | None, Query(description="only those with `requested_at` then or later")
    ] = None,
    until: Annotated[
        UtcTime | None, Query(description="only those with `requested_at` before")
    ] = None,
    sort: Annotated[
        Literal["signing_request_id", "-signing_request_id"], SORT
    ] = "-signing_request_id",
) -> Page[SigningRequest]:
    """List what stations want signed, the newest first; `state=pending` waits for somebody."""
    order = Order.of(_REQUESTS, sort, usual="-signing_request_id", keys=UUIDS)
    return await paging.page(
        order,
        read=lambda before, limit: signing_request_lists.list_before(
            services.db,
            before=before,
            limit=limit,
            station_id=station_id,
            state=state,
            since=since,
            until=until,
            goes_down=order.goes_down,
        ),
        key_of=lambda row: row.signing_request_id,
        shown=SigningRequest.model_validate,
        count=lambda up_to: signing_request_lists.count(
            services.db,
            up_to=up_to,
            station_id=station_id,
            state=state,
            since=since,
            until=until,
        ),
    )


@router.get(
    "/certificate-signing-requests/{signing_request_id}",
    responses=problems.responses(NotFoundCode.SIGNING_REQUEST),
)
async def get_signing_request(signing_request_id: UUID, services: ServicesDep) -> SigningRequest:
    """Return one certificate signing request."""
    request = await signing_requests.get(services.db, str(signing_request_id))
    return SigningRequest.model_validate(request)


@router.post(
    "/certificate-signing-requests/{signing_request_id}/certificate",
    responses=problems.responses(
        NotFoundCode.SIGNING_REQUEST,
        ConflictCode.CERTIFICATE_NAME_TAKEN,
        ConflictCode.CERTIFICATE_OF_ANOTHER_STATION,
        ConflictCode.SIGNING_REQUEST_ANSWERED,
    ),
)
async def answer_signing_request(
    signing_request_id: UUID, body: SignedCertificate, services: ServicesDep
) -> SigningRequest:
    """Give the signed certificate to a request, and hand it to the station.

    A station that is offline gets it when it is back. Until it has said Accepted, another
    certificate may take its place. Its common name has to be the station's id or its
    `certificate_serial_number`; from now on the station may come in with it.
    """
    key = str(signing_request_id)
    request = await signing_requests.get(services.db, key)
    check = partial(
        x509.check_chain, body.certificate_chain, csr=request.csr, now=datetime.now(UTC)
    )
    try:
        details = await asyncio.to_thread(check)
    except InvalidInputError as error:
        raise InvalidFieldError("body", "certificate_chain", str(error)) from error
    await signing_requests.keep_signed(
        services.db,
        key,
        certificate_chain=body.certificate_chain,
        serial_number=details.serial_number,
        presented=details.presented,
        not_after=details.not_after,
        replaces=True,
    )
    send = partial(services.dispatcher.send, timeout_s=services.settings.command_timeout_s)
    await deliver(services.db, send, key, max_deliveries=1)
    return SigningRequest.model_validate(await signing_requests.get(services.db, key))
