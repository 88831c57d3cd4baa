"""Charges as real stations tell them otherwise than OCPP 1.6 has it.

Every oddity here is one that operators, vendors or open-source back ends have reported. The charge
is the same each time: 1500 Wh within an hour on connector 1.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.support.stations import StationClient

DROP: Any = object()
LONG_TAG = "DE-ABC-C12345678-X-CONTRACT"
BOOT = {"chargePointVendor": "Odd", "chargePointModel": "M-1", "firmwareVersion": "1.0"}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Preparing"}
START = {
    "connectorId": 1,
    "idTag": "TAG",
    "meterStart": 1000,
    "timestamp": "2026-01-02T03:00:00Z",
}
SAMPLE = {"value": "1750", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
VALUE = {"timestamp": "2026-01-02T03:30:00Z", "sampledValue": [SAMPLE]}
STOP = {"meterStop": 2500, "timestamp": "2026-01-02T04:00:00Z", "reason": "EVDisconnected"}


@dataclass(frozen=True)
class Oddity:
    """What differs from the charge as it should be, and what comes of it.

    Args:
        name: what is odd.
        quirks: Action, kind and member of each deviation that is counted.
        boot: other members of the BootNotification; likewise `status`, `start`, `values`, `stop`.
        frames: whole frames by Action, with message id and payload in place of `%s`.
        numbers: message ids are numbers.
        token: whose charge it is.
        energy_wh: what the session comes to, in Wh; None if nothing tells it.
        reason: why it stopped.
        review: why a person has to look at it.
        evse_id: where it is.
        ended_at: when it ended; None if that is when we heard of it.
    """

    name: str
    quirks: set[tuple[str, str, str]] = field(default_factory=set)
    boot: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    start: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    stop: dict[str, Any] = field(default_factory=dict)
    frames: dict[str, str] = field(default_factory=dict)
    numbers: bool = False
    token: str = "TAG"
    energy_wh: str | None = "1500"
    reason: str = "EVDisconnected"
    review: set[str] = field(default_factory=set)
    evse_id: int = 1
    ended_at: str | None = "2026-01-02T04:00:00Z"


def values(*samples: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the changes that make a MeterValues show these samples."""
    return {"meterValue": [{**VALUE, "sampledValue": list(samples or [SAMPLE]), **changes}]}


