"""Local authorization list management (D)."""

from typing import TYPE_CHECKING

from simulator.charging import IdToken
from simulator.dialect import Accepted, Answer
from simulator.local_list import ListUpdate
from simulator.ocpp201.answers import Handler, authorization, id_token, status
from simulator.rpc import Payload

if TYPE_CHECKING:
    from simulator.station import Station

_RESULTS = {
    ListUpdate.ACCEPTED: "Accepted",
    ListUpdate.FAILED: "Failed",
    ListUpdate.VERSION_MISMATCH: "VersionMismatch",
}


class LocalAuthorizationList:
    """Its requests, one method each."""

    def __init__(self, station: "Station") -> None:
        self._station = station
        self.handlers: dict[str, Handler] = {
            "GetLocalListVersion": self._get_local_list_version,
            "SendLocalList": self._send_local_list,
        }

    def _get_local_list_version(self, payload: Payload) -> Answer:
        """D02; 0 if it is empty or not in use (D02.FR.02, D02.FR.03)."""
        del payload
        station = self._station
        version = station.tokens.local_list.version if station.settings.uses_local_list else 0
        return Accepted({"versionNumber": version})

    def _send_local_list(self, payload: Payload) -> Answer:
        """D01; an entry without an idTokenInfo is removed (D01.FR.16)."""
        station = self._station
        if not station.settings.uses_local_list:
            return status("Failed", why="NotEnabled")
        sent: list[Payload] = payload.get("localAuthorizationList", [])
        entries = {
            _key(id_token(entry["idToken"])): (
                authorization(entry["idTokenInfo"]) if "idTokenInfo" in entry else None
            )
            for entry in sent
        }
        if len(entries) != len(sent):
            return status("Failed", why="InvalidValue")  # One of them twice: which one counts?
        local_list = station.tokens.local_list
        update = local_list.replace if payload["updateType"] == "Full" else local_list.change
        return status(_RESULTS[update(payload["versionNumber"], entries)])


def _key(token: IdToken) -> IdToken:
    return IdToken(token.value.lower(), token.type)
