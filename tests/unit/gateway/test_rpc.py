"""OCPP-J framing as transcripts: what comes in, what is made of it."""

import json
import time
from typing import Any

import pytest

from gateway.answer_frames import CallError, CallResult, MalformedAnswer
from gateway.ocpp16 import PROTOCOL
from gateway.ocpp201 import PROTOCOL as PROTOCOL_201
from gateway.rpc import (
    Call,
    Heavy,
    Ignored,
    IgnoredReason,
    Peer,
    Refusal,
    encode_call,
    encode_call_result,
    message_id_of,
)
from gateway.steps import finish

HEARTBEAT = b'[2,"1","Heartbeat",{}]'


def refusal_code(event: object) -> str:
    assert isinstance(event, Refusal)
    frame = json.loads(event.frame)
    assert frame[0] == 4
    assert len(frame) == 5
    return str(frame[2])


def call(action: str, payload: dict[str, Any], message_id: str = "1") -> bytes:
    return json.dumps([2, message_id, action, payload]).encode()


def meter_values(value: str = "1", **sampled_value: Any) -> dict[str, Any]:
    sample = {"value": value, **sampled_value}
    return {
        "connectorId": 1,
        "meterValue": [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [sample]}],
    }


def refusal_words(event: object) -> tuple[str, str]:
    assert isinstance(event, Refusal)
    _, _, code, description, _ = json.loads(event.frame)
    return code, description


@pytest.fixture
def peer() -> Peer:
    return Peer(PROTOCOL)


def test_a_valid_call_reaches_its_handler_with_snake_case_arguments(peer: Peer) -> None:
    event = peer.receive(call("Authorize", {"idTag": "TAG"}))
    assert isinstance(event, Call)
    assert (event.message_id, event.route.action) == ("1", "Authorize")
    assert event.kwargs == {"id_tag": "TAG"}
    assert event.frame == call("Authorize", {"idTag": "TAG"})


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (call("NoSuchAction", {}), "NotImplemented"),
        (call("RemoteStartTransaction", {"idTag": "TAG"}), "NotSupported"),
        (call("Authorize", {}), "OccurenceConstraintViolation"),
        (call("Authorize", {"idTag": 5}), "TypeConstraintViolation"),
        (call("Authorize", {"idTag": "x" * 21}), "PropertyConstraintViolation"),
        (call("Authorize", {"idTag": "TAG", "more": 1}), "FormationViolation"),
        (call("Authorize", {"idTag": "a\0b"}), "PropertyConstraintViolation"),
        (
            call("MeterValues", {**meter_values(), "connectorId": 2**31}),
            "PropertyConstraintViolation",
        ),
        (call("MeterValues", meter_values(unit="parsec")), "PropertyConstraintViolation"),
        (call("Heartbeat", {}, message_id="x" * 37), "FormationViolation"),
        (b'[2,"1","Heartbeat"]', "FormationViolation"),
        (b'[2,"1","Heartbeat",[]]', "FormationViolation"),
        (b'[2,"1","Heartbeat",{"a":NaN}]', "FormationViolation"),
        (b'[2,"1","Heartbeat",{"a":1e999}]', "FormationViolation"),
        (b'[2,"1","Authorize",{"idTag":"\\ud800"}]', "FormationViolation"),
        (b'[2,"1","Heartbeat",' + b"[" * 200_000, "FormationViolation"),
    ],
    ids=lambda value: value[:60].decode() if isinstance(value, bytes) else value,
)
def test_a_bad_call_is_answered_with_its_own_code(peer: Peer, frame: bytes, code: str) -> None:
    assert refusal_code(peer.receive(frame)) == code


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", IgnoredReason.NOT_AN_ARRAY),
        (b"hello", IgnoredReason.NOT_AN_ARRAY),
        (b"{}", IgnoredReason.NOT_AN_ARRAY),
        (b"[]", IgnoredReason.NOT_AN_ARRAY),
        (b"[2]", IgnoredReason.NOT_AN_ARRAY),
        (b'[5,"1"]', IgnoredReason.UNKNOWN_TYPE),
        (b'["2","1"]', IgnoredReason.UNKNOWN_TYPE),
        (b'[true,"1"]', IgnoredReason.UNKNOWN_TYPE),
        (b'[3,"1",{}]', IgnoredReason.UNASKED_ANSWER),
        (b'[4,"1","InternalError","",{}]', IgnoredReason.UNASKED_ANSWER),
        (b"[3]", IgnoredReason.MALFORMED_ANSWER),
        (b'[4,"1"]', IgnoredReason.MALFORMED_ANSWER),
    ],
)
def test_what_is_no_call_gets_no_answer(peer: Peer, frame: bytes, reason: IgnoredReason) -> None:
    assert peer.receive(frame) == Ignored(reason)


