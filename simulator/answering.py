"""How a station answers what the CSMS asks: at once, unless it misbehaves."""

import math

from simulator.context import Context
from simulator.dialect import Accepted, Answer, Dialect, Refused
from simulator.events import CommandAnswered, FrameIgnored, Send
from simulator.rpc import Call, encode_error, encode_result


class Answering:
    """The answering half of a connection.

    Attributes:
        deaf: Nothing is answered, as 1.6, 4.2 demands while the registration is Rejected.
    """

    __slots__ = ("_context", "_dialect", "_held", "deaf")

    def __init__(self, context: Context, dialect: Dialect) -> None:
        self._context = context
        self._dialect = dialect
        self._held: set[str] = set()
        self.deaf = False

    def answer(self, call: Call) -> None:
        """Carry out a request and answer it."""
        if self.deaf:
            self._context.report(
                FrameIgnored(problem=f"{call.action} while the registration is rejected")
            )
            return
        if call.message_id in self._held:
            # OCPP-J 1.6, 4.2.3: a call with the same id is being handled already.
            self.refuse(call.message_id, "a call with this message id is still in work")
            return
        answer = self._dialect.answer(call.action, call.payload)
        self._context.report(
            CommandAnswered(
                action=call.action,
                payload=self._dialect.loggable(call.action, call.payload),
                response=answer.payload if isinstance(answer, Accepted) else None,
                error=answer.code if isinstance(answer, Refused) else None,
            )
        )
        delay_s = self._context.misbehaviours.answer_delay_s()
        if delay_s > 0:
            self._hold(call.message_id, answer, delay_s)
        else:
            self._reply(call.message_id, answer)

    def refuse(self, message_id: str, problem: str) -> None:
        """Answer a CALL that is none."""
        self._reply(message_id, self._dialect.malformed(problem))

    def connection_lost(self) -> None:
        """Forget the answers that were held back; nobody waits for them any more."""
        for message_id in self._held:
            self._context.timers.cancel(("answer", message_id))
        self._held.clear()

    def _hold(self, message_id: str, answer: Answer, delay_s: float) -> None:
        if math.isinf(delay_s):
            self._follow_up(answer)
            return

        def release() -> None:
            self._held.discard(message_id)
            self._reply(message_id, answer)

        self._held.add(message_id)
        self._context.timers.set(("answer", message_id), self._context.now + delay_s, release)

    def _reply(self, message_id: str, answer: Answer) -> None:
        if isinstance(answer, Accepted):
            text = encode_result(message_id, answer.payload)
        else:
            text = encode_error(message_id, answer.code, answer.description)
        self._context.emit(Send(text))
        self._follow_up(answer)

    @staticmethod
    def _follow_up(answer: Answer) -> None:
        if isinstance(answer, Accepted) and answer.then is not None:
            answer.then()
