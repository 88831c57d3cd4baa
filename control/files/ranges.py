"""Parts of a file: the header Range (RFC 9110 §14), by which a station goes on with a download."""

from dataclasses import dataclass

_MAX_DIGITS = 15


class UnsatisfiableRangeError(Exception):
    """The part that was asked for lies behind the end of the file."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` up to but without `end`."""

    start: int
    end: int


def parse_range(header: str | None, size_bytes: int) -> ByteRange | None:
    """Return the part of a file that is asked for, or None for the whole.

    Several parts at once, other units and what is not understood stand for the whole, as a server
    may ignore the header.

    Raises:
        UnsatisfiableRangeError: no byte of it is there.
    """
    unit, found, text = (header or "").partition("=")
    if not found or unit.strip().lower() != "bytes" or "," in text:
        return None
    first, dash, last = (part.strip() for part in text.strip().partition("-"))
    if not dash or not all(_is_number(part) or not part for part in (first, last)):
        return None
    if not first:
        if not last:
            return None
        length = min(int(last), size_bytes)
        if length == 0:
            raise UnsatisfiableRangeError
        return ByteRange(size_bytes - length, size_bytes)
    start = int(first)
    end = min(int(last) + 1, size_bytes) if last else size_bytes
    if last and int(last) < start:
        return None
    if start >= size_bytes:
        raise UnsatisfiableRangeError
    return ByteRange(start, end)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
