"""Puts messages together that arrive in fragments (RFC 6455 §5.4)."""

from websockets.frames import Frame

_MAX_FRAGMENTS = 4096


class Fragments:
    """The fragments of one message at a time.

    What they hold together is bounded by the library's `max_size`, but some may hold nothing.
    """

    __slots__ = ("_count", "_message")

    def __init__(self) -> None:
        self._message: bytearray | None = None
        self._count = 0

    @property
    def too_many(self) -> bool:
        """Whether the message has more of them than are taken."""
        return self._message is not None and self._count > _MAX_FRAGMENTS

    @property
    def size_bytes(self) -> int:
        """How much has come of the message, if one has begun."""
        return 0 if self._message is None else len(self._message)

    def add(self, fragment: Frame) -> bytes | None:
        """Return the message that a fragment is the last one of, if it is."""
        if self._message is None:
            self._message, self._count = bytearray(), 0
        self._message += fragment.data
        self._count += 1
        if not fragment.fin:
            return None
        message, self._message = bytes(self._message), None
        return message
