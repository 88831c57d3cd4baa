"""Every list of the API can do the same, also one that was added yesterday."""

from collections.abc import Iterator
from typing import Any

import pytest

from control.app import create_api

DOCUMENT = create_api().openapi()
NO_LIST = {"/v1/me/sessions", "/v1/stations/{station_id}/wanted-settings"}
"""What is bounded and whole, and so has no pages."""


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def read_operations() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield the path, the parameters and the members of what answers with an object of JSON."""
    for path, methods in DOCUMENT["paths"].items():
        operation = methods.get("get", {})
        content = operation.get("responses", {}).get("200", {}).get("content", {})
        answer = resolved(content.get("application/json", {}).get("schema", {}))
        if path.startswith("/v1/") and "properties" in answer:
            parameters = {each["name"]: each for each in operation.get("parameters", ())}
            yield path, parameters, answer["properties"]


READ = {path: (parameters, members) for path, parameters, members in read_operations()}
LISTS = sorted(path for path, (_, members) in READ.items() if "items" in members)


def test_there_are_lists() -> None:
    assert len(LISTS) > 30
    assert len(READ) > 1.5 * len(LISTS)


@pytest.mark.parametrize("path", sorted(READ))
def test_what_is_read_is_read_by_its_members(path: str) -> None:
    """They are added to every resource in `create_api`, so a route has to do nothing for it."""
    parameters, members = READ[path]
    shown = (
        members
        if "next_cursor" not in members
        else resolved(members["items"]["items"])["properties"]
    )
    assert "fields" in parameters, f"{path}: its router is not in create_api's list of resources"
    assert parameters["fields"]["schema"]["items"]["enum"] == list(shown)


@pytest.mark.parametrize("path", sorted({*LISTS} - NO_LIST))
def test_a_list_has_pages_is_sorted_and_counted(path: str) -> None:
    parameters, members = READ[path]
    missing = {"limit", "cursor", "sort", "total"} - parameters.keys()
    assert not missing, (
        f"GET {path} does not know {sorted(missing)}: take PagingDep and a sort, and answer with "
        "paging.page(Order.of(…), …) of control/paging.py"
    )
    assert {"next_cursor", "total"} <= members.keys(), "a list answers with a Page"
    sorts = choices(parameters["sort"]["schema"])
    named = {sort.removeprefix("-") for sort in sorts}
    assert sorts == named | {f"-{name}" for name in named}, "one index serves both ways"


def choices(schema: dict[str, Any]) -> set[str]:
    """Return what a parameter may be."""
    found: set[str] = set(schema.get("enum", ()))
    return found.union(*(choices(each) for each in schema.get("anyOf", ())))