ODDITIES = [
    Oddity("none at all"),
    Oddity(
        "statuses in small letters",
        {("StatusNotification", "wrong_case", "status")},
        status={"status": "preparing"},
    ),
    Oddity(
        "a status of OCPP 1.5",
        {("StatusNotification", "unknown_word", "status")},
        status={"status": "Occupied"},
    ),
    Oddity(
        "no error code",
        {("StatusNotification", "missing_member", "errorCode")},
        status={"errorCode": DROP},
    ),
    Oddity(
        "an empty error code and an empty time",
        {
            ("StatusNotification", "empty_member", "errorCode"),
            ("StatusNotification", "missing_member", "errorCode"),
            ("StatusNotification", "empty_member", "timestamp"),
        },
        status={"errorCode": "", "timestamp": "", "info": "", "vendorId": ""},
    ),
    Oddity(
        "a status at a time that is none",
        {("", "unreadable_time", "timestamp")},
        status={"timestamp": "0000-00-00T00:00:00Z"},
    ),
    Oddity(
        "blanks around the id tag",
        {("", "padded", "idTag")},
        start={"idTag": "TAG     "},
        stop={"idTag": " TAG"},
    ),
    Oddity(
        "an empty id tag and an empty time at the end",
        {
            ("StopTransaction", "empty_member", "idTag"),
            ("StopTransaction", "empty_member", "timestamp"),
            ("StopTransaction", "missing_member", "timestamp"),
        },
        stop={"idTag": "", "timestamp": ""},
        ended_at=None,
    ),
    Oddity(
        "meter values at an empty time",
        {
            ("MeterValues", "empty_member", "meterValue.timestamp"),
            ("MeterValues", "missing_member", "meterValue.timestamp"),
        },
        values=values({"value": "230", "measurand": "Voltage"}, timestamp=""),
    ),
    Oddity(
        "a connector that cannot be",
        start={"connectorId": 0},
        review={"evse_implausible"},
        evse_id=0,
    ),
    Oddity(
        "a leap second",
        start={"timestamp": "2026-01-02T02:59:60Z"},
    ),
    Oddity(
        "an error code of the vendor's",
        {("StatusNotification", "unknown_word", "errorCode")},
        status={"errorCode": "RCD_TRIPPED"},
    ),
    Oddity(
        "no vendor, and a model of 40 characters",
        {
            ("BootNotification", "missing_member", "chargePointVendor"),
            ("BootNotification", "too_long", "chargePointModel"),
        },
        boot={"chargePointVendor": DROP, "chargePointModel": "M" * 40},
    ),
    Oddity(
        "members that nobody knows",
        {
            ("BootNotification", "additional_member", ""),
            ("StartTransaction", "additional_member", ""),
        },
        boot={"protocolVersion": "1.6", "hardware": {"rev": 3}},
        start={"vendorData": [1, 2]},
    ),
    Oddity(
        "null for what is not there",
        {
            ("BootNotification", "null_member", "iccid"),
            ("StartTransaction", "null_member", "reservationId"),
            ("StopTransaction", "null_member", "transactionData"),
        },
        boot={"iccid": None},
        start={"reservationId": None},
        stop={"transactionData": None},
    ),
    Oddity(
        "empty texts for what is not there",
        {
            ("StartTransaction", "empty_member", "reservationId"),
            ("StopTransaction", "empty_member", "reason"),
        },
        start={"reservationId": ""},
        stop={"reason": ""},
        reason="Local",
    ),
    Oddity(
        "numbers as texts",
        {
            ("StartTransaction", "number_as_text", "connectorId"),
            ("StartTransaction", "number_as_text", "meterStart"),
            ("StopTransaction", "number_as_text", "meterStop"),
        },
        start={"connectorId": "1", "meterStart": "1000"},
        stop={"meterStop": "2500"},
    ),
    Oddity(
        "an id tag as a number",
        {("StartTransaction", "text_as_number", "idTag")},
        start={"idTag": 4711},
        token="4711",
    ),
    Oddity(
        "an id tag of 27 characters",
        {("StartTransaction", "too_long", "idTag")},
        start={"idTag": LONG_TAG},
        token=LONG_TAG,
    ),
    Oddity(
        "registers with a decimal point",
        {
            ("StartTransaction", "fraction", "meterStart"),
            ("StopTransaction", "fraction", "meterStop"),
        },
        start={"meterStart": 1000.0},
        stop={"meterStop": 2500.5},
        energy_wh="1500.5",
    ),
    Oddity(
        "sampled values as numbers",
        {("MeterValues", "text_as_number", "meterValue.sampledValue.value")},
        values=values({**SAMPLE, "value": 1750}),
    ),
    Oddity(
        "units and measurands in other letters",
        {
            ("MeterValues", "wrong_case", "meterValue.sampledValue.unit"),
            ("MeterValues", "wrong_case", "meterValue.sampledValue.measurand"),
        },
        values=values(
            {"value": "1.75", "unit": "KWH", "measurand": "energy.active.import.register"}
        ),
    ),
    Oddity(
        "a percent sign, and both ways to write Celsius",
        {("MeterValues", "wrong_case", "meterValue.sampledValue.unit")},
        values=values(
            SAMPLE,
            {"value": "80", "measurand": "SoC", "unit": "%"},
            {"value": "31", "measurand": "Temperature", "unit": "Celcius"},
            {"value": "32", "measurand": "Temperature", "unit": "Celsius", "location": "EV"},
        ),
    ),
    Oddity(
        "a measurand of the vendor's",
        {("MeterValues", "sample_dropped", "meterValue.sampledValue.measurand")},
        values=values({"value": "9", "measurand": "Fan.Speed"}, SAMPLE),
    ),
    Oddity(
        "a context that does not exist",
        {("MeterValues", "unknown_word", "meterValue.sampledValue.context")},
        values=values({**SAMPLE, "context": "Sample.Sometimes"}),
    ),
    Oddity(
        "a sample without a value, and one that is empty",
        {
            ("MeterValues", "sample_dropped", "meterValue.sampledValue.value"),
            ("", "sample_dropped", "sampledValue.value"),
        },
        values=values(
            {"measurand": "Voltage"}, {"value": "", "measurand": "Current.Import"}, SAMPLE
        ),
    ),
    Oddity(
        "one meter value that is not in a list",
        {("MeterValues", "lonely_item", "meterValue")},
        values={"meterValue": VALUE},
    ),
    Oddity(
        "no meter values in a message that has to have some",
        {("MeterValues", "too_few", "meterValue")},
        values={"meterValue": []},
    ),
    Oddity(
        "a meter value without its time",
        {("MeterValues", "missing_member", "meterValue.timestamp")},
        values={"meterValue": [{"sampledValue": [{"value": "230", "measurand": "Voltage"}]}]},
    ),
    Oddity(
        "times without a zone",
        {("", "time_without_zone", "timestamp")},
        start={"timestamp": "2026-01-02T03:00:00"},
        values=values(timestamp="2026-01-02T03:30:00.000"),
        stop={"timestamp": "2026-01-02 04:00:00"},
    ),
    Oddity(
        "times with offsets and seven decimals, which are right",
        start={"timestamp": "2026-01-02T05:00:00+02:00"},
        values=values(timestamp="2026-01-02T03:30:00.1234567Z"),
        stop={"timestamp": "2026-01-01T23:00:00.000-05:00"},
    ),
    Oddity(
        "times in small letters",
        {("", "time_form", "timestamp")},
        start={"timestamp": "2026-01-02t03:00:00z"},
    ),
    Oddity(
        "a reason that nobody knows",
        {("StopTransaction", "unknown_word", "reason")},
        stop={"reason": "SoCReached"},
        reason="Other",
    ),
    Oddity("no reason, which means Local", stop={"reason": DROP}, reason="Local"),
    Oddity(
        "members in other letters",
        {
            ("StopTransaction", "wrong_case", "meterStop"),
            ("StartTransaction", "wrong_case", "idTag"),
        },
        start={"idTag": DROP, "idtag": "TAG"},
        stop={"meterStop": DROP, "MeterStop": 2500},
    ),
    Oddity(
        "an Action in other letters",
        {("StopTransaction", "wrong_case", "action")},
        frames={"StopTransaction": '[2,%s,"stopTransaction",%s]'},
    ),
    Oddity(
        "a mark of UTF-8 in front, and a NUL behind",
        {("", "frame_form", "padding")},
        frames={"StartTransaction": '\ufeff[2,%s,"StartTransaction",%s]\0'},
    ),
    Oddity(
        "frames with a fifth element",
        {("MeterValues", "frame_form", "fifth")},
        frames={"MeterValues": '[2,%s,"MeterValues",%s,{}]'},
    ),
    Oddity(
        "numbers as message ids",
        {
            (action, "frame_form", "messageId")
            for action in (
                "BootNotification",
                "StatusNotification",
                "StartTransaction",
                "MeterValues",
                "StopTransaction",
            )
        },
        numbers=True,
    ),
    Oddity(
        "an end of transaction -1",
        {("StopTransaction", "number_as_text", "transactionId")},
        stop={"transactionId": "-1"},
    ),
    Oddity("values of transaction 0", values={"transactionId": 0}),
    Oddity(
        "a clock that begins in 1970",
        start={"timestamp": "1970-01-01T00:00:12Z"},
        values=values(timestamp="1970-01-01T00:30:00Z"),
        stop={"timestamp": "1970-01-01T01:00:00Z"},
        review={"clock_implausible"},
    ),
    Oddity(
        "a register that was set to 0 during the charge",
        stop={"meterStop": 20},
        energy_wh=None,
        review={"meter_stop_below_start"},
    ),
]


