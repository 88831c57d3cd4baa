"""What a station's answer to CertificateSigned tells, in every version of OCPP."""

from datetime import datetime

from gateway.routing import AnsweredCall
from shared import x509
from shared.domain.trust.certificates import CertificateSignedAnswered, CertificateSigningUse

_ACCEPTED = "Accepted"


def read_certificate_signed_answer(
    call: AnsweredCall, *, station_id: str, answered_at: datetime
) -> CertificateSignedAnswered:
    """Keep whether the station took its certificate, and which one that is.

    With one for vehicles it does not come in.
    """
    accepted = call.answer["status"] == _ACCEPTED
    for_vehicles = call.request.get("certificateType") == CertificateSigningUse.V2G
    leaf = None
    if accepted and not for_vehicles:
        leaf = x509.find_leaf(call.request["certificateChain"])
    return CertificateSignedAnswered(
        station_id=station_id,
        command_id=call.command_id,
        accepted=accepted,
        answered_at=answered_at,
        presented=None if leaf is None else leaf.presented,
        not_after=None if leaf is None else leaf.not_after,
    )
