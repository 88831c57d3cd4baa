"""Moments as OCPP writes them, read into seconds since the Unix epoch."""

from datetime import UTC, datetime

from simulator.errors import UnreadableMoment


def parse_moment(text: str) -> float:
    """Return a moment (RFC 3339); without a zone it is taken as UTC.

    Raises:
        UnreadableMoment: It is none.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, OverflowError):
        raise UnreadableMoment(f"{text[:40]!r} is no date and time") from None


def parse_optional_moment(text: str | None) -> float | None:
    """Return a moment, or None if there is none.

    Raises:
        UnreadableMoment: There is something else.
    """
    return None if text is None else parse_moment(text)
