"""Events of what stations were asked for."""

from collections.abc import Mapping

from shared.domain.notices.events import EventType
from shared.domain.notices.kinds.kind import EventKind

_PROGRESS = {
    "request_id": "its number, as the station knows it",
    "status": "how far it is, in the station's words",
    "ambiguous": "whether the station may have meant another of its requests",
}

KINDS: Mapping[EventType, EventKind] = {
    EventType.COMMAND_ENDED: EventKind(
        "A command has its outcome, whatever that is. What the station answered stands in "
        "`GET /v1/commands/{command_id}`.",
        {
            "command_id": "which command",
            "type": "what was asked",
            "state": "what became of it: accepted, answered, rejected, failed, timed_out, unknown, "
            "expired or cancelled",
            "status": "the station's own word",
            "error_code": "what went wrong",
            "error_description": "the same in words",
            "batch_id": "the batch that it was of",
        },
        {
            "command_id": "01973c5e-7f4e-7aa0-9c51-2f6f3a0b1c30",
            "type": "RemoteStart",
            "state": "accepted",
            "status": "Accepted",
            "error_code": None,
            "error_description": None,
            "batch_id": None,
        },
    ),
    EventType.FIRMWARE_UPDATE_PROGRESSED: EventKind(
        "A station told how far a firmware update is.",
        {"firmware_update_id": "which update", **_PROGRESS},
        {
            "firmware_update_id": "01973c5e-7f4e-7aa0-9c51-2f6f3a0b1c31",
            "request_id": 12,
            "status": "Downloading",
            "ambiguous": False,
        },
    ),
    EventType.LOG_UPLOAD_PROGRESSED: EventKind(
        "A station told how far the upload of a log is.",
        {"log_request_id": "which request", **_PROGRESS},
        {
            "log_request_id": "01973c5e-7f4e-7aa0-9c51-2f6f3a0b1c32",
            "request_id": 13,
            "status": "Uploaded",
            "ambiguous": False,
        },
    ),
    EventType.CERTIFICATE_PROGRESSED: EventKind(
        "A station's certificate signing request is in another state than before.",
        {
            "signing_request_id": "which request",
            "certificate_type": "what the certificate is for",
            "state": "pending, refused, signed, accepted, rejected or undelivered",
            "reason": "why it was refused or rejected",
            "serial_number": "of the certificate",
            "not_after": "until when it is valid",
        },
        {
            "signing_request_id": "01973c5e-7f4e-7aa0-9c51-2f6f3a0b1c33",
            "certificate_type": "ChargingStationCertificate",
            "state": "signed",
            "reason": None,
            "serial_number": "5F3A",
            "not_after": "2027-06-01T09:30:00.000000Z",
        },
    ),
}
"""By type."""
