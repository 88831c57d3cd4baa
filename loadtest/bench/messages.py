"""The messages of the load, ready to be sent."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

BOOT = b'[2,"boot","BootNotification",{"chargePointVendor":"Bench","chargePointModel":"B1"}]'
STATUSES = tuple(
    f'[2,"status-{connector_id}","StatusNotification",{{"connectorId":{connector_id},'
    '"errorCode":"NoError","status":"Available"}]'.encode()
    for connector_id in (0, 1)
)

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
_SAMPLES_PER_SECOND = 1000


def heartbeats() -> Iterator[bytes]:
    """Give Heartbeats without end."""
    for number in count():
        yield b'[2,"%d","Heartbeat",{}]' % number


def meter_values() -> Iterator[bytes]:
    """Give MeterValues of five samples without end, a millisecond of the meter's clock apart.

    A run uses one such iterator for all it sends, so that nothing is sent twice.
    """
    clock = datetime.now(UTC)
    for number in count():
        second, millisecond = divmod(number, _SAMPLES_PER_SECOND)
        if not millisecond:
            text = (clock + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")
        sampled_at = f"{text}.{millisecond:03}Z"
        yield (_METER_VALUES % (number, sampled_at, number)).encode()
