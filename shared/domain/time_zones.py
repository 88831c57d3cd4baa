"""Time zones: names of the IANA database, as locations and rules have them."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.domain.errors import InvalidInputError


def time_zone_of(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database.

    Raises:
        InvalidInputError: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # ValueError: it is no name at all
        raise InvalidInputError(
            f"there is no time zone {name!r}: name one of the IANA database, such as Europe/Berlin"
        ) from None
