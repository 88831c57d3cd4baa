"""Lost connections, the queue of transaction-related messages, and retries (1.6, 3.7)."""

import json

import pytest

from simulator.events import Acknowledged, CallFailed, ConnectionRefused, Discarded, Disconnected
from tests.unit.simulator.bench import Bench, Frame


def _transactional(frames: list[Frame]) -> list[Frame]:
    wanted = {"StartTransaction", "MeterValues", "StopTransaction"}
    return [frame for frame in frames if frame.action in wanted]


def _register(frame: Frame) -> int:
    return int(frame.payload["meterValue"][0]["sampledValue"][0]["value"])


def test_what_happens_offline_is_told_in_order_with_its_own_timestamps(bench: type[Bench]) -> None:
    station = bench().booted()
    station.charge(transaction_id=41)
    station.disconnect()
    offline_since = station.now
    station.tick(25)
    station.dials = max(station.dials, 1)
    station.stop()
    station.tick(100)
    station.silent()
    station.connect()
    said = _transactional(station.settle())
    assert [frame.action for frame in said] == ["MeterValues", "MeterValues", "StopTransaction"]
    assert {frame.payload["transactionId"] for frame in said} == {41}
    stamps = [frame.payload["meterValue"][0]["timestamp"] for frame in said[:2]]
    stamps.append(said[2].payload["timestamp"])
    assert stamps == [station.station.context.timestamp(offline_since + at) for at in (10, 20, 25)]
    queued = [event.queued_at - offline_since for event in station.events_of(Acknowledged)[1:]]
    assert queued == [10, 20, 25]


def test_a_transaction_begun_offline_gets_its_id_when_the_start_is_answered(
    bench: type[Bench],
) -> None:
    station = bench().booted()
    station.disconnect()
    station.station.start_charging(station.now, connector_id=1, id_token="STRANGER")
    station.tick(25)
    station.connect()
    station.reply(station.expect("StatusNotification"), {})
    start = station.expect("StartTransaction")
    station.silent()
    station.reply(start, {"transactionId": 99, "idTagInfo": {"status": "Accepted"}})
    for _ in range(2):
        meter = station.expect("MeterValues")
        assert meter.payload["transactionId"] == 99
        station.reply(meter, {})
    station.stop()
    assert station.expect("StopTransaction").payload["transactionId"] == 99


def test_an_unknown_token_may_be_turned_away_offline(bench: type[Bench]) -> None:
    station = bench().booted()
    change = {"key": "AllowOfflineTxForUnknownId", "value": "false"}
    assert station.command("ChangeConfiguration", change) == {"status": "Accepted"}
    station.charge()
    station.stop()
    station.settle()
    station.live(5)
    station.disconnect()
    station.station.start_charging(station.now, connector_id=1, id_token="STRANGER")
    assert station.station.connectors[1].charge is None
    station.station.start_charging(station.now, connector_id=1, id_token="TOKEN")
    assert station.station.connectors[1].charge is not None


def test_a_token_the_csms_has_refused_is_refused_offline_too(bench: type[Bench]) -> None:
    station = bench().booted()
    station.answers["Authorize"] = lambda _: {"idTagInfo": {"status": "Blocked"}}
    station.station.start_charging(station.now, connector_id=1, id_token="THIEF")
    station.live(5)
    station.disconnect()
    station.station.start_charging(station.now, connector_id=1, id_token="THIEF")
    assert station.station.connectors[1].charge is None


def test_an_authorization_is_not_trusted_beyond_its_expiry(bench: type[Bench]) -> None:
    station = bench().booted()
    expiry = station.station.context.timestamp(station.now + 100)
    station.answers["Authorize"] = lambda _: {
        "idTagInfo": {"status": "Accepted", "expiryDate": expiry}
    }
    station.answers["StartTransaction"] = lambda _: {
        "transactionId": 1,
        "idTagInfo": {"status": "Accepted", "expiryDate": expiry.removesuffix("Z")},
    }
    station.station.start_charging(station.now, connector_id=1, id_token="TOKEN")
    station.live(5)
    station.stop()
    station.live(5)
    station.disconnect()
    station.station.start_charging(station.now, connector_id=1, id_token="TOKEN")
    assert station.station.connectors[1].charge is not None
    station.stop()
    station.tick(100)
    station.station.start_charging(station.now, connector_id=1, id_token="TOKEN")
    assert station.station.connectors[1].charge is None


