"""Drivers of one station, on the simulator's station without I/O."""

import random

import pytest

from loadtest.locust.behaviour import Behaviour, Demand, losses_of
from loadtest.locust.profiles import RunPlan
from simulator.charging import ConnectorStatus
from simulator.events import ChargeEnded, ChargeStarted
from tests.unit.simulator.bench import START, Bench


class Day:
    """A station that lives through a day with its drivers, and a CSMS that answers at once."""

    def __init__(self, demand: Demand, *, losses: tuple[float, ...] = (), seed: int = 1) -> None:
        self.bench = Bench(meter_interval_s=60).booted()
        self.behaviour = Behaviour(
            demand,
            connectors=[1],
            losses=[START + at for at in losses],
            run_began_at=START,
            now=self.bench.now,
            id_token="DRIVER",
            rng=random.Random(seed),  # noqa: S311
        )
        self.busy_s = 0.0

    def live(self, seconds: float) -> "Day":
        until = self.bench.now + seconds
        while self.bench.now < until:
            before = self.bench.now
            charging = self.bench.station.connectors[1].charge is not None
            wake = min(self.behaviour.next_at or until, before + 1.0)
            self.bench.live(max(0.0, min(wake, until) - before))
            self.busy_s += (self.bench.now - before) * charging
            self.behaviour.act(self.bench.station, self.bench.now)
            self.bench.tick(0)
            self.bench.settle()
        return self


def steady(share: float, session_s: float = 60.0) -> Demand:
    return Demand(session_s=session_s, busy_share=lambda _: share, peak_busy_share=share)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_a_connector_is_as_busy_as_it_is_to_be(share: float) -> None:
    day = Day(steady(share)).live(30_000)
    assert day.busy_s / 30_000 == pytest.approx(share, abs=0.05)


def test_drivers_present_their_token_and_stay_about_as_long_as_they_are_to() -> None:
    day = Day(steady(0.5)).live(10_000)
    starts, ends = day.bench.events_of(ChargeStarted), day.bench.events_of(ChargeEnded)
    assert {event.id_token for event in starts} == {"DRIVER"}
    lengths_s = [event.duration_s for event in ends]
    assert min(lengths_s) > 29
    assert max(lengths_s) < 92
    assert sum(lengths_s) / len(lengths_s) == pytest.approx(60, rel=0.15)


def test_nobody_comes_when_nobody_is_to_come() -> None:
    day = Day(steady(0.0))
    assert day.behaviour.next_at is None
    assert not day.live(1000).bench.events_of(ChargeStarted)


def test_a_quiet_hour_does_not_outlast_the_peak() -> None:
    demand = Demand(
        session_s=10.0,
        busy_share=lambda elapsed_s: 0.9 if elapsed_s > 5000 else 0.001,
        peak_busy_share=0.9,
    )
    day = Day(demand).live(5000)
    quiet_s = day.busy_s
    day.live(1000)
    assert quiet_s < 50
    assert day.busy_s - quiet_s > 600


def test_a_charge_that_an_operator_began_ends_like_any_other() -> None:
    day = Day(steady(0.1))
    day.bench.command("RemoteStartTransaction", {"idTag": "DRIVER", "connectorId": 1})
    day.bench.settle()
    assert day.bench.station.connectors[1].charge is not None
    day.live(5000)
    assert day.bench.events_of(ChargeEnded)


def test_connections_are_lost_when_they_are_to_be() -> None:
    day = Day(steady(0.0), losses=(100.0, 200.0))
    assert day.behaviour.next_at == START + 100
    day.bench.tick(100)
    day.behaviour.act(day.bench.station, day.bench.now)
    day.bench.tick(0)
    assert [each.abrupt for each in day.bench.hang_ups] == [True]
    assert day.behaviour.next_at == START + 200


def test_in_the_end_everybody_leaves() -> None:
    day = Day(steady(0.9), losses=(1e9,)).live(200)
    while day.bench.station.connectors[1].charge is None:
        day.live(1)
    day.behaviour.end(day.bench.station, day.bench.now)
    day.bench.tick(0)
    day.bench.settle()
    assert day.behaviour.next_at is None
    day.bench.live(10)
    assert day.bench.station.connectors[1].status is ConnectorStatus.AVAILABLE


def test_waves_take_the_fleet_part_by_part() -> None:
    plan = RunPlan(profile="rolling-restart", users=8, spawn_rate=1.0, run_time_s=100.0, waves=2)
    hit = [losses_of(plan, number, run_began_at=START) for number in range(4)]
    assert hit == [[START + 25], [START + 55], [START + 25], [START + 55]]
