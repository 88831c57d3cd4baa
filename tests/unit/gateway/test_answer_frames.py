"""Answers of stations in all forms: whichever names our open CALL ends it, no other one does."""

from typing import Any

import pytest

from gateway.answer_frames import CallError, CallResult, MalformedAnswer, read_answer
from gateway.decoding import decode
from gateway.ocpp16 import PROTOCOL
from gateway.rpc import Ignored, IgnoredReason, Peer

Noted = list[tuple[str, str, str]]


@pytest.fixture
def noted() -> Noted:
    return []


@pytest.fixture
def peer(noted: Noted) -> Peer:
    peer = Peer(PROTOCOL, lambda action, it: noted.append((action, it.kind, it.member)))
    peer.open_call("ours", "Reset")
    return peer


@pytest.mark.parametrize(
    ("frame", "payload", "quirk", "fault"),
    [
        ('[3,"ours"]', {}, "payload", "its payload is left out"),
        ('[3,"ours",null]', {}, "payload", "its payload is null"),
        ('[3,"ours",[]]', {}, "payload", "its payload is a list"),
        ('[3,"ours",{"status":"Accepted"},null]', {"status": "Accepted"}, "length", "4 elements"),
        ('[3,"ours",{"status":"Accepted"},"",{}]', {"status": "Accepted"}, "length", "5 elements"),
        ('[3,"ours",{"status":"Accepted"},1,2,3]', {"status": "Accepted"}, "length", "6 elements"),
    ],
)
def test_a_result_of_another_form_is_read_as_it_was_meant(
    peer: Peer, noted: Noted, frame: str, payload: dict[str, Any], quirk: str, fault: str
) -> None:
    event = peer.receive(frame.encode())
    assert isinstance(event, CallResult)
    assert event.payload == payload
    assert fault in event.fault
    assert noted == [("ResetResponse", "frame_form", quirk)]


@pytest.mark.parametrize(
    ("frame", "quirk", "fault"),
    [
        ('[3,"ours","Accepted"]', "payload", "its payload is a text, not an object"),
        ('[3,"ours",["Accepted"]]', "payload", "its payload is a list, not an object"),
        ('[3,"ours",true]', "payload", "its payload is a boolean, not an object"),
        ('[3,"ours",0]', "payload", "its payload is a number, not an object"),
        ('[3,"ours",1.50]', "payload", "its payload is a number, not an object"),
        ('[3,"ours",1e3]', "payload", "its payload is a number, not an object"),
        ('[3,"ours",1e400]', "payload", "its payload is a number, not an object"),
        ('[3,"ours","Reset",{"status":"Accepted"}]', "payload", "its payload is a text"),
        ('[3,"ours",{"status":"Accepted"}', "json", "not valid JSON"),
        ('[3,"ours",{"status":Accepted}]', "json", "not valid JSON"),
        ('[ 3 , "ours",{"current":NaN}]', "json", "not valid JSON"),
        ('[3,"ours",{"text":"\\ud800"}]', "json", "not valid JSON"),
        ('[3,"ours",{"x":' + "[]," * 2000 + "[]", "json", "not valid JSON"),
        (
            '[3,"ours",[' + "[]," * 20_001 + "[]]]",
            "json",
            "more lists and objects than any message of OCPP",
        ),
    ],
    ids=lambda value: value[:40],
)
def test_a_result_that_cannot_be_read_ends_the_call_with_what_is_wrong(
    peer: Peer, noted: Noted, frame: str, quirk: str, fault: str
) -> None:
    event = peer.receive(frame.encode())
    assert isinstance(event, MalformedAnswer)
    assert event.message_id == "ours"
    assert fault in event.fault
    assert event.outcome == "MalformedAnswer"
    assert noted == [("ResetResponse", "refused", quirk)]


