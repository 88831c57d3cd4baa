"""OCPP 2.0.1: its commands as CALLs, what answers mean, its meter values as the domain's."""

import json
from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import CannotBeSaidError
from gateway.ocpp201 import PROTOCOL, Ocpp201
from gateway.ocpp201.meter_values import to_meter_values
from shared.domain import commands
from shared.domain.access.tokens import IdTokenType
from shared.store.fingerprints import encode_json

ISO = "2026-01-01T00:00:00Z"
# Made anew for every request: only that they fit is known beforehand.
_RANDOM = {"remoteStartId", "requestId"}


def encode(command: commands.Command) -> tuple[str, dict[str, Any]]:
    action, payload = PROTOCOL.encode_command(Ocpp201.__new__(Ocpp201), command)
    assert all(0 <= payload[name] < 2**31 for name in _RANDOM & payload.keys())
    return action, {name: value for name, value in payload.items() if name not in _RANDOM}


def get_variable(component: dict[str, Any], variable: dict[str, Any], **more: Any) -> Any:
    return {"component": component, "variable": variable, **more}


@pytest.mark.parametrize(
    ("command", "action", "payload"),
    [
        (
            commands.RemoteStart(id_token="T"),
            "RequestStartTransaction",
            {"idToken": {"idToken": "T", "type": "ISO14443"}},
        ),
        (
            commands.RemoteStart(id_token="T", evse_id=2, id_token_type=IdTokenType.EMAID),
            "RequestStartTransaction",
            {"idToken": {"idToken": "T", "type": "eMAID"}, "evseId": 2},
        ),
        (
            commands.RemoteStop(transaction_id="tx-7"),
            "RequestStopTransaction",
            {"transactionId": "tx-7"},
        ),
        (
            commands.RemoteStop(transaction_id="7 #2026-01-02T03:00:00+00:00"),
            "RequestStopTransaction",
            {"transactionId": "7"},
        ),
        (commands.Reset(), "Reset", {"type": "OnIdle"}),
        (
            commands.Reset(reset_type=commands.ResetType.IMMEDIATE, evse_id=2),
            "Reset",
            {"type": "Immediate", "evseId": 2},
        ),
        (
            commands.ChangeAvailability(operational_status=commands.OperationalStatus.INOPERATIVE),
            "ChangeAvailability",
            {"operationalStatus": "Inoperative"},
        ),
        (
            commands.ChangeAvailability(
                operational_status=commands.OperationalStatus.OPERATIVE, evse_id=2
            ),
            "ChangeAvailability",
            {"operationalStatus": "Operative", "evse": {"id": 2}},
        ),
        (
            commands.UnlockConnector(evse_id=2),
            "UnlockConnector",
            {"evseId": 2, "connectorId": 1},
        ),
        (commands.GetConfiguration(), "GetBaseReport", {"reportBase": "FullInventory"}),
        (
            commands.GetConfiguration(keys=("A.B", "EVSE(1).Power/MaxSet")),
            "GetVariables",
            {
                "getVariableData": [
                    get_variable({"name": "A"}, {"name": "B"}),
                    get_variable(
                        {"name": "EVSE", "evse": {"id": 1}},
                        {"name": "Power"},
                        attributeType="MaxSet",
                    ),
                ]
            },
        ),
        (
            commands.ChangeConfiguration(key="A[i].B[j]", value="1"),
            "SetVariables",
            {
                "setVariableData": [
                    {
                        "component": {"name": "A", "instance": "i"},
                        "variable": {"name": "B", "instance": "j"},
                        "attributeValue": "1",
                    }
                ]
            },
        ),
        (commands.ClearCache(), "ClearCache", {}),
        (
            commands.TriggerMessage(
                requested_message=commands.MessageTrigger.LOG_STATUS_NOTIFICATION
            ),
            "TriggerMessage",
            {"requestedMessage": "LogStatusNotification"},
        ),
        (
            commands.TriggerMessage(
                requested_message=commands.MessageTrigger.STATUS_NOTIFICATION, evse_id=2
            ),
            "TriggerMessage",
            {"requestedMessage": "StatusNotification", "evse": {"id": 2, "connectorId": 1}},
        ),
        (
            commands.TriggerMessage(
                requested_message=commands.MessageTrigger.METER_VALUES, evse_id=2
            ),
            "TriggerMessage",
            {"requestedMessage": "MeterValues", "evse": {"id": 2}},
        ),
        (
            commands.DataTransfer(vendor_id="V", data="x"),
            "DataTransfer",
            {"vendorId": "V", "data": "x"},
        ),
        (commands.Call(action="GetLocalListVersion", payload={}), "GetLocalListVersion", {}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, commands.Command) else "",
)
def test_a_command_becomes_its_call(
    command: commands.Command, action: str, payload: dict[str, Any]
) -> None:
    assert encode(command) == (action, payload)
    # As it comes back from the store, where words are strings.
    name, params = type(command).__name__, commands.command_params(command)
    plain = {key: str(value) if isinstance(value, str) else value for key, value in params.items()}
    assert encode(commands.parse_command(name, plain))[1] == payload


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (commands.RemoteStop(transaction_id="x" * 37), "does not fit the schema"),
        (
            commands.ChangeConfiguration(key="A.B", value="x" * 1001),
            "does not fit the schema of SetVariables",
        ),
        (
            commands.TriggerMessage(requested_message=commands.MessageTrigger.STATUS_NOTIFICATION),
            "name its EVSE in evse_id",
        ),
        (commands.Call(action="RemoteStartTransaction", payload={}), "no action"),
        (commands.Call(action="Reset", payload={"type": "Soft"}), "does not fit the schema"),
    ],
)
def test_what_2_0_1_cannot_say_is_refused(command: commands.Command, message: str) -> None:
    with pytest.raises(CannotBeSaidError, match=message):
        encode(command)


