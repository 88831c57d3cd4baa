"""What a conformance test of OCPP 1.6 may say it covers; docs/conformance-1.6.md is made of it."""

from dataclasses import dataclass
from enum import StrEnum

import pytest


class Direction(StrEnum):
    """Who sends the CALL."""

    FROM_STATION = "from the station"
    TO_STATION = "to the station"


@dataclass(frozen=True)
class Message:
    """A message of OCPP 1.6 in one direction."""

    action: str
    direction: Direction


def from_station(action: str) -> Message:
    """Name a message that stations send."""
    return Message(action, Direction.FROM_STATION)


def to_station(action: str) -> Message:
    """Name a message that we send."""
    return Message(action, Direction.TO_STATION)


FROM_STATION = tuple(
    from_station(action)
    for action in (
        # Operations initiated by the Charge Point (§4).
        "Authorize",
        "BootNotification",
        "DataTransfer",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "MeterValues",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
        # Security whitepaper, edition 3 (§5).
        "LogStatusNotification",
        "SecurityEventNotification",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
    )
)
"""Every message that a station may send."""

TO_STATION = tuple(
    to_station(action)
    for action in (
        # Operations initiated by the Central System (§5).
        "CancelReservation",
        "ChangeAvailability",
        "ChangeConfiguration",
        "ClearCache",
        "ClearChargingProfile",
        "DataTransfer",
        "GetCompositeSchedule",
        "GetConfiguration",
        "GetDiagnostics",
        "GetLocalListVersion",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "ReserveNow",
        "Reset",
        "SendLocalList",
        "SetChargingProfile",
        "TriggerMessage",
        "UnlockConnector",
        "UpdateFirmware",
        # Security whitepaper, edition 3 (§5).
        "CertificateSigned",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetInstalledCertificateIds",
        "GetLog",
        "InstallCertificate",
        "SignedUpdateFirmware",
    )
)
"""Every message that a station may be sent."""


class Row(StrEnum):
    """What has to hold beside the messages: sessions, frames, the handshake, what goes out."""

    START_RETRIED = "StartTransaction retried, with the same or a new message id: one session"
    START_REFUSED = "StartTransaction with a refused idTag: an id, the status, and a flag"
    STOP_TWICE = "StopTransaction twice with other values: the first stands"
    TRANSACTION_UNKNOWN = "a transactionId that is 0, -1, unknown or another station's"
    REGISTER_IMPOSSIBLE = "a register or clock that cannot be: needs review"
    EVSE_IMPOSSIBLE = "a transaction on connector 0 or -1: kept, and needs review"
    LATE_VALUES = "meter values after the end: kept, nothing reopens"
    VALUES_WITHOUT_TRANSACTION = "MeterValues without a transaction: kept"
    STOP_MISSING = "a StopTransaction that never comes: closed by rule"
    OFFLINE_REPLAY = (
        "what was kept while offline, told in any order and partly again: the same session"
    )
    SAMPLE_NO_NUMBER = "one sample that is no number: dropped and counted, the message kept"
    CELCIUS = "Celcius beside Celsius (errata JE 2.1)"
    SIGNED_DATA = "SignedData: kept to the letter"
    CONTEXTS = "clock-aligned and sampled values: kept apart"
    STOP_WITHOUT_REASON = "StopTransaction without a reason: Local (errata JE 2.6)"
    TIMES = "times without a zone, with an offset, with 7 decimals; the year 222222017 refused"
    NO_BOOT = "a reconnect without BootNotification: works"
    BEFORE_ACCEPTED = "a CALL other than BootNotification before Accepted: refused (errata JE 3.10)"
    PENDING = "a Pending station: worked on, and accepted later"
    REJECTED = "a Rejected station: asked for nothing"
    UNKNOWN_VENDOR = "DataTransfer of an unknown vendor: UnknownVendorId, whatever it holds"
    QUIRKS = "harmless deviations: accepted, and counted per vendor, model and firmware"
    REAL_WORLD = "what real stations say otherwise, replayed as whole charges: the right session"
    FRAME_NOT_JSON = "a frame that is not JSON or not an array: dropped and counted"
    FRAME_UNKNOWN_TYPE = "an unknown message type id: ignored and counted"
    ACTION_UNKNOWN = "an unknown action: NotImplemented"
    ACTION_NOT_OURS = "an action that is not ours to receive: NotSupported"
    PAYLOAD_VIOLATIONS = "a payload against its schema: the four violations, spelt as in 1.6"
    REFUSED_KEPT = (
        "what tells of a transaction and gets a CALLERROR: kept, and replayed or assigned"
    )
    MESSAGE_ID_LONG = "a message id of more than 36 characters: CALLERROR"
    MESSAGE_ID_IN_WORK = "a message id that is still in work: CALLERROR, no second effect"
    MESSAGE_ID_SHARED = "the same message id on two connections: two messages"
    ANSWER_UNASKED = "a late, duplicate or unasked answer: ignored and counted"
    FRAME_HOSTILE = "NUL, a lone surrogate, NaN, an integer too wide, arrays nested without end"
    CALLS_QUEUED = "a second CALL before the answer to the first: in order, bounded"
    ONE_CALL_OPEN = "one CALL of ours at a time, and the station's own are answered meanwhile"
    SUBPROTOCOL_NONE = "no common subprotocol: 101 without the header, then closed"
    SUBPROTOCOL_BEST = "several subprotocols offered: the best one"
    UNAUTHORIZED = "unknown station, wrong password, other user name: 401 for all three"
    UNKNOWN_STATION = "an unknown station: listed in the inbox, and accepted from there"
    STATION_ID_BAD = "a station id that cannot be: refused, never stored"
    PROFILE_LOWER = "a lower security profile than before: refused, and an event"
    TLS = "TLS below 1.2, or a certificate of another station or authority: refused"
    HANDSHAKE_SLOW = "too many bytes of headers: 431; a slow handshake: closed"
    FAILURES = "too many failures of a station id or an address: 429 without hashing"
    LONG_CHARGE = "a StopTransaction with one sample a minute for hours: kept whole"
    MESSAGE_TOO_LONG = "a message over the limit: 1009"
    MEMORY_BOUNDED = "endless fragments, a decompression bomb: 1009, and memory stays bounded"
    COMPRESSION = "permessage-deflate: only if asked for, with a small window"
    WEBSOCKET_BROKEN = "bad UTF-8: 1007; unmasked, RSV1, a long ping: 1002"
    HALF_OPEN = "a connection that answers no ping: closed, and the station offline"
    ONE_DECIMAL = "charging limits go out with one decimal, exactly"
    SECRETS = (
        "AuthorizationKey, and passwords and signatures in URLs: in no answer and no log, not even "
        "when the station repeats them"
    )
    LIMITS = "what a station has told that it cannot take is not sent"
    URLS = "URLs for firmware and logs: from an allow-list only"
    OCPP_LOG = "the OCPP log: every frame both ways, as it was"
    REFUSED_BY_US = (
        "every message from the station, against its schema: its CALLERROR, and nothing kept"
    )
    CANNOT_BE_SAID = "what OCPP 1.6 has no words for: refused in ours, and nothing sent"
    REFUSED_BY_STATION = "every message to the station, refused: the station's own word"
    CALLERROR = "every message to the station, answered with a CALLERROR: its code"
    NO_ANSWER = "every message to the station, not answered: timed out, or unknown"
    ANSWER_AGAINST_SCHEMA = "an answer against its schema: kept, with what is wrong with it"


