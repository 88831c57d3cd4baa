"""Operators: remote commands to random stations of ours, through the API, while these are busy."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol

import httpx

from loadtest.locust.api import Api
from shared.telemetry.errors import describe_error
from simulator.dialect import RegistrationStatus
from simulator.profile import OcppVersion
from simulator.station import Station

_TIMEOUT_S = 30.0
_MOST_AT_ONCE = 64
#: The same setting in either version.
_CONFIGURATION_KEYS = {
    OcppVersion.V1_6: "HeartbeatInterval",
    OcppVersion.V2_0_1: "OCPPCommCtrlr.HeartbeatInterval",
}

#: An answer of the station, whatever it says; and that it could not be asked or did not answer.
_ANSWERED = frozenset({"accepted", "rejected", "answered"})


class RemoteCommand(NamedTuple):
    """A command for one station."""

    station_id: str
    body: dict[str, Any]


class Report(Protocol):
    """Is told of each command: `type`, and the problem if it did not end well."""

    def __call__(self, type_: str, latency_s: float, problem: str | None) -> None:
        """Take note of it."""


def choose(rng: random.Random, stations: Sequence[Station], id_token: str) -> RemoteCommand | None:
    """Return a command that makes sense for some station in service; None if none is found.

    A start goes to a free connector, a stop to a running charge, so that the answer of a station
    is seldom no.
    """
    if not stations:
        return None
    station = rng.choice(stations)
    if not (station.link.ready and station.registration is RegistrationStatus.ACCEPTED):
        return None
    kinds = [_get_configuration, _trigger_message, _start_or_stop]
    body = rng.choice(kinds)(station, id_token)
    return None if body is None else RemoteCommand(station.profile.station_id, body)


def _get_configuration(station: Station, _: str) -> dict[str, Any]:
    key = _CONFIGURATION_KEYS[station.profile.version]
    return {"type": "GetConfiguration", "keys": [key]}


def _trigger_message(station: Station, _: str) -> dict[str, Any]:
    del station
    return {"type": "TriggerMessage", "requested_message": "Heartbeat"}


def _start_or_stop(station: Station, id_token: str) -> dict[str, Any] | None:
    for number, connector in station.connectors.items():
        charge = connector.charge
        if charge is not None and charge.transaction_id not in {None, -1}:
            return {"type": "RemoteStop", "transaction_id": str(charge.transaction_id)}
        if connector.ready:
            return {"type": "RemoteStart", "id_token": id_token, "evse_id": number}
    return None


class Operators:
    """Commands at a rate, each on a thread of its own, as operators do not wait for each other.

    Args:
        api: Where they go.
        stations: Those there are; asked anew each time.
        id_token: For remote starts.
        per_minute: How many commands.
        report: Told of each one.
    """

    def __init__(
        self,
        api: Api,
        stations: Callable[[], Sequence[Station]],
        *,
        id_token: str,
        per_minute: float,
        report: Report,
    ) -> None:
        self._api = api
        self._stations = stations
        self._id_token = id_token
        self._per_s = per_minute / 60
        self._report = report
        self._rng = random.Random()  # noqa: S311 - a choice of stations, no secret
        self._under_way: list[RemoteCommand] = []

    @property
    def idle(self) -> bool:
        """Whether every command has ended."""
        return not self._under_way

    def run(self, stop: threading.Event) -> None:
        """Send commands until told to stop; those on their way are left to end."""
        while not stop.wait(self._rng.expovariate(self._per_s)):
            command = choose(self._rng, self._stations(), self._id_token)
            if command is None:
                continue
            if len(self._under_way) < _MOST_AT_ONCE:
                self._under_way.append(command)
                threading.Thread(target=self._send, args=(command,), daemon=True).start()
            else:
                self._report(
                    command.body["type"], 0.0, f"{_MOST_AT_ONCE} commands wait for their answer"
                )

    def _send(self, command: RemoteCommand) -> None:
        began = time.monotonic()
        try:
            response = self._api.command(
                command.station_id, {**command.body, "timeout_s": _TIMEOUT_S}
            )
            problem = problem_of(response)
        except httpx.HTTPError as error:
            problem = describe_error(error)
        finally:
            self._under_way.remove(command)
        self._report(command.body["type"], time.monotonic() - began, problem)


def problem_of(response: httpx.Response) -> str | None:
    """Return why a command did not end with an answer of the station; None if it did."""
    match response.status_code:
        case HTTPStatus.OK:
            record = response.json()
            if record["state"] in _ANSWERED:
                return None
            return f"{record['state']} ({record['error_code'] or 'no error code'})"
        case HTTPStatus.ACCEPTED:
            return "no outcome in time"
        case HTTPStatus.CONFLICT:
            return "the station is offline"
        case status:
            return f"HTTP {status}"
