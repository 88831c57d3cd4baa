"""Everything a simulated station tells its driver: what to do, and what happened.

Instructions (`Dial`, `Send`, `HangUp`, and those about files) are to be carried out in order; how
a `Download` or `Upload` ended is told to the station (`Station.transfer_ended`), whenever it did.
Events are for people, logs and tests; `encode_event` turns one into a JSON line.
"""

from typing import TypeAlias

import msgspec

from simulator.rpc import Payload


class Dial(msgspec.Struct, frozen=True):
    """Open the connection now."""


class Send(msgspec.Struct, frozen=True):
    """Send one text message."""

    text: str


class HangUp(msgspec.Struct, frozen=True):
    """Close the connection.

    Attributes:
        code: WebSocket close code.
        reason: Close reason.
        abrupt: Cut the wire without a closing handshake, as a lost mobile network does.
    """

    code: int = 1000
    reason: str = ""
    abrupt: bool = False


class Download(msgspec.Struct, frozen=True):
    """Fetch a file.

    Attributes:
        transfer_id: To be named when its end is told.
        url: Where it is.
    """

    transfer_id: int
    url: str


class Upload(msgspec.Struct, frozen=True):
    """Hand a file over.

    Attributes:
        transfer_id: To be named when its end is told.
        url: Where to.
        name: Of the file.
        content: Of the file.
    """

    transfer_id: int
    url: str
    name: str
    content: bytes


class CancelTransfer(msgspec.Struct, frozen=True):
    """Give a transfer up; its end is of no interest any more."""

    transfer_id: int


class Event(msgspec.Struct, kw_only=True, tag_field="event"):
    """Something that happened.

    Attributes:
        at: Seconds since the Unix epoch; stamped by the station.
        station_id: Whom it happened to; likewise.
    """

    at: float = 0.0
    station_id: str = ""


class Connected(Event, kw_only=True, tag="connected"):
    """The WebSocket handshake succeeded."""


class Disconnected(Event, kw_only=True, tag="disconnected"):
    """The connection is gone."""

    reason: str
    retry_in_s: float | None


class ConnectionRefused(Event, kw_only=True, tag="connection_refused"):
    """No connection came about.

    Attributes:
        status: HTTP status of the refusal, None when there was no HTTP answer at all.
        reason: For people.
        retry_in_s: When the next attempt is made.
    """

    status: int | None
    reason: str
    retry_in_s: float


class Registered(Event, kw_only=True, tag="registered"):
    """BootNotification was answered."""

    status: str
    interval_s: float


class StatusChanged(Event, kw_only=True, tag="status_changed"):
    """A connector changed its status, whether or not the CSMS can be told now."""

    connector_id: int
    status: str


class AuthorizationRefused(Event, kw_only=True, tag="authorization_refused"):
    """An id token may not charge."""

    connector_id: int
    id_token: str


class ChargeStarted(Event, kw_only=True, tag="charge_started"):
    """Energy may flow; the transaction is queued or on its way to the CSMS."""

    connector_id: int
    id_token: str
    meter_start_wh: int
    offline: bool


class ChargeSampled(Event, kw_only=True, tag="charge_sampled"):
    """A periodic reading was taken."""

    connector_id: int
    energy_wh: int
    power_w: float
    soc_percent: float | None


class ChargeEnded(Event, kw_only=True, tag="charge_ended"):
    """A transaction is over for the station."""

    connector_id: int
    id_token: str
    reason: str
    energy_wh: int
    duration_s: float


class Acknowledged(Event, kw_only=True, tag="acknowledged"):
    """The CSMS has confirmed a transaction-related message: from here on it must not lose it.

    Attributes:
        kind: A `MessageKind`, whatever the version calls it.
        action: OCPP action.
        message_id: Message id of the confirmed transmission.
        connector_id: Connector of the charge.
        payload: What was sent, exactly.
        response: What the CSMS answered.
        attempt: 1 for the first transmission.
        queued_at: When the message came into being, seconds since the Unix epoch.
    """

    kind: str
    action: str
    message_id: str
    connector_id: int
    payload: Payload
    response: Payload
    attempt: int
    queued_at: float


class Discarded(Event, kw_only=True, tag="discarded"):
    """A transaction-related message was given up after too many failures (1.6, 3.7.1; E13)."""

    kind: str
    action: str
    connector_id: int
    payload: Payload
    attempts: int


class CallFailed(Event, kw_only=True, tag="call_failed"):
    """A request of the station was refused with CALLERROR, or not answered in time."""

    action: str
    failure: str
    detail: str


class CommandAnswered(Event, kw_only=True, tag="command_answered"):
    """A request of the CSMS was answered.

    Attributes:
        action: OCPP action.
        payload: What was asked.
        response: The answer; None when it was a CALLERROR.
        error: Code of the CALLERROR, if it was one.
    """

    action: str
    payload: Payload
    response: Payload | None
    error: str | None


class FrameIgnored(Event, kw_only=True, tag="frame_ignored"):
    """Something arrived that nothing can be done with."""

    problem: str


class Rebooting(Event, kw_only=True, tag="rebooting"):
    """The station restarts."""

    reason: str


class FirmwareProgressed(Event, kw_only=True, tag="firmware_progressed"):
    """An update of the firmware has come further, whether or not the CSMS can be told now."""

    status: str
    version: str


class LogProgressed(Event, kw_only=True, tag="log_progressed"):
    """The upload of a log has come further; likewise."""

    status: str
    file_name: str


class SecurityEventHappened(Event, kw_only=True, tag="security_event"):
    """Something happened to the security of the station; likewise."""

    type: str
    info: str


class PowerLimited(Event, kw_only=True, tag="power_limited"):
    """Charging profiles allow a charge another power than before.

    Attributes:
        connector_id: Where.
        limit_w: At most; None if only the station's own limit holds.
    """

    connector_id: int
    limit_w: float | None


#: What concerns the WebSocket, and what concerns files.
FileInstruction: TypeAlias = Download | Upload | CancelTransfer
SocketInstruction: TypeAlias = Dial | Send | HangUp
Instruction: TypeAlias = SocketInstruction | FileInstruction
Output: TypeAlias = Instruction | Event


_encoder = msgspec.json.Encoder()


def encode_event(event: Event) -> bytes:
    """Return one JSON object, without a newline; the field `event` names its kind."""
    return _encoder.encode(event)
