"""Certificates: what stations hold, and what they want signed."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from control import problems
from control.api.trust.certificates_schemas import (
    InstalledCertificate,
    SignedCertificate,
    SigningRequest,
)
from control.api.types import StationId
from control.errors import InvalidFieldError
from control.paging import DEFAULT_LIMIT, Cursor, Limit, Page, cut_page, decode_uuid, encode_cursor
from control.services import ServicesDep
from control.trust.delivery import deliver
from shared import x509
from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import InvalidInputError
from shared.domain.trust.certificates import SigningRequestState
from shared.store.stations import stations
from shared.store.trust import certificates, signing_requests

router = APIRouter(prefix="/v1", tags=["certificates"])

_INSTALLED = "installed-certificates"
_REQUESTS = "certificate-signing-requests"


@router.get(
    "/stations/{station_id}/certificates", responses=problems.responses(NotFoundCode.STATION)
)
async def list_installed_certificates(
    station_id: StationId,
    services: ServicesDep,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[InstalledCertificate]:
    """List the certificates that a station holds, as far as it told.

    The command GetInstalledCertificateIds asks it; InstallCertificate and DeleteCertificate change
    the list.
    """
    after = decode_uuid(_INSTALLED, cursor)
    rows, next_cursor = cut_page(
        await certificates.list_after(
            services.db, station_id=station_id, after=after, limit=limit + 1
        ),
        limit=limit,
        cursor_of=lambda row: encode_cursor(_INSTALLED, row.installed_certificate_id),
    )
    if not rows and after is None:
        await stations.get(services.db, station_id)  # raises if there is no such station
    items = [InstalledCertificate.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=next_cursor)


@router.get("/certificate-signing-requests")
async def list_signing_requests(
    services: ServicesDep,
    station_id: Annotated[StationId | None, Query(description="only this station's")] = None,
    state: Annotated[SigningRequestState | None, Query(description="only these")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[SigningRequest]:
    """List what stations want signed, the newest first; `state=pending` waits for somebody."""
    rows, next_cursor = cut_page(
        await signing_requests.list_before(
            services.db,
            before=decode_uuid(_REQUESTS, cursor),
            limit=limit + 1,
            station_id=station_id,
            state=state,
        ),
        limit=limit,
        cursor_of=lambda row: encode_cursor(_REQUESTS, row.signing_request_id),
    )
    items = [SigningRequest.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=next_cursor)


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