def test_both_spellings_of_celsius_are_accepted(peer: Peer) -> None:
    for number, unit in enumerate(("Celsius", "Celcius")):
        event = peer.receive(call("MeterValues", meter_values(unit=unit), str(number)))
        assert isinstance(event, Call)


def test_a_message_id_in_work_is_refused_and_free_again_once_answered(peer: Peer) -> None:
    assert isinstance(peer.receive(HEARTBEAT), Call)
    assert refusal_code(peer.receive(HEARTBEAT)) == "GenericError"
    peer.finish("1")
    assert isinstance(peer.receive(HEARTBEAT), Call)


def test_an_answer_goes_to_the_open_call_only_once(peer: Peer) -> None:
    peer.open_call("ours")
    assert peer.receive(b'[3,"theirs",{}]') == Ignored(IgnoredReason.UNASKED_ANSWER)
    assert peer.receive(b'[3,"ours",{"status":"Accepted"}]') == CallResult(
        "ours", {"status": "Accepted"}
    )
    assert peer.receive(b'[3,"ours",{}]') == Ignored(IgnoredReason.UNASKED_ANSWER)


def test_a_late_answer_is_not_given_to_the_next_call(peer: Peer) -> None:
    peer.open_call("first")
    peer.abandon_call()
    peer.open_call("second")
    assert peer.receive(b'[3,"first",{}]') == Ignored(IgnoredReason.UNASKED_ANSWER)
    assert peer.receive(b'[4,"second","NotSupported","no"]') == CallError(
        "second", "NotSupported", "no", {}
    )


def test_two_calls_of_ours_are_never_open_at_once(peer: Peer) -> None:
    peer.open_call("first")
    with pytest.raises(RuntimeError, match="at most one"):
        peer.open_call("second")


def test_a_station_may_use_the_message_id_of_our_open_call(peer: Peer) -> None:
    peer.open_call("1")
    assert isinstance(peer.receive(HEARTBEAT), Call)
    assert isinstance(peer.receive(b'[3,"1",{}]'), CallResult)


def test_bytes_that_are_not_utf_8_are_told_apart(peer: Peer) -> None:
    with pytest.raises(UnicodeDecodeError):
        peer.receive(b'[2,"1","Authorize",{"idTag":"\xff"}]')


@pytest.mark.parametrize(
    "frame",
    [
        json.dumps([2, "1", "A" * 250_000, {}]),
        json.dumps([2, "1", "A" * 250_000, {}, None]),
        json.dumps([2, "1", "MeterValues", {"connectorId": 1, "meterValue": [1] * 120_000}]),
    ],
    ids=["a long action", "five elements", "wrong items"],
)
def test_the_largest_frame_is_refused_in_no_time(frame: str) -> None:
    """One station must not hold up the event loop, and with it all others."""
    peer = Peer(PROTOCOL, lambda _action, _deviation: None)
    began_s = time.process_time()
    event = peer.receive(frame.encode())
    assert isinstance(finish(event.steps) if isinstance(event, Heavy) else event, Refusal)
    assert time.process_time() - began_s < 1.0


@pytest.mark.parametrize("number", [7, -1, 0, 10**15, 2**63 - 1])
def test_a_number_as_message_id_is_answered_with_the_number(number: int) -> None:
    noted: list[tuple[str, str, str]] = []
    peer = Peer(PROTOCOL, lambda action, it: noted.append((action, it.kind, it.member)))
    event = peer.receive(json.dumps([2, number, "Heartbeat", {}]).encode())
    assert isinstance(event, Call)
    assert event.message_id == str(number)
    assert noted == [("Heartbeat", "frame_form", "messageId")]
    answer = encode_call_result(event.message_id, {})
    assert json.loads(answer) == [3, number, {}]
    assert message_id_of(answer) == str(number)
    again = peer.receive(json.dumps([2, number, "Heartbeat", {}]).encode())
    assert isinstance(again, Refusal)
    assert json.loads(again.frame)[:2] == [4, number]
    peer.finish(event.message_id)
    refused = peer.receive(json.dumps([2, number, "Authorize", {}]).encode())
    assert isinstance(refused, Refusal)
    assert json.loads(refused.frame)[:2] == [4, number]