@pytest.mark.parametrize(
    ("frame", "code", "description", "quirks", "fault"),
    [
        ('[4,"ours","E","d",{}]', "E", "d", [], ""),
        ('[4,"ours",null,"d",null]', "", "d", ["errorCode", "errorDetails"], "errorCode is null"),
        ('[4,"ours",null,"d",{}]', "", "d", ["errorCode"], "errorCode is null, not a text"),
        ('[4,"ours",17,"d",{}]', "", "d", ["errorCode"], "errorCode is a number, not a text"),
        ('[4,"ours",17.5,"d",{}]', "", "d", ["errorCode"], "errorCode is a number, not a text"),
        ('[4,"ours","E",null,{}]', "E", "", ["errorDescription"], "errorDescription is null"),
        ('[4,"ours","E",{"a":1}]', "E", "", ["errorDescription", "errorDetails"], "an object"),
        ('[4,"ours","E"]', "E", "", ["errorDescription", "errorDetails"], "left out"),
        ('[4,"ours","E","d"]', "E", "d", ["errorDetails"], ""),
        ('[4,"ours","E","d",""]', "E", "d", ["errorDetails"], ""),
        ('[4,"ours","E","d",[]]', "E", "d", ["errorDetails"], ""),
        (
            '[4,"ours"]',
            "",
            "",
            ["errorCode", "errorDescription", "errorDetails"],
            "errorCode is left out",
        ),
        ('[4,"ours","E","d",{},{}]', "E", "d", ["length"], "6 elements"),
    ],
)
def test_a_refusal_of_any_form_is_a_refusal(
    peer: Peer,
    noted: Noted,
    frame: str,
    code: str,
    description: str,
    quirks: list[str],
    fault: str,
) -> None:
    event = peer.receive(frame.encode())
    assert isinstance(event, CallError)
    assert (event.code, event.description, event.details) == (code, description, {})
    assert event.outcome == code or (not code and event.outcome == "MalformedAnswer")
    assert fault in event.fault if fault else not event.fault
    assert noted == [("ResetResponse", "frame_form", member) for member in quirks]


def test_a_refusal_that_is_no_json_is_a_refusal(peer: Peer, noted: Noted) -> None:
    event = peer.receive(b'[4,"ours",NotSupported,"",{}]')
    assert event == CallError("ours", "", "", {}, fault="the message is not valid JSON")
    assert noted == [("ResetResponse", "refused", "json")]


@pytest.mark.parametrize("name", ["1", '"OURS"', '"ours "', "null", '["ours"]', '"theirs"', '""'])
@pytest.mark.parametrize(
    "rest", ["", ",null", ",{}", ',"E"', ',null,"",null', ',"E","d",{}', ",{},{}", ",{"]
)
@pytest.mark.parametrize("type_", [3, 4])
def test_no_answer_of_whatever_form_is_taken_for_another_call(
    peer: Peer, noted: Noted, type_: int, name: str, rest: str
) -> None:
    end = "" if rest.endswith("{") else "]"
    assert isinstance(peer.receive(f"[{type_},{name}{rest}{end}".encode()), Ignored)
    assert noted == []
    assert peer.receive(b'[3,"ours",{}]') == CallResult("ours", {})


def test_a_malformed_answer_ends_its_call_once(peer: Peer) -> None:
    assert isinstance(peer.receive(b'[3,"ours","x"]'), MalformedAnswer)
    assert peer.receive(b'[3,"ours",{}]') == Ignored(IgnoredReason.UNASKED_ANSWER)
    assert peer.receive(b'[3,"ours","x"]') == Ignored(IgnoredReason.MALFORMED_ANSWER)
    peer.open_call("next")
    assert peer.receive(b'[4,"ours",null]') == Ignored(IgnoredReason.MALFORMED_ANSWER)
    assert peer.receive(b'[3,"next",{}]') == CallResult("next", {})