def test_a_late_refusal_does_not_end_the_next_driver_s_charge(bench: type[Bench]) -> None:
    station = bench().booted()
    station.disconnect()
    for id_token in ("THIEF", "OWNER"):
        station.station.start_charging(station.now, connector_id=1, id_token=id_token)
        station.tick(5)
        if id_token == "THIEF":
            station.stop()
            station.tick(5)
    station.answers["StartTransaction"] = lambda start: {
        "transactionId": 1,
        "idTagInfo": {"status": "Blocked" if start["idTag"] == "THIEF" else "Accepted"},
    }
    station.connect()
    station.settle()
    running = station.station.connectors[1].charge
    assert running is not None
    assert running.id_token.value == "OWNER"


def test_an_interrupted_call_is_sent_again_and_does_not_count_as_a_failure(
    bench: type[Bench],
) -> None:
    station = bench(transaction_attempts=1).booted()
    station.charge()
    station.stop()
    for _ in range(3):
        station.expect("StopTransaction")
        station.disconnect()
        station.tick(100)
        station.connect()
        station.skip("StatusNotification")
    stop = station.expect("StopTransaction")
    station.reply(stop, {})
    assert station.events_of(Acknowledged)[-1].attempt == 1
    assert not station.events_of(Discarded)


def test_failures_are_retried_with_growing_waits_and_then_given_up(bench: type[Bench]) -> None:
    station = bench(transaction_attempts=3, transaction_retry_s=60).booted(interval=86_400)
    station.charge()
    station.stop()
    attempts = []
    begin = station.now
    station.answers["StopTransaction"] = lambda _: pytest.fail("answered")
    for _ in range(3):
        attempt = station.expect("StopTransaction")
        attempts.append((station.now - begin, attempt.id, attempt.payload))
        station.refuse(attempt)
        while not station.sent or station.sent[0].action != "StopTransaction":
            station.tick(1)
            station.skip("StatusNotification")
            if station.now - begin > 400:
                break
    # 1.6, 3.7.1: the interval, then twice the interval; then the message is dropped.
    assert [at for at, _, _ in attempts] == [0, 60, 180]
    assert len({message_id for _, message_id, _ in attempts}) == 3
    assert all(payload == attempts[0][2] for _, _, payload in attempts)
    given_up = station.events_of(Discarded)
    assert [(event.action, event.attempts) for event in given_up] == [("StopTransaction", 3)]
    assert station.station.link.undelivered == 0
    station.silent()


def test_a_new_connection_is_not_kept_waiting_for_a_retry(bench: type[Bench]) -> None:
    station = bench(transaction_retry_s=1000).booted()
    station.charge()
    station.tick(10)
    station.refuse(station.expect("MeterValues"))
    station.disconnect()
    station.tick(1)
    station.connect()
    station.expect("MeterValues")


def test_other_messages_do_not_wait_for_a_retry(bench: type[Bench]) -> None:
    station = bench(transaction_retry_s=1000).booted()
    station.charge()
    station.tick(10)
    station.refuse(station.expect("MeterValues"))
    answer = station.command("TriggerMessage", {"requestedMessage": "Heartbeat"})
    assert answer == {"status": "Accepted"}
    station.expect("Heartbeat")


def test_newer_messages_never_overtake_a_retried_one(bench: type[Bench]) -> None:
    station = bench(transaction_retry_s=30).booted()
    station.charge()
    station.tick(10)
    failed = station.expect("MeterValues")
    station.refuse(failed)
    station.tick(25)
    station.stop()
    said = _transactional(station.live(60))
    assert said[0].payload == failed.payload
    assert said[-1].action == "StopTransaction"
    registers = [_register(frame) for frame in said[:-1]]
    assert registers == sorted(registers)


