"""What a station's list takes: read from its own words, and held against an update."""

from typing import Any

import pytest

from shared.domain.access.local_list_limits import (
    ToldLimits,
    UpdateSize,
    find_problems,
    keys_to_ask,
    read_answer,
    read_told,
)

LIMITS = ToldLimits(max_entries=3, max_entries_per_message=2, max_bytes_per_message=500)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({}, ToldLimits()),
        (
            {
                "configurationKey": [
                    {"key": "LocalAuthListMaxLength", "readonly": True, "value": "100"},
                    {"key": "sendLocalListMaxLength", "readonly": True, "value": " 20 "},
                    {"key": "LocalAuthListEnabled", "readonly": False, "value": "True"},
                ]
            },
            ToldLimits(max_entries=100, max_entries_per_message=20, enabled=True),
        ),
        (
            {
                "configurationKey": [
                    {"key": "LocalAuthListMaxLength", "readonly": True, "value": "many"},
                    {"key": "SendLocalListMaxLength", "readonly": True},
                    {"key": "LocalAuthListEnabled", "readonly": False, "value": "perhaps"},
                ]
            },
            ToldLimits(),
        ),
        (
            {
                "getVariableResult": [
                    {"variable": {"name": "ItemsPerMessage"}, "attributeValue": "50"},
                    {"variable": {"name": "BytesPerMessage"}, "attributeValue": "3360"},
                    {"variable": {"name": "Enabled"}, "attributeValue": "false"},
                ]
            },
            ToldLimits(max_entries_per_message=50, max_bytes_per_message=3360, enabled=False),
        ),
        (
            {"getVariableResult": [{"variable": {"name": "ItemsPerMessage"}}]},
            ToldLimits(),
        ),
    ],
)
def test_limits_are_read_from_what_a_station_told(answer: dict[str, Any], told: ToldLimits) -> None:
    assert read_answer(answer) == told


@pytest.mark.parametrize("value", ["", "-1", "1.5", "many", "0"])
def test_a_value_that_is_no_limit_binds_nobody(value: str) -> None:
    told = read_told({"sendlocallistmaxlength": value, "bytespermessage": value})
    size = UpdateSize(entries=1000, held=0, held_afterwards=1000, size_bytes=10**6)
    assert list(find_problems(size, told, ocpp_version="1.6")) == []


def test_a_list_without_any_room_is_a_limit() -> None:
    told = read_told({"localauthlistmaxlength": "0"})
    size = UpdateSize(entries=1, held=0, held_afterwards=1)
    (problem,) = find_problems(size, told, ocpp_version="1.6")
    assert "room for 0 entries (LocalAuthListMaxLength)" in problem


def test_as_many_entries_fit_as_their_bytes_allow() -> None:
    assert LIMITS.entries_that_fit == 1
    assert ToldLimits(max_bytes_per_message=10).entries_that_fit == 1  # try it: it may be short
    assert ToldLimits(max_bytes_per_message=3360).entries_that_fit == 10
    assert ToldLimits(max_entries_per_message=7).entries_that_fit == 7
    assert ToldLimits().entries_that_fit is None


@pytest.mark.parametrize(
    ("version", "entries", "held", "afterwards", "size_bytes", "words"),
    [
        ("1.6", 3, 0, 3, None, "SendLocalListMaxLength"),
        ("2.0.1", 3, 0, 3, None, "LocalAuthListCtrlr.ItemsPerMessage"),
        ("2.0.1", 2, 0, 2, 501, "LocalAuthListCtrlr.BytesPerMessage"),
        ("1.6", 1, 3, 4, None, "LocalAuthListMaxLength"),
        ("2.0.1", 1, 3, 4, None, "maxLimit of LocalAuthListCtrlr.Entries"),
        ("1.6", 2, 5, 6, None, "LocalAuthListMaxLength"),
    ],
)
def test_what_is_too_much_is_refused_with_the_limit(
    version: str, entries: int, held: int, afterwards: int, size_bytes: int | None, words: str
) -> None:
    size = UpdateSize(entries=entries, held=held, held_afterwards=afterwards, size_bytes=size_bytes)
    assert [words in each for each in find_problems(size, LIMITS, ocpp_version=version)] == [True]


@pytest.mark.parametrize(
    ("entries", "held", "afterwards", "size_bytes"),
    [(2, 1, 3, 500), (2, 5, 4, None), (2, 5, 5, None), (0, 9, 9, None)],
)
def test_what_just_fits_or_makes_it_no_longer_is_sent(
    entries: int, held: int, afterwards: int, size_bytes: int | None
) -> None:
    size = UpdateSize(entries=entries, held=held, held_afterwards=afterwards, size_bytes=size_bytes)
    assert list(find_problems(size, LIMITS, ocpp_version="2.0.1")) == []


def test_each_version_is_asked_in_its_own_words() -> None:
    assert "LocalAuthListMaxLength" in keys_to_ask("1.6")
    assert "LocalAuthListCtrlr.BytesPerMessage" in keys_to_ask("2.0.1")


def test_every_version_is_asked_for_what_a_message_and_a_list_may_have() -> None:
    assert keys_to_ask("1.6") == (
        "LocalAuthListMaxLength",
        "SendLocalListMaxLength",
        "LocalAuthListEnabled",
    )
    assert keys_to_ask("2.0.1") == (
        "LocalAuthListCtrlr.ItemsPerMessage",
        "LocalAuthListCtrlr.BytesPerMessage",
        "LocalAuthListCtrlr.Enabled",
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"entries": "100"}, ToldLimits(max_entries=100)),
        ({"entries": "0"}, ToldLimits(max_entries=0)),
        ({"localauthlistmaxlength": "0"}, ToldLimits(max_entries=0)),
        ({"itemspermessage": "1"}, ToldLimits(max_entries_per_message=1)),
        ({"itemspermessage": "0"}, ToldLimits()),
        ({"bytespermessage": "1"}, ToldLimits(max_bytes_per_message=1)),
        ({"bytespermessage": "0"}, ToldLimits()),
        ({"entries": "9" * 30}, ToldLimits(max_entries=2**31 - 1)),
        ({"entries": "-1"}, ToldLimits()),
    ],
)
def test_a_list_may_have_room_for_nothing_and_a_message_may_not(
    values: dict[str, str], told: ToldLimits
) -> None:
    assert read_told(values) == told


def test_a_result_that_names_no_variable_tells_nothing() -> None:
    assert read_answer({"getVariableResult": [{"attributeValue": "5"}]}) == ToldLimits()
