"""Configuration keys of OCPP 1.6 as stations tell them, and of every version as they are shown."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ConfigurationKey:
    """A key and what the station tells of it (OCPP 1.6 §7.29); `value` is None if it has none.

    `read_only` is None if the station does not tell.
    """

    key: str
    value: str | None
    read_only: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationReported:
    """The station told some keys, and which ones that were asked for it does not know."""

    station_id: str
    keys: list[ConfigurationKey]
    unknown_keys: list[str]
    told_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationChanged:
    """The station took a new value for a key, at once or, if it said so, with its next reboot.

    `known` is False if it does not know the key; `value` is None then.
    """

    station_id: str
    key: str
    value: str | None
    known: bool
    reboot_required: bool
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationItem:
    """A configuration key of 1.6, or an attribute of a variable of 2.0.1, as it is shown.

    `name` is what a command's key is called. `mutability` is in the words of 2.0.1, and None for a
    key that the station does not know, or was only ever told. `value` is None where there is none,
    or where it is a secret. `reboot_required` says that the value holds from the next boot on.
    """

    name: str
    value: str | None
    mutability: str | None
    known: bool
    secret: bool
    reboot_required: bool
    unit: str | None
    data_type: str | None
    told_at: datetime
