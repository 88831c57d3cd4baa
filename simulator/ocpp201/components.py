"""What a station of OCPP 2.0.1 is made of, and what can be configured.

Section numbers are those of "Referenced Components and Variables" in part 2. Of what is required
there, some is left out because nothing stands behind it: RetryBackOff... (the profile decides how
a station reconnects), OrganizationName and SecurityProfile (it has no certificates), and what is
about GetReport.
"""

from typing import TYPE_CHECKING

from simulator.charging_profiles import MAX_INSTALLED, MAX_PERIODS, MAX_STACK_LEVEL
from simulator.local_list import LIST_MAX_ENTRIES, UPDATE_MAX_ENTRIES
from simulator.ocpp201.device_model import Component, Variable
from simulator.ocpp201.transactions import CONNECTOR_ID
from simulator.settings import MEASURANDS
from simulator.textual import (
    INTEGER_MAX,
    Textual,
    boolean,
    fixed,
    followed_by,
    integer,
    measurands,
    only,
)

if TYPE_CHECKING:
    from simulator.station import Station

#: What one request may ask for; the simulator itself has no limit, a real one does.
ITEMS_PER_MESSAGE = 50
_BYTES_PER_MESSAGE = 65_536

#: A00.FR.205 with the errata of 2025-09.
_PASSWORD_MIN_LENGTH = 16
_PASSWORD_MAX_LENGTH = 64

_AVAILABILITY_STATES = ("Available", "Occupied", "Reserved", "Unavailable", "Faulted")


def components(station: "Station") -> list[Component]:
    """Return everything a station is made of: its controllers, itself, its EVSEs, connectors."""
    parts = [*_CONTROLLERS, _CHARGING_STATION]
    for number in station.connectors:
        parts += _evse(station, number)
    return parts


def _write_password(station: "Station", text: str) -> bool:
    if not _PASSWORD_MIN_LENGTH <= len(text) <= _PASSWORD_MAX_LENGTH or not text.isprintable():
        return False
    station.password = text.encode()
    return True


def _flag(name: str, value: Textual) -> Variable:
    return Variable(name=name, value=value, data_type="boolean")


def _number(
    name: str, value: Textual, *, minimum: int = 0, instance: str = "", unit: str | None = None
) -> Variable:
    return Variable(
        name=name,
        instance=instance,
        value=value,
        data_type="integer",
        unit=unit,
        minimum=minimum,
        maximum=INTEGER_MAX,
    )


def _seconds(name: str, value: Textual, *, minimum: int = 0, instance: str = "") -> Variable:
    return _number(name, value, minimum=minimum, instance=instance, unit="s")


def _members(name: str, value: Textual, choices: tuple[str, ...] = MEASURANDS) -> Variable:
    return Variable(name=name, value=value, data_type="MemberList", choices=choices)


def _per_message(name: str, count: int, *messages: str) -> tuple[Variable, ...]:
    return tuple(_number(name, fixed(str(count)), instance=message) for message in messages)


def _meter_intervals_changed(station: "Station") -> None:
    station.meter_interval_changed()


