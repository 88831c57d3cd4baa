import json
from itertools import islice

import pytest

from gateway.ocpp16 import PROTOCOL
from gateway.ocpp201 import PROTOCOL as PROTOCOL_201
from loadtest.bench.messages import (
    BOOT,
    BOOT_201,
    STATUSES,
    TRANSACTION_STARTED,
    heartbeats,
    meter_values,
    transaction_events,
)


@pytest.mark.parametrize(
    "message",
    [BOOT, *STATUSES, *islice(heartbeats(), 1), *islice(meter_values(), 1)],
    ids=lambda message: json.loads(message)[2],
)
def test_every_message_fits_its_schema(message: bytes) -> None:
    kind, _, action, payload = json.loads(message)
    assert kind == 2
    PROTOCOL.routes[action].request.validate(payload)


@pytest.mark.parametrize(
    "message",
    [BOOT_201, TRANSACTION_STARTED, *islice(transaction_events(), 1)],
    ids=["boot", "started", "updated"],
)
def test_every_message_of_ocpp_201_does_too(message: bytes) -> None:
    kind, _, action, payload = json.loads(message)
    assert kind == 2
    PROTOCOL_201.routes[action].request.validate(payload)


def test_transaction_events_are_never_alike() -> None:
    payloads = [json.loads(message)[3] for message in islice(transaction_events(), 3000)]
    assert [payload["seqNo"] for payload in payloads] == list(range(1, 3001))
    values = [value for payload in payloads for value in payload["meterValue"]]
    assert len({value["timestamp"] for value in values}) == 3000
    assert {len(value["sampledValue"]) for value in values} == {5}


def test_meter_values_are_never_alike() -> None:
    seen = set()
    for message in islice(meter_values(), 3000):
        payload = json.loads(message)[3]
        (value,) = payload["meterValue"]
        assert len(value["sampledValue"]) == 5
        seen.add(value["timestamp"])
    assert len(seen) == 3000
