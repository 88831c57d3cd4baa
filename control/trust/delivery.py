"""Handing signed certificates over to stations; the API begins it, the worker sees it through."""

from collections.abc import Awaitable, Callable

from shared.domain.commands import CertificateSigned, Command, CommandRecord
from shared.domain.errors import CommandQueueFullError, NotFoundError, UnavailableError
from shared.domain.trust.certificates import SigningRequest
from shared.store.pool import Database
from shared.store.trust import signing_requests

Send = Callable[[str, Command], Awaitable[CommandRecord]]


async def deliver(
    db: Database, send: Send, signing_request_id: str, *, max_deliveries: int
) -> bool:
    """Send a signed certificate to its station, unless that goes on already.

    Args:
        db: where signing requests are kept.
        send: puts a command on its way.
        signing_request_id: whose certificate.
        max_deliveries: how many tries there are in all.

    Returns:
        Whether it is on its way. A station that is offline, or has much to do, costs no try.
    """
    request = await signing_requests.claim_delivery(
        db, signing_request_id, max_deliveries=max_deliveries
    )
    if request is None or request.certificate_chain is None:
        return False
    try:
        record = await send(request.station_id, _command(request, request.certificate_chain))
    except (CommandQueueFullError, NotFoundError, UnavailableError):
        await signing_requests.give_delivery_back(db, signing_request_id)
        return False
    await signing_requests.attach_delivery(db, signing_request_id, record.command_id)
    return True


def _command(request: SigningRequest, certificate_chain: str) -> CertificateSigned:
    return CertificateSigned(
        certificate_chain=certificate_chain,
        certificate_type=request.certificate_type,
        signing_request_id=request.signing_request_id,
    )
