"""The messages of the load, ready to be sent."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

BOOT = b'[2,"boot","BootNotification",{"chargePointVendor":"Bench","chargePointModel":"B1"}]'
BOOT_201 = (
    b'[2,"boot","BootNotification",'
    b'{"reason":"PowerUp","chargingStation":{"vendorName":"Bench","model":"B1"}}]'
)
TRANSACTION_STARTED = (
    b'[2,"started","TransactionEvent",{"eventType":"Started","timestamp":"2026-01-01T00:00:00Z",'
    b'"triggerReason":"CablePluggedIn","seqNo":0,"evse":{"id":1,"connectorId":1},'
    b'"transactionInfo":{"transactionId":"BENCH","chargingState":"Charging"}}]'
)
"""Begins the transaction that `transaction_events` goes on with; OCPP 2.0.1, like what follows."""
STATUSES = tuple(
    f'[2,"status-{connector_id}","StatusNotification",{{"connectorId":{connector_id},'
    '"errorCode":"NoError","status":"Available"}]'.encode()
    for connector_id in (0, 1)
)

ID_TOKEN = "BENCH-TOKEN"  # noqa: S105 - shown on a card's back, and no secret
"""The token of `authorizations`."""

_METER_VALUES = (
    '[2,"%d","MeterValues",{"connectorId":1,"transactionId":1,"meterValue":[{"timestamp":"%s",'
    '"sampledValue":['
    '{"value":"%d","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register",'
    '"location":"Outlet","unit":"Wh"},'
    '{"value":"10980.5","context":"Sample.Periodic","measurand":"Power.Active.Import","unit":"W"},'
    '{"value":"15.9","context":"Sample.Periodic","measurand":"Current.Import","phase":"L1",'
    '"unit":"A"},'
    '{"value":"230.1","context":"Sample.Periodic","measurand":"Voltage","phase":"L1","unit":"V"},'
    '{"value":"57","context":"Sample.Periodic","measurand":"SoC","unit":"Percent"}]}]}]'
)
_TRANSACTION_EVENT = (
    '[2,"%d","TransactionEvent",{"eventType":"Updated","timestamp":"%s",'
    '"triggerReason":"MeterValuePeriodic","seqNo":%d,"evse":{"id":1,"connectorId":1},'
    '"transactionInfo":{"transactionId":"BENCH","chargingState":"Charging"},'
    '"meterValue":[{"timestamp":"%s","sampledValue":['
    '{"value":%d,"context":"Sample.Periodic","measurand":"Energy.Active.Import.Register",'
    '"location":"Outlet","unitOfMeasure":{"unit":"Wh"}},'
    '{"value":10980.5,"context":"Sample.Periodic","measurand":"Power.Active.Import",'
    '"unitOfMeasure":{"unit":"W"}},'
    '{"value":15.9,"context":"Sample.Periodic","measurand":"Current.Import","phase":"L1",'
    '"unitOfMeasure":{"unit":"A"}},'
    '{"value":230.1,"context":"Sample.Periodic","measurand":"Voltage","phase":"L1",'
    '"unitOfMeasure":{"unit":"V"}},'
    '{"value":57,"context":"Sample.Periodic","measurand":"SoC",'
    '"unitOfMeasure":{"unit":"Percent"}}]}]}]'
)
_SAMPLES_PER_SECOND = 1000


def heartbeats() -> Iterator[bytes]:
    """Give Heartbeats without end."""
    for number in count():
        yield b'[2,"%d","Heartbeat",{}]' % number


def authorizations() -> Iterator[bytes]:
    """Give Authorizes of one token without end: `ID_TOKEN`, which pods remember."""
    for number in count():
        yield b'[2,"%d","Authorize",{"idTag":"%s"}]' % (number, ID_TOKEN.encode())


def meter_values() -> Iterator[bytes]:
    """Give MeterValues of five samples without end, a millisecond of the meter's clock apart.

    A run uses one such iterator for all it sends, so that nothing is sent twice.
    """
    for number, sampled_at in enumerate(_milliseconds()):
        yield (_METER_VALUES % (number, sampled_at, number)).encode()


def transaction_events() -> Iterator[bytes]:
    """Give TransactionEvents of type Updated without end, with as many samples (2.0.1, J02.FR.11).

    Each has a `seqNo` of its own, also where several stations send them in turn.
    """
    for number, sampled_at in enumerate(_milliseconds(), start=1):
        message = _TRANSACTION_EVENT % (number, sampled_at, number, sampled_at, number)
        yield message.encode()


def _milliseconds() -> Iterator[str]:
    """Give times a millisecond apart, from now on, without end."""
    clock = datetime.now(UTC)
    for number in count():
        second, millisecond = divmod(number, _SAMPLES_PER_SECOND)
        if not millisecond:
            text = (clock + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")
        yield f"{text}.{millisecond:03}Z"