def changed(payload: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a payload with other members, and without those that are DROP."""
    return {name: value for name, value in {**payload, **changes}.items() if value is not DROP}


class OddStation:
    """Plays the charge the way one station does."""

    def __init__(self, client: StationClient, oddity: Oddity) -> None:
        self._client = client
        self._oddity = oddity
        self._number = 0

    async def charge(self) -> None:
        """Play it to its end; every message is to be answered with a CALLRESULT."""
        oddity = self._oddity
        assert (await self._tell("BootNotification", changed(BOOT, oddity.boot)))[
            "status"
        ] == "Accepted"
        await self._tell("StatusNotification", changed(STATUS, oddity.status))
        started = await self._tell("StartTransaction", changed(START, oddity.start))
        assert started["idTagInfo"]["status"] == "Accepted"
        transaction = {"transactionId": started["transactionId"]}
        meter_values = {"connectorId": 1, **transaction, **values()}
        await self._tell("MeterValues", changed(meter_values, oddity.values))
        await self._tell("StopTransaction", changed({**STOP, **transaction}, oddity.stop))

    async def _tell(self, action: str, payload: dict[str, Any]) -> Any:
        self._number += 1
        message_id = self._number if self._oddity.numbers else f"m{self._number}"
        form = self._oddity.frames.get(action, f'[2,%s,"{action}",%s]')
        await self._client.send(form % (json.dumps(message_id), json.dumps(payload)))
        frame = await self._client.receive()
        assert frame[:2] == [3, message_id], frame
        return frame[2]
