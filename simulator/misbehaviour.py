"""What real stations do wrong. Each is one small class; none is on unless named."""

import math
import random
from collections.abc import Callable
from enum import StrEnum
from typing import Any, ClassVar

from simulator.charging import MessageKind
from simulator.rpc import Payload


class MisbehaviourName(StrEnum):
    """The names used by `voltaro sim --misbehave`."""

    DUPLICATE_START = "duplicate-start"
    DUPLICATE_STOP = "duplicate-stop"
    DUPLICATE_METER_VALUES = "duplicate-meter-values"
    SLOW_ANSWERS = "slow-answers"
    NO_ANSWERS = "no-answers"
    DROP_CONNECTION = "drop-connection"
    ZONELESS_TIMESTAMPS = "zoneless-timestamps"
    EMPTY_VALUES = "empty-values"
    WRONG_TRANSACTION_ID = "wrong-transaction-id"
    NEVER_STOP = "never-stop"
    REUSED_MESSAGE_IDS = "reused-message-ids"
    INVALID_SIGNATURE = "invalid-signature"
    FAILED_INSTALLATION = "failed-installation"


class Misbehaviour:
    """A station that behaves; every kind of misbehaviour overrides what it does otherwise."""

    name: ClassVar[MisbehaviourName]

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def copies(self, kind: MessageKind) -> int:
        """Return how often a transaction-related message is queued."""
        del kind
        return 1

    def tamper(self, kind: MessageKind | None, payload: Payload) -> Payload:
        """Return the payload as it goes out.

        Args:
            kind: None for messages that are not about a transaction.
            payload: Not to be changed in place; it may be sent again.
        """
        del kind
        return payload

    def answer_delay_s(self) -> float:
        """Return how long an answer to the CSMS is held back; infinity for ever."""
        return 0.0

    def drops_connection(self) -> bool:
        """Return whether the connection is to be lost in the middle of a charge."""
        return False

    def reuses_message_ids(self) -> bool:
        """Return whether a retransmission carries the message id of the first transmission."""
        return False

    def takes_signatures_for_forged(self) -> bool:
        """Return whether the signature of any firmware is found to be invalid."""
        return False

    def fails_to_install(self) -> bool:
        """Return whether the installation of any firmware fails."""
        return False


class DuplicateStart(Misbehaviour):
    """Reports every start twice."""

    name = MisbehaviourName.DUPLICATE_START

    def copies(self, kind: MessageKind) -> int:
        """Return 2 for a start."""
        return 2 if kind is MessageKind.STARTED else 1


class DuplicateStop(Misbehaviour):
    """Reports every stop twice."""

    name = MisbehaviourName.DUPLICATE_STOP

    def copies(self, kind: MessageKind) -> int:
        """Return 2 for a stop."""
        return 2 if kind is MessageKind.ENDED else 1


class DuplicateMeterValues(Misbehaviour):
    """Reports every sample twice."""

    name = MisbehaviourName.DUPLICATE_METER_VALUES

    def copies(self, kind: MessageKind) -> int:
        """Return 2 for a sample."""
        return 2 if kind is MessageKind.METERED else 1


class SlowAnswers(Misbehaviour):
    """Takes 5 to 20 seconds over every answer."""

    name = MisbehaviourName.SLOW_ANSWERS

    def answer_delay_s(self) -> float:
        """Return a wait as a station behind a poor mobile network shows it."""
        return self._rng.uniform(5.0, 20.0)


class NoAnswers(Misbehaviour):
    """Carries out commands but never answers them."""

    name = MisbehaviourName.NO_ANSWERS

    def answer_delay_s(self) -> float:
        """Return infinity."""
        return math.inf


class DropConnection(Misbehaviour):
    """Loses the connection in the middle of charges, without a closing handshake."""

    name = MisbehaviourName.DROP_CONNECTION

    def drops_connection(self) -> bool:
        """Return True."""
        return True


class ZonelessTimestamps(Misbehaviour):
    """Writes timestamps without their zone."""

    name = MisbehaviourName.ZONELESS_TIMESTAMPS

    def tamper(self, kind: MessageKind | None, payload: Payload) -> Payload:
        """Return the payload with the final Z of each timestamp cut off."""
        del kind
        return _rewritten(payload, "timestamp", lambda stamp: str(stamp).removesuffix("Z"))


