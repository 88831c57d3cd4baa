"""Secrets that pass through commands are in no answer."""

from typing import Any

import pytest

from shared.domain.redaction import (
    find_secrets,
    hide,
    redact,
    redact_address,
    redact_text,
    shown_value,
)

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
        {
            "reportData": [
                {
                    "component": {"name": "Wifi"},
                    "variable": {"name": "Key", "instance": "1"},
                    "variableAttribute": [{"type": "Actual", "value": SECRET}],
                }
            ]
        },
        {
            "monitor": [
                {
                    "component": {"name": "ModemCtrlr"},
                    "variable": {"name": "SimPIN"},
                    "variableMonitoring": [{"id": 1, "value": SECRET}],
                }
            ]
        },
        {
            "eventData": [
                {
                    "component": {"name": "Custom"},
                    "variable": {"name": "Value", "instance": "FtpPass"},
                    "actualValue": SECRET,
                    "techInfo": f"was {SECRET}",
                }
            ]
        },
        {"vendorId": "V", "data": {"wifiPassword": SECRET, "ssid": "home"}},
        {"vendorId": "V", "data": f'{{"wifi": [{{"name": "WiFiPSK", "value": "{SECRET}"}}]}}'},
        {"vendorId": "V", "data": f"ssid=home;psk={SECRET};band=5"},
        {"vendorId": "V", "data": [{"parameter": "ApiToken", "newValue": SECRET}]},
        {"key": "Backend", "value": f"ftp://me:{SECRET}@files.example/a"},
        {"key": "Backend", "value": f"wss://csms.example/a?token={SECRET}&x=1"},
        {"key": "Cert", "value": f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}\n-----END"},
        {"key": "Header", "value": f"Basic {SECRET}"},
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
        {"key": "Backend", "value": "wss://me@csms.example:9000/a?x=1&y=2"},
        {"key": "Backend", "value": "http://[2001:db8::1]:80/@home"},
        {"key": "Backend", "value": "https://csms.example:443/who@where"},
        {"data": '{"ssid": "home", "keys": [1]}'},
        {"data": "[not json"},
        {"data": "a=b;c=d"},
        {"idTagInfo": {"status": "Accepted"}, "idToken": {"idToken": "04A2", "type": "Central"}},
        {"variable": {"name": "TokenType"}, "actualValue": "ISO14443"},
        {"key": "Cert", "value": "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----"},
    ],
)
def test_everything_else_stays_as_it_is(message: dict[str, Any]) -> None:
    assert redact(message) == message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ftp://me:s3cret@files.example/a", "ftp://me:(redacted)@files.example/a"),
        # Passwords with characters that they should not have.
        ("ftp://me:s3/cret@files.example/a", "ftp://me:(redacted)@files.example/a"),
        ("ftp://me:s@cret@files.example/a", "ftp://me:(redacted)@files.example/a"),
        ("ftp://me:s#cret?@files.example/a", "ftp://me:(redacted)@files.example/a"),
        ("ftp://me:s3:cret@files.example/a", "ftp://me:(redacted)@files.example/a"),
        ("ftp://me:1234@files.example/a", "ftp://me:(redacted)@files.example/a"),
        ("at ftp://me:s3cret@a.example, or b", "at ftp://me:(redacted)@a.example, or b"),
        # What looks like one and is none.
        ("http://a.example:port/x", "http://a.example:port/x"),
        ("http://a.example:/me@b", "http://a.example:/me@b"),
        ("http://a.example:80/me@b", "http://a.example:80/me@b"),
        ("http://me@a.example:80/b", "http://me@a.example:80/b"),
        ("http://me@a.example:x/b@c", "http://me@a.example:x/b@c"),
        ("http://[::1]:80/me@b", "http://[::1]:80/me@b"),
        ("psk=Xs3cret", "psk=(redacted)"),
        ("https://a.example/f?sig=s3cret&se=2030#x", "https://a.example/f?sig=(redacted)&se=2030#x"),
        ('psk="s3 cret", ssid=x', 'psk="(redacted)", ssid=x'),
    ],
)  # fmt: skip
def test_a_text_is_shown_without_what_is_secret_by_its_form(text: str, shown: str) -> None:
    assert redact_text(text) == shown
    assert hide(text, find_secrets(text)) == shown


