"""Configuration keys of OCPP 1.6 (chapter 9) as views onto a station's settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from simulator.connector import MAX_KEPT_SAMPLES
from simulator.rpc import Payload
from simulator.settings import MEASURANDS

if TYPE_CHECKING:
    from simulator.station import Station

#: 1.6, 9.1.9; the simulator itself has no limit, a real one does.
_MAX_KEYS_PER_REQUEST = 50

#: Security whitepaper, 7.2: 16 to 20 bytes, as hexadecimal digits.
_KEY_MIN_BYTES = 16
_KEY_MAX_BYTES = 20

_Read: TypeAlias = Callable[["Station"], str]
_Write: TypeAlias = Callable[["Station", str], bool]


def _fixed(value: str) -> _Read:
    return lambda _: value


@dataclass(frozen=True, slots=True)
class _Key:
    """One configuration key.

    Attributes:
        read: Returns the value; None for a key that may only be written.
        write: Sets it, or returns False if it does not take this value; None if read-only.
    """

    read: _Read | None
    write: _Write | None = None


def _integer(attribute: str, *, minimum: int, maximum: int = 2**31 - 1) -> _Key:
    def read(station: "Station") -> str:
        return str(getattr(station.settings, attribute))

    def write(station: "Station", text: str) -> bool:
        # isdecimal: int() also takes "1_0", " 7 " and digits of other scripts.
        if not (text.isascii() and text.isdecimal() and minimum <= int(text) <= maximum):
            return False
        setattr(station.settings, attribute, int(text))
        return True

    return _Key(read, write)


def _boolean(attribute: str) -> _Key:
    def read(station: "Station") -> str:
        return "true" if getattr(station.settings, attribute) else "false"

    def write(station: "Station", text: str) -> bool:
        if text.lower() not in {"true", "false"}:
            return False
        setattr(station.settings, attribute, text.lower() == "true")
        return True

    return _Key(read, write)


def _measurands(attribute: str) -> _Key:
    def read(station: "Station") -> str:
        return ",".join(getattr(station.settings, attribute))

    def write(station: "Station", text: str) -> bool:
        wanted = tuple(each.strip() for each in text.split(",") if each.strip())
        if any(each not in MEASURANDS for each in wanted):
            return False  # 1.6, 3.16.4: one unknown measurand rejects them all.
        setattr(station.settings, attribute, wanted)
        return True

    return _Key(read, write)


def _then(key: _Key, follow_up: "Callable[[Station], None]") -> _Key:
    def write(station: "Station", text: str) -> bool:
        if key.write is None or not key.write(station, text):
            return False
        follow_up(station)
        return True

    return _Key(key.read, write)


def _write_authorization_key(station: "Station", text: str) -> bool:
    try:
        password = bytes.fromhex(text)
    except ValueError:
        return False
    if not _KEY_MIN_BYTES <= len(password) <= _KEY_MAX_BYTES:
        return False
    station.password = password
    return True


def _only_zero(station: "Station", text: str) -> bool:
    # Clock-aligned data is not simulated; 0 switches it off (1.6, 9.1.5).
    del station
    return text == "0"


def _phase_rotation(station: "Station") -> str:
    rotation = "RST" if station.profile.phases > 1 else "NotApplicable"
    return ",".join(f"{number}.{rotation}" for number in station.connectors)


_KEYS: dict[str, _Key] = {
    # Core profile, 9.1
    "AllowOfflineTxForUnknownId": _boolean("starts_offline_if_unknown"),
    "AuthorizationCacheEnabled": _boolean("caches_authorizations"),
    "AuthorizeRemoteTxRequests": _boolean("authorizes_remote_starts"),
    "ClockAlignedDataInterval": _Key(_fixed("0"), _only_zero),
    "ConnectionTimeOut": _Key(_fixed("60")),
    "ConnectorPhaseRotation": _Key(_phase_rotation),
    "GetConfigurationMaxKeys": _Key(_fixed(str(_MAX_KEYS_PER_REQUEST))),
    "HeartbeatInterval": _then(
        _integer("heartbeat_interval_s", minimum=1),
        lambda station: station.heartbeat_interval_changed(),
    ),
    "LocalAuthorizeOffline": _boolean("starts_offline_if_known"),
    "LocalPreauthorize": _boolean("preauthorizes"),
    "MessageTimeout": _integer("call_timeout_s", minimum=1),
    "MeterValuesAlignedData": _Key(_fixed("")),
    "MeterValuesSampledData": _measurands("sampled"),
    "MeterValuesSampledDataMaxLength": _Key(_fixed(str(len(MEASURANDS)))),
    "MeterValueSampleInterval": _then(
        _integer("meter_interval_s", minimum=0), lambda station: station.meter_interval_changed()
    ),
    "NumberOfConnectors": _Key(lambda station: str(len(station.connectors))),
    "ResetRetries": _Key(_fixed("0")),
    "StopTransactionMaxMeterValues": _Key(_fixed(str(MAX_KEPT_SAMPLES + 2))),
    "StopTransactionOnEVSideDisconnect": _Key(_fixed("true")),
    "StopTransactionOnInvalidId": _boolean("stops_on_invalid_token"),
    "StopTxnAlignedData": _Key(_fixed("")),
    "StopTxnSampledData": _measurands("sampled_at_end"),
    "StopTxnSampledDataMaxLength": _Key(_fixed(str(len(MEASURANDS)))),
    "SupportedFeatureProfiles": _Key(_fixed("Core,RemoteTrigger")),
    "TransactionMessageAttempts": _integer("transaction_attempts", minimum=1),
    "TransactionMessageRetryInterval": _integer("transaction_retry_s", minimum=0),
    "UnlockConnectorOnEVSideDisconnect": _Key(_fixed("true")),
    "WebSocketPingInterval": _integer("websocket_ping_interval_s", minimum=0),
    # Security whitepaper, chapter 7
    "AuthorizationKey": _Key(None, _write_authorization_key),
}

#: 7.29: keys are CiString50Type, "Ci" for case-insensitive.
_NAMES = {name.lower(): name for name in _KEYS}


def get_configuration(station: "Station", wanted: list[str]) -> Payload:
    """Return a GetConfiguration.conf (1.6, 5.8).

    Args:
        station: Whose.
        wanted: Names of keys; empty for all.
    """
    names = [_NAMES[name.lower()] for name in wanted if name.lower() in _NAMES]
    listed = []
    for name in names if wanted else _KEYS:
        key = _KEYS[name]
        if key.read is None:
            if wanted:  # Known, but its value is never told (whitepaper, 7.2).
                listed.append({"key": name, "readonly": False})
            continue
        value = key.read(station)
        listed.append({"key": name, "readonly": key.write is None, "value": value})
    answer: Payload = {"configurationKey": listed}
    if unknown := [name for name in wanted if name.lower() not in _NAMES]:
        answer["unknownKey"] = unknown
    return answer


def change_configuration(station: "Station", name: str, value: str) -> str:
    """Change one key and return the status of the ChangeConfiguration.conf (1.6, 5.3)."""
    key = _KEYS.get(_NAMES.get(name.lower(), ""))
    if key is None:
        return "NotSupported"
    if key.write is None:
        return "Rejected"
    return "Accepted" if key.write(station, value) else "Rejected"


def is_secret(name: object) -> bool:
    """Return whether the value of a key must appear nowhere."""
    key = _KEYS.get(_NAMES.get(name.lower(), "")) if isinstance(name, str) else None
    return key is not None and key.read is None
