"""Configuration keys of OCPP 1.6 (chapter 9) as views onto a station's settings."""

from typing import TYPE_CHECKING

from simulator.certificates import CHAIN_MAX_LENGTH, STORE_MAX_CERTIFICATES
from simulator.charging_profiles import MAX_INSTALLED, MAX_PERIODS, MAX_STACK_LEVEL
from simulator.local_list import LIST_MAX_ENTRIES, UPDATE_MAX_ENTRIES
from simulator.rpc import Payload
from simulator.sampling import MAX_KEPT_SAMPLES
from simulator.settings import MEASURANDS
from simulator.textual import Textual, boolean, fixed, followed_by, integer, measurands

if TYPE_CHECKING:
    from simulator.station import Station

#: 1.6, 9.1.9; the simulator itself has no limit, a real one does.
_MAX_KEYS_PER_REQUEST = 50

#: Security whitepaper, 7.2: 16 to 20 bytes, as hexadecimal digits.
_KEY_MIN_BYTES = 16
_KEY_MAX_BYTES = 20

#: organizationName of a certificate (RFC 5280, appendix A.1).
_CPO_NAME_MAX_LENGTH = 64


def _write_authorization_key(station: "Station", text: str) -> bool:
    try:
        password = bytes.fromhex(text)
    except ValueError:
        return False
    if not _KEY_MIN_BYTES <= len(password) <= _KEY_MAX_BYTES:
        return False
    station.password = text.encode() if station.profile.sends_key_as_text else password
    return True


def _write_cpo_name(station: "Station", text: str) -> bool:
    if len(text) > _CPO_NAME_MAX_LENGTH:
        return False
    station.settings.cpo_name = text
    return True


def _phase_rotation(station: "Station") -> str:
    rotation = "RST" if station.profile.phases > 1 else "NotApplicable"
    return ",".join(f"{number}.{rotation}" for number in station.connectors)


_KEYS: dict[str, Textual] = {
    # Core profile, 9.1
    "AllowOfflineTxForUnknownId": boolean("starts_offline_if_unknown"),
    "AuthorizationCacheEnabled": boolean("caches_authorizations"),
    "AuthorizeRemoteTxRequests": boolean("authorizes_remote_starts"),
    "ClockAlignedDataInterval": followed_by(
        integer("clock_aligned_interval_s", minimum=0),
        lambda station: station.clock_aligned.plan(),
    ),
    "ConnectionTimeOut": fixed("60"),
    "ConnectorPhaseRotation": Textual(_phase_rotation),
    "GetConfigurationMaxKeys": fixed(str(_MAX_KEYS_PER_REQUEST)),
    "HeartbeatInterval": followed_by(
        integer("heartbeat_interval_s", minimum=1),
        lambda station: station.heartbeat_interval_changed(),
    ),
    "LocalAuthorizeOffline": boolean("starts_offline_if_known"),
    "LocalPreauthorize": boolean("preauthorizes"),
    "MessageTimeout": integer("call_timeout_s", minimum=1),
    "MeterValuesAlignedData": measurands("measured_outside"),
    "MeterValuesAlignedDataMaxLength": fixed(str(len(MEASURANDS))),
    "MeterValuesSampledData": measurands("sampled"),
    "MeterValuesSampledDataMaxLength": fixed(str(len(MEASURANDS))),
    "MeterValueSampleInterval": followed_by(
        integer("meter_interval_s", minimum=0), lambda station: station.meter_interval_changed()
    ),
    "NumberOfConnectors": Textual(lambda station: str(len(station.connectors))),
    "ResetRetries": fixed("0"),
    "StopTransactionMaxMeterValues": fixed(str(MAX_KEPT_SAMPLES + 2)),
    "StopTransactionOnEVSideDisconnect": fixed("true"),
    "StopTransactionOnInvalidId": boolean("stops_on_invalid_token"),
    "StopTxnAlignedData": fixed(""),
    "StopTxnSampledData": measurands("sampled_at_end"),
    "StopTxnSampledDataMaxLength": fixed(str(len(MEASURANDS))),
    "SupportedFeatureProfiles": fixed(
        "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger"
    ),
    "TransactionMessageAttempts": integer("transaction_attempts", minimum=1),
    "TransactionMessageRetryInterval": integer("transaction_retry_s", minimum=0),
    "UnlockConnectorOnEVSideDisconnect": fixed("true"),
    "WebSocketPingInterval": integer("websocket_ping_interval_s", minimum=0),
    # Local Auth List Management, 9.2
    "LocalAuthListEnabled": boolean("uses_local_list"),
    "LocalAuthListMaxLength": fixed(str(LIST_MAX_ENTRIES)),
    "SendLocalListMaxLength": fixed(str(UPDATE_MAX_ENTRIES)),
    # Reservation, 9.3
    "ReserveConnectorZeroSupported": fixed("true"),
    # Smart Charging, 9.4
    "ChargeProfileMaxStackLevel": fixed(str(MAX_STACK_LEVEL)),
    "ChargingScheduleAllowedChargingRateUnit": fixed("Current,Power"),
    "ChargingScheduleMaxPeriods": fixed(str(MAX_PERIODS)),
    "ConnectorSwitch3to1PhaseSupported": Textual(
        lambda station: "true" if station.profile.phases > 1 else "false"
    ),
    "MaxChargingProfilesInstalled": fixed(str(MAX_INSTALLED)),
    # Firmware Management
    "SupportedFileTransferProtocols": fixed("HTTP,HTTPS"),
    # Security whitepaper, chapter 7
    "AdditionalRootCertificateCheck": fixed("false"),
    "AuthorizationKey": Textual(None, _write_authorization_key),
    "CertificateSignedMaxChainSize": fixed(str(CHAIN_MAX_LENGTH)),
    "CertificateStoreMaxLength": fixed(str(STORE_MAX_CERTIFICATES)),
    "CpoName": Textual(lambda station: station.settings.cpo_name, _write_cpo_name),
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
