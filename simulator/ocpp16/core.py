"""The Core profile: what a CSMS may ask of any station (chapter 5)."""

from typing import TYPE_CHECKING

from simulator.charging import IdToken, StopReason
from simulator.dialect import Accepted, Answer
from simulator.maintenance import SecurityEventType
from simulator.ocpp16.answers import Handler, accepted_if, status
from simulator.ocpp16.configuration import change_configuration, get_configuration
from simulator.ocpp16.smart_charging import parse_start_profile
from simulator.operating import charging_on, start_charging, stop_charging
from simulator.rpc import Payload

if TYPE_CHECKING:
    from simulator.station import Station


class Core:
    """Its requests, one method each."""

    def __init__(self, station: "Station") -> None:
        self._station = station
        self.handlers: dict[str, Handler] = {
            "ChangeAvailability": self._change_availability,
            "ChangeConfiguration": self._change_configuration,
            "ClearCache": self._clear_cache,
            "DataTransfer": self._data_transfer,
            "GetConfiguration": self._get_configuration,
            "RemoteStartTransaction": self._remote_start_transaction,
            "RemoteStopTransaction": self._remote_stop_transaction,
            "Reset": self._reset,
            "UnlockConnector": self._unlock_connector,
        }

    def _change_availability(self, payload: Payload) -> Answer:
        """5.2; connector 0 is the station with all its connectors."""
        station = self._station
        number: int = payload["connectorId"]
        operative = payload["type"] == "Operative"
        if number != 0 and number not in station.connectors:
            return status("Rejected")
        chosen = list(station.connectors.values()) if number == 0 else [station.connectors[number]]
        scheduled = not operative and charging_on(chosen)

        def change() -> None:
            if number == 0 and station.operative != operative:
                station.operative = operative
                station.report_status()
            for connector in chosen:
                connector.change_availability(operative=operative)

        return status("Scheduled" if scheduled else "Accepted", change)

    def _change_configuration(self, payload: Payload) -> Answer:
        """5.3; a new AuthorizationKey is used at once, on a new connection (whitepaper, A01)."""
        station = self._station
        old_password = station.password
        word = change_configuration(station, payload["key"], payload["value"])
        if station.password == old_password:
            return status(word)
        station.security_log.note(SecurityEventType.PARAMETERS_CHANGED, "a new AuthorizationKey")
        return status(word, station.reconnect)

    def _clear_cache(self, payload: Payload) -> Answer:
        """5.4."""
        del payload
        return status("Accepted" if self._station.tokens.clear() else "Rejected")

    def _data_transfer(self, payload: Payload) -> Answer:
        """5.6; no vendor extension is implemented."""
        del payload
        return status("UnknownVendorId")

    def _get_configuration(self, payload: Payload) -> Answer:
        """5.8."""
        return Accepted(get_configuration(self._station, payload.get("key", [])))

    def _remote_start_transaction(self, payload: Payload) -> Answer:
        """5.11; a charging profile has to be one for this charge (5.16.2)."""
        profile = None
        if "chargingProfile" in payload:
            profile = parse_start_profile(payload["chargingProfile"])
            if profile is None:
                return status("Rejected")
        return accepted_if(
            start_charging(
                self._station,
                IdToken(payload["idTag"]),
                connector_id=payload.get("connectorId"),
                profile=profile,
            )
        )

    def _remote_stop_transaction(self, payload: Payload) -> Answer:
        """5.12."""
        return accepted_if(stop_charging(self._station, payload["transactionId"]))

    def _reset(self, payload: Payload) -> Answer:
        """5.14."""
        soft = payload["type"] == "Soft"
        reason = StopReason.ORDERLY_RESET if soft else StopReason.IMMEDIATE_RESET
        return status("Accepted", lambda: self._station.restarting.begin(reason, told=soft))

    def _unlock_connector(self, payload: Payload) -> Answer:
        """5.18; an unknown connector is NotSupported (errata 3.87)."""
        connector = self._station.connectors.get(payload["connectorId"])
        if connector is None:
            return status("NotSupported")
        if connector.charge is not None:
            return status("Unlocked", lambda: connector.stop(StopReason.UNLOCKED))
        return status("Unlocked")