_CONTROLLERS = (
    Component(
        name="AlignedDataCtrlr",  # 2.7; nothing of it is kept for the end of a transaction.
        variables=(
            _flag("Available", fixed("true")),
            _seconds(
                "Interval",
                followed_by(
                    integer("clock_aligned_interval_s", minimum=0),
                    lambda station: station.clock_aligned.plan(),
                ),
            ),
            # Also what a MeterValues that is asked for holds (F06.FR.06).
            _members("Measurands", measurands("measured_outside")),
            _seconds("TxEndedInterval", only("0")),
            _members("TxEndedMeasurands", only("")),
        ),
    ),
    Component(
        name="AuthCacheCtrlr",  # 2.4
        variables=(
            _flag("Available", fixed("true")),
            _flag("Enabled", boolean("caches_authorizations")),
        ),
    ),
    Component(
        name="AuthCtrlr",  # 2.3
        variables=(
            _flag("AuthorizeRemoteStart", boolean("authorizes_remote_starts")),
            _flag("Enabled", only("true")),
            _flag("LocalAuthorizeOffline", boolean("starts_offline_if_known")),
            _flag("LocalPreAuthorize", boolean("preauthorizes")),
            _flag("OfflineTxForUnknownIdEnabled", boolean("starts_offline_if_unknown")),
        ),
    ),
    Component(
        name="ClockCtrlr",  # 2.1.24, 2.1.30
        variables=(
            Variable(
                name="DateTime",
                value=Textual(lambda station: station.context.timestamp()),
                data_type="dateTime",
            ),
            Variable(
                name="TimeSource",
                value=only("RealTimeClock"),
                data_type="SequenceList",
                choices=("RealTimeClock",),
            ),
        ),
    ),
    Component(
        name="DeviceDataCtrlr",  # 2.1.17, 2.1.19, 2.1.22, 2.1.23
        variables=(
            *_per_message("BytesPerMessage", _BYTES_PER_MESSAGE, "GetVariables", "SetVariables"),
            *_per_message("ItemsPerMessage", ITEMS_PER_MESSAGE, "GetVariables", "SetVariables"),
        ),
    ),
    Component(
        name="LocalAuthListCtrlr",  # 2.5
        variables=(
            _flag("Available", fixed("true")),
            _flag("Enabled", boolean("uses_local_list")),
            Variable(
                name="Entries",
                value=Textual(lambda station: str(len(station.tokens.local_list))),
                data_type="integer",
                maximum=LIST_MAX_ENTRIES,
            ),
            _number("ItemsPerMessage", fixed(str(UPDATE_MAX_ENTRIES))),
        ),
    ),
    Component(
        name="OCPPCommCtrlr",  # 2.1
        variables=(
            _members("FileTransferProtocols", fixed(""), ("FTP", "FTPS", "HTTP", "HTTPS", "SFTP")),
            _seconds(
                "HeartbeatInterval",
                followed_by(
                    integer("heartbeat_interval_s", minimum=1),
                    lambda station: station.heartbeat_interval_changed(),
                ),
                minimum=1,
            ),
            _seconds(
                "MessageAttemptInterval",
                integer("transaction_retry_s", minimum=0),
                instance="TransactionEvent",
            ),
            _number(
                "MessageAttempts",
                integer("transaction_attempts", minimum=1),
                instance="TransactionEvent",
                minimum=1,
            ),
            _seconds(
                "MessageTimeout",
                Textual(lambda station: str(station.settings.call_timeout_s)),
                instance="Default",
            ),
            Variable(
                name="NetworkConfigurationPriority",
                value=only("1"),
                data_type="SequenceList",
                choices=("1",),
            ),
            _number("NetworkProfileConnectionAttempts", only("1")),
            _seconds("OfflineThreshold", integer("offline_threshold_s", minimum=0)),
            _flag("QueueAllMessages", only("false")),
            _number("ResetRetries", only("0")),
            _flag("UnlockOnEVSideDisconnect", fixed("true")),
            _seconds("WebSocketPingInterval", integer("websocket_ping_interval_s", minimum=0)),
        ),
    ),
    Component(
        name="ReservationCtrlr",  # 2.9
        variables=(
            _flag("Available", fixed("true")),
            _flag("Enabled", only("true")),
            _flag("NonEvseSpecific", fixed("true")),
        ),
    ),
    Component(
        name="SampledDataCtrlr",  # 2.7
        variables=(
            _flag("Available", fixed("true")),
            _flag("Enabled", only("true")),
            _seconds(
                "TxEndedInterval",
                followed_by(integer("record_interval_s", minimum=0), _meter_intervals_changed),
            ),
            _members("TxEndedMeasurands", measurands("sampled_at_end")),
            _members("TxStartedMeasurands", measurands("sampled_at_begin")),
            _seconds(
                "TxUpdatedInterval",
                followed_by(integer("meter_interval_s", minimum=0), _meter_intervals_changed),
            ),
            _members("TxUpdatedMeasurands", measurands("sampled")),
        ),
    ),
    Component(
        name="SecurityCtrlr",  # 2.2
        variables=(
            Variable(
                name="BasicAuthPassword",
                value=Textual(None, _write_password),
                maximum=_PASSWORD_MAX_LENGTH,
            ),
            _number("CertificateEntries", fixed("0")),
            Variable(name="Identity", value=Textual(lambda station: station.profile.station_id)),
        ),
    ),
    Component(
        name="SmartChargingCtrlr",  # 2.10
        variables=(
            _flag("Available", fixed("true")),
            _flag("Enabled", only("true")),
            Variable(
                name="Entries",
                instance="ChargingProfiles",
                value=Textual(lambda station: str(len(station.limiting.profiles))),
                data_type="integer",
                maximum=MAX_INSTALLED,
            ),
            _number("PeriodsPerSchedule", fixed(str(MAX_PERIODS))),
            _number("ProfileStackLevel", fixed(str(MAX_STACK_LEVEL))),
            Variable(
                name="RateUnit", value=fixed("A,W"), data_type="MemberList", choices=("A", "W")
            ),
        ),
    ),
    Component(
        name="TxCtrlr",  # 2.6
        variables=(
            _seconds("EVConnectionTimeOut", only("60")),
            _flag("StopTxOnEVSideDisconnect", fixed("true")),
            _flag("StopTxOnInvalidId", boolean("stops_on_invalid_token")),
            _flag("TxBeforeAcceptedEnabled", only("false")),
            _members("TxStartPoint", fixed("PowerPathClosed"), ("PowerPathClosed",)),
            _members("TxStopPoint", fixed("PowerPathClosed"), ("PowerPathClosed",)),
        ),
    ),
)


