"""How passwords are spelt, and which commands give a station one."""

import pytest

from shared.domain.commands import Call, ChangeConfiguration, ClearCache, Command
from shared.domain.stations.passwords import find_new_password, spellings, to_be_hashed

KEY = "00010203040506070809FFFEFDFCFBFAF9F8F7F6"
PRINTABLE = "4F43415F4F4354545F61646D696E5F746573742B"


@pytest.mark.parametrize("key", [KEY, KEY.lower(), KEY[:-4] + "f7f6", PRINTABLE, KEY[:32]])
def test_a_key_is_found_by_its_digits_in_any_case_and_by_its_bytes(key: str) -> None:
    hashed = to_be_hashed(key).encode()
    for sent in (key.encode(), key.upper().encode(), key.lower().encode(), bytes.fromhex(key)):
        assert hashed in spellings(sent)


@pytest.mark.parametrize(
    ("sent", "hashes"),
    [
        (b"wrong", 1),
        (b"\xff" * 15, 1),
        (b"\xff" * 21, 1),
        (b"\xff" * 4000, 1),
        (b"a-password-of-21-chars", 1),
        (b"G" * 40, 1),
        (KEY[:30].encode(), 1),
        (bytes(20), 1),  # its digits have no letters
        (bytes.fromhex(KEY), 2),
        (KEY.encode(), 2),
        (bytes.fromhex(PRINTABLE), 3),
    ],
)
def test_a_wrong_password_costs_as_few_hashes_as_its_form_allows(sent: bytes, hashes: int) -> None:
    assert len(spellings(sent)) == hashes


def test_a_key_in_mixed_case_is_hashed_in_capitals_and_in_one_case_as_it_is() -> None:
    assert to_be_hashed(KEY[:-4] + "f7f6") == KEY
    assert to_be_hashed(KEY.lower()) == KEY.lower()
    assert to_be_hashed(KEY) == KEY
    too_long = KEY + "Ff"
    assert to_be_hashed(too_long) == too_long


def test_other_passwords_are_hashed_as_they_are() -> None:
    for password in ("Correct-Horse-Battery", "0123456789abcdeF", "g" * 40, "ü" * 16):
        assert to_be_hashed(password) == password
        assert spellings(password.encode())[0] == password.encode()


def _set_variables(*named: tuple[str, str]) -> Call:
    items = [
        {"component": {"name": component}, "variable": {"name": variable}, "attributeValue": KEY}
        for component, variable in named
    ]
    return Call(action="SetVariables", payload={"setVariableData": items})


@pytest.mark.parametrize(
    "command",
    [
        ChangeConfiguration(key="AuthorizationKey", value=KEY),
        ChangeConfiguration(key="authorizationKEY", value=KEY),
        ChangeConfiguration(key="SecurityCtrlr.BasicAuthPassword", value=KEY),
        ChangeConfiguration(key="SecurityCtrlr.BasicAuthPassword/Actual", value=KEY),
        Call(action="ChangeConfiguration", payload={"key": "AuthorizationKey", "value": KEY}),
        _set_variables(("OCPPCommCtrlr", "Interval"), ("securityctrlr", "basicauthpassword")),
    ],
)
def test_commands_that_give_a_station_a_password_are_found(command: Command) -> None:
    assert find_new_password(command) == KEY


@pytest.mark.parametrize(
    "command",
    [
        ClearCache(),
        ChangeConfiguration(key="HeartbeatInterval", value=KEY),
        ChangeConfiguration(key="WebPassword", value=KEY),
        Call(action="ChangeConfiguration", payload={"key": "AuthorizationKey", "value": 5}),
        Call(action="SetVariables", payload={"setVariableData": ["odd", {"component": 1}]}),
        Call(action="DataTransfer", payload={}),
        _set_variables(("Other", "BasicAuthPassword")),
    ],
)
def test_others_are_not(command: Command) -> None:
    assert find_new_password(command) is None
