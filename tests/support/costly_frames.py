"""Messages as long as may be that take far more work than their length tells, each in its way.

None is out of the ordinary but in its number: of values, of levels, of what deviates.
"""

from collections.abc import Callable

MAX_BYTES = 256 * 1024

_HEARTBEAT = ('[2,"m","Heartbeat",{"x":[', "]}]")
_METER_VALUE = '{"timestamp":"2026-01-02T03:04:05Z","sampledValue":['
_SAMPLES = (f'[2,"m","MeterValues",{{"connectorId":1,"meterValue":[{_METER_VALUE}', "]}]}]")
_DEPTH = 240


def _fill(around: tuple[str, str], item: Callable[[int], str], max_bytes: int) -> bytes:
    head, tail = around
    count = (max_bytes - len(head) - len(tail)) // (len(item(99_999)) + 1)
    return (head + ",".join(map(item, range(count))) + tail).encode()


_KINDS: dict[str, tuple[tuple[str, str], Callable[[int], str]]] = {
    "numbers with many digits": (_HEARTBEAT, lambda n: f"{n}.2345678901234567890123e-200"),
    "numbers": (_HEARTBEAT, lambda _: "1.5"),
    "long integers": (_HEARTBEAT, lambda _: "1" * 4_000),
    "deep lists": (_HEARTBEAT, lambda _: "[" * _DEPTH + "]" * _DEPTH),
    "deep objects": (_HEARTBEAT, lambda _: '{"a":' * _DEPTH + "0" + "}" * _DEPTH),
    "empty lists": (_HEARTBEAT, lambda _: "[]"),
    "unknown members": (('[2,"m","Heartbeat",{', "}]"), lambda n: f'"a{n}":0'),
    "unknown objects": (('[2,"m","Heartbeat",{', "}]"), lambda n: f'"a{n}":{{}}'),
    "one member too many per sample": (_SAMPLES, lambda _: '{"value":"1","a":0}'),
    "many members too many per sample": (
        _SAMPLES,
        lambda _: '{"value":"1",' + ",".join(f'"a{n}":0' for n in range(99)) + "}",
    ),
    "samples that are numbers": (_SAMPLES, lambda n: f'{{"value":{n},"unit":"Wh"}}'),
    "samples with wrong words": (
        _SAMPLES,
        lambda _: '{"value":1,"unit":"?","context":"?","location":"?","phase":"?","format":"?"}',
    ),
    "samples with mendable words": (_SAMPLES, lambda n: f'{{"value":"{n}","unit":"KWH"}}'),
    "samples that are none": (_SAMPLES, lambda _: "0"),
    "an answer to nothing": (('[3,"m",{"x":[', "]}]"), lambda _: "[]"),
    "an unknown action": (('[2,"m","Sing",{"x":[', "]}]"), lambda _: "{}"),
}
KINDS = tuple(_KINDS)
"""Names of the kinds."""


def costly_frame(kind: str, max_bytes: int = MAX_BYTES) -> bytes:
    """Return a message of a kind, of OCPP 1.6."""
    return _fill(*_KINDS[kind], max_bytes)


def wrong_numbers_among(samples: int, wrong: int) -> bytes:
    """Return a StopTransaction of so many samples, of which the first are numbers, not texts."""
    values = [
        '{"timestamp":"2026-01-02T03:04:05Z","sampledValue":[{"value":%s,"unit":"Wh"}]}'
        % (number if number < wrong else f'"{number}"')
        for number in range(samples)
    ]
    return (
        '[2,"m","StopTransaction",{"transactionId":1,"meterStop":2,'
        f'"timestamp":"2026-01-02T03:04:05Z","transactionData":[{",".join(values)}]}}]'
    ).encode()
