"""Many simulated stations in one process."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from simulator.driver import ConnectionSettings
from simulator.events import (
    Acknowledged,
    CallFailed,
    ChargeEnded,
    ChargeSampled,
    ChargeStarted,
    CommandAnswered,
    Connected,
    ConnectionRefused,
    Discarded,
    Disconnected,
    Event,
    Registered,
)
from simulator.profile import StationProfile
from simulator.running import SimulatedStation

_COUNTERS: dict[type[Event], str] = {
    Connected: "connections",
    ConnectionRefused: "refusals",
    Disconnected: "losses",
    ChargeStarted: "started",
    ChargeEnded: "ended",
    Acknowledged: "acknowledged",
    CallFailed: "failures",
    Discarded: "discarded",
    CommandAnswered: "commands",
}


@dataclass(slots=True)
class FleetStatistics:
    """Counted from events.

    Attributes:
        online: Ids of the stations connected now.
        accepted: Ids of the stations registered now.
        charging: Station and connector of the charges that run now, with the energy in Wh each
            had delivered at its last sample.
        connections: Connections opened so far.
        refusals: Connections that did not come about.
        losses: Connections lost.
        started: Charges begun.
        ended: Charges ended.
        delivered_wh: Energy of the charges that have ended.
        acknowledged: Transaction-related messages the CSMS has confirmed.
        failures: Requests answered with an error or not in time.
        discarded: Transaction-related messages given up.
        commands: Requests of the CSMS answered.
    """

    online: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    charging: dict[tuple[str, int], int] = field(default_factory=dict)
    connections: int = 0
    refusals: int = 0
    losses: int = 0
    started: int = 0
    ended: int = 0
    delivered_wh: int = 0
    acknowledged: int = 0
    failures: int = 0
    discarded: int = 0
    commands: int = 0

    def observe(self, event: Event) -> None:
        """Count one event."""
        if counter := _COUNTERS.get(type(event)):
            setattr(self, counter, getattr(self, counter) + 1)
        match event:
            case Connected():
                self.online.add(event.station_id)
            case Disconnected():
                self.online.discard(event.station_id)
            case Registered(status="Accepted"):
                self.accepted.add(event.station_id)
            case Registered():
                self.accepted.discard(event.station_id)
            case ChargeStarted():
                self.charging[event.station_id, event.connector_id] = 0
            case ChargeEnded():
                self.charging.pop((event.station_id, event.connector_id), None)
                self.delivered_wh += event.energy_wh
            case ChargeSampled():
                self.charging[event.station_id, event.connector_id] = event.energy_wh

    @property
    def energy_wh(self) -> int:
        """Energy of all charges, those that run included."""
        return self.delivered_wh + sum(self.charging.values())

    def summary(self) -> dict[str, int]:
        """Return the numbers, gauges as their sizes."""
        return {
            "online": len(self.online),
            "accepted": len(self.accepted),
            "charging": len(self.charging),
            "connections": self.connections,
            "refusals": self.refusals,
            "losses": self.losses,
            "started": self.started,
            "ended": self.ended,
            "energy_wh": self.energy_wh,
            "acknowledged": self.acknowledged,
            "failures": self.failures,
            "discarded": self.discarded,
            "commands": self.commands,
        }


class Fleet:
    """Stations that start one after another and run until cancelled.

    Args:
        profiles: The stations.
        url: OCPP-J endpoint of the CSMS.
        password: Of all of them; None for none.
        seed: Makes them repeatable, each in its own way.
        starts_per_s: How many are switched on per second.
        on_event: Told of every event of every station.
        connection: Time-outs and limits.
    """

    def __init__(
        self,
        profiles: Iterable[StationProfile],
        *,
        url: str,
        password: str | None = None,
        seed: int | None = None,
        starts_per_s: float = 50.0,
        on_event: Callable[[Event], None] | None = None,
        connection: ConnectionSettings | None = None,
    ) -> None:
        if starts_per_s <= 0:
            raise ValueError(f"starts_per_s must be positive, got {starts_per_s}")
        self.statistics = FleetStatistics()
        self._on_event = on_event
        self._starts_per_s = starts_per_s
        self._stations = [
            SimulatedStation(
                profile,
                url=url,
                password=password,
                seed=seed,
                on_event=self._note,
                connection=connection,
                keep_events=0,
            )
            for profile in profiles
        ]

    async def run(
        self,
        *,
        report: Callable[[FleetStatistics], None] | None = None,
        report_interval_s: float = 10.0,
    ) -> None:
        """Run all stations until cancelled.

        Args:
            report: Called with the statistics at an interval.
            report_interval_s: That interval.
        """
        async with asyncio.TaskGroup() as group:
            if report is not None:
                group.create_task(self._report(report, report_interval_s), name="fleet report")
            for number, station in enumerate(self._stations):
                group.create_task(
                    self._run(station, number / self._starts_per_s),
                    name=f"station {station.station_id}",
                )

    @staticmethod
    async def _run(station: SimulatedStation, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await station.run()

    async def _report(
        self, report: Callable[[FleetStatistics], None], report_interval_s: float
    ) -> None:
        while True:
            await asyncio.sleep(report_interval_s)
            report(self.statistics)

    def _note(self, event: Event) -> None:
        self.statistics.observe(event)
        if self._on_event is not None:
            self._on_event(event)
