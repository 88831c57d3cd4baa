"""A call's latency is read from the frames that pass."""

import pytest

from loadtest.locust.calls import CallTimer, TimedCall
from simulator.rpc import encode_call, encode_error, encode_result

CALL = encode_call("19a-1", "Heartbeat", {"note": '"quoted", [3,'})


@pytest.mark.parametrize(
    "answer",
    [
        encode_result("19a-1", {"currentTime": "now"}),
        encode_error("19a-1", "InternalError", "sorry"),
        '[3, "19a-1", {}]',
        ' [\n3 ,"19a-1",{}]',
    ],
)
def test_an_answer_ends_the_call_however_it_is_written(answer: str) -> None:
    timer = CallTimer()
    timer.sent(CALL, 10.0)
    assert timer.received(answer, 10.25) == TimedCall("Heartbeat", 0.25)
    assert timer.received(answer, 11.0) is None


@pytest.mark.parametrize(
    "frame",
    [
        encode_result("19a-2", {}),
        encode_call("19a-1", "GetConfiguration", {}),
        "[]",
        "no frame at all",
        "",
    ],
)
def test_other_frames_do_not(frame: str) -> None:
    timer = CallTimer()
    timer.sent(CALL, 10.0)
    assert timer.received(frame, 10.1) is None
    assert timer.given_up(12.0) == TimedCall("Heartbeat", 2.0)


def test_answers_of_ours_are_no_calls() -> None:
    timer = CallTimer()
    timer.sent(encode_result("csms-1", {}), 10.0)
    timer.sent(encode_error("csms-2", "NotSupported", ""), 10.0)
    assert timer.given_up(11.0) is None
    assert timer.received(encode_result("csms-1", {}), 11.0) is None
