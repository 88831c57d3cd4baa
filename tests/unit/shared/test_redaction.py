"""Secrets that pass through commands are in no answer."""

from typing import Any

import pytest

from shared.domain.redaction import redact

SECRET = "s3cret"


@pytest.mark.parametrize(
    "message",
    [
        {"key": "AuthorizationKey", "value": SECRET},
        {"key": "authorizationkey", "value": SECRET},
        {"key": "SecurityCtrlr.BasicAuthPassword", "value": SECRET},
        {"key": "SecurityCtrlr[a.b].BasicAuthPassword[c.d]/Actual", "value": SECRET},
        {"configurationKey": [{"key": "AuthorizationKey", "readonly": False, "value": SECRET}]},
        {
            "setVariableData": [
                {
                    "component": {"name": "SecurityCtrlr"},
                    "variable": {"name": "BasicAuthPassword"},
                    "attributeValue": SECRET,
                }
            ]
        },
        {"connectionData": {"basicAuthPassword": SECRET}},
        {"connectionData": {"apn": {"apn": "net", "apnPassword": SECRET, "simPin": SECRET}}},
        {
            "connectionData": {
                "vpn": {"server": "vpn", "user": "me", "password": SECRET, "key": SECRET}
            }
        },
    ],
)
def test_a_secret_is_left_out(message: dict[str, Any]) -> None:
    redacted = redact({"action": "Any", "payload": message})
    assert SECRET not in str(redacted)
    assert redacted["payload"].keys() == message.keys()


@pytest.mark.parametrize(
    "message",
    [
        {"key": "HeartbeatInterval", "value": "60"},
        {"key": "AuthorizationKey"},
        {"configurationKey": [{"key": "ConnectionTimeOut", "readonly": True, "value": "30"}]},
        {"variable": {"name": "Interval"}, "attributeValue": "60"},
        {"vendor_id": "com.example", "data": None},
        {"numbers": [1, 2.5, None, True]},
    ],
)
def test_everything_else_stays_as_it_is(message: dict[str, Any]) -> None:
    assert redact(message) == message


def test_what_is_redacted_is_a_copy() -> None:
    message = {"key": "AuthorizationKey", "value": SECRET}
    redact(message)
    assert message["value"] == SECRET
