"""Which URLs a station may be given."""

from typing import Any

import pytest

from control.files.locations import LocationError, Locations
from control.settings import ControlSettings
from shared.domain.commands import Call, ClearCache, Command, GetLog, LogType, UpdateFirmware

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
        ("https://2130706433/x", "ALLOWED_HOSTS"),
        ("https://vendor.com:99999/x", "no URL"),
        ("//vendor.com/x", "no URL"),
        ("vendor.com", "no URL"),
        ("", "no URL"),
    ],
)
def test_anything_else_is_refused_in_words(url: str, message: str) -> None:
    with pytest.raises(LocationError, match=message):
        locations().check(url)


def test_without_an_address_of_ours_only_the_list_counts() -> None:
    with pytest.raises(LocationError):
        locations(public_url=None).check(OURS)


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
