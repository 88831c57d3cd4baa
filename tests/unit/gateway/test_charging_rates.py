"""Charging rates on the wire: numbers of one decimal, in both versions, whatever they are."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gateway import ocpp16, ocpp201, rpc
from gateway.errors import CannotBeSaidError
from gateway.routing import Protocol
from shared.domain import commands
from shared.domain.charging.charging_profiles import to_document
from shared.domain.errors import InvalidInputError
from tests.support.charging_profiles import profile

VERSIONS = pytest.mark.parametrize(
    "protocol", [ocpp16.PROTOCOL, ocpp201.PROTOCOL], ids=["1.6", "2.0.1"]
)


def frame(protocol: Protocol, command: commands.Command) -> bytes:
    handlers = protocol.handlers.__new__(protocol.handlers)
    return rpc.encode_call("1", *protocol.encode_command(handlers, command))


def set_limit(limit: float | str, **words: Any) -> commands.SetChargingProfile:
    document = to_document(profile("TxDefaultProfile", (0, 1), kind="Relative", **words))
    document["charging_schedule"]["periods"][0]["limit"] = limit
    document["charging_schedule"]["min_charging_rate"] = limit
    return commands.SetChargingProfile(evse_id=1, charging_profile=document)


@VERSIONS
def test_every_tenth_goes_out_as_it_is(protocol: Protocol) -> None:
    for tenths in range(1500):
        text = str(Decimal(tenths) / 10 + Decimal("0.0"))
        sent = frame(protocol, set_limit(tenths / 10))
        assert f'"limit":{text}}}'.encode() in sent
        assert f'"minChargingRate":{text}'.encode() in sent


@VERSIONS
def test_large_rates_have_no_exponent(protocol: Protocol) -> None:
    assert b'"limit":999999999.9}' in frame(protocol, set_limit(999999999.9))
    assert b'"limit":1000.0}' in frame(protocol, set_limit("1E+3"))


@VERSIONS
def test_more_than_one_decimal_is_never_sent(protocol: Protocol) -> None:
    for member in ("limit", "min_charging_rate"):
        command = set_limit(8.1)
        schedule = command.charging_profile["charging_schedule"]
        (schedule["periods"][0] if member == "limit" else schedule)[member] = 8.15
        with pytest.raises(InvalidInputError, match=r"at most one decimal, unlike 8\.15"):
            frame(protocol, command)


def test_an_operators_own_call_keeps_its_digits_and_is_checked() -> None:
    sent = msgspec.json.decode(frame(ocpp16.PROTOCOL, set_limit(8.1)))[3]
    payload = msgspec.json.decode(msgspec.json.encode(sent))
    call = commands.Call(action="SetChargingProfile", payload=payload)
    assert b'"limit":8.1}' in frame(ocpp16.PROTOCOL, call)
    payload["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] = 8.15
    with pytest.raises(CannotBeSaidError, match=r"limit: 8\.15 is not a multiple of 0\.1"):
        frame(ocpp16.PROTOCOL, call)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            commands.SetChargingProfile(
                evse_id=1,
                charging_profile=to_document(
                    profile("TxProfile", (0, 1), kind="Relative", transaction_id="abc")
                ),
            ),
            "is an integer, not 'abc'",
        ),
        (
            commands.ClearChargingProfile(
                charging_profile_purpose="ChargingStationExternalConstraints"
            ),
            "no charging profile of the purpose",
        ),
        (
            commands.ReserveNow(
                reservation_id=1,
                expiry_date_time="2030-01-01T00:00:00Z",
                id_token="T",
                connector_type="cCCS2",
            ),
            "cannot reserve a type of connector",
        ),
    ],
)
def test_what_1_6_cannot_say(command: commands.Command, message: str) -> None:
    with pytest.raises(CannotBeSaidError, match=message):
        frame(ocpp16.PROTOCOL, command)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (commands.ClearChargingProfile(), "clears either"),
        (commands.ClearChargingProfile(charging_profile_id=1, evse_id=1), "clears either"),
        (
            commands.ClearChargingProfile(
                charging_profile_purpose="ChargingStationExternalConstraints"
            ),
            "not ours to clear",
        ),
        (
            commands.SetChargingProfile(
                evse_id=1,
                charging_profile=to_document(profile("TxProfile", (0, 1), kind="Relative")),
            ),
            "needs its transaction_id",
        ),
        (
            commands.ReserveNow(
                reservation_id=1,
                expiry_date_time="2030-01-01T00:00:00Z",
                id_token="T",
                connector_type="nope",
            ),
            "no connector type 'nope'",
        ),
    ],
)
def test_what_2_0_1_cannot_say(command: commands.Command, message: str) -> None:
    with pytest.raises(CannotBeSaidError, match=message):
        frame(ocpp201.PROTOCOL, command)
