import json
from itertools import islice

import pytest

from gateway.ocpp16 import PROTOCOL
from loadtest.bench.messages import BOOT, STATUSES, heartbeats, meter_values


@pytest.mark.parametrize(
    "message",
    [BOOT, *STATUSES, *islice(heartbeats(), 1), *islice(meter_values(), 1)],
    ids=lambda message: json.loads(message)[2],
)
def test_every_message_fits_its_schema(message: bytes) -> None:
    kind, _, action, payload = json.loads(message)
    assert kind == 2
    PROTOCOL.routes[action].request.validate(payload)


def test_meter_values_are_never_alike() -> None:
    seen = set()
    for message in islice(meter_values(), 3000):
        payload = json.loads(message)[3]
        (value,) = payload["meterValue"]
        assert len(value["sampledValue"]) == 5
        seen.add(value["timestamp"])
    assert len(seen) == 3000
