"""Lost connections, the queue of TransactionEvents, and retries (E04, E11 to E14)."""

import pytest

from simulator.events import Acknowledged, Discarded
from tests.unit.simulator.bench import Frame, Payload
from tests.unit.simulator.ocpp201.bench import BLOCKED, Bench201


def _told(events: list[Payload]) -> list[tuple[int, str, bool]]:
    return [(event["seqNo"], event["eventType"], event.get("offline", False)) for event in events]


def test_what_happens_offline_is_told_in_order_marked_and_with_its_own_timestamps(
    bench: type[Bench201],
) -> None:
    station = bench().booted()
    transaction_id = station.begin()
    station.disconnect()
    offline_since = station.now
    station.tick(25)
    station.stop()
    station.tick(100)
    station.silent()
    station.connect()
    events = station.events_in(station.settle())
    assert _told(events) == [(2, "Updated", True), (3, "Updated", True), (4, "Ended", True)]
    assert {event["transactionInfo"]["transactionId"] for event in events} == {transaction_id}
    stamps = [event["timestamp"] for event in events]
    assert stamps == [station.station.context.timestamp(offline_since + at) for at in (10, 20, 25)]


def test_a_transaction_begun_offline_has_its_id_at_once(bench: type[Bench201]) -> None:
    station = bench().booted()
    station.disconnect()
    station.plug_in("STRANGER")
    charge = station.station.connectors[1].charge
    assert charge is not None
    assert charge.transaction_id is not None
    station.tick(15)
    station.connect()
    station.skip("StatusNotification")
    events = station.events_in(station.settle())
    assert _told(events) == [(0, "Started", True), (1, "Updated", True), (2, "Updated", True)]
    assert events[0]["idToken"]["idToken"] == "STRANGER"
    assert events[0]["transactionInfo"]["transactionId"] == charge.transaction_id
    station.tick(10)
    assert "offline" not in station.expect("TransactionEvent").payload


def test_a_token_refused_after_the_fact_ends_the_transaction(bench: type[Bench201]) -> None:
    station = bench().booted()
    station.disconnect()
    station.plug_in("THIEF")
    station.tick(15)
    station.answers["TransactionEvent"] = lambda event: BLOCKED if "idToken" in event else {}
    station.connect()
    events = station.events_in(station.settle())
    assert _told(events)[-1] == (3, "Ended", False)
    assert events[-1]["triggerReason"] == "Deauthorized"


def test_what_the_connection_took_with_it_is_sent_again_as_offline(bench: type[Bench201]) -> None:
    station = bench(transaction_attempts=1).booted()
    station.begin()
    station.tick(10)
    first = station.expect("TransactionEvent")
    station.disconnect()
    station.tick(5)
    station.connect()
    second = station.expect("TransactionEvent")
    # E11.FR.07: it was still in the queue when the station went offline.
    assert second.payload == {**first.payload, "offline": True}
    station.reply(second, {})
    assert station.events_of(Acknowledged)[-1].attempt == 1
    assert not station.events_of(Discarded)


def _attempts(station: Bench201, *, silence: bool) -> list[tuple[float, Frame]]:
    """Let every attempt at the next event fail; returns how long each came after the first."""
    attempts = []
    begin = station.now
    while not station.events_of(Discarded):
        station.skip("StatusNotification")
        if station.sent:
            attempts.append((station.now - begin, station.expect("TransactionEvent")))
            if not silence:
                station.refuse(attempts[-1][1])
        station.tick(1)
    return attempts


@pytest.mark.parametrize(
    ("silence", "expected"),
    # E13.FR.03: the interval times the transmissions before; a silence is noticed after 30 s.
    [(False, [0, 60, 180, 360]), (True, [0, 90, 240, 450])],
)
def test_failures_are_retried_with_growing_waits_and_then_given_up(
    bench: type[Bench201], *, silence: bool, expected: list[float]
) -> None:
    station = bench(call_timeout_s=30).booted(interval=86_400)
    attempts_set = station.set("OCPPCommCtrlr", "MessageAttempts", "4", instance="TransactionEvent")
    interval_set = station.set(
        "OCPPCommCtrlr", "MessageAttemptInterval", "60", instance="TransactionEvent"
    )
    assert (attempts_set, interval_set) == ("Accepted", "Accepted")
    station.begin()
    station.stop()
    attempts = _attempts(station, silence=silence)
    assert [round(at) for at, _ in attempts] == expected
    assert len({frame.id for _, frame in attempts}) == 4
    assert all(frame.payload == attempts[0][1].payload for _, frame in attempts)
    assert station.station.link.undelivered == 0


def test_after_one_that_was_given_up_the_next_follows(bench: type[Bench201]) -> None:
    station = bench(transaction_attempts=1).booted()
    station.begin()
    station.tick(10)
    station.tick(10)
    station.refuse(station.expect("TransactionEvent"))
    # E13.FR.04. The gap shows the CSMS that one is missing.
    assert station.expect("TransactionEvent").payload["seqNo"] == 3


def test_newer_events_never_overtake_a_retried_one(bench: type[Bench201]) -> None:
    station = bench(transaction_retry_s=30).booted()
    station.begin()
    station.tick(10)
    station.refuse(station.expect("TransactionEvent"))
    station.tick(25)
    station.silent()
    station.tick(5)
    events = station.events_in(station.settle())
    assert [event["seqNo"] for event in events] == [2, 3, 4, 5]


def test_the_csms_can_ask_what_is_still_to_come(bench: type[Bench201]) -> None:
    station = bench().booted()

    def status(transaction_id: str | None = None) -> Payload:
        request = {} if transaction_id is None else {"transactionId": transaction_id}
        return station.command("GetTransactionStatus", request)

    assert status() == {"messagesInQueue": False}
    unknown = {"ongoingIndicator": False, "messagesInQueue": False}
    assert status("unknown") == unknown
    transaction_id = station.begin()
    assert status(transaction_id) == {"ongoingIndicator": True, "messagesInQueue": False}
    station.tick(10)
    assert status(transaction_id) == {"ongoingIndicator": True, "messagesInQueue": True}
    assert status() == {"messagesInQueue": True}
    assert status("unknown") == unknown
    station.settle()
    station.stop()
    assert status(transaction_id) == {"ongoingIndicator": False, "messagesInQueue": True}
    station.settle()
    assert status(transaction_id) == unknown
