"""Mends messages that break their schema but leave no doubt about what is meant.

A message is validated strictly first, so one that is right costs nothing here. One that is wrong is
mended violation by violation until only those are left that do no harm. Of what does harm as little
as possible is left out: a member that decides nothing (`gateway.tolerances`), or the item of a list
that it stands in, so that one bad item costs its neighbours nothing. Only where that would be the
whole is the message refused. What is mended, and how, is named by `QuirkKind`.

What is never guessed: who charges, where, and how much. An EVSE, a token or a register that is
missing stays missing.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from gateway.errors import CallRefusedError
from gateway.habits import Habits
from gateway.mending import LISTS, SAMPLES, Deviation, Deviations, Lesson, Round, add, places
from gateway.portions import Portion, divide, find_heavy_list, join
from gateway.schemas import Schema
from gateway.steps import Steps, finish
from gateway.tolerances import WHOLE_LISTS, max_length
from gateway.weight import weigh
from shared.domain.stations.quirks import QuirkKind

__all__ = ["Deviation", "Note", "is_heavy", "mend", "mend_and_note", "mend_and_note_in_steps"]

# A mended member may show another violation, such as a text that is a number and too large, and
# what does harm then is given up. Nothing real needs more rounds than this.
_MAX_ROUNDS = 8
# Finding everything that is wrong takes about 8 µs per violation, all in one go, and some values
# break several rules. So much (`gateway.weight`) is looked through at once; longer lists in pieces.
_MAX_WEIGHT = 1_000
_PORTION_WEIGHT = 500
# Mending takes as much again. So many places of one message are mended one by one: 20 ms of a
# processor. What deviates like others before it does not count (`gateway.habits`). So no station
# comes near, however long what it tells; whoever does makes up a new deviation for every sample.
# What is beyond them is asked for no more than whether it is right: 25 ms more at the worst.
_MAX_PLACES = 1_500

Note: TypeAlias = Callable[[str, Deviation], None]
"""Takes an Action and how its message deviates."""


def is_heavy(payload: dict[str, Any]) -> bool:
    """Tell whether there is so much in a payload that it is not mended in one go."""
    return weigh(payload, _MAX_WEIGHT) > _MAX_WEIGHT


def mend(action: str, schema: Schema, payload: dict[str, Any], now: str) -> list[Deviation]:
    """Mend a payload, in place, and name what was wrong with it.

    Args:
        action: whose payload it is.
        schema: what it should be like.
        payload: what breaks it.
        now: stands for a missing time: the message has just come.

    Returns:
        What was mended or tolerated.

    Raises:
        CallRefusedError: it is beyond mending; `payload` may be half mended.
    """
    return finish(_mend_in_steps(action, schema, payload, now))


def _mend_in_steps(
    action: str, schema: Schema, payload: dict[str, Any], now: str
) -> Steps[list[Deviation]]:
    mending = _Mending(action, now)
    if is_heavy(payload):
        yield from mending.mend_in_portions(schema, payload)
        return list(mending.found.values())
    try:
        mending.mend(schema, payload)
    except _TooMuchError:
        schema.validate(payload)
    return list(mending.found.values())


def mend_and_note(action: str, schema: Schema, payload: dict[str, Any], note: Note) -> None:
    """Mend a payload, in place, and note how it deviated: each way once, however often.

    Raises:
        CallRefusedError: it is beyond mending; that is noted as well.
    """
    finish(mend_and_note_in_steps(action, schema, payload, note))


def mend_and_note_in_steps(
    action: str, schema: Schema, payload: dict[str, Any], note: Note
) -> Steps[None]:
    """Do the same in steps of some milliseconds."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    try:
        found = yield from _mend_in_steps(action, schema, payload, now)
    except CallRefusedError as error:
        note(action, Deviation(QuirkKind.REFUSED, error.member, error.code))
        raise
    for deviation in found:
        note(action, deviation)


class _TooMuchError(Exception):
    """There is more to mend than is mended of one message."""


