"""The OpenAPI document, from which clients are generated."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from control.app import create_api

DOCUMENT = create_api().openapi()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def example_of(content: dict[str, Any]) -> Any:
    """Return an example of a body: its own, its schema's, or one made of its items'."""
    if "examples" in content:
        example = next(iter(content["examples"].values()))
        if "$ref" in example:
            example = DOCUMENT["components"]["examples"][example["$ref"].rpartition("/")[2]]
        return example["value"]
    schema = resolved(content["schema"])
    if "examples" in schema:
        return schema["examples"][0]
    items = schema.get("properties", {}).get("items")
    if items:
        return {"items": resolved(items["items"])["examples"], "next_cursor": None}
    return None


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": DOCUMENT["components"]}, validate_formats=True
    )


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    used = set(references(DOCUMENT))
    there = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "examples")
        for name in DOCUMENT["components"][kind]
    }
    assert used == there


def test_every_schema_is_a_json_schema() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate({**schema, "components": DOCUMENT["components"]})


def test_operation_ids_are_unique_names_for_a_function() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)
    assert all(name.isidentifier() and name[0].islower() for name in ids)


def test_every_tag_is_described() -> None:
    described = {tag["name"] for tag in DOCUMENT["tags"]}
    assert {tag for operation in OPERATIONS.values() for tag in operation["tags"]} == described


def test_every_operation_needs_credentials_but_those_that_give_them() -> None:
    assert DOCUMENT["security"] == [{"apiKey": []}, {"session": []}]
    public = {name for name, operation in OPERATIONS.items() if "security" in operation}
    assert public == {
        "POST /v1/login",
        "POST /v1/password-links",
        "POST /v1/password-links/use",
        "GET /v1/oidc/login",
    }
    assert all(OPERATIONS[name]["security"] == [] for name in public)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_described(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_error_of_an_operation_is_a_problem_document(name: str) -> None:
    responses = OPERATIONS[name]["responses"]
    errors = {status: each for status, each in responses.items() if int(status) >= 400}
    assert {"401", "422", "500", "503"} <= errors.keys()
    for error in errors.values():
        assert list(error["content"]) == ["application/problem+json"]
        schema = error["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_examples_that_fit_its_schemas(name: str) -> None:
    operation = OPERATIONS[name]
    bodies = [operation["requestBody"]] if "requestBody" in operation else []
    bodies += [each for each in operation["responses"].values() if "content" in each]
    for body in bodies:
        for content in body["content"].values():
            example = example_of(content)
            assert example is not None
            validator(content["schema"]).validate(example)


def test_every_type_of_command_has_an_example() -> None:
    content = OPERATIONS["POST /v1/stations/{station_id}/commands"]["requestBody"]["content"]
    body = content["application/json"]
    examples = {name: example["value"] for name, example in body["examples"].items()}
    assert examples.keys() == body["schema"]["discriminator"]["mapping"].keys()
    for name, example in examples.items():
        assert example["type"] == name
        validator(body["schema"]).validate(example)


def test_a_change_has_no_defaults_that_a_generated_client_would_send() -> None:
    for name in ("StationUpdate", "IdTokenUpdate"):
        properties = DOCUMENT["components"]["schemas"][name]["properties"]
        assert not [field for field, schema in properties.items() if "default" in schema]


def inputs(node: object, path: str, seen: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema of a request that is reached from `node`, and where it stands."""
    if isinstance(node, list):
        for each in node:
            yield from inputs(each, path, seen)
    elif isinstance(node, dict):
        yield path, node
        if "$ref" in node and node["$ref"] not in seen:
            seen.add(node["$ref"])
            yield from inputs(resolved(node), f"{path} {node['$ref'].rpartition('/')[2]}", seen)
        for name, value in node.items():
            if name not in {"example", "examples", "discriminator"}:
                yield from inputs(value, f"{path}.{name}", seen)


