"""No two modules stand on each other, not even for the sake of a type.

Who reads one of a circle has to read them all, and none can be taken out or tried alone. A part
says in a Protocol, or by its parameters, what it needs of its owner.
"""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

PACKAGES = ("gateway", "control", "shared", "cli", "simulator", "loadtest")


def find_circle(imported: Mapping[str, set[str]]) -> str | None:
    """Return a circle of imports as a reader would follow it, None if there is none."""
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        return " imports ".join(reversed(error.args[1]))
    return None


def test_no_module_stands_on_itself() -> None:
    """Imports under TYPE_CHECKING count: they are read by people, too."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert find_circle(imported) is None


@pytest.mark.parametrize(
    ("imported", "circle"),
    [
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, None),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, {"b imports c imports b", "c imports b imports c"}),
    ],
    ids=["none", "one"],
)
def test_a_circle_is_named(imported: dict[str, set[str]], circle: set[str] | None) -> None:
    found = find_circle(imported)
    assert found is None if circle is None else found in circle