class _Mending:
    """What is done about one message; `found` has each way in which it deviates once."""

    def __init__(self, action: str, now: str) -> None:
        self.found: Deviations = {}
        self._action = action
        self._now = now
        self._places_left = _MAX_PLACES
        self._habits = Habits(max_length)
        self._in_portions = False
        self._looked_into = 1

    def mend(self, schema: Schema, payload: dict[str, Any], member: str = "") -> list[int]:
        """Mend a payload that is light.

        Args:
            schema: what it should be like.
            payload: what breaks it.
            member: whose items are told apart.

        Returns:
            Where the items that are left of this member stood.

        Raises:
            CallRefusedError: it is beyond mending.
            _TooMuchError: it takes too long.
        """
        left = list(range(len(payload[member]))) if member else []
        for _ in range(_MAX_ROUNDS):
            if self._places_left > 0:
                violations = list(schema.find_violations(payload))
                self._places_left -= sum(map(places, violations))
            if self._places_left <= 0:
                raise _TooMuchError
            # A member in other letter case is one too many and one missing: it is renamed first.
            violations.sort(key=lambda violation: violation.kind != "AdditionalProperties")
            round_ = Round(self._action, payload, self._now)
            for violation in violations:
                round_.take(violation)
            if not round_.mended:  # what does harm may be the other side of what was mended
                round_.give_up_harm()
            dropped = round_.drop_items().get(id(payload.get(member)), ())
            left = [at for position, at in enumerate(left) if position not in dropped]
            self._learn(round_.lessons)
            self.found |= round_.mended
            if member and not left:
                return left  # of all portions together there may be some
            if round_.mended:
                continue
            if not round_.unsettled:
                self.found |= round_.tolerated
                # Only now that nothing around it is dropped.
                self._learn(round_.tolerations)
                return left
            break
        schema.validate(payload)
        return left

    def mend_in_portions(self, schema: Schema, payload: dict[str, Any]) -> Steps[None]:
        """Mend a payload that is heavy because of one long list.

        Raises:
            CallRefusedError: it is beyond mending.
        """
        name = find_heavy_list(payload, _MAX_WEIGHT)
        member = name and schema.find_property(name)
        rest = {key: value for key, value in payload.items() if key != name}
        portions = None
        if name is not None and member is not None and member not in rest:
            portions = yield from divide(payload[name], _PORTION_WEIGHT, schema.members)
        if member is None or portions is None:
            schema.validate(payload)
            return
        if member != name:
            add(self.found, QuirkKind.WRONG_CASE, (member,), name)
        self._in_portions = True
        outer, inner = schema.split(member)
        rest[member] = []
        try:
            self.mend(outer, rest)
        except _TooMuchError:
            outer.validate(rest)
        for portion in portions:
            yield
            self._mend_portion(inner, member, portion)
        rest[member] = join(portions)
        if not rest[member] and not inner.allows({member: []}):
            add(self.found, QuirkKind.TOO_FEW, (member,), "")
        payload.clear()
        payload.update(rest)

    def _learn(self, lessons: Iterable[Lesson]) -> None:
        if self._in_portions:
            for lesson, *arguments in lessons:
                lesson(self._habits, *arguments)

    def _mend_portion(self, schema: Schema, member: str, portion: Portion) -> None:
        """Mend a portion as others were mended, and place by place only what is not right then."""
        items = portion.items
        if schema.allows({member: items}):
            return
        if self._places_left > 0 or member not in LISTS:
            mended = self._habits.apply(schema, member, items)
            if mended is not None:
                portion.items = mended
                return
        portion.items = items = items.copy()
        waiting, given_up = self._mend_items(schema, member, items)
        if waiting and member in WHOLE_LISTS:
            schema.validate({member: items})
        elif waiting or given_up:
            left = (each for each in enumerate(items) if each[0] not in given_up)
            portion.items = [
                kept
                for at, item in left
                for kept in (
                    self._keep_right(schema, member, portion, item) if at in waiting else [item]
                )
            ]

    def _mend_items(
        self, schema: Schema, member: str, items: list[Any]
    ) -> tuple[set[int], set[int]]:
        """Look into one item, then into two, four and so on: what they tell holds for the rest.

        Returns:
            The positions of what would be too much, and of what is given up.
        """
        waiting = list(range(len(items)))
        given_up: set[int] = set()
        while self._places_left > 0:
            waiting = [at for at in waiting if not self._apply_to(schema, member, items, at)]
            if not waiting:
                break
            now = waiting[: self._looked_into]
            self._looked_into *= 2
            part = {member: [items[at] for at in now]}
            try:
                left = [now[position] for position in self.mend(schema, part, member)]
            except _TooMuchError:
                break
            for at, item in zip(left, part[member], strict=True):
                items[at] = item
            given_up |= set(now).difference(left)
            waiting = waiting[len(now) :]
        return set(waiting), given_up

    def _apply_to(self, schema: Schema, member: str, items: list[Any], at: int) -> bool:
        """Mend one item as others were, and return whether it is right then."""
        mended = self._habits.apply(schema, member, [items[at]])
        if mended is not None:
            (items[at],) = mended
        return mended is not None

    def _keep_right(self, schema: Schema, member: str, portion: Portion, item: object) -> list[Any]:
        """Return what is right of an item that nobody looks into any more, if anything is.

        It deviates in ways that no item before it does, after all that are looked into. A CALLERROR
        would say that the message cannot be processed, and a station sends it a few times more and
        throws it away then (OCPP 1.6 §3.7.1, OCPP-J 1.6 errata 3.3): with this item the others
        would be lost, and the end of a charge.
        """
        if member not in LISTS:
            mended = self._habits.apply(schema, member, [item])
            if mended is None:
                add(self.found, QuirkKind.ITEM_DROPPED, (member,), "")
            return mended or []
        right: dict[str, Any] = {}
        wrong = True
        if isinstance(item, dict):
            right, wrong = self._habits.apply_to_right(schema, member, item, SAMPLES)
        if wrong:
            add(self.found, QuirkKind.SAMPLE_DROPPED, (member, SAMPLES), "")
        return [right] if right.get(SAMPLES) or portion.part_of == SAMPLES else []