def test_an_address_is_shown_without_its_query() -> None:
    shown = redact_address("sftp://me:s/ecret@files.example/a?whatever=1")
    assert shown == "sftp://me:(redacted)@files.example/a?(redacted)"
    assert redact({"location": "ftp://a.example/f?x=1"}) == {
        "location": "ftp://a.example/f?(redacted)"
    }
    assert redact_address("ftp://a.example/f#x") == "ftp://a.example/f#x"
    assert redact_address("http://[a.example/f?s3cret") == "(redacted)"
    two = redact_address("ftp://a.example/b ftp://me:s3cret@c.example/d")
    assert two == "ftp://a.example/b ftp://me:(redacted)@c.example/d"


def test_the_query_of_an_address_is_hidden_in_what_comes_back() -> None:
    secrets = find_secrets({"location": "https://a.example/f?long-s3cret"})
    assert hide("cannot load long-s3cret", secrets) == "cannot load (redacted)"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("WebSocketPingInterval", "60", "60"),
        ("WebSocketPingInterval", None, None),
        ("WifiPassword", "60", None),
        ("FtpUrl", "ftp://me:s3cret@a.example", "ftp://me:(redacted)@a.example"),
    ],
)
def test_the_value_of_a_setting_is_shown_unless_it_is_a_secret(
    name: str, value: str | None, shown: str | None
) -> None:
    assert shown_value(name, value) == shown


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        ("Basic abc def", {"abc def"}),
        ("Bearer abc", {"abc"}),
        ('{"password": "s3cret"}', {SECRET}),
        ('[{"password": "s3cret"}]', {SECRET}),
        ('{"a": "psk=s3cret"}', {SECRET}),
        ("{psk=s3cret", {SECRET}),
        ('say "password": "x"', set()),
        ("psk=Xs3cretX", {"Xs3cretX"}),
        ("psk='s3cret'", {SECRET}),
        ("psk=s3%20cret", {"s3%20cret", "s3 cret"}),
        ({"other": "https://a.example/f?plain"}, set()),
        ({"location": "https://a.example/f?s3cret"}, {SECRET}),
        ({"location": {"query": "x"}}, set()),
        ({"location": "http://[a.example/f?s3cret"}, {"http://[a.example/f?s3cret"}),
    ],
)
def test_secrets_are_found_whole_and_nothing_beside_them(value: Any, secrets: set[str]) -> None:
    assert find_secrets(value) == secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Basic abc def", "Basic (redacted)"),
        ('{"a":  1}', '{"a":  1}'),
        ('{"a":  1, "password": "s3cret"}', '{"a": 1, "password": "(redacted)"}'),
        ("[1,  2]", "[1,  2]"),
    ],
)
def test_a_text_is_shown_as_it_was_around_what_is_hidden(text: str, shown: str) -> None:
    assert redact_text(text) == shown


@pytest.mark.parametrize(
    ("component", "variable", "is_shown"),
    [
        ({"name": "Wifi"}, {"name": "Key"}, False),
        ({"name": "Public"}, {"name": "Key"}, True),
        ("Public", {"name": "Key"}, False),
        ({"name": "Custom"}, {"name": "Value"}, True),
        ({"name": "Custom"}, {"name": "Value", "instance": "FtpPass"}, False),
    ],
)
def test_a_variable_is_secret_by_its_component_its_name_and_its_instance(
    component: Any, variable: dict[str, str], *, is_shown: bool
) -> None:
    told = {"component": component, "variable": variable, "attributeValue": SECRET}
    assert (SECRET in str(redact(told))) is is_shown


@pytest.mark.parametrize(
    "secrets",
    [{"s3cret", "s3cret-and-more"}, {"s3cret", "S3CRET-AND-MORE"}],
    ids=["alike", "in other letters"],
)
def test_of_two_secrets_that_begin_alike_nothing_is_left(secrets: set[str]) -> None:
    told = ["say s3cret-and-more", {"and s3cret": 7}]
    shown = ["say (redacted)", {"and (redacted)": 7}]
    assert hide(told, frozenset(secrets)) == shown


