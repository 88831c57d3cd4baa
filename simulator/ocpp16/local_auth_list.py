"""The Local Auth List Management profile (5.10, 5.15)."""

from typing import TYPE_CHECKING

from simulator.charging import IdToken
from simulator.dialect import Accepted, Answer
from simulator.local_list import ListUpdate
from simulator.ocpp16.answers import Handler, authorization, status
from simulator.rpc import Payload

if TYPE_CHECKING:
    from simulator.station import Station

#: 5.10: lists are not in use.
_NO_LISTS = -1

_RESULTS = {
    ListUpdate.ACCEPTED: "Accepted",
    ListUpdate.FAILED: "Failed",
    ListUpdate.VERSION_MISMATCH: "VersionMismatch",
}


class LocalAuthList:
    """Its requests, one method each."""

    def __init__(self, station: "Station") -> None:
        self._station = station
        self.handlers: dict[str, Handler] = {
            "GetLocalListVersion": self._get_local_list_version,
            "SendLocalList": self._send_local_list,
        }

    def _get_local_list_version(self, payload: Payload) -> Answer:
        """5.10."""
        del payload
        station = self._station
        in_use = station.settings.uses_local_list
        return Accepted({"listVersion": station.tokens.local_list.version if in_use else _NO_LISTS})

    def _send_local_list(self, payload: Payload) -> Answer:
        """5.15; of an entry without an idTagInfo only the tag is left to be removed (7.1)."""
        station = self._station
        if not station.settings.uses_local_list:
            return status("NotSupported")
        sent: list[Payload] = payload.get("localAuthorizationList", [])
        entries = {
            IdToken(entry["idTag"].lower()): (
                authorization(entry["idTagInfo"]) if "idTagInfo" in entry else None
            )
            for entry in sent
        }
        if len(entries) != len(sent):
            return status("Failed")  # One of them twice: which one counts?
        local_list = station.tokens.local_list
        update = local_list.replace if payload["updateType"] == "Full" else local_list.change
        return status(_RESULTS[update(payload["listVersion"], entries)])
