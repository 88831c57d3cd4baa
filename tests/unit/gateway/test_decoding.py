"""JSON of stations is read in a time that grows with its length, and means what it always meant."""

import json
import math
import time
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft4Validator

from gateway.decoding import TooManyContainersError, decode, without_decimals
from gateway.ocpp16 import PROTOCOL
from gateway.rpc import Call, Peer, Refusal
from tests.support.costly_frames import KINDS, costly_frame

PADDING = " " * 5_000
"""Makes a message long."""
PROCESSOR_S = 0.08


def shortest_s(run: Callable[[], object]) -> float:
    """Return the processor time that something takes when nothing comes in between."""
    times_s = []
    for _ in range(4):
        began_s = time.process_time()
        run()
        times_s.append(time.process_time() - began_s)
    return min(times_s)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70))
def test_numbers_are_the_same_in_long_messages(number: float) -> None:
    text = json.dumps(number)
    long, short = decode((text + PADDING).encode()), decode(text.encode())
    assert (long, type(long), math.copysign(1, long)) == (
        short,
        type(short),
        math.copysign(1, short),
    )


@given(st.from_regex(r"-?[1-9][0-9]{0,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_numbers_are_refused_alike_in_long_messages(text: str) -> None:
    def read(data: str) -> object:
        try:
            return decode(data.encode())
        except msgspec.DecodeError:
            return None

    assert read(text + PADDING) == read(text)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "01", "1."])
def test_what_is_no_number_is_none_in_long_messages_either(text: str) -> None:
    for data in (text, text + PADDING):
        with pytest.raises(msgspec.DecodeError):
            decode(data.encode())


@pytest.mark.parametrize("digits", ["3.10", "0.1234567890123456789", "-0.0", "100.0", "1.50e3"])
def test_a_decimal_keeps_its_digits(digits: str) -> None:
    number = decode(digits.encode())
    assert (type(number), str(number)) == (Decimal, str(Decimal(digits)))


@pytest.mark.parametrize("digits", ["1e0", "5E0", "1.5e1", "20E-1", "-3e0", "1e2", "0e0"])
def test_a_whole_number_that_is_not_written_as_an_integer_is_none(digits: str) -> None:
    number = decode(digits.encode())
    assert number == Decimal(digits)
    assert not Draft4Validator({"type": "integer"}).is_valid(number)


@pytest.mark.parametrize("digits", ["1e400", "-1e400", "1e999999999", "1" * 400 + ".5"])
def test_a_number_beyond_all_measure_is_infinite(digits: str) -> None:
    assert decode(f"[{digits}, 1]".encode()) == [float(digits), 1]
    assert math.isinf(float(digits))


def test_json_without_decimals_can_be_encoded() -> None:
    told = decode(b'{"limit": 16.50, "more": [{"x": 1.0}, "1.0", null]}')
    assert json.dumps(without_decimals(told)) == (
        '{"limit": 16.5, "more": [{"x": 1.0}, "1.0", null]}'
    )


def test_brackets_in_texts_are_no_containers() -> None:
    text = '[{"\\"[' * 40_000
    assert decode(json.dumps([text]).encode()) == [text]


def test_more_containers_than_any_message_has_are_not_read() -> None:
    with pytest.raises(TooManyContainersError):
        decode(json.dumps([[]] * 30_000).encode())
    assert len(decode(json.dumps([{"value": "1"}] * 9_000).encode())) == 9_000
    assert len(decode(json.dumps([[], "[["] * 19_999).encode())) == 2 * 19_999  # with the list
    with pytest.raises(TooManyContainersError):
        decode(json.dumps([[], "[["] * 20_000).encode())


def test_too_many_containers_are_refused_in_words() -> None:
    refusal = Peer(PROTOCOL).receive(costly_frame("empty lists"))
    assert isinstance(refusal, Refusal)
    assert json.loads(refusal.frame)[:3] == [4, "m", "FormationViolation"]
    assert b"more lists and objects" in refusal.frame


@pytest.mark.parametrize("tolerant", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_the_longest_message_of_each_costly_kind_is_dealt_with_at_once(
    kind: str, *, tolerant: bool
) -> None:
    """One station must not hold up the event loop, and with it all others."""
    frame = costly_frame(kind)
    note = (lambda *_: None) if tolerant else None
    assert shortest_s(lambda: Peer(PROTOCOL, note).receive(frame)) < PROCESSOR_S


def test_a_message_of_the_longest_size_that_is_right_is_taken() -> None:
    value = {"timestamp": "2026-01-02T03:04:05Z", "sampledValue": [{"value": "1"}] * 5}
    payload = {"connectorId": 1, "meterValue": [value] * 2_000}
    assert isinstance(
        Peer(PROTOCOL).receive(json.dumps([2, "m", "MeterValues", payload]).encode()), Call
    )
