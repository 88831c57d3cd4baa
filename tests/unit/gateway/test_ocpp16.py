"""OCPP 1.6: its commands as CALLs, its meter values as the domain's."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import CannotBeSaidError
from gateway.ocpp16 import PROTOCOL, Ocpp16
from gateway.ocpp16.meter_values import to_meter_values
from shared.domain import commands

ISO = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("command", "action", "payload"),
    [
        (commands.RemoteStart(id_token="T"), "RemoteStartTransaction", {"idTag": "T"}),
        (
            commands.RemoteStart(id_token="T", evse_id=2),
            "RemoteStartTransaction",
            {"idTag": "T", "connectorId": 2},
        ),
        (
            commands.RemoteStop(transaction_id="7"),
            "RemoteStopTransaction",
            {"transactionId": 7},
        ),
        (commands.Reset(), "Reset", {"type": "Soft"}),
        (commands.Reset(reset_type=commands.ResetType.IMMEDIATE), "Reset", {"type": "Hard"}),
        (
            commands.ChangeAvailability(operational_status=commands.OperationalStatus.INOPERATIVE),
            "ChangeAvailability",
            {"connectorId": 0, "type": "Inoperative"},
        ),
        (commands.UnlockConnector(evse_id=1), "UnlockConnector", {"connectorId": 1}),
        (commands.GetConfiguration(), "GetConfiguration", {}),
        (commands.GetConfiguration(keys=("A",)), "GetConfiguration", {"key": ["A"]}),
        (
            commands.ChangeConfiguration(key="A", value="1"),
            "ChangeConfiguration",
            {"key": "A", "value": "1"},
        ),
        (commands.ClearCache(), "ClearCache", {}),
        (
            commands.TriggerMessage(
                requested_message=commands.MessageTrigger.DIAGNOSTICS_STATUS_NOTIFICATION
            ),
            "TriggerMessage",
            {"requestedMessage": "DiagnosticsStatusNotification"},
        ),
        (
            commands.TriggerMessage(
                requested_message=commands.MessageTrigger.LOG_STATUS_NOTIFICATION
            ),
            "ExtendedTriggerMessage",
            {"requestedMessage": "LogStatusNotification"},
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
    handlers = Ocpp16.__new__(Ocpp16)
    assert PROTOCOL.encode_command(handlers, command) == (action, payload)
    # As it comes back from the store, where words are strings.
    name, params = type(command).__name__, commands.command_params(command)
    plain = {key: str(value) if isinstance(value, str) else value for key, value in params.items()}
    assert PROTOCOL.encode_command(handlers, commands.parse_command(name, plain))[1] == payload


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (commands.RemoteStop(transaction_id="abc"), "is an integer, not 'abc'"),
        (commands.RemoteStart(id_token="x" * 21), "does not fit the schema"),
        (commands.Call(action="NoSuchAction", payload={}), "no action 'NoSuchAction'"),
        (commands.Call(action="Reset", payload={"type": "Gentle"}), "does not fit the schema"),
        (commands.Call(action="../../v201/schemas/HeartbeatRequest", payload={}), "no action"),
    ],
)
def test_what_1_6_cannot_say_is_refused(command: commands.Command, message: str) -> None:
    with pytest.raises(CannotBeSaidError, match=message):
        PROTOCOL.encode_command(Ocpp16.__new__(Ocpp16), command)


def test_the_defaults_of_a_sample_are_written_out() -> None:
    (value,) = to_meter_values([{"timestamp": ISO, "sampledValue": [{"value": "12.5"}]}])
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


def test_a_kilowatt_hour_is_a_thousand_watt_hours() -> None:
    (value,) = to_meter_values(
        [{"timestamp": ISO, "sampledValue": [{"value": "8.1", "unit": "kWh"}]}]
    )
    assert value.energy_wh == Decimal(8100)


def test_a_register_of_one_phase_is_not_the_total() -> None:
    (value,) = to_meter_values(
        [{"timestamp": ISO, "sampledValue": [{"value": "1", "phase": "L1"}]}]
    )
    assert value.energy_wh is None


@pytest.mark.parametrize("value", ["", "abc", "NaN", "Infinity", "1_000", "\u0661", "0x10"])
def test_a_sample_that_is_no_number_is_dropped_and_its_neighbours_stay(value: str) -> None:
    sampled = [{"value": value, "measurand": "Voltage"}, {"value": "5"}]
    (kept,) = to_meter_values([{"timestamp": ISO, "sampledValue": sampled}])
    assert [sample["value"] for sample in kept.samples] == ["5"]


def test_signed_data_is_kept_as_it_is() -> None:
    sampled = [{"value": "OCMF|{}", "format": "SignedData"}, {"value": "5"}]
    (kept,) = to_meter_values([{"timestamp": ISO, "sampledValue": sampled}])
    assert [sample["value"] for sample in kept.samples] == ["OCMF|{}", "5"]
    assert kept.energy_wh == Decimal(5)
