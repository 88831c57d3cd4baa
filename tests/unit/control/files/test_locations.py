"""Which URLs a station may be given."""

from typing import Any

import pytest
from pydantic import ValidationError

from control.files.locations import LocationError, Locations
from control.settings import ControlSettings
from shared.domain.commands import (
    Call,
    ChangeConfiguration,
    ClearCache,
    Command,
    DataTransfer,
    GetLog,
    LogType,
    UpdateFirmware,
)

OURS = "https://api.example.com/files/1/a.bin?expires=1&signature=2"


def locations(**changes: object) -> Locations:
    return Locations(
        ControlSettings(
            **{
                "database_url": "",
                "redis_url": "",
                "api_keys": "k" * 16,
                "public_url": "https://api.example.com/",
                "files_allowed_hosts": "vendor.com, *.cdn.net, box.lan:2121",
                "files_allowed_schemes": "https,ftp",
                **changes,
            }
        )
    )


@pytest.mark.parametrize(
    "url",
    [
        OURS,
        "https://API.example.com:443/x",
        "https://vendor.com/fw.bin",
        "HTTPS://Vendor.Com./fw.bin",
        "ftp://user:secret@vendor.com/fw.bin",
        "https://a.b.cdn.net/fw.bin",
        "ftp://box.lan:2121/logs/",
    ],
)
def test_what_the_operator_allows_and_our_own_go(url: str) -> None:
    locations().check(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://evil.example/fw.bin", "VOLTARO_FILES_ALLOWED_HOSTS"),
        ("https://vendor.com@evil.example/fw.bin", "evil.example"),
        ("https://vendor.com.evil.example/fw.bin", "ALLOWED_HOSTS"),
        ("https://evilvendor.com/fw.bin", "ALLOWED_HOSTS"),
        ("https://cdn.net/fw.bin", "ALLOWED_HOSTS"),
        ("ftp://box.lan/logs", "ALLOWED_HOSTS"),
        ("http://vendor.com/fw.bin", "VOLTARO_FILES_ALLOWED_SCHEMES"),
        ("http://api.example.com/files/1", "ALLOWED_SCHEMES"),
        ("https://api.example.com:8443/x", "ALLOWED_HOSTS"),
        ("file:///etc/passwd", "no URL"),
        ("javascript:alert(1)", "no URL"),
        ("https:\\\\vendor.com\\x", "no URL"),
        ("https://vendor.com\n.evil.example/x", "no URL"),
        ("https://[::1", "no URL"),
        ("https://evil.example%2f.cdn.net/x", "no URL"),
        ("https://evil.example;.cdn.net/x", "no URL"),
        # What clients read in different ways.
        ("https://2130706433/x", "no URL"),
        ("https://127.1/x", "no URL"),
        ("https://0x7f.0.0.1/x", "no URL"),
        ("https://0177.0.0.1/x", "no URL"),
        ("ftp://2130706433/x", "no URL"),
        ("https://vendor.com\\@evil.example/x", "no URL"),
        ("https://vendor.com@a@evil.example/x", "no URL"),
        ("https://vendor.com/@evil.example/x", "no URL"),
        ("https://vendor.com#@evil.example/x", "no URL"),
        ("https://vendor.com?@evil.example/x", "no URL"),
        ("https://vendor%2ecom/x", "no URL"),
        ("https://vendor.com%00.evil.example/x", "no URL"),
        ("https://vendor.com../x", "no URL"),
        ("https://vendor..com/x", "no URL"),
        ("https://v\u00e9ndor.com/x", "no URL"),
        ("https://vendor\u3002com/x", "no URL"),
        ("https://\uff56endor.com/x", "no URL"),
        (" https://vendor.com/x", "no URL"),
        ("https:vendor.com/x", "no URL"),
        ("https:/vendor.com/x", "no URL"),
        ("https:///vendor.com/x", "no URL"),
        ("https://vendor.com:/x", "no URL"),
        ("https://vendor.com:0443/x", "no URL"),
        ("https://vendor.com:+443/x", "no URL"),
        ("https://[fe80::1%25eth0]/x", "no URL"),
        ("https://[::ffff:192.0.2.1]/x", "ALLOWED_HOSTS"),
        ("https://192.0.2.1/x", "ALLOWED_HOSTS"),
        ("https://vendor.com:99999/x", "no URL"),
        ("//vendor.com/x", "no URL"),
        ("vendor.com", "no URL"),
        ("", "no URL"),
    ],
)
def test_anything_else_is_refused_in_words(url: str, message: str) -> None:
    with pytest.raises(LocationError, match=message):
        locations().check(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://192.0.2.1/x",
        "https://[2001:DB8:0:0::1]/x",
        "https://[2001:db8::1]:443/x",
        "https://xn--bcher-kva.example/x",
        "https://2f9ab3c/x",
    ],
)
def test_hosts_are_compared_in_one_form(url: str) -> None:
    hosts = "192.0.2.1, [2001:db8::1]:443, xn--bcher-kva.example, 2f9ab3c"
    locations(files_allowed_hosts=hosts).check(url)


