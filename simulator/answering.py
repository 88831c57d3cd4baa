"""How a station answers what the CSMS asks: at once, unless it misbehaves."""

import math

from simulator.context import Context
from simulator.dialect import Accepted, Answer, Dialect, Refused
from simulator.events import CommandAnswered, FrameIgnored, Send
from simulator.rpc import Call, Flaw, Malformed, encode_error, encode_result

#: Stands for the message id of something that is no frame (OCPP-J 2.0.1, 4.2.3).
_NO_MESSAGE_ID = "-1"


class Answering:
    """The answering half of a connection.

    Attributes:
        barred: The registration is Rejected, so nothing is carried out.
    """

    __slots__ = ("_context", "_dialect", "_held", "barred")

    def __init__(self, context: Context, dialect: Dialect) -> None:
        self._context = context
        self._dialect = dialect
        self._held: set[str] = set()
        self.barred = False

    def answer(self, call: Call) -> None:
        """Carry out a request and answer it."""
        if call.message_id in self._held:
            # OCPP-J 1.6 and 2.0.1, 4.2.3: a call with the same id is being handled already.
            problem = "a call with this message id is still in work"
            self.refuse(Malformed(Flaw.BROKEN_CALL, problem, call.message_id))
            return
        answer = self._find_answer(call)
        if answer is None:
            self._ignore(f"{call.action} while the registration is rejected")
            return
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

    def refuse(self, frame: Malformed) -> None:
        """Answer something that is no frame, if the version has an answer to it."""
        refused = self._dialect.malformed(frame.flaw, frame.problem)
        if refused is None:
            self._ignore(frame.problem)
        else:
            self._reply(frame.message_id or _NO_MESSAGE_ID, refused)

    def _find_answer(self, call: Call) -> Answer | None:
        if self.barred:
            return self._dialect.barred(call.action)
        return self._dialect.answer(call.action, call.payload)

    def _ignore(self, problem: str) -> None:
        self._context.report(FrameIgnored(problem=problem))

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