@pytest.mark.parametrize(
    "frame", ['[3,"ours"]', '[3,"ours",null]', '[3,"ours",[]]', '[3,"ours",{},0]']
)
def test_who_mends_nothing_says_what_is_wrong(frame: str) -> None:
    strict = Peer(PROTOCOL)
    strict.open_call("ours")
    event = strict.receive(frame.encode())
    assert isinstance(event, MalformedAnswer)
    assert event.fault.endswith(': a CALLRESULT is [3, "<messageId>", {<payload>}]')


def test_nul_in_an_answer_is_replaced(peer: Peer) -> None:
    event = peer.receive(b'[3,"ours",{"a\\u0000b":["\\u0000"],"c":"\\u0000"}]')
    assert event == CallResult("ours", {"a\ufffdb": ["\ufffd"], "c": "\ufffd"})


@pytest.mark.parametrize(
    "frame",
    [
        '[3,"ours",{"status":"Accepted"}]',
        '[3,"ours"]',
        '[3,"ours",{},0]',
        '[3,"ours","x"]',
        '[3,"ours",{',
        '[3,"ours",{"x":' + "[" * 120 + "]" * 120 + "}]",
        '[4,"ours","E","d",{}]',
        '[4,"ours",null]',
        '[4,"ours",E]',
    ],
    ids=lambda frame: frame[:24],
)
def test_whatever_ends_a_call_is_logged_as_it_came(peer: Peer, frame: str) -> None:
    event = peer.receive(frame.encode())
    assert isinstance(event, CallResult | CallError | MalformedAnswer)
    assert event.frame == frame.encode()
    if not isinstance(event, CallError):
        strict = Peer(PROTOCOL)
        strict.open_call("ours")
        event = strict.receive(frame.encode())
        assert isinstance(event, CallResult | MalformedAnswer)
        assert event.frame == frame.encode()


@pytest.mark.parametrize(
    ("rest", "fault"),
    [
        (
            '{"a":1},[],true',
            "its errorCode is an object, not a text, its errorDescription is a list, not a text",
        ),
        ('"E",1.5', "its errorDescription is a number, not a text"),
        (
            "false",
            "its errorCode is a boolean, not a text, its errorDescription is left out, not a text",
        ),
        ('null,"d",{},0', "its errorCode is null, not a text, it has 6 elements"),
    ],
)
def test_all_that_is_wrong_with_a_refusal_is_told_in_one_sentence(
    peer: Peer, rest: str, fault: str
) -> None:
    event = peer.receive(f'[4,"ours",{rest}]'.encode())
    assert isinstance(event, CallError)
    assert event.fault == (
        f'{fault}: a CALLERROR is [4, "<messageId>", "<errorCode>", "<errorDescription>", '
        "{<errorDetails>}]"
    )


@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ('{"x":', "}"), ('[{"x":', "}]")], ids=lambda it: it
)
def test_depth_is_counted_in_lists_and_objects_alike(
    peer: Peer, noted: Noted, opening: str, closing: str
) -> None:
    def answer(containers: int) -> bytes:
        count = containers // sum(map(opening.count, "[{"))
        return f'[3,"ours",{{"x":{opening * count}1{closing * count}}}]'.encode()

    assert isinstance(peer.receive(answer(98)), CallResult)  # with the frame and the payload 100
    assert noted == []
    peer.open_call("ours", "Reset")
    event = peer.receive(answer(100))
    assert isinstance(event, MalformedAnswer)
    assert noted == [("ResetResponse", "refused", "depth")]


@pytest.mark.parametrize(
    ("frame", "members"),
    [
        ('[3,"ours",{}]', []),
        ('[3,"ours"]', ["payload"]),
        ('[3,"ours",7]', ["payload"]),
        ('[3,"ours",{},0]', ["length"]),
    ],
)
@pytest.mark.parametrize("tolerant", [True, False])
def test_what_deviates_is_named_alike_whether_it_is_mended_or_not(
    frame: str, members: list[str], *, tolerant: bool
) -> None:
    reading = read_answer(decode(frame.encode()), frame.encode(), tolerant=tolerant)
    assert reading is not None
    assert [deviation.member for deviation in reading.deviations] == members
