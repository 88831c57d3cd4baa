"""Times the calls of one connection by watching its frames go by."""

from typing import NamedTuple

#: `[`, message type, message id, action and payload are five pieces between quotation marks.
_PIECES = 4


class TimedCall(NamedTuple):
    """A CALL that has come to an end.

    Attributes:
        action: OCPP action.
        latency_s: From its transmission to its answer, or to the moment it was given up.
    """

    action: str
    latency_s: float


class CallTimer:
    """Knows the one CALL that may be open (OCPP-J 1.6, 4.1.1).

    Frames are not decoded: the simulator's core does that anyway, and a generator should be cheap.
    The message ids of our stations hold no quotation mark and no escape, so that the second piece
    between quotation marks is the id, in an answer as well, however it is spaced.
    """

    __slots__ = ("_action", "_message_id", "_sent_at")

    def __init__(self) -> None:
        self._message_id: str | None = None
        self._action = ""
        self._sent_at = 0.0

    def sent(self, text: str, at: float) -> None:
        """Take note of a frame that goes out; answers of ours are none of its business."""
        if text.startswith("[2,"):
            _, self._message_id, _, self._action, _ = text.split('"', _PIECES)
            self._sent_at = at

    def received(self, text: str, at: float) -> TimedCall | None:
        """Return the call that a frame answers, None if it answers none."""
        if self._message_id is None:
            return None
        head, _, rest = text.partition('"')
        # A command of the CSMS may carry any message id, by bad luck even ours.
        if "2" in head or rest.partition('"')[0] != self._message_id:
            return None
        return self.given_up(at)

    def given_up(self, at: float) -> TimedCall | None:
        """Return the open call, which ends here without an answer; None if there is none."""
        if self._message_id is None:
            return None
        self._message_id = None
        return TimedCall(self._action, at - self._sent_at)
