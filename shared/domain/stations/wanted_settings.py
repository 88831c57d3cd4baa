"""What stations are to be set to, and what follows from what they answer.

Only settings of the standards are wanted of anybody: what a vendor calls free vending is not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class WantedSettingState(StrEnum):
    """How far a station is from what it is to be set to."""

    UNREAD = "unread"
    """What it is set to has not been asked yet."""
    TO_SET = "to_set"
    """It is set to something else, and is told next."""
    IN_STEP = "in_step"
    REBOOT_REQUIRED = "reboot_required"
    """It took the value, which holds from its next boot on."""
    REFUSED = "refused"
    """It said no; it is asked again after its next boot."""
    NOT_SUPPORTED = "not_supported"
    """It does not know this setting; it is asked again after its next boot."""


OF_FREE_LOCATIONS: Mapping[str, Mapping[str, str]] = {
    # Whoever is unknown may charge while the station is offline (1.6 §3.5.4, §9.1.1), and so may
    # whoever is known (§9.1.14). Online, stations ask, and everybody is accepted.
    "1.6": {
        "AllowOfflineTxForUnknownId": "true",
        "LocalAuthorizeOffline": "true",
    },
    # Nobody is asked for a token at all (2.0.1 part 2, referenced variables §2.3.1). Not every
    # station has that; the others are for those that have not (§2.3.3, §2.3.5, C15.FR.08).
    "2.0.1": {
        "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
        "AuthCtrlr.LocalAuthorizeOffline": "true",
        "AuthCtrlr.Enabled": "false",
    },
}
"""What stations at locations that are free for all are set to, by version and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSetting:
    """What one station is to be set to.

    `name` is as `GetConfiguration` and `ChangeConfiguration` take it. `wanted` is False where the
    station is to be set back to `found_value`, which is what it was set to before, None if that was
    never something else than `value`. `read_at` is when it last told.
    """

    station_id: str
    name: str
    value: str
    wanted: bool
    state: WantedSettingState
    found_value: str | None
    command_id: str | None
    read_at: datetime | None
    failures: int
    last_error: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ToldSetting:
    """What a station tells of one setting; `value` is None if it does not know it."""

    value: str | None
    read_only: bool = False


_ACCEPTED = "Accepted"
_REBOOT_REQUIRED = "RebootRequired"
_REFUSED = "Rejected"


def read_told(answer: Mapping[str, Any]) -> ToldSetting:
    """Read the answer to `GetConfiguration` for one name, in the station's own words."""
    for item in answer.get("configurationKey") or ():
        return ToldSetting(item.get("value"), read_only=item.get("readonly") is True)
    for item in answer.get("getVariableResult") or ():
        if item.get("attributeStatus") == _ACCEPTED:
            return ToldSetting(item.get("attributeValue"))
    return ToldSetting(None)


def read_status(answer: Mapping[str, Any]) -> str:
    """Read the station's word in the answer to `ChangeConfiguration`."""
    for item in answer.get("setVariableResult") or ():
        return str(item.get("attributeStatus"))
    return str(answer.get("status"))


def after_reading(setting: WantedSetting, told: ToldSetting) -> dict[str, Any]:
    """Return what changes about a setting once the station has told what it is set to."""
    state, error, found = WantedSettingState.IN_STEP, None, setting.found_value
    if told.value is None:
        state, error = WantedSettingState.NOT_SUPPORTED, "the station does not know it"
    elif told.value.strip().lower() != setting.value.lower():
        state = WantedSettingState.TO_SET
        if told.read_only:
            state = WantedSettingState.REFUSED
            error = f"the station has it read-only, set to {told.value}"
        elif found is None:
            found = told.value
    return {"state": state, "last_error": error, "found_value": found, "failures": 0}


def after_setting(setting: WantedSetting, status: str) -> dict[str, Any]:
    """Return what changes about a setting once the station has answered to a new value."""
    if status in {_ACCEPTED, _REBOOT_REQUIRED}:
        if not setting.wanted:
            return {"found_value": None, "last_error": None, "failures": 0}
        taken = status == _ACCEPTED
        state = WantedSettingState.IN_STEP if taken else WantedSettingState.REBOOT_REQUIRED
        return {"state": state, "last_error": None, "failures": 0}
    changes: dict[str, Any] = {}
    if setting.wanted:
        changes["found_value"] = None  # nothing was changed, so nothing is to be set back
    state = WantedSettingState.REFUSED if status == _REFUSED else WantedSettingState.NOT_SUPPORTED
    return changes | {
        "state": state,
        "last_error": f"the station answered {status}",
        "failures": setting.failures + 1,
    }


_RETRY_MIN_S = 30.0
_RETRY_MAX_S = 3600.0


def retry_delay_s(failures: int) -> float:
    """Return how long to wait after so many failures in a row."""
    if failures == 0:
        return 0.0
    return float(min(_RETRY_MIN_S * 2.0 ** min(failures - 1, 16), _RETRY_MAX_S))
