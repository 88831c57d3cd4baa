"""What a station has told that its local authorization list can take, and whether it is in use."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# An AuthorizationData of OCPP 2.0.1 with all that we say of a token, at its longest, and the rest
# of the message around them.
_ENTRY_MAX_BYTES = 320
_AROUND_ENTRIES_BYTES = 160
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalListLimits:
    """What a station takes: entries in its list, and in one message."""

    max_entries: int
    max_entries_per_message: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldLimits:
    """What a station has told of its list, None where it told nothing, or nothing that is a limit.

    `max_entries` is LocalAuthListMaxLength of OCPP 1.6 (§9.2.2) and the maxLimit of Entries of
    2.0.1 (part 2 §2.5.2); `max_entries_per_message` SendLocalListMaxLength (§9.2.3) and
    ItemsPerMessage (§2.5.4); `max_bytes_per_message` BytesPerMessage (§2.5.5), which 1.6 does not
    know. `enabled` is LocalAuthListEnabled: one that is switched off is not asked by its station.
    """

    max_entries: int | None = None
    max_entries_per_message: int | None = None
    max_bytes_per_message: int | None = None
    enabled: bool | None = None

    @property
    def entries_that_fit(self) -> int | None:
        """Return how many entries fit into a message, whatever they say."""
        limits = [] if self.max_entries_per_message is None else [self.max_entries_per_message]
        if self.max_bytes_per_message is not None:
            room = self.max_bytes_per_message - _AROUND_ENTRIES_BYTES
            limits.append(max(1, room // _ENTRY_MAX_BYTES))
        return min(limits, default=None)


_KEYS_16 = ("LocalAuthListMaxLength", "SendLocalListMaxLength", "LocalAuthListEnabled")
_VARIABLES = ("Entries", "ItemsPerMessage", "BytesPerMessage", "Enabled")
LIMIT_NAMES = frozenset(name.lower() for name in (*_KEYS_16, *_VARIABLES))
"""Configuration keys of OCPP 1.6 and variables of LocalAuthListCtrlr of 2.0.1, in lower case."""


def keys_to_ask(ocpp_version: str) -> tuple[str, ...]:
    """Return the keys that a station is asked for; what its list has room for is reported."""
    if ocpp_version == "1.6":
        return _KEYS_16
    return tuple(f"LocalAuthListCtrlr.{name}" for name in _VARIABLES[1:])


def read_told(values: Mapping[str, str]) -> ToldLimits:
    """Read what a station told.

    Args:
        values: by the names of `LIMIT_NAMES`, those of one version; of Entries its maxLimit.
    """
    enabled = values.get("localauthlistenabled", values.get("enabled", "")).strip().lower()
    return ToldLimits(
        max_entries=_number(values, "localauthlistmaxlength", "entries", at_least=0),
        max_entries_per_message=_number(
            values, "sendlocallistmaxlength", "itemspermessage", at_least=1
        ),
        max_bytes_per_message=_number(values, "bytespermessage", at_least=1),
        enabled={"true": True, "false": False}.get(enabled),
    )


def _number(values: Mapping[str, str], *names: str, at_least: int) -> int | None:
    for name in names:
        text = values.get(name, "").strip()
        if text.isdecimal() and (number := min(int(text[:10]), _INT32_MAX)) >= at_least:
            return number
    return None


def read_answer(answer: Mapping[str, Any]) -> ToldLimits:
    """Read an answer to `GetConfiguration` with `keys_to_ask`, in the station's own words."""
    told: dict[str, str] = {}
    for item in answer.get("configurationKey") or ():
        _take(told, item.get("key"), item.get("value"))
    for item in answer.get("getVariableResult") or ():
        _take(told, item.get("variable", {}).get("name"), item.get("attributeValue"))
    return read_told(told)


def _take(told: dict[str, str], name: object, value: object) -> None:
    if isinstance(name, str) and isinstance(value, str):
        told[name.lower()] = value


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSize:
    """How large an update is.

    `entries` is how many it has; `held` and `held_afterwards` are how many the station's list has
    at least, before it and after it. `size_bytes` is that of the message, None if it does not
    matter.
    """

    entries: int
    held: int
    held_afterwards: int
    size_bytes: int | None = None


def find_problems(update: UpdateSize, told: ToldLimits, *, ocpp_version: str) -> Iterator[str]:
    """Say why a station cannot take an update, as far as it has told.

    One that leaves the list no longer than it was goes to any station.
    """
    old = ocpp_version == "1.6"
    limit = told.max_entries_per_message
    if limit is not None and update.entries > limit:
        name = "SendLocalListMaxLength" if old else "LocalAuthListCtrlr.ItemsPerMessage"
        yield (
            f"the station takes at most {limit} entries in one message ({name}), and these are "
            f"{update.entries}: send the rest in differential updates"
        )
    limit = told.max_bytes_per_message
    if limit is not None and update.size_bytes is not None and update.size_bytes > limit:
        yield (
            f"the station takes messages of at most {limit} bytes "
            f"(LocalAuthListCtrlr.BytesPerMessage), and this one has {update.size_bytes}: send the "
            "rest in differential updates"
        )
    limit, afterwards = told.max_entries, update.held_afterwards
    if limit is not None and afterwards > max(limit, update.held):
        name = "LocalAuthListMaxLength" if old else "the maxLimit of LocalAuthListCtrlr.Entries"
        yield (
            f"the station's list has room for {limit} entries ({name}), and with this update it "
            f"would have {afterwards}: remove some first"
        )