@pytest.mark.parametrize("message_id", [True, 1.5, None, [], {}, 2**63, 10**30, 10**4000])
def test_nothing_else_is_a_message_id(message_id: object) -> None:
    peer = Peer(PROTOCOL, lambda *_: None)
    event = peer.receive(json.dumps([2, message_id, "Heartbeat", {}]).encode())
    assert isinstance(event, Ignored)


@pytest.mark.parametrize("tolerant", [True, False])
@pytest.mark.parametrize("depth", [300, 900])
def test_a_call_that_is_nested_too_deep_is_refused(depth: int, *, tolerant: bool) -> None:
    peer = Peer(PROTOCOL, (lambda *_: None) if tolerant else None)
    deep = "[" * depth + "]" * depth
    event = peer.receive(f'[2,"1","Heartbeat",{{"x":{deep}}}]'.encode())
    assert refusal_code(event) == "FormationViolation"


@pytest.mark.parametrize("depth", [101, 300, 900])
def test_an_answer_that_is_nested_too_deep_ends_the_call_and_is_not_read(
    peer: Peer, depth: int
) -> None:
    deep = "[" * depth + "]" * depth
    for frame in (f'[3,"1",{{"x":{deep}}}]', f'[4,"1","GenericError","",{{"x":{deep}}}]'):
        peer.open_call("1")
        assert peer.receive(frame.encode()) == MalformedAnswer(
            "1", "it is nested deeper than 100 lists and objects"
        )
    peer.open_call("1")
    wide = json.dumps({"configurationKey": [{"key": "K", "readonly": True}] * 500})
    assert isinstance(peer.receive(f'[3,"1",{wide}]'.encode()), CallResult)


@pytest.mark.parametrize("action", ["NoSuchAction", "A" * 250_000])
def test_of_an_action_that_there_is_not_no_name_is_noted(action: str) -> None:
    """Whoever makes names up must not fill what is counted by name."""
    noted: list[str] = []
    peer = Peer(PROTOCOL, lambda name, _: noted.append(name))
    event = peer.receive(json.dumps([2, "1", action]).encode())
    assert refusal_code(event) == "NotImplemented"
    assert isinstance(event, Refusal)
    assert (event.action, noted) == ("", [""])


def test_a_broken_call_is_told_what_a_call_is(peer: Peer) -> None:
    event = peer.receive(b'[2,"1","Heartbeat"]')
    assert isinstance(event, Refusal)
    assert (event.action, event.code) == ("", "FormatViolation")
    assert refusal_words(event) == (
        "FormationViolation",
        'a CALL is [2, "<messageId>", "<action>", {<payload>}]',
    )


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        (b"hello", ["-1", "RpcFrameworkError", "not a JSON array"]),
        (b"{}", ["-1", "RpcFrameworkError", "not a JSON array"]),
        (b"[]", ["-1", "RpcFrameworkError", "not a JSON array"]),
        (b"[2]", ["-1", "RpcFrameworkError", "not a JSON array"]),
        (b'[2,null,"Heartbeat",{}]', ["-1", "RpcFrameworkError", "not a JSON array"]),
        (b'[5,"m-1",{}]', ["m-1", "MessageTypeNotSupported", "unknown message type"]),
        (b'["2","m-1"]', ["m-1", "MessageTypeNotSupported", "unknown message type"]),
        (b"[5,17,{}]", ["-1", "MessageTypeNotSupported", "unknown message type"]),
        (b"[5]", ["-1", "MessageTypeNotSupported", "unknown message type"]),
        (
            b'[5,"%s"]' % (b"x" * 36),
            ["x" * 36, "MessageTypeNotSupported", "unknown message type"],
        ),
        (b'[5,"%s"]' % (b"x" * 37), ["-1", "MessageTypeNotSupported", "unknown message type"]),
    ],
)
def test_2_0_1_answers_what_is_no_rpc_with_its_id_or_minus_one(
    frame: bytes, answer: list[str]
) -> None:
    """Part 4 §4.2.3. An answer that nobody asked for gets none, or it would never end."""
    peer = Peer(PROTOCOL_201)
    event = peer.receive(frame)
    assert isinstance(event, Refusal)
    assert json.loads(event.frame) == [4, *answer, {}]
    assert (event.action, event.code) == ("", answer[1])
    assert isinstance(peer.receive(b'[3,"1"]'), Ignored)
    assert isinstance(peer.receive(b'[4,"1","InternalError","",{}]'), Ignored)


