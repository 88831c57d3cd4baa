"""OCPP 1.6 as a station speaks it: what it says, and how it reads the answers."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from simulator.charging import (
    Charge,
    ConnectorStatus,
    IdToken,
    Loss,
    MessageKind,
    Reading,
    SampleContext,
    StopReason,
)
from simulator.dialect import (
    Answer,
    Authorization,
    BootReason,
    Dialect,
    Refused,
    Registration,
    RegistrationStatus,
    Request,
)
from simulator.maintenance import (
    FirmwareStatus,
    FirmwareUpdate,
    LogStatus,
    LogUpload,
    SecurityEvent,
)
from simulator.ocpp16.commands import Commands
from simulator.ocpp16.configuration import is_secret
from simulator.ocpp16.firmware import firmware_status, log_status
from simulator.ocpp16.readings import meter_values
from simulator.ocpp16.security import security_event
from simulator.outbox import TransactionMessage
from simulator.rpc import Flaw, Payload

if TYPE_CHECKING:
    from simulator.station import Station

#: Errata 3.18: what messages of a transaction carry whose start could not be delivered.
UNKNOWN_TRANSACTION_ID = -1

_REASONS = {
    StopReason.LOCAL: "Local",
    StopReason.REMOTE: "Remote",
    StopReason.DEAUTHORIZED: "DeAuthorized",
    StopReason.ORDERLY_RESET: "SoftReset",
    StopReason.IMMEDIATE_RESET: "HardReset",
    StopReason.UNLOCKED: "UnlockCommand",
}

#: Reasons for which the driver's token is told: these are the driver's own doing (6.49).
_BY_DRIVER = {StopReason.LOCAL, StopReason.REMOTE}


class _BootConf(msgspec.Struct):
    status: RegistrationStatus
    interval: int


class _IdTagInfo(msgspec.Struct, rename="camel"):
    status: Literal["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"]
    expiry_date: datetime | None = None
    parent_id_tag: str | None = None


class _AuthorizeConf(msgspec.Struct, rename="camel"):
    id_tag_info: _IdTagInfo


class _StartConf(msgspec.Struct, rename="camel"):
    id_tag_info: _IdTagInfo
    transaction_id: int


class _StopConf(msgspec.Struct, rename="camel"):
    id_tag_info: _IdTagInfo | None = None


class Ocpp16(Dialect):
    """The dialect of OCPP 1.6, JSON."""

    subprotocol: ClassVar[str] = "ocpp1.6"

    def __init__(self, station: "Station") -> None:
        self._context = station.context
        self._commands = Commands(station)

    # What the station says

    def boot_notification(self, reason: BootReason) -> Request:
        """Return a BootNotification.req (6.3), which has no room for the reason."""
        del reason
        profile = self._context.profile
        return Request(
            "BootNotification",
            {
                "chargePointVendor": profile.vendor,
                "chargePointModel": profile.model,
                "chargePointSerialNumber": (profile.serial_number or profile.station_id)[:25],
                "firmwareVersion": self._context.firmware_version,
                "meterType": "simulated",
            },
        )

    def heartbeat(self) -> Request:
        """Return a Heartbeat.req (6.29)."""
        return Request("Heartbeat", {})

    def status_name(self, status: ConnectorStatus) -> str:
        """Return a ChargePointStatus (7.7)."""
        return status.value

    def connector_status(self, connector_id: int, status: ConnectorStatus) -> Request:
        """Return a StatusNotification.req (6.47)."""
        return Request(
            "StatusNotification",
            {
                "connectorId": connector_id,
                "errorCode": "NoError",
                "status": self.status_name(status),
                "timestamp": self._context.timestamp(),
            },
        )

    def station_status(self, status: ConnectorStatus) -> Request | None:
        """Return the StatusNotification.req of connector 0, which is the station (3.8)."""
        return self.connector_status(0, status)

    def authorize(self, id_token: IdToken) -> Request:
        """Return an Authorize.req (6.1)."""
        return Request("Authorize", {"idTag": id_token.value})

    def charge_started(self, charge: Charge) -> TransactionMessage:
        """Return a StartTransaction.req (6.45)."""
        payload: Payload = {
            "connectorId": charge.connector_id,
            "idTag": charge.id_token.value,
            "meterStart": charge.begin.energy_wh,
            "timestamp": self._context.timestamp(charge.begin.at),
        }
        if charge.reservation_id is not None:
            payload["reservationId"] = charge.reservation_id
        return self._message(MessageKind.STARTED, charge, "StartTransaction", payload)

    def charge_metered(
        self, charge: Charge, reading: Reading, context: SampleContext
    ) -> TransactionMessage | None:
        """Return a MeterValues.req of a transaction (6.31), if any measurand is configured."""
        settings = self._context.settings
        aligned = context is SampleContext.CLOCK
        measurands = settings.measured_outside if aligned else settings.sampled
        values = meter_values(self._context, reading, context, measurands)
        if not values:
            return None
        return self._message(
            MessageKind.METERED,
            charge,
            "MeterValues",
            {"connectorId": charge.connector_id, "meterValue": values},
        )

    def charge_state_changed(
        self, charge: Charge, status: ConnectorStatus
    ) -> TransactionMessage | None:
        """Return nothing: the connector's StatusNotification.req tells it (4.9)."""
        del charge, status
        return None

    def clock_aligned(self, connector_id: int, reading: Reading) -> Request | None:
        """Return a MeterValues.req of no transaction (3.16.2), if any measurand is configured."""
        measurands = self._context.settings.measured_outside
        values = meter_values(self._context, reading, SampleContext.CLOCK, measurands)
        if not values:
            return None
        return Request("MeterValues", {"connectorId": connector_id, "meterValue": values})

    def charge_ended(self, charge: Charge) -> TransactionMessage:
        """Return a StopTransaction.req (6.49), with transactionData if configured (3.16.6)."""
        end, reason = charge.end, charge.stop_reason
        if end is None or reason is None:
            raise ValueError("a charge must have ended before its StopTransaction is worded")
        payload: Payload = {
            "meterStop": end.energy_wh,
            "timestamp": self._context.timestamp(end.at),
            "reason": _REASONS[reason],
        }
        if reason in _BY_DRIVER:
            payload["idTag"] = charge.id_token.value
        measurands = self._context.settings.sampled_at_end
        readings = [(charge.begin, SampleContext.BEGIN)]
        readings += [(sample, SampleContext.PERIODIC) for sample in charge.samples]
        readings += [(end, SampleContext.END)]
        data = [
            value
            for reading, why in readings
            for value in meter_values(self._context, reading, why, measurands)
        ]
        if data:  # 3.16.5: no element at all rather than an empty one.
            payload["transactionData"] = data
        return self._message(MessageKind.ENDED, charge, "StopTransaction", payload)

    def firmware_status(self, status: FirmwareStatus, update: FirmwareUpdate) -> Request | None:
        """Return a FirmwareStatusNotification.req, or the signed one."""
        return firmware_status(status, update)

    def log_status(self, status: LogStatus, upload: LogUpload) -> Request | None:
        """Return a DiagnosticsStatusNotification.req or a LogStatusNotification.req."""
        return log_status(status, upload)

    def security_event(self, event: SecurityEvent) -> Request:
        """Return a SecurityEventNotification.req."""
        return security_event(event, self._context.timestamp(event.at))

    def reservation_lost(self, reservation_id: int, loss: Loss) -> Request | None:
        """Return nothing: the connector's StatusNotification.req tells it (5.13)."""
        del reservation_id, loss
        return None

    def sign_certificate(self, csr: str) -> Request:
        """Return a SignCertificate.req (whitepaper, 5.17)."""
        return Request("SignCertificate", {"csr": csr})

    def address(self, message: TransactionMessage) -> Payload:
        """Add the transactionId, which the CSMS gives out while messages are already queued."""
        if message.kind is MessageKind.STARTED:
            return message.payload
        return {"transactionId": message.charge.transaction_id, **message.payload}

    def _message(
        self, kind: MessageKind, charge: Charge, action: str, payload: Payload
    ) -> TransactionMessage:
        return TransactionMessage(kind, charge, action, payload, queued_at=self._context.now)

    # How it reads the answers

    def read_registration(self, payload: Payload) -> Registration:
        """Read a BootNotification.conf (6.4)."""
        conf = msgspec.convert(payload, _BootConf)
        return Registration(conf.status, float(max(0, conf.interval)))

    def read_authorization(self, payload: Payload) -> Authorization:
        """Read an Authorize.conf (6.2)."""
        return _authorization(msgspec.convert(payload, _AuthorizeConf).id_tag_info)

    def read_delivered(self, message: TransactionMessage, payload: Payload) -> Authorization | None:
        """Read the conf of a transaction-related message (6.32, 6.46, 6.50)."""
        if message.kind is MessageKind.STARTED:
            started = msgspec.convert(payload, _StartConf)
            if message.charge.transaction_id is None:
                message.charge.transaction_id = started.transaction_id
            return _authorization(started.id_tag_info)
        if message.kind is MessageKind.ENDED:
            info = msgspec.convert(payload, _StopConf).id_tag_info
            return None if info is None else _authorization(info)
        return None

    def given_up(self, message: TransactionMessage) -> None:
        """Go on without a transactionId when the start could not be delivered (errata 3.18)."""
        if message.kind is MessageKind.STARTED and message.charge.transaction_id is None:
            message.charge.transaction_id = UNKNOWN_TRANSACTION_ID

    # What the CSMS asks for

    def answer(self, action: str, payload: Payload) -> Answer:
        """Carry out a request of the CSMS."""
        return self._commands.answer(action, payload)

    def loggable(self, action: str, payload: Payload) -> Payload:
        """Return a request of the CSMS without a new AuthorizationKey."""
        if action == "ChangeConfiguration" and is_secret(payload.get("key")):
            return {**payload, "value": "***"}
        return payload

    def barred(self, action: str) -> Answer | None:
        """Return nothing: a station that was rejected must not respond (4.2)."""
        del action
        return None

    def malformed(self, flaw: Flaw, problem: str) -> Refused | None:
        """Return the CALLERROR for a CALL that is none (OCPP-J 1.6, 4.2.3)."""
        return Refused("FormationViolation", problem) if flaw is Flaw.BROKEN_CALL else None


def _authorization(info: _IdTagInfo) -> Authorization:
    expiry = info.expiry_date
    if expiry is not None and expiry.tzinfo is None:
        expiry = expiry.replace(tzinfo=UTC)
    return Authorization(
        info.status == "Accepted",
        expiry.timestamp() if expiry else None,
        None if info.parent_id_tag is None else IdToken(info.parent_id_tag),
    )