def _state(value: Textual) -> Variable:
    return Variable(
        name="AvailabilityState",
        value=value,
        data_type="OptionList",
        choices=_AVAILABILITY_STATES,
    )


def _supply_phases(station: "Station") -> str:
    return str(station.profile.phases)


_PHASES = Variable(name="SupplyPhases", value=Textual(_supply_phases), data_type="integer")

_CHARGING_STATION = Component(
    name="ChargingStation",  # 2.13
    variables=(
        _flag("Available", fixed("true")),
        _state(Textual(lambda station: station.dialect.status_name(station.status))),
        Variable(
            name="FirmwareVersion", value=Textual(lambda station: station.context.firmware_version)
        ),
        Variable(name="Model", value=Textual(lambda station: station.profile.model)),
        _flag("Problem", fixed("false")),
        _PHASES,
        Variable(name="VendorName", value=Textual(lambda station: station.profile.vendor)),
    ),
)


def _evse(station: "Station", number: int) -> tuple[Component, Component]:
    """Return an EVSE and its connector (2.13)."""
    profile = station.profile
    connector = station.connectors[number]
    state = _state(Textual(lambda station: station.dialect.status_name(connector.status)))
    power = Variable(
        name="Power",
        value=Textual(lambda station: str(connector.meter.read(station.context.now).power_w)),
        data_type="decimal",
        unit="W",
        maximum=profile.power_w,
    )
    type_ = "cType2" if profile.phases else "cCCS2"
    evse = Component(
        name="EVSE",
        evse_id=number,
        variables=(
            _flag("AllowReset", fixed("false")),  # B11.FR.10
            _flag("Available", fixed("true")),
            state,
            power,
            _PHASES,
        ),
    )
    plug = Component(
        name="Connector",
        evse_id=number,
        connector_id=CONNECTOR_ID,
        variables=(
            _flag("Available", fixed("true")),
            state,
            Variable(name="ConnectorType", value=fixed(type_)),
            _PHASES,
        ),
    )
    return evse, plug
