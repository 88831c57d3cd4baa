"""Long lists in pieces that are looked through one by one, and put together again."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway.steps import Steps
from gateway.weight import weigh

_MAX_MEMBERS = 200
_MAX_ITEMS = 20_000


@dataclass(slots=True)
class Portion:
    """Some items of a list, or a part of one that is too heavy by itself.

    `part_of` is the member of that one whose list is divided, and `continued` is set if this is not
    its first part.
    """

    items: list[Any]
    part_of: str | None = None
    continued: bool = False


def find_heavy_list(container: object, most: int) -> str | None:
    """Return the one member that makes an object heavier than `most`, if it is a list."""
    if not isinstance(container, dict) or len(container) > _MAX_MEMBERS:
        return None
    heavy = [name for name, value in container.items() if weigh(value, most) > most]
    return heavy[0] if len(heavy) == 1 and isinstance(container[heavy[0]], list) else None


def divide(items: list[Any], most: int, members: frozenset[str]) -> Steps[list[Portion] | None]:
    """Return a list in portions that weigh no more than `most`; what was a list is a copy.

    One item that is not heavy because of one list in it may weigh twice as much. A step is what
    makes a portion.

    Args:
        items: the list.
        most: what a portion may weigh.
        members: in whose lists an item may be heavy; what they are called stays.

    Returns:
        The portions, or None if an item is heavier for another reason than one list in it, or there
        are more than any message of OCPP has.
    """
    if len(items) > _MAX_ITEMS:
        return None
    portions: list[Portion] = []
    begun: list[Any] = []
    left = most
    for item in items:
        weight = weigh(item, most)
        if weight > left and begun:
            portions.append(Portion(begun))
            begun, left = [], most
            yield
        if weight <= most:
            begun.append(item)
            left -= weight
        elif parts := (yield from _divide_item(item, most, members)):
            portions += parts
        elif weigh(item, 2 * most) <= 2 * most:
            portions.append(Portion([item]))
        else:
            return None
    if begun:
        portions.append(Portion(begun))
    return portions


def _divide_item(
    item: Any,  # noqa: ANN401 - any JSON
    most: int,
    members: frozenset[str],
) -> Steps[list[Portion]]:
    name = find_heavy_list(item, most)
    parts = (yield from divide(item[name], most, members)) if name in members else None
    if parts is None or any(part.part_of is not None for part in parts):
        return []
    return [
        Portion([{**item, name: part.items}], name, continued=number > 0)
        for number, part in enumerate(parts)
    ]


def join(portions: Iterable[Portion]) -> list[Any]:
    """Return the list that portions were divided from, with what has become of its items.

    An item of which a part is gone is gone: what was wrong was not in the list that was divided.
    """
    items: list[Any] = []
    gone = False
    for portion in portions:
        if not portion.continued:
            items += portion.items
            gone = not portion.items
        elif not gone and portion.items:
            items[-1][portion.part_of] += portion.items[0][portion.part_of]
        elif not gone:
            items.pop()
            gone = True
    return items
