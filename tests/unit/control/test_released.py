"""Within /v1 the API only grows: what a release has promised, the next one keeps."""

import copy
import json
from typing import Any

import pytest

from control.app import create_api
from docs.render_openapi import CURRENT, RELEASED, render
from tests.support.openapi_changes import removals

DOCUMENT = create_api().openapi()

ACCEPTED: dict[str, str] = {}
"""What was taken away all the same: the words of the change, and why nobody stumbles over it."""


def test_the_document_in_the_repository_is_that_of_the_code() -> None:
    assert CURRENT.read_text(encoding="utf-8") == render(), "run `make docs`"


def test_nothing_that_was_released_is_taken_away() -> None:
    released = json.loads(RELEASED.read_text(encoding="utf-8"))
    found = [change for change in removals(released, DOCUMENT) if change not in ACCEPTED]
    assert not found, (
        "these changes do not only add to what was released (docs/adr/0020-api-contract.md): "
        "take them back, or add something new beside what is there:\n" + "\n".join(found)
    )
    assert ACCEPTED.keys() <= set(removals(released, DOCUMENT)), "take out what is not so any more"


def change(path: str, value: Any) -> dict[str, Any]:
    """Return the document with one member set, or removed if the value is None."""
    changed = copy.deepcopy(DOCUMENT)
    *parents, last = path.split("|")
    node: Any = changed
    for name in parents:
        node = node[int(name)] if isinstance(node, list) else node[name]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return changed


STATIONS = "paths|/v1/stations"
CREATE = "components|schemas|StationCreate"
STATION = "components|schemas|Station"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (STATIONS, None, "/v1/stations: the path is gone"),
        (f"{STATIONS}|post", None, "POST /v1/stations: the operation is gone"),
        (f"{STATIONS}|post|operationId", "makeStation", "operationId was createStation"),
        (f"{STATIONS}|get|parameters", [], "query parameter limit: it is gone"),
        (f"{STATIONS}|get|parameters|0|required", True, "it is required now"),
        (f"{STATIONS}|post|responses|201", None, "there is no answer 201 any more"),
        (f"{STATIONS}|post|responses|202", {"content": {}}, "the answer 202 is new"),
        (f"{CREATE}|properties|name", None, "body.name: it is gone, and refused"),
        (f"{CREATE}|required", ["station_id", "name"], "body.name: it is required now"),
        (f"{CREATE}|properties|station_id|maxLength", 20, "maxLength was 48 and is 20"),
        (f"{CREATE}|properties|station_id|pattern", "^x", "pattern was"),
        (f"{CREATE}|properties|station_id|type", "integer", "it may not be any more string"),
        (f"{CREATE}|properties|station_id|enum", ["a"], "only these values are taken now: a"),
        (f"{STATION}|properties|online", None, "online: it is gone"),
        (f"{STATION}|properties|online|type", "string", "online: it may be now string"),
        (
            "components|schemas|RegistrationStatus|enum",
            ["Accepted", "Pending"],
            "these values are refused now: Rejected",
        ),
        (
            "components|schemas|RegistrationStatus|enum",
            ["Accepted", "Pending", "Rejected", "Retired"],
            "these values are new, and clients do not know them: Retired",
        ),
        (f"{STATION}|required", ["station_id"], "it may be left out now"),
    ],
)
def test_what_is_taken_away_is_named(path: str, value: Any, words: str) -> None:
    assert words in "\n".join(removals(DOCUMENT, change(path, value)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("paths|/v1/new", {"get": {"operationId": "getNew", "responses": {}}}),
        (f"{CREATE}|properties|new", {"type": "string"}),
        (f"{STATION}|properties|new", {"type": "string"}),
        (f"{CREATE}|properties|station_id|maxLength", 100),
        (f"{STATIONS}|post|responses|418", {"content": {}}),
        (f"{STATIONS}|post|summary", "Make one"),
    ],
)
def test_what_only_adds_is_not(path: str, value: Any) -> None:
    assert removals(DOCUMENT, change(path, value)) == []


def test_a_document_takes_nothing_away_from_itself() -> None:
    assert removals(DOCUMENT, copy.deepcopy(DOCUMENT)) == []
