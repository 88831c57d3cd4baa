"""The queue of transaction-related messages: in order, across lost connections and restarts."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from simulator.charging import Charge, MessageKind
from simulator.rpc import Payload


@dataclass(slots=True, eq=False)
class TransactionMessage:
    """One message of one charge.

    Attributes:
        kind: What it says.
        charge: Which charge it is about.
        action: OCPP action.
        payload: Complete but for what is known only when it is sent, such as a 1.6 transactionId.
        queued_at: When it came into being, seconds since the Unix epoch.
        offline: It could not be sent at once, or the connection was lost before it was confirmed.
        failures: How often the CSMS failed to process it.
        message_id: Of the first transmission, None before it.
    """

    kind: MessageKind
    charge: Charge
    action: str
    payload: Payload
    queued_at: float
    offline: bool = False
    failures: int = 0
    message_id: str | None = None


class Outbox:
    """First in, first out, with the retry rule of OCPP 1.6, 3.7.1 (2.0.1: E13)."""

    __slots__ = ("_queue", "_retry_at")

    def __init__(self) -> None:
        self._queue: deque[TransactionMessage] = deque()
        self._retry_at = 0.0

    def __len__(self) -> int:
        return len(self._queue)

    def __iter__(self) -> Iterator[TransactionMessage]:
        return iter(self._queue)

    def put(self, message: TransactionMessage) -> None:
        """Queue a message behind all others; 3.7 forbids overtaking."""
        self._queue.append(message)

    def due(self, now: float) -> TransactionMessage | None:
        """Return the oldest message if it may be sent at `now`; it stays queued."""
        return self._queue[0] if self._queue and self._retry_at <= now else None

    @property
    def retry_at(self) -> float | None:
        """When the oldest message may be sent, None if there is none."""
        return self._retry_at if self._queue else None

    def acknowledged(self) -> None:
        """Drop the oldest message: it has arrived."""
        self._queue.popleft()
        self._retry_at = 0.0

    def connection_lost(self) -> None:
        """Send again without delay on the next connection: an interruption is no failure.

        What is still queued counts as offline from now on (2.0.1: E11.FR.07).
        """
        self._retry_at = 0.0
        for message in self._queue:
            message.offline = True

    def failed(self, now: float, *, attempts: int, retry_s: float) -> TransactionMessage | None:
        """Count a failure to process the oldest message.

        Args:
            now: Seconds since the Unix epoch.
            attempts: How often a message is tried altogether.
            retry_s: Wait before a retransmission, times the number of preceding ones.

        Returns:
            The message, if it was given up and dropped.
        """
        message = self._queue[0]
        message.failures += 1
        if message.failures >= attempts:
            self._queue.popleft()
            self._retry_at = 0.0
            return message
        self._retry_at = now + retry_s * message.failures
        return None
