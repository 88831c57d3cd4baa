"""Charging stations: identity, registration, connection, and the status of their connectors."""

import string
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID
from shared.domain.errors import InvalidInputError

STATION_ID_MAX_LENGTH = 48
# identifierString of OCPP 2.0.1 part 2 §3.2 without the colon, which HTTP Basic authentication
# (RFC 7617 §2) cannot carry in a user name.
_STATION_ID_CHARACTERS = frozenset(string.ascii_letters + string.digits + "*-_=+|@.")


def check_station_id(station_id: str) -> str:
    """Return `station_id` if a station may carry it.

    Args:
        station_id: 1 to 48 characters (OCPP 2.0.1 part 4 §3.1.1): letters, digits and `*-_=+|@.`,
            not only dots, because the id is a segment of a URL's path.

    Raises:
        InvalidInputError: it is empty, too long, or holds another character.
    """
    if not 1 <= len(station_id) <= STATION_ID_MAX_LENGTH:
        raise InvalidInputError(
            f"a station id has 1 to {STATION_ID_MAX_LENGTH} characters, not {len(station_id)}"
        )
    if not _STATION_ID_CHARACTERS.issuperset(station_id):
        raise InvalidInputError(
            f"station id {station_id!r} may hold only letters, digits and the characters *-_=+|@."
        )
    if not station_id.strip("."):
        raise InvalidInputError("a station id cannot be made of dots alone")
    return station_id


class SecurityProfile(IntEnum):
    """OCPP 2.0.1 part 2 A00, OCPP 1.6 security extension §3."""

    UNSECURED = 0
    """No authentication; for a closed network only."""
    BASIC_AUTHENTICATION = 1
    TLS_BASIC_AUTHENTICATION = 2
    TLS_CLIENT_CERTIFICATE = 3

    @property
    def uses_password(self) -> bool:
        """Whether a station of this profile proves itself with a password."""
        return self in {
            SecurityProfile.BASIC_AUTHENTICATION,
            SecurityProfile.TLS_BASIC_AUTHENTICATION,
        }


class RegistrationStatus(StrEnum):
    """RegistrationStatusEnumType."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


class ConnectorStatus(StrEnum):
    """ConnectorStatusEnumType of OCPP 2.0.1; the richer words of 1.6 stay in `reported_status`."""

    AVAILABLE = "Available"
    OCCUPIED = "Occupied"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A station as we know it; times are aware and in UTC.

    `epoch` counts its connections: whoever holds the highest one speaks for the station.
    """

    station_id: str
    name: str | None
    security_profile: SecurityProfile
    registration_status: RegistrationStatus
    heartbeat_interval_s: int | None
    ocpp_version: str | None
    vendor: str | None
    model: str | None
    serial_number: str | None
    firmware_version: str | None
    booted_at: datetime | None
    online: bool
    epoch: int
    pod_id: str | None
    connected_at: datetime | None
    disconnected_at: datetime | None
    created_at: datetime
    updated_at: datetime
    organization_id: str = DEFAULT_ORGANIZATION_ID
    location_id: str | None = None
    certificate_serial_number: str | None = None
    """An operator's word; `serial_number` is the station's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the handshake needs to know of a station."""

    station_id: str
    security_profile: SecurityProfile
    password_hash: str | None
    registration_status: RegistrationStatus
    heartbeat_interval_s: int | None
    has_booted: bool
    """It was accepted by an earlier BootNotification, which outlives the connection (2.0.1 part 4
    §5.3)."""
    new_password_hash: str | None = None
    """Of a password that the station was sent and has not used yet."""
    new_password_age_s: float | None = None
    """How long ago the station accepted that; None while nobody knows whether it did."""
    last_address: str | None = None
    """Where its last connection with a proven identity came from."""
    agreed_security_profile: int | None = None
    """The station accepted to go there when it was told to (A05)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownStation:
    """A station that came to the door and is not registered; an operator may accept it.

    `address` is the last one it came from, `attempts` how often it came.
    """

    station_id: str
    address: str
    user_agent: str | None
    subprotocols: tuple[str, ...]
    first_seen_at: datetime
    last_seen_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """The last status of one connector; EVSE 0, connector 0 is the station itself."""

    station_id: str
    evse_id: int
    connector_id: int
    status: ConnectorStatus
    reported_status: str
    error_code: str | None
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    reported_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection at the moment it is claimed, and what fences it.

    `security_profile` is what it has proven; a station that has reached a higher one than before
    may not come back with a lower one (A05 of OCPP 2.0.1 and of 1.6's security whitepaper).
    `address` is where it comes from, None if that is not to be remembered; `proven_hash` is the
    hash of the password that it proved itself with.
    """

    station_id: str
    connection_id: str
    pod_id: str
    ocpp_version: str
    security_profile: SecurityProfile = SecurityProfile.UNSECURED
    address: str | None = None
    proven_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """Who may speak for a station: the pod and connection with the highest epoch."""

    station_id: str
    epoch: int
    pod_id: str
    connection_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StationBooted:
    """The station told who it is (BootNotification).

    That it booted now is kept only if the station is Accepted when this is written. Its result is
    the registration status at that moment: an operator may have changed it since the handshake.
    """

    station_id: str
    epoch: int
    vendor: str
    model: str
    serial_number: str | None
    firmware_version: str | None
    iccid: str | None
    imsi: str | None
    reason: str | None = None
    """BootReasonEnumType; OCPP 1.6 does not tell it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorStatusReported:
    """The station told how a connector is (StatusNotification).

    One that is not `in_history` says how it is now; its history catches up later, with the last of
    them only.
    """

    station_id: str
    epoch: int
    evse_id: int
    connector_id: int
    status: ConnectorStatus
    reported_status: str
    error_code: str | None
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    reported_at: datetime
    in_history: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StationFilter:
    """Which stations: those that every criterion holds for that is not None.

    `online` is as of the moment it is asked; the other words are the station's own, compared as
    they stand.
    """

    vendor: str | None = None
    model: str | None = None
    firmware_version: str | None = None
    location_id: str | None = None
    organization_id: str | None = None
    ocpp_version: str | None = None
    online: bool | None = None
