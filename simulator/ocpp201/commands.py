"""What a CSMS may ask of an OCPP 2.0.1 station."""

from typing import TYPE_CHECKING

from simulator.charging import IdToken, StopReason
from simulator.dialect import Accepted, Answer, Refused
from simulator.errors import UnreadableMoment
from simulator.ocpp201.answers import Handler, status
from simulator.ocpp201.components import ITEMS_PER_MESSAGE, components
from simulator.ocpp201.device_model import get_variable, set_variable
from simulator.ocpp201.local_auth_list import LocalAuthorizationList
from simulator.ocpp201.reports import base_report
from simulator.ocpp201.reservation import ReservationBlock
from simulator.ocpp201.smart_charging import SmartCharging, parse_start_profile
from simulator.ocpp201.transactions import CONNECTOR_ID, TransactionEvents
from simulator.ocpp201.triggers import Triggers
from simulator.operating import charging_on, find_charging, start_charging, stop_charging
from simulator.rpc import Payload
from simulator.schemas import Violation, first_violation

if TYPE_CHECKING:
    from simulator.station import Station

#: Requests of functional blocks this station does not have: known, so NotSupported (OCPP-J 2.0.1,
#: table 8).
_OTHER_BLOCKS = frozenset(
    {
        "CertificateSigned",
        "ClearDisplayMessage",
        "ClearVariableMonitoring",
        "CostUpdated",
        "CustomerInformation",
        "DeleteCertificate",
        "GetChargingProfiles",
        "GetDisplayMessages",
        "GetInstalledCertificateIds",
        "GetLog",
        "GetMonitoringReport",
        "GetReport",
        "InstallCertificate",
        "PublishFirmware",
        "SetDisplayMessage",
        "SetMonitoringBase",
        "SetMonitoringLevel",
        "SetNetworkProfile",
        "SetVariableMonitoring",
        "UnpublishFirmware",
        "UpdateFirmware",
    }
)

_ERROR_CODES = {
    Violation.MISSING: "OccurrenceConstraintViolation",
    Violation.TYPE: "TypeConstraintViolation",
    Violation.VALUE: "PropertyConstraintViolation",
    Violation.SHAPE: "FormatViolation",
}