def test_the_document_says_how_every_string_of_a_request_is_written() -> None:
    found = 0
    seen: set[str] = set()
    for name, operation in OPERATIONS.items():
        asked = [each["schema"] for each in operation.get("parameters", ())]
        asked.append(operation.get("requestBody", {}))
        for path, schema in inputs(asked, name, seen):
            if schema.get("type") != "string":
                continue
            found += 1
            assert {"enum", "const", "pattern", "format"} & schema.keys(), (path, schema)
    assert found > 50


def test_every_time_of_a_request_is_rfc_3339_in_the_document() -> None:
    found = 0
    seen: set[str] = set()
    for name, operation in OPERATIONS.items():
        asked = [each["schema"] for each in operation.get("parameters", ())]
        asked.append(operation.get("requestBody", {}))
        for path, schema in inputs(asked, name, seen):
            if schema.get("format") == "date-time":
                found += 1
                assert schema["pattern"].startswith("^"), path
    assert found > 10


UNITS = frozenset({"wh", "kwh", "w", "kw", "a", "v", "s", "ms", "bytes", "percent"})


def members(node: object, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every member of every object, with its name."""
    if isinstance(node, list):
        for each in node:
            yield from members(each, path)
    elif isinstance(node, dict):
        properties = node.get("properties")
        for name, schema in properties.items() if isinstance(properties, dict) else ():
            yield f"{path}.{name}", schema
        for name, value in node.items():
            if name not in {"example", "examples"}:
                yield from members(value, f"{path}.{name}")


def kinds(schema: dict[str, Any]) -> Iterator[str]:
    """Yield the types that a value may have."""
    found = resolved(schema)
    yield from (found["type"],) if isinstance(found.get("type"), str) else found.get("type", ())
    for each in (*found.get("anyOf", ()), *found.get("oneOf", ()), *found.get("allOf", ())):
        yield from kinds(each)


def test_what_has_a_unit_is_a_number_and_never_a_text() -> None:
    found = 0
    parameters = [
        (f"{name} {each['name']}", each["schema"])
        for name, operation in OPERATIONS.items()
        for each in operation.get("parameters", ())
    ]
    for path, schema in (*members(DOCUMENT["components"]["schemas"], ""), *parameters):
        words = path.replace(" ", ".").rpartition(".")[2].split("_")
        if not UNITS.isdisjoint(words[1:]):
            found += 1
            assert "string" not in set(kinds(schema)), path
    assert found > 40


LISTS = {
    name: operation
    for name, operation in OPERATIONS.items()
    if "next_cursor"
    in resolved(
        operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get(
            "schema", {}
        )
    ).get("properties", {})
}  # fmt: skip


def parameter(operation: dict[str, Any], name: str) -> dict[str, Any] | None:
    found = [each for each in operation["parameters"] if each["name"] == name]
    return found[0] if found else None


def test_every_list_is_asked_for_alike() -> None:
    assert len(LISTS) > 25
    for name in ("limit", "cursor"):
        said = [parameter(operation, name) for operation in LISTS.values()]
        assert said[0] is not None
        assert all(each == said[0] for each in said), (
            f"a list takes {name} as control/paging.py has it: "
            f"{[key for key, each in zip(LISTS, said, strict=True) if each != said[0]]}"
        )
    totals = [found for each in LISTS.values() if (found := parameter(each, "total"))]
    assert len(totals) > 5
    assert all(each == totals[0] for each in totals)


@pytest.mark.parametrize("name", LISTS)
def test_what_a_list_is_sorted_by_is_a_member_of_its_items_both_ways(name: str) -> None:
    sort = parameter(LISTS[name], "sort")
    if sort is None:
        return  # in one order only, which its description names
    schema = sort["schema"]
    values = next(each["enum"] for each in (schema, *schema.get("anyOf", ())) if "enum" in each)
    page = resolved(LISTS[name]["responses"]["200"]["content"]["application/json"]["schema"])
    members = resolved(page["properties"]["items"]["items"])["properties"]
    for member in [*members.values()]:  # a profile stands within what a station made of it
        members = {**resolved(member).get("properties", {}), **members}
    up = {value for value in values if not value.startswith("-")}
    assert up <= members.keys(), f"sort by members of the items, not by {up - members.keys()}"
    assert {f"-{value}" for value in up} == set(values) - up, f"both ways, not only {values}"