@pytest.mark.parametrize(
    ("key", "component", "variable"),
    [
        ("Ctrlr.Interval", {"name": "Ctrlr"}, {"name": "Interval"}),
        ("Ctrlr.Items[Get]", {"name": "Ctrlr"}, {"name": "Items", "instance": "Get"}),
        ("Reader[Left].On", {"name": "Reader", "instance": "Left"}, {"name": "On"}),
        (
            "A[x.y/z].B[p.q(r)]",
            {"name": "A", "instance": "x.y/z"},
            {"name": "B", "instance": "p.q(r)"},
        ),
        ("EVSE(2).Power", {"name": "EVSE", "evse": {"id": 2}}, {"name": "Power"}),
        (
            "Connector(2,1).Type",
            {"name": "Connector", "evse": {"id": 2, "connectorId": 1}},
            {"name": "Type"},
        ),
        (
            "Meter(2)[Main].Power",
            {"name": "Meter", "evse": {"id": 2}, "instance": "Main"},
            {"name": "Power"},
        ),
        ("A.B.C", {"name": "A"}, {"name": "B.C"}),
    ],
)
@pytest.mark.parametrize("attribute", [None, "Actual", "Target", "MinSet", "MaxSet"])
def test_a_key_names_a_variable(
    key: str, component: dict[str, Any], variable: dict[str, Any], attribute: str | None
) -> None:
    command = commands.GetConfiguration(keys=(f"{key}/{attribute}" if attribute else key,))
    expected = get_variable(component, variable)
    if attribute:
        expected["attributeType"] = attribute
    assert encode(command)[1] == {"getVariableData": [expected]}


@pytest.mark.parametrize(
    "key",
    ["HeartbeatInterval", "", ".", "A.", ".B", "A[].B", "A[i.B", "A(1.B", "A(x).B", "A.B[", "A.B/"],
)
def test_a_key_without_component_is_refused_with_how_to_write_it(key: str) -> None:
    with pytest.raises(CannotBeSaidError, match=r"write Component\.Variable, such as"):
        encode(commands.GetConfiguration(keys=(key,)))
    with pytest.raises(CannotBeSaidError, match=r"write Component\.Variable, such as"):
        encode(commands.ChangeConfiguration(key=key, value="1"))


def test_an_attribute_that_there_is_not_is_refused() -> None:
    with pytest.raises(CannotBeSaidError, match="Actual, Target, MinSet and MaxSet"):
        encode(commands.GetConfiguration(keys=("A.B/Max",)))


@pytest.mark.parametrize(
    ("action", "answer", "status"),
    [
        ("Reset", {"status": "Scheduled"}, "Scheduled"),
        ("Reset", {}, None),
        ("Reset", {"status": 5}, None),
        ("GetVariables", {"getVariableResult": [{"attributeStatus": "Accepted"}]}, None),
        ("SetVariables", {"setVariableResult": [{"attributeStatus": "Rejected"}]}, "Rejected"),
        (
            "SetVariables",
            {"setVariableResult": [{"attributeStatus": "Accepted"}] * 2},
            "Accepted",
        ),
        (
            "SetVariables",
            {
                "setVariableResult": [
                    {"attributeStatus": "Accepted"},
                    {"attributeStatus": "Rejected"},
                ]
            },
            None,
        ),
        ("SetVariables", {"setVariableResult": []}, None),
        ("SetVariables", {"setVariableResult": ["odd"]}, None),
        ("SetVariables", {"setVariableResult": "odd"}, None),
        ("SetVariables", {"status": "Accepted"}, None),
    ],
)
def test_the_word_for_yes_or_no_is_found_where_the_answer_has_it(
    action: str, answer: dict[str, Any], status: str | None
) -> None:
    assert PROTOCOL.find_status(action, answer) == status