class Commands:
    """The requests of the CSMS, one method each."""

    def __init__(self, station: "Station", events: TransactionEvents) -> None:
        self._station = station
        self._triggers = Triggers(station, events)
        self._handlers: dict[str, Handler] = {
            **LocalAuthorizationList(station).handlers,
            **ReservationBlock(station).handlers,
            **SmartCharging(station).handlers,
            "ChangeAvailability": self._change_availability,
            "ClearCache": self._clear_cache,
            "DataTransfer": self._data_transfer,
            "GetBaseReport": self._get_base_report,
            "GetTransactionStatus": self._get_transaction_status,
            "GetVariables": self._get_variables,
            "RequestStartTransaction": self._request_start_transaction,
            "RequestStopTransaction": self._request_stop_transaction,
            "Reset": self._reset,
            "SetVariables": self._set_variables,
            "TriggerMessage": self._triggers.answer,
            "UnlockConnector": self._unlock_connector,
        }

    def answer(self, action: str, payload: Payload) -> Answer:
        """Check a request and carry it out.

        Args:
            action: OCPP action.
            payload: Its payload, unchecked.

        Returns:
            The response, or the CALLERROR that OCPP-J 2.0.1, table 8 asks for.
        """
        handler = self._handlers.get(action)
        if handler is None:
            if action in _OTHER_BLOCKS:
                return Refused("NotSupported", f"this station has no {action}")
            return Refused("NotImplemented", f"{action[:50]} is no request to a station")
        if violation := first_violation("v201", f"{action}Request", payload):
            kind, problem = violation
            return Refused(_ERROR_CODES[kind], problem[:255])
        try:
            return handler(payload)
        except UnreadableMoment as error:
            return Refused("FormatViolation", str(error))

    # Provisioning

    def _get_variables(self, payload: Payload) -> Answer:
        """B06."""
        asked = payload["getVariableData"]
        if len(asked) > ITEMS_PER_MESSAGE:
            return _too_many(len(asked))  # B06.FR.16
        station, parts = self._station, components(self._station)
        results = [get_variable(station, parts, each) for each in asked]
        return Accepted({"getVariableResult": results})

    def _set_variables(self, payload: Payload) -> Answer:
        """B05; a new BasicAuthPassword is used at once, on a new connection (A01)."""
        wanted = payload["setVariableData"]
        if len(wanted) > ITEMS_PER_MESSAGE:
            return _too_many(len(wanted))
        station, parts = self._station, components(self._station)
        old_password = station.password
        results = [set_variable(station, parts, each) for each in wanted]
        then = None if station.password == old_password else station.reconnect
        return Accepted({"setVariableResult": results}, then)

    def _get_base_report(self, payload: Payload) -> Answer:
        """B07."""
        return base_report(self._station, payload)

    def _reset(self, payload: Payload) -> Answer:
        """B11 and B12; a single EVSE cannot be reset (B11.FR.09)."""
        restarting = self._station.restarting
        if "evseId" in payload:
            return status("Rejected", why="UnsupportedParam")
        if payload["type"] == "Immediate":
            return status(
                "Accepted", lambda: restarting.begin(StopReason.IMMEDIATE_RESET, told=True)
            )
        if charging_on(self._station.connectors.values()):
            return status("Scheduled", restarting.schedule, why="TxInProgress")
        return status("Accepted", lambda: restarting.begin(StopReason.ORDERLY_RESET, told=True))

    # Authorization

    def _clear_cache(self, payload: Payload) -> Answer:
        """C11."""
        del payload
        return status("Accepted" if self._station.tokens.clear() else "Rejected")

    # Transactions

    def _get_transaction_status(self, payload: Payload) -> Answer:
        """E14."""
        station = self._station
        transaction_id: str | None = payload.get("transactionId")
        if transaction_id is None:
            return Accepted({"messagesInQueue": station.link.undelivered > 0})
        return Accepted(
            {
                "ongoingIndicator": find_charging(station, transaction_id) is not None,
                "messagesInQueue": station.link.owes(transaction_id),
            }
        )

    # Remote control

    def _request_start_transaction(self, payload: Payload) -> Answer:
        """F01, F02; a charging profile has to be one for this charge (F01.FR.08 to .11)."""
        id_token = payload["idToken"]
        profile = None
        if "chargingProfile" in payload:
            profile = parse_start_profile(payload["chargingProfile"])
            if profile is None:
                return status("Rejected", why="InvalidProfile")
        then = start_charging(
            self._station,
            IdToken(id_token["idToken"], id_token["type"]),
            connector_id=payload.get("evseId"),
            remote_start_id=payload["remoteStartId"],
            profile=profile,
        )
        return status("Rejected" if then is None else "Accepted", then)

    def _request_stop_transaction(self, payload: Payload) -> Answer:
        """F03.FR.07, F03.FR.08."""
        then = stop_charging(self._station, payload["transactionId"])
        return status("Rejected" if then is None else "Accepted", then)

    def _unlock_connector(self, payload: Payload) -> Answer:
        """F05; whoever charges is not interrupted, other than in 1.6."""
        connector = self._station.connectors.get(payload["evseId"])
        if connector is None or payload["connectorId"] != CONNECTOR_ID:
            return status("UnknownConnector")
        if connector.charge is not None:
            return status("OngoingAuthorizedTransaction")
        return status("Unlocked")

    # Availability

    def _change_availability(self, payload: Payload) -> Answer:
        """G03 for an EVSE or its connector, G04 for the whole station."""
        station = self._station
        operative = payload["operationalStatus"] == "Operative"
        evse: Payload | None = payload.get("evse")
        if evse is None:
            return self._change_station_availability(operative=operative)
        connector = station.connectors.get(evse["id"])
        if connector is None:
            return status("Rejected", why="UnknownEvse")
        if evse.get("connectorId", CONNECTOR_ID) != CONNECTOR_ID:
            return status("Rejected", why="UnknownConnectorId")
        scheduled = connector.operative and not operative and connector.charge is not None
        return status(
            "Scheduled" if scheduled else "Accepted",
            lambda: connector.change_availability(operative=operative),
        )

    def _change_station_availability(self, *, operative: bool) -> Answer:
        station = self._station
        connectors = station.connectors.values()
        scheduled = station.operative and not operative and charging_on(connectors)

        def change() -> None:
            # What was asked of an EVSE alone holds on (G04.FR.08, note 1).
            station.operative = operative
            for connector in connectors:
                connector.block(blocked=not operative)

        return status("Scheduled" if scheduled else "Accepted", change)

    # Data transfer

    def _data_transfer(self, payload: Payload) -> Answer:
        """P01.FR.05; no vendor extension is implemented."""
        del payload
        return status("UnknownVendorId")


def _too_many(count: int) -> Refused:
    return Refused(
        "OccurrenceConstraintViolation",
        f"{count} items in one message; ItemsPerMessage is {ITEMS_PER_MESSAGE}",
    )
