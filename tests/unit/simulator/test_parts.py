"""Back-off, Retry-After, framing, profiles: the small parts by themselves."""

import random

import pytest

from simulator.backoff import Backoff, ReconnectPolicy
from simulator.profile import Scenario, StationProfile
from simulator.retry_after import MAX_RETRY_AFTER_S, retry_after_s
from simulator.rpc import (
    Call,
    CallError,
    CallResult,
    Flaw,
    Malformed,
    decode,
    encode_call,
    encode_error,
)
from simulator.timers import Timers

NOW = 1_770_000_000.0


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("9" * 400, MAX_RETRY_AFTER_S),
        ("86400", MAX_RETRY_AFTER_S),
        ("Mon, 02 Feb 2026 02:41:00 GMT", 60.0),
        ("Mon, 02 Feb 2026 02:41:00 -0000", 60.0),
        ("Sun, 01 Feb 2026 00:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str | None, wait_s: float | None) -> None:
    assert retry_after_s(header, NOW) == wait_s


def test_waits_grow_to_a_bound_and_survive_a_night_offline() -> None:
    policy = ReconnectPolicy(minimum_s=1, maximum_s=60, jitter=0)
    backoff = Backoff(policy, random.Random(1))  # noqa: S311  # noise, no secret
    waits = [backoff.next_wait_s() for _ in range(5000)]
    assert waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert set(waits[8:]) == {60}
    backoff.reset()
    assert backoff.next_wait_s() == 1


def test_retry_after_is_never_undercut_and_always_spread() -> None:
    backoff = Backoff(ReconnectPolicy(), random.Random(1))  # noqa: S311  # noise, no secret
    waits = {backoff.next_wait_s(retry_after_s=30) for _ in range(50)}
    assert len(waits) == 50
    assert all(30 <= wait <= 31 for wait in waits)


@pytest.mark.parametrize(
    "wrong",
    [
        {"minimum_s": 0},
        {"minimum_s": 5, "maximum_s": 4},
        {"factor": 0.5},
        {"jitter": 1.5},
    ],
)
def test_impossible_policies_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"reconnect|factor|jitter"):
        ReconnectPolicy(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"station_id": ""},
        {"connectors": 0},
        {"phases": 4},
        {"power_w": 0},
        {"time_lapse": -1},
        {"meter_interval_s": -1},
        {"transaction_attempts": 0},
    ],
)
def test_impossible_stations_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"station|phases|must"):
        StationProfile(**{"station_id": "SIM-1", **wrong})  # type: ignore[arg-type]  # on purpose


def test_impossible_scenarios_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one id token"):
        Scenario(id_tokens=())
    with pytest.raises(ValueError, match="energy_wh"):
        Scenario(energy_wh=0)


def test_frames_are_read() -> None:
    assert decode(encode_call("1", "Heartbeat", {})) == Call("1", "Heartbeat", {})
    assert decode('[3,"1",{"a":1}]') == CallResult("1", {"a": 1})
    assert decode('[3,"1",null]') == CallResult("1", {})
    assert decode(encode_error("1", "GenericError", "no")) == CallError("1", "GenericError", "no")
    assert decode('[4,"1","GenericError"]') == CallError("1", "GenericError", "")
    assert isinstance(decode('[true,"1","X",{}]'), Malformed)
    assert isinstance(decode('[2.0,"1","X",{}]'), Malformed)


@pytest.mark.parametrize(
    ("text", "flaw", "message_id"),
    [
        ("{", Flaw.NO_FRAME, None),
        ("{}", Flaw.NO_FRAME, None),
        ('[2,7,"ClearCache",{}]', Flaw.NO_FRAME, None),
        ('[5,"a"]', Flaw.UNKNOWN_TYPE, "a"),
        ('[2,"a"]', Flaw.BROKEN_CALL, "a"),
        ('[2,"a","ClearCache",[]]', Flaw.BROKEN_CALL, "a"),
        ("[3]", Flaw.BROKEN_ANSWER, None),
        ('[3,"a",[]]', Flaw.BROKEN_ANSWER, None),
        ('[4,"a"]', Flaw.BROKEN_ANSWER, None),
    ],
)
def test_what_is_wrong_with_a_frame_is_told_apart(
    text: str, flaw: Flaw, message_id: str | None
) -> None:
    frame = decode(text)
    assert isinstance(frame, Malformed)
    assert (frame.flaw, frame.message_id) == (flaw, message_id)


def test_timers_run_in_order_and_see_what_they_add() -> None:
    timers = Timers()
    ran: list[str] = []
    timers.set("late", 3, lambda: ran.append("late"))
    timers.set("first", 1, lambda: timers.set("second", 2, lambda: ran.append("second")))
    timers.set("moved", 1, lambda: ran.append("never"))
    timers.set("moved", 9, lambda: ran.append("moved"))
    timers.set("cancelled", 1, lambda: ran.append("never"))
    timers.cancel("cancelled")
    timers.cancel("unknown")
    timers.run_due(5)
    assert ran == ["second", "late"]
    assert timers.next_at == 9
    timers.clear()
    assert timers.next_at is None
