"""Many stations in one process, and `voltaro sim` as a process of its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from ssl import Purpose, create_default_context
from typing import Any

import pytest
import pytest_asyncio

from simulator.events import (
    ChargeEnded,
    ChargeSampled,
    ChargeStarted,
    Connected,
    Disconnected,
    Event,
    Registered,
    encode_event,
)
from simulator.fleet import Fleet, FleetStatistics
from simulator.profile import Scenario, ScenarioMode, StationProfile
from tests.support.certificates import Authority
from tests.unit.simulator.csms import Csms, running_csms


@pytest_asyncio.fixture
async def csms() -> AsyncIterator[Csms]:
    async with running_csms() as csms:
        yield csms


def _profiles(count: int) -> list[StationProfile]:
    scenario = Scenario(
        mode=ScenarioMode.LOOP,
        session_s=(0.2, 0.4),
        pause_s=(0.1, 0.2),
        plug_in_s=(0, 0.1),
        unplug_s=(0, 0.1),
    )
    return [StationProfile(station_id=f"F-{number}", scenario=scenario) for number in range(count)]


async def test_a_fleet_starts_one_after_another_charges_and_stops(csms: Csms) -> None:
    told: list[Event] = []
    reports: list[dict[str, int]] = []
    fleet = Fleet(_profiles(20), url=csms.url, seed=1, starts_per_s=40, on_event=told.append)
    running = asyncio.create_task(
        fleet.run(report=lambda each: reports.append(each.summary()), report_interval_s=0.2)
    )
    async with asyncio.timeout(20):
        while fleet.statistics.ended < 20:  # noqa: ASYNC110  # statistics have nothing to wait on
            await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    connected = [event.at for event in told if isinstance(event, Connected)]
    assert len(connected) == 20
    # 20 stations at 40 per second: the last begins 0.475 s after the first.
    assert connected[-1] - connected[0] > 0.3
    assert reports
    assert reports[-1]["online"] == 20
    assert fleet.statistics.acknowledged >= 40
    # No two stations act alike, although they share a seed.
    starts = {event.at for event in told if isinstance(event, ChargeStarted)}
    assert len(starts) > 15


def test_statistics_count_what_happens() -> None:
    statistics = FleetStatistics()

    def observe(event: Event) -> None:
        event.station_id = "SIM-1"
        statistics.observe(event)

    observe(Connected())
    observe(Registered(status="Accepted", interval_s=300))
    observe(ChargeStarted(connector_id=1, id_token="T", meter_start_wh=0, offline=False))
    assert statistics.summary()["charging"] == 1
    observe(ChargeSampled(connector_id=1, energy_wh=1200, power_w=1.0, soc_percent=None))
    assert statistics.summary()["energy_wh"] == 1200
    observe(
        ChargeEnded(connector_id=1, id_token="T", reason="local", energy_wh=1234, duration_s=60)
    )
    observe(Disconnected(reason="gone", retry_in_s=1.0))
    assert statistics.summary() == {
        "online": 0,
        "accepted": 1,
        "charging": 0,
        "connections": 1,
        "refusals": 0,
        "losses": 1,
        "started": 1,
        "ended": 1,
        "energy_wh": 1234,
        "acknowledged": 0,
        "failures": 0,
        "discarded": 0,
        "commands": 0,
    }


def test_events_are_json_lines() -> None:
    line = encode_event(Registered(at=1.5, station_id="SIM-1", status="Accepted", interval_s=300))
    assert json.loads(line) == {
        "event": "registered",
        "at": 1.5,
        "station_id": "SIM-1",
        "status": "Accepted",
        "interval_s": 300.0,
    }


async def _voltaro_sim(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "cli", "sim"),
        *arguments,
        env={**os.environ, "COLUMNS": "200", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def _output(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(30):
        stdout, stderr = await process.communicate()
    return process.returncode, stdout.decode(), stderr.decode()


async def test_the_command_runs_stations_for_a_while_and_tells_json(csms: Csms) -> None:
    csms.password = "from-the-environment"
    process = await _voltaro_sim(
        *("--url", csms.url, "--stations", "2", "--first", "7", "--json", "--seed", "1"),
        *("--pause-s", "0.1", "0.2", "--session-s", "0.5", "0.6", "--duration-s", "4"),
        *("--meter-interval-s", "1", "--id-tag", "RFID"),
        VOLTARO_SIM_PASSWORD=csms.password,
    )
    code, stdout, stderr = await _output(process)
    assert (code, stderr) == (0, "")
    events: list[dict[str, Any]] = [json.loads(line) for line in stdout.splitlines()]
    kinds = {event["event"] for event in events}
    assert kinds >= {"connected", "registered", "charge_started", "acknowledged", "statistics"}
    assert {event["station_id"] for event in events if "station_id" in event} == {"SIM-7", "SIM-8"}
    assert {payload["idTag"] for payload in csms.payloads("StartTransaction")} == {"RFID"}


async def test_stations_take_turns_in_the_versions_they_speak() -> None:
    async with running_csms("ocpp1.6", "ocpp2.0.1") as csms:
        process = await _voltaro_sim(
            *("--url", csms.url, "--stations", "5", "--version", "1.6", "--version", "2.0.1"),
            *("--scenario", "idle", "--duration-s", "4"),
        )
        await csms.until(lambda: len(csms.payloads("BootNotification")) == 5)
        process.terminate()
        code, _, stderr = await _output(process)
    assert (code, stderr) == (0, "")
    spoken = {
        station_id: "2.0.1" if "reason" in boot else "1.6"
        for station_id, action, boot in csms.received
        if action == "BootNotification"
    }
    assert spoken == {
        "SIM-1": "1.6",
        "SIM-2": "2.0.1",
        "SIM-3": "1.6",
        "SIM-4": "2.0.1",
        "SIM-5": "1.6",
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_command_stops_cleanly_on_a_signal(csms: Csms, number: signal.Signals) -> None:
    process = await _voltaro_sim("--url", csms.url, "--station", "ONLY", "--scenario", "idle")
    await csms.until(lambda: bool(csms.payloads("BootNotification")))
    await csms.until(lambda: len(csms.payloads("StatusNotification")) == 2)
    process.send_signal(number)
    code, stdout, stderr = await _output(process)
    assert (code, stderr) == (0, "")
    assert "ONLY connected" in stdout
    assert "accepted, heartbeat every 60 s" in stdout
    await csms.until(lambda: csms.closes == [1000])


async def test_the_command_trusts_the_certificates_it_is_given(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = create_default_context(Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*authority.sign("csms", host="127.0.0.1"))
    async with running_csms(tls=tls) as csms:
        arguments = ("--url", csms.url, "--scenario", "idle", "--duration-s", "3")
        _, stdout, _ = await _output(await _voltaro_sim(*arguments))
        assert "CERTIFICATE_VERIFY_FAILED" in stdout
        trusting = await _voltaro_sim(*arguments, "--ca-file", str(authority.certificate))
        code, stdout, _ = await _output(trusting)
    assert code == 0
    assert "accepted, heartbeat" in stdout


async def test_mistakes_on_the_command_line_are_told_in_words(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for arguments, words in (
        (("--ca-file", str(empty)), "holds no certificates"),
        (("--ca-file", str(tmp_path / "nowhere.pem")), "does not exist"),
        (("--url", "http://x"), "must begin with ws://"),
        (("--station", "x" * 49), "1 to 48 characters"),
        (("--session-s", "5", "1"), "session_s must be a range"),
        (("--misbehave", "sulk"), "duplicate-start"),
        (("--version", "1.5"), "2.0.1"),
    ):
        code, _, stderr = await _output(await _voltaro_sim(*arguments))
        assert code == 2
        assert words in stderr.replace("│\n│ ", "")
