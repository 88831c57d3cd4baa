"""What may be long is known by its beginning, and nothing else is decoded."""

import pytest

from gateway.answer_frames import MalformedAnswer
from gateway.errors import ErrorCode
from gateway.lengths import find_transaction_action
from gateway.ocpp16 import PROTOCOL
from gateway.rpc import Call, Ignored, IgnoredReason, Peer, Refusal

LONG = "x" * 2_000


@pytest.mark.parametrize(
    ("frame", "action"),
    [
        ('[2,"1","StopTransaction",{', "StopTransaction"),
        ('[2, "1", "MeterValues", {', "MeterValues"),
        ('\n[ 2 ,\t"a-b-c" , "TransactionEvent" ,', "TransactionEvent"),
        ('[2,"1","stoptransaction",{', "StopTransaction"),
        ('[2,17,"StartTransaction",{', "StartTransaction"),
        ('\ufeff[2,"1","StartTransaction",{', "StartTransaction"),
        ('\0\0[2,"1","StopTransaction",{', "StopTransaction"),
        ('[2,"1","StopTransaction', None),
        ('[2,"1","StopTransactions",{', None),
        ('[3,"1",{"x":"StopTransaction"', None),
        ('[2,"StopTransaction","Heartbeat",{', None),
        (f'[2,"{"1" * 37}","StopTransaction",{{', None),
        ("", None),
    ],
)
def test_what_tells_of_a_transaction_is_known_by_its_beginning(
    frame: str, action: str | None
) -> None:
    assert find_transaction_action(frame.encode()) == action


def test_what_tells_of_no_transaction_is_refused_with_its_size_and_the_limit() -> None:
    peer = Peer(PROTOCOL, max_bytes=1_000)
    frame = f'[2,"1","DataTransfer",{{"vendorId":"{LONG}"}}]'.encode()
    refusal = peer.receive(frame)
    assert isinstance(refusal, Refusal)
    assert refusal.code is ErrorCode.FORMAT_VIOLATION
    words = (
        f"the message has {len(frame)} bytes, and at most 1000 are taken of one that tells of no "
        "transaction: say less in one message"
    )
    assert f'"{words}"'.encode() in refusal.frame
    answer = f'[3,"1",{{"x":"{LONG}"}}]'.encode()
    assert peer.receive(answer) == Ignored(IgnoredReason.TOO_LONG)
    peer.open_call("1")
    event = peer.receive(answer)
    assert isinstance(event, MalformedAnswer)
    assert f"has {len(answer)} bytes, and at most 1000" in event.fault
    assert isinstance(peer.receive(b'[2,"1","Heartbeat",{}]'), Call)


def test_padding_makes_no_message_longer_than_it_is() -> None:
    peer = Peer(PROTOCOL, lambda *_: None, max_bytes=1_000)
    assert isinstance(peer.receive(b'[2,"1","Heartbeat",{}]' + b"\0" * 2_000), Call)
