"""The end of a charge with all that was measured in it: ten values a minute for hours."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

MAX_BYTES = 256 * 1024
LONGEST_BYTES = 2 * 1024 * 1024
_BEGAN_AT = datetime(2026, 1, 2, 3, tzinfo=UTC)
_MEASURED = {
    "Energy.Active.Import.Register": "Wh",
    "Power.Active.Import": "W",
    "Power.Offered": "W",
    "Current.Import": "A",
    "Current.Offered": "A",
    "Voltage": "V",
    "SoC": "Percent",
    "Power.Reactive.Import": "var",
    "Frequency": "Hertz",
    "Power.Factor": "",
}

Deviate = Callable[[dict[str, Any]], None]
"""Changes one sample, in place."""


def whole(sample: dict[str, Any]) -> None:
    """Write out what has a default, as many stations do."""
    sample |= {"context": "Sample.Periodic", "location": "Outlet"}


END_16 = {"transactionId": 1, "meterStop": 1_100, "timestamp": "2026-01-02T15:00:00Z"}
END_201 = {
    "eventType": "Ended",
    "timestamp": "2026-01-02T15:00:00Z",
    "triggerReason": "RemoteStop",
    "seqNo": 1,
    "transactionInfo": {"transactionId": "T-1"},
}


def end_16(deviate: Deviate, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Return the payload of a StopTransaction of nearly so many bytes."""

    def sample(value: int, measurand: str, unit: str) -> dict[str, Any]:
        units = {"unit": unit} if unit else {}
        return {"value": str(value), "measurand": measurand, **units}

    return _filled(END_16, "transactionData", sample, deviate, max_bytes)


def end_201(deviate: Deviate, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Return the payload of a TransactionEvent of nearly so many bytes."""

    def sample(value: int, measurand: str, unit: str) -> dict[str, Any]:
        units = {"unitOfMeasure": {"unit": unit}} if unit else {}
        return {"value": value, "measurand": measurand, **units}

    return _filled(END_201, "meterValue", sample, deviate, max_bytes)


def _filled(
    end: Mapping[str, Any],
    member: str,
    sample: Callable[[int, str, str], dict[str, Any]],
    deviate: Deviate,
    max_bytes: int,
) -> dict[str, Any]:
    values: list[dict[str, Any]] = []
    left = max_bytes - len(msgspec.json.encode(end)) - 100
    while left > 0:
        samples = [sample(len(values), *each) for each in _MEASURED.items()]
        for each in samples:
            deviate(each)
        at = (_BEGAN_AT + timedelta(minutes=len(values))).strftime("%Y-%m-%dT%H:%M:%SZ")
        values.append({"timestamp": at, "sampledValue": samples})
        left -= len(msgspec.json.encode(values[-1])) + 1
    return {**end, member: values[:-1]}
