"""A WebSocket that takes a place of its pod's for a long message, and reads no further without."""

from collections.abc import Callable
from typing import TypeGuard

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Event

from gateway.fragments import Fragments
from gateway.long_messages import LongMessage, LongMessages
from gateway.pinged_socket import PingedSocket

_PART_OF_MESSAGE = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class LongMessageSocket(PingedSocket):
    """What a long message of one connection has to wait for (`gateway.long_messages`).

    It has a place from when it is seen to be long until it is answered. The next long one waits for
    that: a station has one at a time.
    """

    _fragments: Fragments
    _long_messages: LongMessages | None = None
    _is_in_work: Callable[[], bool]
    _long: LongMessage | None = None
    _is_handed_over = False
    _waits_for_answer = False

    @property
    def is_held_up(self) -> bool:
        """Whether nothing is read until there is a place."""
        return self._long is not None and (self._waits_for_answer or self._long.waits)

    def look_at_long(self) -> None:
        """Leave the place of a long message to others if it is not in work any more."""
        if self._is_handed_over and not self._is_in_work():
            self._end_long()
            self._go_on()

    def _note_length(self) -> None:
        """Take a place for a message that is getting long, or read no more until there is one."""
        places = self._long_messages
        if self._long is None and places is not None and self._is_getting_long(places):
            self._begin_long(places).begin()
            if self.is_held_up:
                self.transport.pause_reading()

    def _is_getting_long(self, places: LongMessages) -> bool:
        coming = len(self.protocol.reader.buffer)
        if self.protocol.extensions and coming > places.long_compressed_bytes:
            return True
        return coming + self._fragments.size_bytes > places.long_bytes

    def _may_be_handled(self, event: Event) -> bool:
        """Tell whether a frame may be handled: one that ends a long message may have to wait.

        If it has to, it is to be looked at again when `_go_on` is called.
        """
        places = self._long_messages
        if places is None or not _ends_message(event):
            return True
        if len(event.data) + self._fragments.size_bytes <= places.long_bytes:
            if not self._is_handed_over:
                self._end_long()  # compressed, it seemed to be long
            return True
        if self._long is None:
            # It is whole, although nobody saw it coming: it was compressed to next to nothing.
            self._begin_long(places).begin()
            if self.is_held_up:
                self._give_up_long()
                return False
        return self._may_be_worked_on()

    def _may_be_worked_on(self) -> bool:
        assert self._long is not None  # noqa: S101 - who asks has made sure
        if self._is_handed_over:  # the one before
            self._waits_for_answer = True
        elif self._long.may_be_worked_on():
            self._is_handed_over = True
            return True
        self.transport.pause_reading()
        return False

    def _begin_long(self, places: LongMessages) -> LongMessage:
        self._long = LongMessage(places, go_on=self._go_on, give_up=self._give_up_long)
        return self._long

    def _give_up_long(self) -> None:
        self._fail(
            CloseCode.POLICY_VIOLATION,
            "others wait for the place of this long message: send it again",
        )

    def _end_long(self) -> None:
        self._is_handed_over = self._waits_for_answer = False
        long, self._long = self._long, None
        if long is not None:
            long.end()

    def _go_on(self) -> None:
        raise NotImplementedError

    def _fail(self, code: CloseCode, reason: str) -> None:
        raise NotImplementedError


def _ends_message(event: Event) -> TypeGuard[Frame]:
    return isinstance(event, Frame) and event.fin and event.opcode in _PART_OF_MESSAGE