def test_an_unanswered_call_times_out_and_its_late_answer_is_ignored(bench: type[Bench]) -> None:
    station = bench(call_timeout_s=30, transaction_retry_s=5).booted(interval=86_400)
    station.charge()
    station.tick(10)
    first = station.expect("MeterValues")
    station.tick(29.9)
    station.silent()
    station.tick(5.2)
    second = station.expect("MeterValues")
    assert second.payload == first.payload
    assert station.events_of(CallFailed)[-1].failure == "not answered in time"
    before = len(station.events_of(Acknowledged))
    station.reply(first, {})
    assert len(station.events_of(Acknowledged)) == before
    station.reply(second, {})
    assert station.events_of(Acknowledged)[-1].attempt == 2


def test_a_start_that_cannot_be_delivered_leaves_minus_one(bench: type[Bench]) -> None:
    station = bench(transaction_attempts=1).booted()
    station.station.start_charging(station.now, connector_id=1, id_token="TOKEN")
    station.tick(0)
    station.reply(station.expect("StatusNotification"), {})
    station.reply(station.expect("Authorize"), {"idTagInfo": {"status": "Accepted"}})
    station.refuse(station.expect("StartTransaction"))
    station.settle()
    station.tick(10)
    assert station.expect("MeterValues").payload["transactionId"] == -1


def test_a_start_answered_without_a_transaction_id_counts_as_failed(bench: type[Bench]) -> None:
    station = bench(transaction_retry_s=5).booted()
    station.station.start_charging(station.now, connector_id=1, id_token="TOKEN")
    station.tick(0)
    station.reply(station.expect("StatusNotification"), {})
    station.reply(station.expect("Authorize"), {"idTagInfo": {"status": "Accepted"}})
    station.reply(station.expect("StartTransaction"), {"idTagInfo": {"status": "Accepted"}})
    assert "unusable" in station.events_of(CallFailed)[-1].detail
    station.settle()
    station.tick(5)
    station.expect("StartTransaction")


def test_waits_between_attempts_grow_are_jittered_and_start_over(bench: type[Bench]) -> None:
    station = bench().power_on()
    for _ in range(12):
        station.station.connection_refused(station.now, status=503, reason="Service Unavailable")
        station.tick(0)
    waits = [event.retry_in_s for event in station.events_of(ConnectionRefused)]
    for number, wait_s in enumerate(waits):
        ceiling = min(60, 2**number)
        assert ceiling / 2 <= wait_s <= ceiling
    assert len(set(waits[6:])) > 1
    station.connect()
    station.answer(station.expect("BootNotification"))
    station.disconnect()
    assert station.events_of(Disconnected)[-1].retry_in_s <= 1


def test_a_connection_that_is_opened_and_closed_at_once_does_not_reset_the_wait(
    bench: type[Bench],
) -> None:
    station = bench().power_on()
    for _ in range(8):
        station.dials = 1
        station.connect()
        station.disconnect()
    assert station.events_of(Disconnected)[-1].retry_in_s > 20


def test_retry_after_is_honoured(bench: type[Bench]) -> None:
    station = bench().power_on()
    station.dials = 0
    station.station.connection_refused(station.now, status=503, retry_after_s=120)
    station.tick(119.9)
    assert not station.dials
    station.tick(1)
    assert station.dials == 1


@pytest.mark.parametrize("text", ["", "[", "{}", "[3]", "[9,'a']", '[3,"nobody-asked",{}]', "[]"])
def test_what_is_no_answer_does_no_harm(bench: type[Bench], text: str) -> None:
    station = bench().booted()
    station.charge()
    station.tick(10)
    open_call = station.expect("MeterValues")
    station.receive(text)
    station.receive(json.dumps([4, "another", "GenericError", "", {}]))
    station.silent()
    station.reply(open_call, {})
    assert station.events_of(Acknowledged)[-1].action == "MeterValues"