@pytest.mark.parametrize(
    "host",
    ["*.0.2.1", "https://vendor.com", "vendor.com/x", "a b", "me@vendor.com", "a:99999", "*"],
)
def test_what_is_no_host_is_no_entry_of_the_list(host: str) -> None:
    with pytest.raises(ValidationError, match="is no host such as"):
        locations(files_allowed_hosts=host)


def test_the_words_of_a_refusal_hold_no_password() -> None:
    with pytest.raises(LocationError) as refused:
        locations().check("https://me:s3cret@@vendor.com/x?token=s3cret")
    assert "s3cret" not in str(refused.value)


def test_without_an_address_of_ours_only_the_list_counts() -> None:
    with pytest.raises(LocationError):
        locations(public_url=None).check(OURS)


def display_message(format_: str, content: str) -> Call:
    message = {"format": format_, "content": content}
    return Call(
        action="SetDisplayMessage",
        payload={"message": {"id": 1, "priority": "AlwaysFront", "message": message}},
    )


def network_profile(url: str) -> Call:
    return Call(action="SetNetworkProfile", payload={"connectionData": {"ocppCsmsUrl": url}})


@pytest.mark.parametrize(
    "command",
    [
        display_message("URI", "https://vendor.com/a.png"),
        display_message("HTML", "<b>Hi</b> <img src='https://vendor.com/a.png'>"),
        display_message("ASCII", "See evil.example"),
        network_profile("wss://api.example.com/ocpp"),
        network_profile("ws://vendor.com:8080/ocpp"),
        # What a station is configured with is not a place that it is sent to.
        ChangeConfiguration(key="BackOffice", value="wss://evil.example/ocpp"),
        DataTransfer(vendor_id="V", message_id=None, data="https://evil.example/"),
    ],
    ids=str,
)
def test_what_a_station_shows_and_where_it_connects_is_checked_too(command: Command) -> None:
    locations().check_command(command)


@pytest.mark.parametrize(
    "command",
    [
        display_message("URI", "https://evil.example/a.png"),
        display_message("URI", "evil.example/a.png"),
        display_message("HTML", "<img src='https://vendor.com/a'><a href=\"//x\" "
                        "ping=https://evil.example/a>"),
        display_message("UTF8", "https://evil.example/a.png"),
        network_profile("wss://evil.example/ocpp"),
        network_profile("https://vendor.com/ocpp"),
        network_profile("vendor.com"),
        Call(action="Future", payload={"a": [{"b": {"callbackUrl": "//evil.example"}}]}),
        Call(action="Future", payload={"a": [{"b": ["ftp://evil.example"]}]}),
    ],
    ids=str,
)  # fmt: skip
def test_a_foreign_url_is_found_wherever_it_stands(command: Command) -> None:
    with pytest.raises(LocationError):
        locations().check_command(command)


SIGNED = {"firmware": {"location": "https://evil.example/x"}, "requestId": 1}


@pytest.mark.parametrize(
    "command",
    [
        UpdateFirmware(location="https://evil.example/x", retrieve_at="now"),
        GetLog(location="https://evil.example/x", log_type=LogType.SECURITY_LOG),
        Call(action="UpdateFirmware", payload={"location": "https://evil.example/x"}),
        Call(action="UpdateFirmware", payload=SIGNED),
        Call(action="SignedUpdateFirmware", payload=SIGNED),
        Call(action="PublishFirmware", payload={"location": "https://evil.example/x"}),
        Call(action="GetDiagnostics", payload={"location": "https://evil.example/x"}),
        Call(action="GetLog", payload={"log": {"remoteLocation": "https://evil.example/x"}}),
    ],
    ids=lambda command: type(command).__name__,
)
def test_no_command_brings_another_url_to_a_station(command: Command) -> None:
    with pytest.raises(LocationError):
        locations().check_command(command)


@pytest.mark.parametrize(
    "payload",
    [{}, {"location": 1}, {"location": None}, {"firmware": "x"}, {"firmware": {"location": {}}}],
)
def test_a_payload_that_is_none_is_the_schemas_business(payload: dict[str, Any]) -> None:
    locations().check_command(Call(action="UpdateFirmware", payload=payload))
    locations().check_command(ClearCache())
