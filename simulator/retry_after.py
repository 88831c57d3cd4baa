"""The Retry-After header of a refused handshake (RFC 9110, 10.2.3)."""

from datetime import UTC
from email.utils import parsedate_to_datetime

#: A server that asks for more is not believed.
MAX_RETRY_AFTER_S = 3600.0


def retry_after_s(header: str | None, now: float) -> float | None:
    """Return how long the server asks to wait.

    Args:
        header: Seconds or an HTTP date; None if the header was absent.
        now: Seconds since the Unix epoch.

    Returns:
        Seconds, at most `MAX_RETRY_AFTER_S`; None if it asks for nothing that can be understood.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        # Its length is checked because int() of a million digits takes its time.
        wait_s = float(text) if len(text) < len("1000000") else MAX_RETRY_AFTER_S
    else:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        wait_s = moment.timestamp() - now
    return min(MAX_RETRY_AFTER_S, max(0.0, wait_s))