def sampled(value: Any, **words: Any) -> Any:
    (translated,) = to_meter_values(
        [{"timestamp": ISO, "sampledValue": [{"value": value, **words}]}]
    )
    return translated


def test_the_defaults_of_a_sample_are_written_out() -> None:
    value = sampled(12.5)
    assert value.samples == [
        {
            "value": "12.5",
            "measurand": "Energy.Active.Import.Register",
            "context": "Sample.Periodic",
            "location": "Outlet",
            "unit": "Wh",
        }
    ]
    assert value.energy_wh == Decimal("12.5")


def test_no_unit_is_made_up_for_what_is_no_energy() -> None:
    assert "unit" not in sampled(1, measurand="Power.Factor").samples[0]


@pytest.mark.parametrize(
    ("value", "unit_of_measure", "energy_wh"),
    [
        (8.1, {"unit": "kWh"}, "8100"),
        (81, {"unit": "Wh", "multiplier": 2}, "8100"),
        (81, {"multiplier": -1}, "8.1"),
        (81, {"multiplier": 0}, "81"),
        (1, {"unit": "kWh", "multiplier": 3}, "1000000"),
        (12345678.9, {}, "12345678.9"),
        (123456789012345678, {}, "123456789012345678"),
        (1e-7, {"unit": "kWh"}, "0.0001"),
        (1, {"unit": "furlong"}, None),
        (1, {"multiplier": 2**31 - 1}, None),
        (1, {"multiplier": -(2**31)}, None),
    ],
)
def test_unit_and_multiplier_make_watt_hours(
    value: float, unit_of_measure: dict[str, Any], energy_wh: str | None
) -> None:
    expected = None if energy_wh is None else Decimal(energy_wh)
    translated = sampled(value, unitOfMeasure=unit_of_measure)
    assert translated.energy_wh == expected
    assert translated.samples[0].get("multiplier", 0) == unit_of_measure.get("multiplier", 0)


@pytest.mark.parametrize(
    "words",
    [{"phase": "L1"}, {"location": "Inlet"}, {"measurand": "Energy.Active.Export.Register"}],
)
def test_what_is_not_the_outlets_total_is_no_register(words: dict[str, str]) -> None:
    assert sampled(1, **words).energy_wh is None


def test_a_signed_value_is_kept_word_for_word() -> None:
    signed = {
        "signedMeterData": "T0NNRnx7fXx7fQ==",
        "signingMethod": "ECDSA-secp256r1-SHA256",
        "encodingMethod": "OCMF",
        "publicKey": "",
    }
    value = sampled(5, signedMeterValue=signed)
    assert value.samples[0]["signed_meter_value"] == signed
    assert value.energy_wh == 5


@pytest.mark.parametrize(
    ("value", "digits"),
    [
        (Decimal("3.10"), "3.10"),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-1E-8"), "-0.00000001"),
        (4000, "4000"),
        ("1500.50", "1500.50"),
        (" 12 ", "12"),
    ],
)
def test_a_value_keeps_its_digits_also_as_a_text(value: Any, digits: str) -> None:
    assert sampled(value).samples[0]["value"] == digits
    assert sampled(value).energy_wh == Decimal(digits)


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("KWH", "kWh"),
        ("wh", "Wh"),
        ("Kw", "kW"),
        ("KVARH", "kvarh"),
        ("percent", "Percent"),
        ("%", "Percent"),
        ("hz", "Hz"),
        ("furlong", "furlong"),
        ("MW", "MW"),
    ],
)
def test_a_unit_in_other_letter_case_is_the_one_of_the_list(told: str, meant: str) -> None:
    assert sampled(8, unitOfMeasure={"unit": told}).samples[0]["unit"] == meant


def test_a_register_in_other_letter_case_is_energy() -> None:
    assert sampled("8.10", unitOfMeasure={"unit": "KWH"}).energy_wh == 8100


def test_numbers_in_a_signed_value_can_be_kept() -> None:
    signed = {"signedMeterData": "x", "customData": {"vendorId": "V", "scale": Decimal("0.10")}}
    kept = sampled(5, signedMeterValue=signed).samples[0]["signed_meter_value"]
    assert json.loads(encode_json(kept)) == {
        "signedMeterData": "x",
        "customData": {"vendorId": "V", "scale": 0.1},
    }


@pytest.mark.parametrize(
    "value", ["", "12k", "1,5", "NaN", "1_000", None, True, [1], float("inf"), float("-inf")]
)
def test_a_sample_that_is_no_number_is_dropped_and_its_neighbours_stay(value: Any) -> None:
    samples = [{"value": value, "measurand": "Voltage"}, {"value": 5}]
    (kept,) = to_meter_values([{"timestamp": ISO, "sampledValue": samples}])
    assert [sample["value"] for sample in kept.samples] == ["5"]
    assert to_meter_values([{"timestamp": ISO, "sampledValue": samples[:1]}]) == []
