"""The seam between a station and the version of OCPP it speaks.

Everything above this line (electricity, the life of a charge, queues, back-off, timing) is the
same for every version. A version is one `Dialect`: it words what the station wants to say, reads
the answers, and carries out what the CSMS asks for.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import ClassVar, TypeAlias

from simulator.charging import Charge, ConnectorStatus, IdToken, Loss, Reading, SampleContext
from simulator.maintenance import (
    FirmwareStatus,
    FirmwareUpdate,
    LogStatus,
    LogUpload,
    SecurityEvent,
)
from simulator.outbox import TransactionMessage
from simulator.rpc import Flaw, Payload

#: What follows the answer to a command; several commands demand that order.
Sequel: TypeAlias = Callable[[], None]


class Clearance(IntEnum):
    """How much a request may do without being registered (1.6, 4.2; 2.0.1: B01 to B03)."""

    NORMAL = 0
    TRIGGERED = 1
    BOOT = 2


class Failure(StrEnum):
    """Why a request has no answer to go on with."""

    OFFLINE = "not connected"
    TIMED_OUT = "not answered in time"
    REFUSED = "answered with an error"


def _ignore_result(payload: Payload) -> None:
    del payload


def _ignore_failure(failure: Failure) -> None:
    del failure


@dataclass(slots=True, eq=False)
class Request:
    """A CALL of the station that is not about a transaction.

    Attributes:
        action: OCPP action.
        payload: Complete.
        clearance: Whether it may go out while the station is not accepted.
        on_result: Called with the payload of the CALLRESULT.
        on_failure: Called instead when there is none.
    """

    action: str
    payload: Payload
    clearance: Clearance = Clearance.NORMAL
    on_result: Callable[[Payload], None] = _ignore_result
    on_failure: Callable[[Failure], None] = _ignore_failure


@dataclass(frozen=True, slots=True)
class Accepted:
    """A command was understood.

    Attributes:
        payload: The CALLRESULT.
        then: What follows once it has been sent.
    """

    payload: Payload
    then: Sequel | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A command could not be processed: CALLERROR.

    Attributes:
        code: Error code of the version.
        description: For people.
    """

    code: str
    description: str


Answer: TypeAlias = Accepted | Refused


class BootReason(StrEnum):
    """Why a station introduces itself, in the names of 2.0.1; 1.6 does not tell."""

    POWER_UP = "PowerUp"
    REMOTE_RESET = "RemoteReset"
    SCHEDULED_RESET = "ScheduledReset"
    FIRMWARE_UPDATE = "FirmwareUpdate"
    TRIGGERED = "Triggered"


class RegistrationStatus(StrEnum):
    """Where a station stands with its CSMS; the three values of both versions."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


@dataclass(frozen=True, slots=True)
class Registration:
    """Answer to BootNotification; `interval_s` is of heartbeats, or of the next attempt."""

    status: RegistrationStatus
    interval_s: float


@dataclass(frozen=True, slots=True)
class Authorization:
    """What the CSMS says about an id token.

    Attributes:
        accepted: Whether it may charge.
        expires_at: Until when a cache may hold this, seconds since the Unix epoch.
        group: The token of the group it belongs to; a reservation may be for a group.
    """

    accepted: bool
    expires_at: float | None = None
    group: IdToken | None = None


class Dialect(ABC):
    """One version of OCPP, for one station. The `read_...` raise `msgspec.ValidationError`."""

    subprotocol: ClassVar[str]

    @abstractmethod
    def boot_notification(self, reason: BootReason) -> Request:
        """Return the message a station introduces itself with."""

    @abstractmethod
    def heartbeat(self) -> Request:
        """Return a sign of life."""

    @abstractmethod
    def status_name(self, status: ConnectorStatus) -> str:
        """Return what a status is called; several may have one name, and are told as one."""

    @abstractmethod
    def connector_status(self, connector_id: int, status: ConnectorStatus) -> Request:
        """Return the status of a connector."""

    @abstractmethod
    def station_status(self, status: ConnectorStatus) -> Request | None:
        """Return the status of the station itself; None if it has none of its own."""

    @abstractmethod
    def authorize(self, id_token: IdToken) -> Request:
        """Return the question whether a token may charge."""

    @abstractmethod
    def charge_started(self, charge: Charge) -> TransactionMessage:
        """Return the message that opens the transaction."""

    @abstractmethod
    def charge_metered(
        self, charge: Charge, reading: Reading, context: SampleContext
    ) -> TransactionMessage | None:
        """Return a reading in the course of the transaction; None if there is nothing to tell."""

    @abstractmethod
    def charge_state_changed(
        self, charge: Charge, status: ConnectorStatus
    ) -> TransactionMessage | None:
        """Return that energy flows or does not; None if the connector's status tells it."""

    @abstractmethod
    def clock_aligned(self, connector_id: int, reading: Reading) -> Request | None:
        """Return a reading that belongs to no transaction; None if there is nothing to tell."""

    @abstractmethod
    def charge_ended(self, charge: Charge) -> TransactionMessage:
        """Return the message that closes the transaction."""

    @abstractmethod
    def firmware_status(self, status: FirmwareStatus, update: FirmwareUpdate) -> Request | None:
        """Return how far an update has come; None if the version has no word for it."""

    @abstractmethod
    def log_status(self, status: LogStatus, upload: LogUpload) -> Request | None:
        """Return how far the upload of a log has come; likewise."""

    @abstractmethod
    def security_event(self, event: SecurityEvent) -> Request:
        """Return what has happened to the security of the station."""

    @abstractmethod
    def reservation_lost(self, reservation_id: int, loss: Loss) -> Request | None:
        """Return that the station has ended a reservation; None if its status tells it."""

    @abstractmethod
    def sign_certificate(self, csr: str) -> Request:
        """Return the question for a certificate."""

    @abstractmethod
    def address(self, message: TransactionMessage) -> Payload:
        """Return the payload with what was not known, or could change, until it is sent."""

    @abstractmethod
    def read_registration(self, payload: Payload) -> Registration:
        """Read the answer to `boot_notification`."""

    @abstractmethod
    def read_authorization(self, payload: Payload) -> Authorization:
        """Read the answer to `authorize`."""

    @abstractmethod
    def read_delivered(self, message: TransactionMessage, payload: Payload) -> Authorization | None:
        """Read the answer to a transaction-related message and note what the charge needs of it.

        Returns:
            What the CSMS says about the token, None if it says nothing.
        """

    @abstractmethod
    def given_up(self, message: TransactionMessage) -> None:
        """Note that a transaction-related message will never be delivered."""

    @abstractmethod
    def answer(self, action: str, payload: Payload) -> Answer:
        """Carry out a request of the CSMS."""

    @abstractmethod
    def loggable(self, action: str, payload: Payload) -> Payload:
        """Return a request of the CSMS without its secrets."""

    @abstractmethod
    def barred(self, action: str) -> Answer | None:
        """Return the answer to a request while the registration is Rejected; None for silence."""

    @abstractmethod
    def malformed(self, flaw: Flaw, problem: str) -> Refused | None:
        """Return the CALLERROR for something that is no frame; None to ignore it."""