def test_a_call_of_ours_is_an_array_of_four() -> None:
    assert encode_call("1", "Reset", {"type": "Soft"}) == b'[2,"1","Reset",{"type":"Soft"}]'


def test_what_has_no_form_in_json_is_named() -> None:
    with pytest.raises(TypeError, match="complex is no JSON"):
        encode_call("1", "DataTransfer", {"data": 1j})


@pytest.mark.parametrize("samples", [1, 2_000], ids=["light", "heavy"])
def test_a_call_with_much_to_mend_ends_as_one_with_little(samples: int) -> None:
    noted: list[tuple[str, str, str]] = []
    peer = Peer(PROTOCOL, lambda action, it: noted.append((action, it.kind, it.member)))

    def received(**more: object) -> tuple[bytes, object]:
        payload = {**meter_values(), **more}
        payload["meterValue"][0]["sampledValue"] = [{"value": 7}] * samples
        frame = call("MeterValues", payload)
        event = peer.receive(frame)
        assert isinstance(event, Heavy) == (samples > 1)
        return frame, finish(event.steps) if isinstance(event, Heavy) else event

    frame, event = received()
    assert isinstance(event, Call)
    assert (event.message_id, event.action, event.frame) == ("1", "MeterValues", frame)
    assert event.kwargs["meter_value"][0]["sampledValue"] == [{"value": "7"}] * samples
    assert noted == [("MeterValues", "text_as_number", "meterValue.sampledValue.value")]
    assert refusal_code(peer.receive(HEARTBEAT)) == "GenericError"  # it is in work
    peer.finish("1")
    noted.clear()
    _, event = received(connectorId=1.5)
    assert isinstance(event, Refusal)
    assert (event.action, event.code) == ("MeterValues", "TypeConstraintViolation")
    assert refusal_words(event) == (
        "TypeConstraintViolation",
        'connectorId: 1.5 is not of type "integer"',
    )
    assert noted == [("MeterValues", "refused", "connectorId")]
    assert isinstance(peer.receive(HEARTBEAT), Call)  # and nothing is


FROM_STATIONS_201 = {
    "Authorize", "BootNotification", "ClearedChargingLimit", "DataTransfer",
    "FirmwareStatusNotification", "Get15118EVCertificate", "GetCertificateStatus", "Heartbeat",
    "LogStatusNotification", "MeterValues", "NotifyChargingLimit", "NotifyCustomerInformation",
    "NotifyDisplayMessages", "NotifyEVChargingNeeds", "NotifyEVChargingSchedule", "NotifyEvent",
    "NotifyMonitoringReport", "NotifyReport", "PublishFirmwareStatusNotification",
    "ReportChargingProfiles", "ReservationStatusUpdate", "SecurityEventNotification",
    "SignCertificate", "StatusNotification", "TransactionEvent",
}  # fmt: skip
"""Requests that part 2 has a charging station send."""


@pytest.mark.parametrize("action", sorted(PROTOCOL_201.actions))
def test_what_nobody_answers_is_refused_with_what_is_so(action: str) -> None:
    if action in PROTOCOL_201.routes:
        assert action in FROM_STATIONS_201
        return
    code, words = refusal_words(Peer(PROTOCOL_201).receive(call(action, {})))
    assert code == "NotSupported"
    assert ("does not support it" in words) == (action in FROM_STATIONS_201)
    assert ("is for a station to receive" in words) == (action not in FROM_STATIONS_201)
    assert action in words


def test_what_1_6_has_a_station_receive_is_refused_as_that(peer: Peer) -> None:
    refused = PROTOCOL.actions - PROTOCOL.routes.keys()
    assert "StartTransaction" not in refused
    for action in refused:
        assert refusal_words(peer.receive(call(action, {}, action[:36]))) == (
            "NotSupported",
            f"{action} is for a station to receive, and not to send",
        )


def test_what_a_version_does_not_know_is_not_implemented(peer: Peer) -> None:
    assert refusal_words(peer.receive(call("NotifyEvent", {}))) == (
        "NotImplemented",
        "OCPP 1.6 has no such action",
    )
