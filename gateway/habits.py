"""How one message deviates again and again: what was mended in one item is mended in the others.

A station that says "KWH" says it in every sample, and what finds it in one need not look for it in
thousands. What was done at one place (`gateway.mending`) is done at the same place of other items,
without asking the schema what is wrong with them; afterwards the schema is asked whether they are
right, which costs little. What is not right then is as it came, to be looked into place by place.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeAlias

from gateway.schemas import Schema

# What holds more is looked into place by place, where too many unknown members do harm.
_MAX_MEMBERS = 100
# A text becomes another one at most, and that is left out: nothing deviates in more steps.
_MAX_STEPS = 3
# Stand for what the schema does not allow and is kept, or goes as a whole, while it is asked. The
# only lists that are kept empty are those of samples.
_SHORT_TEXT, _SOME_VALUE = "-", "0"
_SOME_SAMPLES = [{"value": _SOME_VALUE}]
_ABSENT = object()

_Path: TypeAlias = tuple[str | int, ...]
Convert: TypeAlias = Callable[[Any], Any]
"""Returns what a value stands for, or None if it does not read as that."""


class _Fate(Enum):
    LEFT_OUT = auto()
    DOOMS = auto()
    """What it stands in is dropped from its list."""


@dataclass(slots=True)
class _Place:
    """What is done to the objects at one path, whatever their positions in lists."""

    renamed: dict[str, str] = field(default_factory=dict)
    # What another member has to be there for, if any.
    needless: dict[str, str | None] = field(default_factory=dict)
    # By member, and then by a text itself or by a value's type.
    values: dict[str, dict[object, Convert | _Fate]] = field(default_factory=dict)
    missing: dict[str, Callable[[], Any] | _Fate] = field(default_factory=dict)
    # What is tolerated, and by member what stands for it while the schema is asked.
    tolerates: bool = False
    too_long: set[str] = field(default_factory=set)
    may_be_empty: set[str] = field(default_factory=set)
    may_be_missing: dict[str, Any] = field(default_factory=dict)
    kept_words: dict[str, dict[str, str]] = field(default_factory=dict)
    inner: dict[str, "_Place"] = field(default_factory=dict)


class Habits:
    """What was mended of one message so far.

    It grows by one entry at most for each place that is mended, and what one object costs does not
    grow with it.

    Args:
        max_length: returns how long a member's text may be and is kept, though it is too long.
    """

    def __init__(self, max_length: Callable[[str], int]) -> None:
        self._root = _Place()
        self._max_length = max_length

    def rename(self, path: _Path, name: str, meant: str) -> None:
        """Remember what a member of the object at `path` was meant to be called."""
        self._at(path).renamed[name] = meant

    def drop(self, path: _Path, name: str, beside: str | None) -> None:
        """Remember that a member means nothing, or nothing `beside` another one."""
        self._at(path).needless[name] = beside

    def fill_in(self, path: _Path, implied: Callable[[], Any]) -> None:
        """Remember what a missing member is."""
        self._at(path[:-1]).missing[str(path[-1])] = implied

    def convert(self, path: _Path, key: object, convert: Convert) -> None:
        """Remember what is made of a text, or of all values of a type: of `key`."""
        self._remember(path, key, convert)

    def leave_out(self, path: _Path, value: str | None) -> None:
        """Remember that a member which says nothing, and how, is left out."""
        self._remember(path, type(None) if value is None else value, _Fate.LEFT_OUT)

    def doom(self, path: _Path, word: object) -> None:
        """Remember that an object is dropped for a member's text, or for its absence if None."""
        if isinstance(word, str):
            self._remember(path, word, _Fate.DOOMS)
        elif word is None:
            self._at(path[:-1]).missing[str(path[-1])] = _Fate.DOOMS

    def keep_long(self, path: _Path) -> None:
        """Remember that a text is kept though it is too long."""
        if isinstance(path[-1], str):
            self._tolerant_at(path[:-1]).too_long.add(path[-1])

    def keep_empty(self, path: _Path) -> None:
        """Remember that a list is kept though it is empty."""
        if isinstance(path[-1], str):
            self._tolerant_at(path[:-1]).may_be_empty.add(path[-1])

    def keep_missing(self, path: _Path, stand_in: object) -> None:
        """Remember that a member may be missing, and what would be right there."""
        self._tolerant_at(path[:-1]).may_be_missing[str(path[-1])] = stand_in

    def keep_word(self, path: _Path, word: str, stand_in: str) -> None:
        """Remember that a word is kept though there is no such word, and one that there is."""
        if isinstance(path[-1], str):
            words = self._tolerant_at(path[:-1]).kept_words
            words.setdefault(path[-1], {})[word] = stand_in

    def apply(self, schema: Schema, member: str, items: list[Any]) -> list[Any] | None:
        """Return a list's items as place by place they would become.

        Args:
            schema: of an object that has this list alone.
            member: what the list is called there.
            items: stay as they are.

        Returns:
            None if there is more to mend in them than is known so far.
        """
        place = self._root.inner.get(member)
        if place is None:
            return items if schema.allows({member: items}) else None
        return _Attempt(self._max_length).mend(schema, member, place, items)

    def apply_to_right(
        self, schema: Schema, member: str, item: dict[str, Any], name: str
    ) -> tuple[dict[str, Any], bool]:
        """Return one item with what is right of a list in it, and whether anything is not.

        Args:
            schema: of an object that has a list of such items alone.
            member: what that list is called there.
            item: stays as it is.
            name: of the list in it, whose parts are right or not each by itself.
        """
        place = self._root.inner.get(member, _Place())
        return _Attempt(self._max_length).mend_right(schema, member, place, item, name)

    def _remember(self, path: _Path, key: object, what: Convert | _Fate) -> None:
        if isinstance(path[-1], str):
            self._at(path[:-1]).values.setdefault(path[-1], {})[key] = what

    def _tolerant_at(self, path: _Path) -> _Place:
        place = self._at(path)
        place.tolerates = True
        return place

    def _at(self, path: _Path) -> _Place:
        place = self._root
        for step in path:
            if isinstance(step, str):
                inner = place.inner.get(step)
                if inner is None:
                    inner = place.inner[step] = _Place()
                place = inner
        return place


