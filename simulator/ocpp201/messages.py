"""OCPP 2.0.1 as a station speaks it: what it says, and how it reads the answers."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from simulator.charging import Charge, ConnectorStatus, IdToken, Loss, Reading, SampleContext
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
from simulator.ocpp201.commands import Commands
from simulator.ocpp201.device_model import redacted
from simulator.ocpp201.readings import meter_values
from simulator.ocpp201.transactions import CONNECTOR_ID, TransactionEvents, id_token_type
from simulator.outbox import TransactionMessage
from simulator.rpc import Flaw, Payload
from simulator.settings import MEASURANDS, StationSettings

if TYPE_CHECKING:
    from simulator.station import Station

_OFFLINE_THRESHOLD_S = 60

#: Longest texts of ChargingStationType (2.13).
_SERIAL_NUMBER_MAX_LENGTH = 25
_MODEL_MAX_LENGTH = 20
_TECH_INFO_MAX_LENGTH = 255

#: ConnectorStatusEnumType (3.23): how far a charge has come is told by TransactionEvents.
_STATUS_NAMES = {
    ConnectorStatus.AVAILABLE: "Available",
    ConnectorStatus.PREPARING: "Occupied",
    ConnectorStatus.CHARGING: "Occupied",
    ConnectorStatus.SUSPENDED_EV: "Occupied",
    ConnectorStatus.SUSPENDED_EVSE: "Occupied",
    ConnectorStatus.FINISHING: "Occupied",
    ConnectorStatus.RESERVED: "Reserved",
    ConnectorStatus.UNAVAILABLE: "Unavailable",
}

_FLAWS = {
    Flaw.NO_FRAME: "RpcFrameworkError",
    Flaw.BROKEN_CALL: "RpcFrameworkError",
    Flaw.UNKNOWN_TYPE: "MessageTypeNotSupported",
}


class _BootResponse(msgspec.Struct):
    status: RegistrationStatus
    interval: int


class _IdToken(msgspec.Struct, rename="camel"):
    id_token: str
    type: str


class _IdTokenInfo(msgspec.Struct, rename="camel"):
    status: Literal[
        "Accepted",
        "Blocked",
        "ConcurrentTx",
        "Expired",
        "Invalid",
        "NoCredit",
        "NotAllowedTypeEVSE",
        "NotAtThisLocation",
        "NotAtThisTime",
        "Unknown",
    ]
    cache_expiry_date_time: datetime | None = None
    group_id_token: _IdToken | None = None


class _AuthorizeResponse(msgspec.Struct, rename="camel"):
    id_token_info: _IdTokenInfo


class _TransactionEventResponse(msgspec.Struct, rename="camel"):
    id_token_info: _IdTokenInfo | None = None


class Ocpp201(Dialect):
    """The dialect of OCPP 2.0.1, JSON."""

    subprotocol: ClassVar[str] = "ocpp2.0.1"

    def __init__(self, station: "Station") -> None:
        self._context = station.context
        self._events = TransactionEvents(station.context)
        self._commands = Commands(station, self._events)
        _leave_factory(station.settings, keeps_samples=station.profile.transaction_data)

    # What the station says

    def boot_notification(self, reason: BootReason) -> Request:
        """Return a BootNotificationRequest (1.2, B01)."""
        profile = self._context.profile
        serial_number = profile.serial_number or profile.station_id
        return Request(
            "BootNotification",
            {
                "reason": reason.value,
                "chargingStation": {
                    "vendorName": profile.vendor,
                    "model": profile.model[:_MODEL_MAX_LENGTH],
                    "serialNumber": serial_number[:_SERIAL_NUMBER_MAX_LENGTH],
                    "firmwareVersion": self._context.firmware_version,
                },
            },
        )

    def heartbeat(self) -> Request:
        """Return a HeartbeatRequest (G02)."""
        return Request("Heartbeat", {})

    def status_name(self, status: ConnectorStatus) -> str:
        """Return a ConnectorStatusEnumType (3.23)."""
        return _STATUS_NAMES[status]

    def connector_status(self, connector_id: int, status: ConnectorStatus) -> Request:
        """Return a StatusNotificationRequest (1.59, G01)."""
        return Request(
            "StatusNotification",
            {
                "timestamp": self._context.timestamp(),
                "connectorStatus": self.status_name(status),
                "evseId": connector_id,
                "connectorId": CONNECTOR_ID,
            },
        )

    def station_status(self, status: ConnectorStatus) -> Request | None:
        """Return nothing: only connectors have a status to notify (G04, note 2)."""
        del status
        return None

    def authorize(self, id_token: IdToken) -> Request:
        """Return an AuthorizeRequest (C01)."""
        return Request("Authorize", {"idToken": id_token_type(id_token)})

    def charge_started(self, charge: Charge) -> TransactionMessage:
        """Return the TransactionEventRequest of type Started (E02, E03)."""
        return self._events.started(charge)

    def charge_metered(
        self, charge: Charge, reading: Reading, context: SampleContext
    ) -> TransactionMessage | None:
        """Return one of type Updated with meter values (J02)."""
        return self._events.metered(charge, reading, context)

    def clock_aligned(self, connector_id: int, reading: Reading) -> Request | None:
        """Return a MeterValuesRequest (J01), if any measurand is configured."""
        measurands = self._context.settings.measured_outside
        values = meter_values(self._context, reading, SampleContext.CLOCK, measurands)
        if not values:
            return None
        return Request("MeterValues", {"evseId": connector_id, "meterValue": values})

    def charge_state_changed(
        self, charge: Charge, status: ConnectorStatus
    ) -> TransactionMessage | None:
        """Return one of type Updated with the new charging state (E02.FR.13)."""
        return self._events.state_changed(charge, status)

    def charge_ended(self, charge: Charge) -> TransactionMessage:
        """Return the one of type Ended (E06)."""
        return self._events.ended(charge)

    def firmware_status(self, status: FirmwareStatus, update: FirmwareUpdate) -> Request | None:
        """Return a FirmwareStatusNotificationRequest (L01.FR.01)."""
        return Request(
            "FirmwareStatusNotification",
            {"status": status.value, "requestId": update.request_id or 0},
        )

    def log_status(self, status: LogStatus, upload: LogUpload) -> Request | None:
        """Return a LogStatusNotificationRequest (N01.FR.07)."""
        return Request(
            "LogStatusNotification", {"status": status.value, "requestId": upload.request_id or 0}
        )

    def security_event(self, event: SecurityEvent) -> Request:
        """Return a SecurityEventNotificationRequest (A04)."""
        return Request(
            "SecurityEventNotification",
            {
                "type": event.type.value,
                "timestamp": self._context.timestamp(event.at),
                "techInfo": event.info[:_TECH_INFO_MAX_LENGTH],
            },
        )

    def reservation_lost(self, reservation_id: int, loss: Loss) -> Request | None:
        """Return a ReservationStatusUpdateRequest (H04.FR.01)."""
        return Request(
            "ReservationStatusUpdate",
            {"reservationId": reservation_id, "reservationUpdateStatus": loss.value},
        )

    def sign_certificate(self, csr: str) -> Request:
        """Return a SignCertificateRequest (A02)."""
        return Request(
            "SignCertificate", {"csr": csr, "certificateType": "ChargingStationCertificate"}
        )

    def address(self, message: TransactionMessage) -> Payload:
        """Add whether it happened offline, which also a lost connection makes so (E11.FR.07)."""
        return {**message.payload, "offline": True} if message.offline else message.payload

    # How it reads the answers

    def read_registration(self, payload: Payload) -> Registration:
        """Read a BootNotificationResponse (1.2)."""
        response = msgspec.convert(payload, _BootResponse)
        return Registration(response.status, float(max(0, response.interval)))

    def read_authorization(self, payload: Payload) -> Authorization:
        """Read an AuthorizeResponse (C01)."""
        return _authorization(msgspec.convert(payload, _AuthorizeResponse).id_token_info)

    def read_delivered(self, message: TransactionMessage, payload: Payload) -> Authorization | None:
        """Read a TransactionEventResponse (1.60), the same for every event."""
        del message
        info = msgspec.convert(payload, _TransactionEventResponse).id_token_info
        return None if info is None else _authorization(info)

    def given_up(self, message: TransactionMessage) -> None:
        """Do nothing: the CSMS sees from the sequence numbers that one is missing (1.3.2)."""

    # What the CSMS asks for

    def answer(self, action: str, payload: Payload) -> Answer:
        """Carry out a request of the CSMS."""
        return self._commands.answer(action, payload)

    def loggable(self, action: str, payload: Payload) -> Payload:
        """Return a request of the CSMS without a new BasicAuthPassword (A01.FR.12)."""
        return redacted(payload) if action == "SetVariables" else payload

    def barred(self, action: str) -> Answer | None:
        """Refuse: a CSMS that has rejected a station is to ask nothing of it (B03.FR.08)."""
        return Refused("SecurityError", f"{action[:50]} while the registration is rejected")

    def malformed(self, flaw: Flaw, problem: str) -> Refused | None:
        """Return the CALLERROR for what is no frame (OCPP-J 2.0.1, 4.2.3 and 4.4).

        A broken answer gets none: it would be the answer to an answer.
        """
        code = _FLAWS.get(flaw)
        return None if code is None else Refused(code, problem[:255])


def _leave_factory(settings: StationSettings, *, keeps_samples: bool) -> None:
    """Set what a station of this version is delivered with."""
    # Ended has no field for the register; without these it would tell no energy (E06.FR.11).
    settings.sampled_at_end = settings.sampled_at_end or MEASURANDS[:1]
    # TxEndedInterval (J02): the begin and the end, unless the samples between are wanted.
    settings.record_interval_s = settings.meter_interval_s if keeps_samples else 0
    settings.offline_threshold_s = _OFFLINE_THRESHOLD_S


def _authorization(info: _IdTokenInfo) -> Authorization:
    expiry = info.cache_expiry_date_time
    if expiry is not None and expiry.tzinfo is None:
        expiry = expiry.replace(tzinfo=UTC)
    group = info.group_id_token
    return Authorization(
        info.status == "Accepted",
        expiry.timestamp() if expiry else None,
        None if group is None else IdToken(group.id_token, group.type),
    )
