"""What was acknowledged, for both versions of OCPP."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from loadtest.locust.ledger import Ledger, Transaction, read
from simulator.events import Acknowledged

T0 = 1_770_000_000_000


def at(milliseconds: int) -> str:
    moment = datetime.fromtimestamp((T0 + milliseconds) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def acknowledged(
    kind: str, action: str, payload: dict[str, Any], response: dict[str, Any] | None = None
) -> Acknowledged:
    return Acknowledged(
        station_id="LOAD-0-1",
        kind=kind,
        action=action,
        message_id="1",
        connector_id=1,
        payload=payload,
        response=response or {},
        attempt=1,
        queued_at=0.0,
    )


def charge16() -> list[Acknowledged]:
    return [
        acknowledged("started", "StartTransaction", {"timestamp": at(0)}, {"transactionId": 7}),
        acknowledged(
            "metered", "MeterValues", {"transactionId": 7, "meterValue": [{"timestamp": at(123)}]}
        ),
        acknowledged(
            "ended",
            "StopTransaction",
            {
                "transactionId": 7,
                "timestamp": at(500),
                "transactionData": [{"timestamp": at(0)}, {"timestamp": at(500)}],
            },
        ),
    ]


def test_a_charge_of_ocpp16() -> None:
    ledger = Ledger(began_ms=T0)
    for event in charge16():
        ledger.note(event)
    assert ledger.stations == {
        "LOAD-0-1": {
            "7": Transaction(started_ms=T0, ended_ms=T0 + 500, sampled_ms=[T0 + 123, T0, T0 + 500])
        }
    }


def test_a_transaction_whose_start_was_given_up_is_nobodys() -> None:
    ledger = Ledger(began_ms=T0)
    ledger.note(acknowledged("ended", "StopTransaction", {"transactionId": -1}))
    assert (ledger.stations, ledger.unattributed) == ({}, 1)


def test_a_charge_of_ocpp201() -> None:
    ledger = Ledger(began_ms=T0)
    for event_type, seq_no, milliseconds, readings in (
        ("Started", 0, 0, [0]),
        ("Updated", 1, 50, []),
        ("Updated", 2, 100, [100]),
        ("Ended", 3, 200, [200]),
    ):
        payload = {
            "eventType": event_type,
            "seqNo": seq_no,
            "timestamp": at(milliseconds),
            "transactionInfo": {"transactionId": "tx"},
            "meterValue": [{"timestamp": at(reading)} for reading in readings],
        }
        ledger.note(acknowledged("metered", "TransactionEvent", payload))
    assert ledger.stations["LOAD-0-1"]["tx"] == Transaction(
        started_ms=T0,
        ended_ms=T0 + 200,
        sampled_ms=[T0, T0 + 100, T0 + 200],
        event_seq_nos=[1],
    )


def test_what_workers_hand_over_bit_by_bit_is_the_same_in_the_end() -> None:
    whole, master, worker = (Ledger(began_ms=T0) for _ in range(3))
    for event in charge16():
        whole.note(event)
        worker.note(event)
        master.merge(read(worker.take()))
        assert not worker.stations
    assert master == whole


def test_a_meter_value_costs_few_bytes() -> None:
    ledger = Ledger(began_ms=T0)
    for number in range(1000):
        payload = {"transactionId": 7, "meterValue": [{"timestamp": at(number * 1000)}]}
        ledger.note(acknowledged("metered", "MeterValues", payload))
    assert len(ledger.take()) < 10_000


def test_something_else_is_no_ledger() -> None:
    with pytest.raises(msgspec.MsgspecError):
        read(b"anything")
