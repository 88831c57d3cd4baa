"""What OCPP-J's versions write alike: times, and identifiers of what cannot be told apart."""

from datetime import UTC, datetime

from gateway.errors import CallRefusedError, ErrorCode


def parse_time(text: str, name: str = "timestamp") -> datetime:
    """Read an RFC 3339 time, also without a zone (then UTC) or with more digits than microseconds.

    Args:
        text: what the station sent.
        name: the member it stood in, for the refusal.

    Raises:
        CallRefusedError: it is no time.
    """
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise CallRefusedError(
            ErrorCode.TYPE_CONSTRAINT_VIOLATION, f"{name}: {text[:50]!r} is not an RFC 3339 time"
        ) from None


def format_time(time: datetime) -> str:
    """Write a time in UTC with milliseconds, the most that OCPP 2.0.1 allows (part 2 §2.1.2)."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
