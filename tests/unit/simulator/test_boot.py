"""Boot, registration and heartbeats (1.6, 4.2 and 4.6)."""

import json
import random

import pytest

from simulator.events import FrameIgnored, Registered
from simulator.ocpp16 import Ocpp16
from tests.unit.simulator.bench import START, Bench

ACCEPTED = {"status": "Accepted", "currentTime": "2026-02-02T00:00:00Z", "interval": 300}


def test_nothing_is_sent_before_the_boot_is_answered(bench: type[Bench]) -> None:
    station = bench(connectors=2).power_on().connect()
    boot = station.expect("BootNotification")
    assert boot.payload["chargePointVendor"] == "Voltaro"
    assert boot.payload["chargePointSerialNumber"] == "SIM-1"
    station.silent()
    station.reply(boot, ACCEPTED)
    connectors = []
    for _ in range(3):
        status = station.expect("StatusNotification")
        assert status.payload["status"] == "Available"
        connectors.append(status.payload["connectorId"])
        station.reply(status, {})
    assert connectors == [0, 1, 2]
    station.silent()


def test_only_one_call_is_open_at_a_time(bench: type[Bench]) -> None:
    station = bench(connectors=3).power_on().connect()
    station.reply(station.expect("BootNotification"), ACCEPTED)
    for _ in range(4):
        assert len(station.sent) == 1
        station.reply(station.expect("StatusNotification"), {})


def test_the_first_heartbeat_comes_at_a_random_moment_and_then_at_the_interval(
    bench: type[Bench],
) -> None:
    firsts = set()
    for seed in range(5):
        station = bench(seed=seed).booted(interval=100)
        begin = station.now
        while not station.sent:
            station.tick(0.5)
        first = station.now - begin
        assert 0 <= first <= 100.5
        firsts.add(first)
        station.reply(station.expect("Heartbeat"), {"currentTime": "2026-02-02T00:00:00Z"})
        station.tick(99)
        station.silent()
        station.tick(1.1)
        station.expect("Heartbeat")
    assert len(firsts) > 1


def test_pending_answers_commands_but_asks_nothing_by_itself_until_the_interval_is_over(
    bench: type[Bench],
) -> None:
    station = bench().power_on().connect()
    station.reply(station.expect("BootNotification"), {**ACCEPTED, "status": "Pending"})
    station.tick(299)
    station.silent()
    assert station.command("GetConfiguration", {"key": ["HeartbeatInterval"]})["configurationKey"]
    remote = station.command("RemoteStartTransaction", {"idTag": "TOKEN", "connectorId": 1})
    assert remote == {"status": "Rejected"}
    triggered = station.command("TriggerMessage", {"requestedMessage": "StatusNotification"})
    assert triggered == {"status": "Accepted"}
    station.reply(station.expect("StatusNotification"), {})
    station.reply(station.expect("StatusNotification"), {})
    station.silent()
    station.tick(1)
    station.reply(station.expect("BootNotification"), ACCEPTED)
    station.expect("StatusNotification")


def test_pending_boots_earlier_when_triggered(bench: type[Bench]) -> None:
    station = bench().power_on().connect()
    station.reply(station.expect("BootNotification"), {**ACCEPTED, "status": "Pending"})
    answer = station.command("TriggerMessage", {"requestedMessage": "BootNotification"})
    assert answer == {"status": "Accepted"}
    station.reply(station.expect("BootNotification"), ACCEPTED)
    assert [event.status for event in station.events_of(Registered)] == ["Pending", "Accepted"]
    station.tick(301)
    assert not [frame for frame in station.history[3:] if frame.action == "BootNotification"]


def test_what_was_triggered_before_a_rejection_is_not_sent_after_it(bench: type[Bench]) -> None:
    station = bench().power_on().connect()
    station.reply(station.expect("BootNotification"), {**ACCEPTED, "status": "Pending"})
    station.tick(300)
    boot = station.expect("BootNotification")
    answer = station.command("TriggerMessage", {"requestedMessage": "Heartbeat"})
    assert answer == {"status": "Accepted"}
    station.reply(boot, {**ACCEPTED, "status": "Rejected"})
    station.silent()


def test_rejected_says_and_answers_nothing_until_the_interval_is_over(bench: type[Bench]) -> None:
    station = bench().power_on().connect()
    rejected = {**ACCEPTED, "status": "Rejected", "interval": 60}
    station.reply(station.expect("BootNotification"), rejected)
    station.receive(json.dumps([2, "csms-1", "ClearCache", {}]))
    station.silent()
    assert "rejected" in station.events_of(FrameIgnored)[0].problem
    station.tick(59)
    station.silent()
    station.tick(1)
    station.reply(station.expect("BootNotification"), ACCEPTED)
    assert station.command("ClearCache", {}) == {"status": "Accepted"}