class _Attempt:
    """Some items, mended as others were."""

    def __init__(self, max_length: Callable[[str], int]) -> None:
        self._max_length = max_length
        self._set_aside: list[tuple[dict[str, Any], str, Any]] = []
        self._doomed: set[int] = set()
        # And whether they may be left empty.
        self._lists_with_doomed: list[tuple[list[Any], bool]] = []

    def mend(
        self, schema: Schema, member: str, place: _Place, items: list[Any]
    ) -> list[Any] | None:
        mended = self._list(place, items, may_be_empty=False)
        part = {member: mended}
        if not schema.allows(part) or (self._drop_doomed() and not schema.allows(part)):
            return None
        self._put_back()
        return mended

    def mend_right(
        self, schema: Schema, member: str, place: _Place, item: dict[str, Any], name: str
    ) -> tuple[dict[str, Any], bool]:
        mended: dict[str, Any] = {**self._value(place, item)}
        parts = mended.get(name)
        if not isinstance(parts, list):
            parts = []
        right = [part for part in parts if schema.allows({member: [{**mended, name: [part]}]})]
        wrong = len(right) < len(parts) or not parts
        mended[name] = [part for part in right if id(part) not in self._doomed]
        self._put_back()
        return mended, wrong

    def _put_back(self) -> None:
        for parent, name, value in self._set_aside:
            if value is _ABSENT:
                del parent[name]
            else:
                parent[name] = value

    def _drop_doomed(self) -> bool:
        """Drop what is doomed, and return whether that leaves a list empty that may not be."""
        for items, _ in self._lists_with_doomed:
            items[:] = [item for item in items if id(item) not in self._doomed]
        return not all(items or may_be_empty for items, may_be_empty in self._lists_with_doomed)

    def _list(self, place: _Place, items: list[Any], *, may_be_empty: bool) -> list[Any]:
        doomed_before = len(self._doomed)
        mended = [self._value(place, item) for item in items]
        if len(self._doomed) > doomed_before:
            self._lists_with_doomed.append((mended, may_be_empty))
        return mended

    def _value(self, place: _Place, value: Any) -> Any:  # noqa: ANN401 - any JSON
        """Return a copy of an object, mended from the outside in, as rounds do it."""
        if type(value) is not dict or len(value) > _MAX_MEMBERS:
            return value
        mended = value.copy()
        if place.renamed or place.needless:
            self._mend_names(place, value, mended)
        for name, fixes in place.values.items():
            if name in mended:
                self._mend_value(fixes, mended, name)
        if place.missing:
            self._fill_in(place, mended)
        if place.tolerates:
            self._set_tolerated_aside(place, mended)
        for name, inner in place.inner.items():
            content = mended.get(name)
            if type(content) is list:
                may_be_empty = name in place.may_be_empty
                mended[name] = self._list(inner, content, may_be_empty=may_be_empty)
            elif type(content) is dict:
                mended[name] = self._value(inner, content)
        return mended

    def _mend_names(self, place: _Place, value: dict[str, Any], mended: dict[str, Any]) -> None:
        renamed, needless = place.renamed, place.needless
        for name in value:
            meant = renamed.get(name)
            if meant is not None and meant not in mended:
                mended[meant] = mended.pop(name)
            elif name in needless:
                beside = needless[name]
                if beside is None or beside in mended:
                    del mended[name]

    def _mend_value(
        self, fixes: dict[object, Convert | _Fate], mended: dict[str, Any], name: str
    ) -> None:
        value = mended[name]
        for _ in range(_MAX_STEPS):
            kind = type(value)
            fix = fixes.get(value) if kind is str else None
            if fix is None:
                fix = fixes.get(kind)
                if fix is None:
                    return
            if isinstance(fix, _Fate):
                if fix is _Fate.DOOMS:
                    self._doomed.add(id(mended))
                del mended[name]
                return
            value = fix(value)
            if value is None:
                return
            mended[name] = value

    def _fill_in(self, place: _Place, mended: dict[str, Any]) -> None:
        for name, implied in place.missing.items():
            if name in mended:
                continue
            if isinstance(implied, _Fate):
                self._doomed.add(id(mended))
                mended[name] = _SOME_VALUE
            else:
                mended[name] = implied()

    def _set_tolerated_aside(self, place: _Place, mended: dict[str, Any]) -> None:
        for name in place.too_long:
            text = mended.get(name)
            if type(text) is str and len(text) <= self._max_length(name):
                self._set_aside.append((mended, name, text))
                mended[name] = _SHORT_TEXT
        for name in place.may_be_empty:
            if mended.get(name) == []:
                self._set_aside.append((mended, name, []))
                mended[name] = _SOME_SAMPLES
        for name, stand_in in place.may_be_missing.items():
            if name not in mended:
                self._set_aside.append((mended, name, _ABSENT))
                mended[name] = stand_in
        for name, words in place.kept_words.items():
            word = mended.get(name)
            if type(word) is str and word in words:
                self._set_aside.append((mended, name, word))
                mended[name] = words[word]
