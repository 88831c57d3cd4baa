"""One side of an OCPP-J connection: the CALL slot, the queues in front of it, and redialling."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import msgspec

from simulator.answering import Answering
from simulator.backoff import Backoff
from simulator.context import Context
from simulator.dialect import Authorization, Clearance, Dialect, Failure, Request
from simulator.events import (
    Acknowledged,
    CallFailed,
    Connected,
    ConnectionRefused,
    Dial,
    Discarded,
    Disconnected,
    FrameIgnored,
    HangUp,
    Send,
)
from simulator.outbox import Outbox, TransactionMessage
from simulator.rpc import Call, CallError, CallResult, Malformed, Payload, decode, encode_call

#: Told of each confirmed transaction-related message and what the answer says about the token.
Delivered: TypeAlias = Callable[[TransactionMessage, Authorization | None], None]


@dataclass(slots=True)
class _OpenCall:
    message_id: str
    action: str
    payload: Payload
    subject: Request | TransactionMessage


class Link:
    """Connected or not, it takes what the station wants to say and says it when it may.

    Attributes:
        online: A connection is open.
        offline_since: When the last connection ended, or the station was made; seconds since the
            Unix epoch.
        needs: Clearance a request needs at present, by the state of the registration.
        answering: The other direction.
        on_idle: Called when the slot is free and nothing else is to be said.
    """

    __slots__ = (
        "_backoff",
        "_context",
        "_delivered",
        "_dialect",
        "_open",
        "_outbox",
        "_redial_in_s",
        "_urgent",
        "answering",
        "needs",
        "offline_since",
        "on_idle",
        "online",
    )

    def __init__(self, context: Context, dialect: Dialect, delivered: Delivered) -> None:
        self._context = context
        self._dialect = dialect
        self._delivered = delivered
        self._backoff = Backoff(context.profile.reconnect, context.rng)
        self._outbox = Outbox()
        self._urgent: deque[Request] = deque()
        self._open: _OpenCall | None = None
        self._redial_in_s: float | None = None
        self.online = False
        self.offline_since = context.now
        self.needs = Clearance.BOOT
        self.answering = Answering(context, dialect)
        self.on_idle: Callable[[], None] | None = None

    @property
    def ready(self) -> bool:
        """Whether an ordinary request would go out."""
        return self.online and self.needs is Clearance.NORMAL

    @property
    def idle(self) -> bool:
        """Whether nothing is to be said and no answer is awaited."""
        return self._open is None and not self._urgent and not self._outbox

    @property
    def undelivered(self) -> int:
        """How many transaction-related messages the CSMS has not confirmed yet."""
        return len(self._outbox)

    def owes(self, transaction_id: int | str) -> bool:
        """Return whether anything about this transaction is not confirmed yet."""
        return any(message.charge.transaction_id == transaction_id for message in self._outbox)

    # What the station wants to say

    def call(self, request: Request) -> None:
        """Send a request as soon as the slot is free; offline it fails at once.

        It may overtake transaction-related messages (1.6, 3.7), never another request.
        """
        if not self.online or request.clearance < self.needs:
            request.on_failure(Failure.OFFLINE)
            return
        self._urgent.append(request)
        self.pump()

    def queue(self, message: TransactionMessage) -> None:
        """Deliver a transaction-related message, however long that takes."""
        message.offline = not self.online
        for _ in range(self._context.misbehaviours.copies(message.kind)):
            self._outbox.put(replace(message))
        self.pump()

    def pump(self) -> None:
        """Fill the CALL slot, of which there is one (OCPP-J 1.6, 4.1.1)."""
        if not self.online or self._open is not None:
            return
        while self._urgent:
            request = self._urgent.popleft()
            if request.clearance >= self.needs:
                self._transmit(request, request.payload)
                return
            request.on_failure(Failure.OFFLINE)
        if self.needs is not Clearance.NORMAL:
            return
        if message := self._outbox.due(self._context.now):
            self._transmit(message, self._dialect.address(message))
            return
        if (retry_at := self._outbox.retry_at) is not None:
            self._context.timers.set("retry", retry_at, self.pump)
        if self.on_idle is not None:
            self.on_idle()

    # What the driver reports

    def opened(self) -> None:
        """Take note that the handshake succeeded."""
        self.online = True
        self._context.report(Connected())

    def lost(self, reason: str) -> None:
        """Take note that the connection is gone, and plan the next one."""
        self._abandon()
        wait_s = self._redial_in_s
        self._redial_in_s = None
        if wait_s is None:
            wait_s = self._backoff.next_wait_s()
        self._redial(wait_s)
        self._context.report(
            Disconnected(
                reason=reason,
                retry_in_s=round(wait_s, 3),
            )
        )

    def refused(self, status: int | None, reason: str, retry_after_s: float | None) -> None:
        """Take note that no connection came about, and plan the next attempt."""
        wait_s = self._backoff.next_wait_s(retry_after_s)
        self._redial(wait_s)
        self._context.report(
            ConnectionRefused(
                status=status,
                reason=reason,
                retry_in_s=round(wait_s, 3),
            )
        )

    def receive(self, text: str | bytes) -> None:
        """Take one message of the CSMS."""
        match decode(text):
            case Call() as call:
                self.answering.answer(call)
            case CallResult(message_id=message_id, payload=payload):
                self._settle(message_id, payload)
            case CallError(message_id=message_id, code=code, description=description):
                self._reject(message_id, f"{code}: {description}")
            case Malformed() as frame:
                self.answering.refuse(frame)

    # What the station decides about its connection

    def dial(self) -> None:
        """Open the connection now."""
        self._context.timers.cancel("dial")
        self._context.emit(Dial())

    def hang_up(
        self, reason: str, *, abrupt: bool = False, redial_in_s: float | None = None
    ) -> None:
        """Close the connection; the driver reports its loss when it is done.

        Args:
            reason: Close reason.
            abrupt: Without a closing handshake.
            redial_in_s: Wait before the next attempt; None leaves it to the back-off.
        """
        self._redial_in_s = redial_in_s
        self._abandon()
        self._context.emit(HangUp(reason=reason, abrupt=abrupt))

    def cut(self) -> None:
        """Cut the wire, as a lost mobile network does."""
        if self.online:
            self.hang_up("simulated loss of the connection", abrupt=True)

    def _redial(self, wait_s: float) -> None:
        self._context.timers.set("dial", self._context.now + wait_s, self.dial)

    def _abandon(self) -> None:
        """Forget the connection, but nothing that has to be delivered."""
        if not self.online:
            return
        self.online = False
        self.offline_since = self._context.now
        timers = self._context.timers
        for name in ("call", "retry"):
            timers.cancel(name)
        self.answering.connection_lost()
        self._outbox.connection_lost()
        given_up = list(self._urgent)
        self._urgent.clear()
        if self._open is not None and isinstance(self._open.subject, Request):
            given_up.insert(0, self._open.subject)
        self._open = None
        for request in given_up:
            request.on_failure(Failure.OFFLINE)

    # Our requests

    def _transmit(self, subject: Request | TransactionMessage, payload: Payload) -> None:
        context = self._context
        message_id = context.new_message_id()
        kind = None
        if isinstance(subject, TransactionMessage):
            kind = subject.kind
            if subject.message_id is None:
                subject.message_id = message_id
            elif context.misbehaviours.reuses_message_ids():
                message_id = subject.message_id
        payload = context.misbehaviours.tamper(kind, payload)
        self._open = _OpenCall(message_id, subject.action, payload, subject)
        context.timers.set("call", context.now + context.settings.call_timeout_s, self._time_out)
        context.emit(Send(encode_call(message_id, subject.action, payload)))

    def _take_open(self, message_id: str) -> _OpenCall | None:
        """Return the open call if it has this id; anything else must not end it (JE 4.1.1)."""
        call = self._open
        if call is None or call.message_id != message_id:
            self._ignore(f"an answer to {message_id!r}, which is not open")
            return None
        self._open = None
        self._context.timers.cancel("call")
        return call

    def _settle(self, message_id: str, response: Payload) -> None:
        call = self._take_open(message_id)
        if call is None:
            return
        self._backoff.reset()
        subject = call.subject
        try:
            if isinstance(subject, Request):
                subject.on_result(response)
            else:
                self._deliver(call, subject, response)
        except msgspec.ValidationError as error:
            self._failed(call, Failure.REFUSED, f"the answer is unusable: {error}")
            return
        self.pump()

    def _deliver(self, call: _OpenCall, message: TransactionMessage, response: Payload) -> None:
        # Read first: an answer that cannot be used is a failure, and the message stays.
        authorization = self._dialect.read_delivered(message, response)
        self._outbox.acknowledged()
        self._context.report(
            Acknowledged(
                kind=message.kind.value,
                action=call.action,
                message_id=call.message_id,
                connector_id=message.charge.connector_id,
                payload=call.payload,
                response=response,
                attempt=message.failures + 1,
                queued_at=message.queued_at,
            )
        )
        self._delivered(message, authorization)

    def _reject(self, message_id: str, detail: str) -> None:
        if call := self._take_open(message_id):
            self._backoff.reset()
            self._failed(call, Failure.REFUSED, detail)

    def _time_out(self) -> None:
        call = self._open
        if call is not None:
            self._open = None
            self._failed(call, Failure.TIMED_OUT, f"{self._context.settings.call_timeout_s} s")

    def _failed(self, call: _OpenCall, failure: Failure, detail: str) -> None:
        context = self._context
        context.report(
            CallFailed(
                action=call.action,
                failure=failure.value,
                detail=detail,
            )
        )
        if isinstance(call.subject, Request):
            call.subject.on_failure(failure)
        elif dropped := self._outbox.failed(
            context.now,
            attempts=context.settings.transaction_attempts,
            retry_s=context.settings.transaction_retry_s,
        ):
            self._dialect.given_up(dropped)
            context.report(
                Discarded(
                    kind=dropped.kind.value,
                    action=dropped.action,
                    connector_id=dropped.charge.connector_id,
                    payload=call.payload,
                    attempts=dropped.failures,
                )
            )
        self.pump()

    def _ignore(self, problem: str) -> None:
        self._context.report(
            FrameIgnored(
                problem=problem,
            )
        )
