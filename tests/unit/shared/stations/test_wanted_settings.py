"""What follows from a station's answers about what it is to be set to."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.stations.wanted_settings import (
    ToldSetting,
    WantedSetting,
    WantedSettingState,
    after_reading,
    after_setting,
    read_status,
    read_told,
    retry_delay_s,
)

State = WantedSettingState


def setting(**changes: Any) -> WantedSetting:
    return WantedSetting(
        **{
            "station_id": "CS-1",
            "name": "LocalAuthorizeOffline",
            "value": "true",
            "wanted": True,
            "state": State.UNREAD,
            "found_value": None,
            "command_id": "1",
            "read_at": None,
            "failures": 2,
            "last_error": "something",
            "updated_at": datetime(2026, 1, 1, tzinfo=UTC),
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            {"configurationKey": [{"key": "K", "value": "true", "readonly": True}]},
            ToldSetting("true", read_only=True),
        ),
        ({"configurationKey": [{"key": "K"}]}, ToldSetting(None)),
        ({"unknownKey": ["K"]}, ToldSetting(None)),
        (
            {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "no"}]},
            ToldSetting("no"),
        ),
        ({"getVariableResult": [{"attributeStatus": "UnknownVariable"}]}, ToldSetting(None)),
        ({}, ToldSetting(None)),
    ],
)
def test_both_versions_tell_a_value(answer: dict[str, Any], told: ToldSetting) -> None:
    assert read_told(answer) == told


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"status": "Rejected"}, "Rejected"),
        ({"setVariableResult": [{"attributeStatus": "RebootRequired"}]}, "RebootRequired"),
    ],
)
def test_both_versions_answer_to_a_new_value(answer: dict[str, Any], status: str) -> None:
    assert read_status(answer) == status


@pytest.mark.parametrize(
    ("told", "state", "found"),
    [
        (ToldSetting("true"), State.IN_STEP, None),
        (ToldSetting(" TRUE "), State.IN_STEP, None),
        (ToldSetting("false"), State.TO_SET, "false"),
        (ToldSetting("false", read_only=True), State.REFUSED, None),
        (ToldSetting("true", read_only=True), State.IN_STEP, None),
        (ToldSetting(None), State.NOT_SUPPORTED, None),
    ],
)
def test_what_a_station_tells_decides_what_is_next(
    told: ToldSetting, state: State, found: str | None
) -> None:
    changes = after_reading(setting(), told)
    assert (changes["state"], changes["found_value"], changes["failures"]) == (state, found, 0)
    assert (changes["last_error"] is None) == (state in {State.IN_STEP, State.TO_SET})


def test_what_was_found_first_is_what_is_set_back() -> None:
    changes = after_reading(setting(found_value="false"), ToldSetting("0"))
    assert changes["found_value"] == "false"


@pytest.mark.parametrize(
    ("status", "state", "failures"),
    [
        ("Accepted", State.IN_STEP, 0),
        ("RebootRequired", State.REBOOT_REQUIRED, 0),
        ("Rejected", State.REFUSED, 3),
        ("NotSupported", State.NOT_SUPPORTED, 3),
        ("UnknownComponent", State.NOT_SUPPORTED, 3),
    ],
)
def test_what_a_station_answers_is_its_state(status: str, state: State, failures: int) -> None:
    changes = after_setting(setting(found_value="false"), status)
    assert (changes["state"], changes["failures"]) == (state, failures)
    # What was refused was not changed, and is not set back.
    assert changes.get("found_value", "false") == ("false" if failures == 0 else None)


@pytest.mark.parametrize(("status", "found"), [("Accepted", None), ("RebootRequired", None)])
def test_what_is_set_back_is_done_with(status: str, found: str | None) -> None:
    changes = after_setting(setting(wanted=False, found_value="false"), status)
    assert changes["found_value"] is found


def test_what_cannot_be_set_back_is_tried_again() -> None:
    changes = after_setting(setting(wanted=False, found_value="false"), "Rejected")
    assert "found_value" not in changes
    assert changes["failures"] == 3


def test_failures_make_it_slower_and_never_end_it() -> None:
    assert retry_delay_s(0) == 0
    assert [retry_delay_s(n) for n in (1, 2, 3)] == [30, 60, 120]
    assert retry_delay_s(1000) == 3600
