"""Settings of a station as configuration knows them: text that can be read and written.

Configuration keys of 1.6 and variables of 2.0.1 are names for these.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from simulator.settings import MEASURANDS

if TYPE_CHECKING:
    from simulator.station import Station

Read: TypeAlias = Callable[["Station"], str]
Write: TypeAlias = Callable[["Station", str], bool]

#: Both versions carry integers of 32 bits.
INTEGER_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Textual:
    """One value.

    Attributes:
        read: Returns it; None if it may only be written.
        write: Sets it, or returns False if it cannot be that; None if it may only be read.
    """

    read: Read | None
    write: Write | None = None


def fixed(text: str) -> Textual:
    """Return a value that never changes."""
    return Textual(lambda _: text)


def only(text: str) -> Textual:
    """Return a value that can be written, but only as what it is."""
    return Textual(lambda _: text, lambda _, written: written == text)


def integer(attribute: str, *, minimum: int, maximum: int = INTEGER_MAX) -> Textual:
    """Return a whole number among the settings.

    Args:
        attribute: Its name in `StationSettings`.
        minimum: It cannot be less.
        maximum: It cannot be more.
    """

    def read(station: "Station") -> str:
        return str(getattr(station.settings, attribute))

    def write(station: "Station", text: str) -> bool:
        # isdecimal: int() also takes "1_0", " 7 " and digits of other scripts.
        if not (text.isascii() and text.isdecimal() and minimum <= int(text) <= maximum):
            return False
        setattr(station.settings, attribute, int(text))
        return True

    return Textual(read, write)


def boolean(attribute: str) -> Textual:
    """Return a yes or no among the settings, by its name in `StationSettings`."""

    def read(station: "Station") -> str:
        return "true" if getattr(station.settings, attribute) else "false"

    def write(station: "Station", text: str) -> bool:
        if text.lower() not in {"true", "false"}:
            return False
        setattr(station.settings, attribute, text.lower() == "true")
        return True

    return Textual(read, write)


def measurands(attribute: str) -> Textual:
    """Return a list of measurands among the settings, by its name in `StationSettings`."""

    def read(station: "Station") -> str:
        return ",".join(getattr(station.settings, attribute))

    def write(station: "Station", text: str) -> bool:
        wanted = tuple(each.strip() for each in text.split(",") if each.strip())
        if any(each not in MEASURANDS for each in wanted):
            return False  # 1.6, 3.16.4: one unknown measurand rejects them all.
        setattr(station.settings, attribute, wanted)
        return True

    return Textual(read, write)


def followed_by(value: Textual, follow_up: "Callable[[Station], None]") -> Textual:
    """Return the value, with something done after each change."""

    def write(station: "Station", text: str) -> bool:
        if value.write is None or not value.write(station, text):
            return False
        follow_up(station)
        return True

    return Textual(value.read, write)