class EmptyValues(Misbehaviour):
    """Sends one of the sampled values of each reading empty.

    1.6 writes values as strings, so this is within its schema. In 2.0.1 it is not.
    """

    name = MisbehaviourName.EMPTY_VALUES

    def tamper(self, kind: MessageKind | None, payload: Payload) -> Payload:
        """Return the payload with one `value` of each set of samples emptied."""
        del kind

        def emptied(samples: list[Payload]) -> list[Payload]:
            chosen = self._rng.randrange(len(samples))
            return [
                {**sample, "value": ""} if index == chosen else sample
                for index, sample in enumerate(samples)
            ]

        return _rewritten(payload, "sampledValue", emptied)


class WrongTransactionId(Misbehaviour):
    """Ends a transaction that was never begun."""

    name = MisbehaviourName.WRONG_TRANSACTION_ID

    def tamper(self, kind: MessageKind | None, payload: Payload) -> Payload:
        """Return a stop with another transaction's id."""
        if kind is not MessageKind.ENDED:
            return payload
        return _rewritten(payload, "transactionId", _other_id)


class NeverStop(Misbehaviour):
    """Never tells that a transaction has ended."""

    name = MisbehaviourName.NEVER_STOP

    def copies(self, kind: MessageKind) -> int:
        """Return 0 for a stop."""
        return 0 if kind is MessageKind.ENDED else 1


class ReusedMessageIds(Misbehaviour):
    """Sends again with the same message id, which JE 3.1 allows and many servers trip over."""

    name = MisbehaviourName.REUSED_MESSAGE_IDS

    def reuses_message_ids(self) -> bool:
        """Return True."""
        return True


class InvalidSignature(Misbehaviour):
    """Finds the signature of any firmware to be invalid."""

    name = MisbehaviourName.INVALID_SIGNATURE

    def takes_signatures_for_forged(self) -> bool:
        """Return True."""
        return True


class FailedInstallation(Misbehaviour):
    """Downloads firmware, and fails to install it."""

    name = MisbehaviourName.FAILED_INSTALLATION

    def fails_to_install(self) -> bool:
        """Return True."""
        return True


_KINDS: dict[MisbehaviourName, type[Misbehaviour]] = {
    kind.name: kind for kind in Misbehaviour.__subclasses__()
}


class Misbehaviours:
    """All that one station does wrong, asked as one."""

    __slots__ = ("_active",)

    def __init__(self, names: frozenset[MisbehaviourName], rng: random.Random) -> None:
        self._active = tuple(_KINDS[name](rng) for name in sorted(names))

    def copies(self, kind: MessageKind) -> int:
        """Return how often a transaction-related message is queued."""
        return math.prod(each.copies(kind) for each in self._active)

    def tamper(self, kind: MessageKind | None, payload: Payload) -> Payload:
        """Return the payload as it goes out."""
        for each in self._active:
            payload = each.tamper(kind, payload)
        return payload

    def answer_delay_s(self) -> float:
        """Return how long an answer is held back; infinity for ever."""
        return max((each.answer_delay_s() for each in self._active), default=0.0)

    def drops_connection(self) -> bool:
        """Return whether the connection is to be lost in the middle of a charge."""
        return any(each.drops_connection() for each in self._active)

    def reuses_message_ids(self) -> bool:
        """Return whether retransmissions keep their message id."""
        return any(each.reuses_message_ids() for each in self._active)

    def takes_signatures_for_forged(self) -> bool:
        """Return whether the signature of any firmware is found to be invalid."""
        return any(each.takes_signatures_for_forged() for each in self._active)

    def fails_to_install(self) -> bool:
        """Return whether the installation of any firmware fails."""
        return any(each.fails_to_install() for each in self._active)


def _rewritten(payload: Payload, key: str, change: Callable[[Any], Any]) -> Payload:
    """Return a copy of a payload in which `change` was applied to every field named `key`."""

    def walk(name: str, value: object) -> object:
        if name == key:
            return change(value)
        if isinstance(value, dict):
            return _rewritten(value, key, change)
        if isinstance(value, list):
            return [walk("", each) for each in value]
        return value

    return {name: walk(name, value) for name, value in payload.items()}


def _other_id(transaction_id: int | str) -> int | str:
    if isinstance(transaction_id, int):
        return transaction_id + 1_000_000
    return transaction_id[::-1]  # As long as the right one: it may have no character more.