def test_all_that_a_secret_member_holds_is_secret() -> None:
    secrets = find_secrets({"password": {"a": ["first", {"b": "second"}], "c": 12345, "d": True}})
    assert secrets == {"first", "second", "12345"}


def test_json_in_a_text_is_looked_through_up_to_its_longest() -> None:
    text = '{"password": "s3cret", "x": "' + "y" * (65_536 - 31) + '"}'
    assert len(text) == 65_536
    assert SECRET not in redact_text(text)


def test_json_in_a_text_that_is_too_deep_is_left_out() -> None:
    assert redact_text("[" * 900 + '{"password": "s3cret"}' + "]" * 900) in {
        "(redacted)",
        "[" * 900 + '{"password": "(redacted)"}' + "]" * 900,
    }


def test_what_is_redacted_is_a_copy() -> None:
    message = {"key": "AuthorizationKey", "value": SECRET}
    redact(message)
    assert message["value"] == SECRET


@pytest.mark.parametrize(
    "sent",
    [
        {"key": "AuthorizationKey", "value": SECRET},
        {"action": "ChangeConfiguration", "payload": {"key": "WifiPassword", "value": SECRET}},
        {
            "setVariableData": [
                {"variable": {"name": "BasicAuthPassword"}, "attributeValue": SECRET}
            ]
        },
        {"connectionData": {"basicAuthPassword": SECRET}},
        {"location": f"ftp://me:{SECRET}@files.example/1.bin"},
        {"firmware": {"location": f"https://files.example/1.bin?expires=1&signature={SECRET}"}},
    ],
)
@pytest.mark.parametrize(
    "came_back",
    [
        SECRET,
        f"{SECRET} is too short",
        f"'{SECRET.upper()}'",
        {"value": SECRET, "at": ["key", f"x{SECRET}x"]},
        {SECRET: None},
        f"ftp://me:{SECRET}@files.example/1.bin",
    ],
)
def test_what_was_sent_is_found_again_in_what_comes_back(
    sent: dict[str, Any], came_back: object
) -> None:
    hidden = hide(came_back, find_secrets(sent))
    assert SECRET not in str(hidden).lower()
    assert "(redacted)" in str(hidden)


def test_a_secret_in_an_address_is_also_found_as_it_is_meant() -> None:
    secrets = find_secrets({"location": "ftp://me:p%40ss%3Aword@files.example/"})
    assert hide("p%40ss%3Aword", secrets) == hide("p@ss:word", secrets) == "(redacted)"


def test_a_number_may_be_a_secret() -> None:
    secrets = find_secrets({"apn": {"simPin": 1234}})
    assert hide({"pin": 1234, "tries": 3, "ok": True}, secrets) == {
        "pin": "(redacted)",
        "tries": 3,
        "ok": True,
    }


def test_a_short_secret_does_not_spoil_every_word() -> None:
    secrets = find_secrets({"key": "AuthorizationKey", "value": "a"})
    assert hide({"status": "Accepted", "value": "A"}, secrets) == {
        "status": "Accepted",
        "value": "(redacted)",
    }


def test_what_is_too_deep_to_be_looked_through_is_left_out() -> None:
    value: dict[str, Any] = {"value": SECRET}
    for _ in range(5000):
        value = {"in": value}
    assert hide(value, frozenset({SECRET})) == {}


@pytest.mark.parametrize("sent", [{"key": "AuthorizationKey", "value": ""}, {"key": "K"}, {}])
def test_without_a_secret_nothing_is_hidden(sent: dict[str, Any]) -> None:
    assert hide({"status": "Accepted"}, find_secrets(sent)) == {"status": "Accepted"}


def test_a_secret_of_a_digit_or_two_hides_no_number_that_happens_to_be_the_same() -> None:
    answer = {"status": "Rejected", "component": {"evse": {"id": 1}}, "pin": "1", "code": 4711}
    hidden = hide(answer, frozenset({"1", "4711"}))
    assert hidden == answer | {"pin": "(redacted)", "code": "(redacted)"}