def test_interval_zero_leaves_the_wait_to_the_station(bench: type[Bench]) -> None:
    station = bench(boot_retry_s=45).power_on().connect()
    rejected = {**ACCEPTED, "status": "Rejected", "interval": 0}
    station.reply(station.expect("BootNotification"), rejected)
    station.tick(44.9)
    station.silent()
    station.tick(0.2)
    station.expect("BootNotification")


@pytest.mark.parametrize("how", ["callerror", "silence", "nonsense"])
def test_a_boot_without_a_usable_answer_is_tried_again(bench: type[Bench], how: str) -> None:
    station = bench(boot_retry_s=20, call_timeout_s=30).power_on().connect()
    boot = station.expect("BootNotification")
    if how == "callerror":
        station.refuse(boot)
    elif how == "silence":
        station.tick(30)
    else:
        station.reply(boot, {"status": "Perhaps"})
    station.silent()
    station.tick(20)
    station.reply(station.expect("BootNotification"), ACCEPTED)
    station.expect("StatusNotification")


def test_acceptance_outlives_the_connection(bench: type[Bench]) -> None:
    station = bench().booted()
    station.disconnect()
    station.tick(5)
    station.connect()
    station.silent()


def test_a_station_that_boots_on_every_reconnect_does(bench: type[Bench]) -> None:
    station = bench(boots_on_reconnect=True).booted()
    station.disconnect()
    station.tick(5)
    station.connect()
    station.expect("BootNotification")


def test_until_the_boot_is_accepted_again_everything_waits(bench: type[Bench]) -> None:
    station = bench(boots_on_reconnect=True).booted()
    station.charge(transaction_id=3)
    station.disconnect()
    station.tick(15)
    station.connect()
    boot = station.expect("BootNotification")
    station.stop()
    station.tick(10)
    station.silent()
    station.reply(boot, ACCEPTED)
    said = [frame.action for frame in station.settle()]
    assert said == ["StatusNotification"] * 2 + ["MeterValues", "StopTransaction"]


def test_a_queue_does_not_slip_out_while_the_boot_is_unanswered(bench: type[Bench]) -> None:
    station = bench(boots_on_reconnect=True, call_timeout_s=30, boot_retry_s=60).booted()
    station.charge()
    station.disconnect()
    station.tick(15)
    station.connect()
    station.expect("BootNotification")
    station.tick(80)
    station.silent()
    station.tick(10)
    station.expect("BootNotification")


def test_a_station_that_is_pending_again_refuses_remote_starts(bench: type[Bench]) -> None:
    station = bench(boots_on_reconnect=True).booted()
    station.disconnect()
    station.tick(5)
    station.connect()
    station.reply(station.expect("BootNotification"), {**ACCEPTED, "status": "Pending"})
    remote = station.command("RemoteStartTransaction", {"idTag": "TOKEN", "connectorId": 1})
    assert remote == {"status": "Rejected"}


def test_message_ids_are_never_used_again_not_even_in_the_next_life(bench: type[Bench]) -> None:
    first = bench(seed=1).booted()
    first.live(3600)
    first.disconnect()
    first.tick(5)
    first.connect()
    first.live(3600)
    second = bench(seed=1)
    second.station = first.station.__class__(
        first.station.profile,
        make_dialect=Ocpp16,
        rng=random.Random(1),  # noqa: S311  # noise, no secret
        now=START + 1,
    )
    second.booted()
    ids = [frame.id for frame in first.history + second.history]
    assert len(set(ids)) == len(ids) > 20


def test_time_never_runs_backwards_for_a_station(bench: type[Bench]) -> None:
    station = bench().booted(interval=86_400)
    station.station.advance(station.now + 100)
    station.station.start_charging(station.now, connector_id=1, id_token="TOKEN")
    station.tick(0)
    stamp = station.expect("StatusNotification").payload["timestamp"]
    assert stamp == station.station.context.timestamp(station.now + 100)


def test_a_status_that_changed_while_offline_is_told_once_on_reconnect(bench: type[Bench]) -> None:
    station = bench().booted()
    station.disconnect()
    station.station.start_charging(station.now, connector_id=1, id_token="TOKEN")
    station.tick(5)
    station.connect()
    said = station.settle()
    told = [frame.payload["status"] for frame in said if frame.action == "StatusNotification"]
    assert told == ["Charging"]
