"""What a station says of its transactions and is refused: it is kept before it is answered.

A CALLERROR is an answer. A station may forget what it said, or say it a few times more and then
forget it (OCPP 1.6 §3.7.1), and nobody would know of a charge that it tells of.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway import rpc
from gateway.answers import Answer
from gateway.decoding import decode
from gateway.lengths import TRANSACTION_ACTIONS, find_transaction_action
from gateway.quotas import Quota, StationQuotas
from gateway.steps import Steps
from shared.domain.redaction import REDACTED, redact
from shared.domain.secret_names import mentions_a_secret
from shared.domain.sessions.dead_letters import CallRefused
from shared.domain.stations.ocpp_log import CALL_RESULT
from shared.store.quotas import BEYOND_QUOTA

_ONLY_READINGS = re.compile(rb'"eventType"\s*:\s*"Updated"')
# Of what is no JSON so much is looked through at once, and a secret may stand across two pieces.
_PIECE_LENGTH = 16_384
_OVERLAP = 256
# Of a list so many items are looked through at once.
_ITEMS = 20
# For so long after one was beyond the quota those that are as long are not even tried: whoever goes
# on without end is to cost no reading and no writing. An operator may have made room after that.
_FULL_S = 10.0
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(slots=True)
class RefusedCall:
    """A CALL that no handler gets to see, tells of a transaction, and waits to be answered."""

    frame: bytes
    action: str
    refusal: rpc.Refusal

    @classmethod
    def of(cls, frame: bytes, refusal: rpc.Refusal) -> "RefusedCall | None":
        """Return a refused frame if it tells of a transaction."""
        known = refusal.action in TRANSACTION_ACTIONS
        action = refusal.action if known else find_transaction_action(frame)
        return None if action is None else cls(frame, action, refusal)

    @property
    def answer(self) -> Answer:
        """What it is answered with."""
        return self.refusal.code, self.refusal.frame


class RefusedCalls:
    """Keeps the refused CALLs of one connection as dead letters.

    Args:
        submit: commits a fact.
        quotas: told of what is beyond them.
        station_id: whose connection it is.
        ocpp_version: what it speaks.
    """

    __slots__ = ("_full", "_ocpp_version", "_quotas", "_station_id", "_submit")

    def __init__(
        self,
        submit: Callable[[CallRefused], Awaitable[str | None]],
        quotas: StationQuotas,
        *,
        station_id: str,
        ocpp_version: str,
    ) -> None:
        self._submit = submit
        self._quotas = quotas
        self._station_id = station_id
        self._ocpp_version = ocpp_version
        # Of those with readings alone and of the others: until when, and what was too long.
        self._full: dict[bool, tuple[float, int]] = {}

    async def keep(self, action: str, frame: bytes, answer: Answer) -> None:
        """Keep a CALL if it tells of a transaction and is answered with a CALLERROR.

        Raises:
            StoreAwayError: it could not be kept, so the station must not be answered.
        """
        word, told = answer
        if word == CALL_RESULT or action not in TRANSACTION_ACTIONS:
            return
        only_readings = action == "MeterValues" or bool(_ONLY_READINGS.search(frame))
        until_s, too_long = self._full.get(only_readings, (0.0, 0))
        if len(frame) >= too_long and time.monotonic() < until_s:
            self._quotas.heed(self._station_id, Quota.REFUSED_CALLS, BEYOND_QUOTA)
            return
        _, _, code, description, _ = decode(told)
        written = await self._submit(
            CallRefused(
                station_id=self._station_id,
                ocpp_version=self._ocpp_version,
                action=action,
                error_code=code,
                error_description=description,
                frame=await _without_secrets(frame),
                only_readings=only_readings,
            )
        )
        if written == BEYOND_QUOTA:
            self._full[only_readings] = (time.monotonic() + _FULL_S, len(frame))
        self._quotas.heed(self._station_id, Quota.REFUSED_CALLS, written)


async def _without_secrets(frame: bytes) -> str:
    """Return a frame as it may be kept; a long one is looked through in turns with all others."""
    text = frame.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    try:
        content = decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        for start in range(0, len(text), _PIECE_LENGTH):
            if mentions_a_secret(text[start : start + _PIECE_LENGTH + _OVERLAP]):
                return REDACTED
            await asyncio.sleep(0)
        return text
    try:
        masked = await _in_turns(_redact(content))
    except RecursionError:  # too deep to be looked through
        return REDACTED
    return text if masked == content else _encode(masked).decode()


async def _in_turns(steps: Steps[Any]) -> Any:  # noqa: ANN401 - any JSON
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        await asyncio.sleep(0)


def _redact(frame: Any) -> Steps[Any]:  # noqa: ANN401 - any JSON
    """Redact a frame in steps, each of which is some items of a list in its payload."""
    match frame:
        case [*head, dict(payload)]:
            lists = {name: each for name, each in payload.items() if isinstance(each, list)}
            rest = redact({name: each for name, each in payload.items() if name not in lists})
            for name, items in lists.items():
                redacted: list[Any] = []
                for start in range(0, len(items), _ITEMS):
                    # Within its member, as its name may say what it holds.
                    some = redact({name: items[start : start + _ITEMS]})[name]
                    redacted += some if isinstance(some, list) else [some]
                    yield
                rest[name] = redacted
            return [*redact(head), rest]
    return redact(frame)