def covers(*subjects: Message | Row) -> pytest.MarkDecorator:
    """Say what a test covers."""
    return pytest.mark.covers(*subjects)


@dataclass(frozen=True)
class Elsewhere:
    """A test that shows a row below OCPP, where no transcript reaches: on raw sockets."""

    path: str
    name: str


_GATEWAY = "tests/integration/gateway"

SHOWN_ELSEWHERE: dict[Row, tuple[Elsewhere, ...]] = {
    Row.PROFILE_LOWER: (
        Elsewhere(
            f"{_GATEWAY}/test_security_profiles.py",
            "test_tls_at_the_load_balancer_raises_the_profile_and_there_is_no_way_back",
        ),
    ),
    Row.TLS: (
        Elsewhere(
            f"{_GATEWAY}/test_security_profiles.py",
            "test_a_client_certificate_stands_for_its_station_and_no_other",
        ),
        Elsewhere(
            f"{_GATEWAY}/test_security_profiles.py",
            "test_a_certificate_of_another_authority_ends_the_connection",
        ),
        Elsewhere(
            f"{_GATEWAY}/test_security_profiles.py", "test_tls_below_1_2_ends_the_connection"
        ),
    ),
    Row.HANDSHAKE_SLOW: (
        Elsewhere(f"{_GATEWAY}/test_handshake.py", "test_headers_may_have_8_kilobytes_in_all"),
        Elsewhere(f"{_GATEWAY}/test_handshake.py", "test_a_slow_handshake_is_closed"),
    ),
    Row.FAILURES: (
        Elsewhere(
            f"{_GATEWAY}/test_handshake.py",
            "test_too_many_failures_get_429_and_a_password_that_was_right_does_not",
        ),
        Elsewhere(
            f"{_GATEWAY}/test_handshake.py",
            "test_an_address_that_fails_too_often_gets_429_without_any_hashing",
        ),
    ),
    Row.MEMORY_BOUNDED: (
        Elsewhere(
            f"{_GATEWAY}/test_hostile_frames.py",
            "test_fragments_without_end_close_with_1009_and_memory_stays_bounded",
        ),
        Elsewhere(
            f"{_GATEWAY}/test_hostile_frames.py",
            "test_a_decompression_bomb_closes_with_1009_and_memory_stays_bounded",
        ),
    ),
    Row.COMPRESSION: (
        Elsewhere(
            f"{_GATEWAY}/test_hostile_frames.py",
            "test_compression_is_granted_only_if_asked_for_and_with_a_small_window",
        ),
    ),
    Row.WEBSOCKET_BROKEN: (
        Elsewhere(
            f"{_GATEWAY}/test_hostile_frames.py",
            "test_a_frame_against_the_rules_closes_with_its_code",
        ),
    ),
    Row.HALF_OPEN: (Elsewhere(f"{_GATEWAY}/test_availability.py", "test_each_end_has_its_reason"),),
    Row.FRAME_HOSTILE: (
        Elsewhere(
            f"{_GATEWAY}/test_hostile_frames.py",
            "test_hostile_json_gets_a_callerror_and_harms_no_neighbour",
        ),
    ),
    Row.OFFLINE_REPLAY: (
        Elsewhere(
            f"{_GATEWAY}/test_sessions_any_order.py",
            "test_the_store_and_the_worker_do_as_the_model",
        ),
        Elsewhere(
            "tests/unit/shared/sessions/test_machine.py",
            "test_sessions_are_the_same_in_any_order_with_repetitions_and_losses",
        ),
    ),
}
"""Rows below OCPP, or of too many cases to write down, and the tests that show them."""
