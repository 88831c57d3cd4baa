"""The OpenAPI document is kept: nothing that a request may hold is answered with a 5xx."""

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from tests.integration.control.players import Api

PATHS = {"station_id": "CS-0001", "id_token": "04A2", "group_id_token": "FLEET-7"}
SOME_UUID = "01975ed3-0000-7000-8000-000000000000"
# Each is one kind of thing that a database, a driver or a calendar cannot hold.
HOSTILE: list[Any] = [
    "a\0b",
    "\ud800",
    "\u2028\u202e",
    "x" * 5000,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    1e308,
    -1,
    0.1 + 0.2,
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-12:00",
    1_764_500_000,
    None,
    True,
    [],
    {"a": {"\0": "\0"}},
]


def _leaves(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(body, dict):
        for name, value in body.items():
            yield from _leaves(value, (*path, name))
    elif isinstance(body, list) and body:
        yield from _leaves(body[0], (*path, 0))


def _with(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(body)
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return changed


def _examples(operation: dict[str, Any], schemas: dict[str, Any]) -> list[Any]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return []
    if "examples" in content:
        return [each["value"] for each in content["examples"].values()]
    schema = content["schema"]
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return list(schema.get("examples", ()))[:1]


def _path(template: str) -> str:
    for name, value in PATHS.items():
        template = template.replace(f"{{{name}}}", value)
    head, brace, rest = template.partition("{")
    while brace:
        template = head + SOME_UUID + rest.partition("}")[2]
        head, brace, rest = template.partition("{")
    return template


def _requests(document: dict[str, Any]) -> Iterator[tuple[str, str, bytes | None]]:
    """Yield method, path with query, and body. Each place gets a few of the values, in turns."""
    turns = itertools.cycle(HOSTILE)
    for template, operations in document["paths"].items():
        for method, operation in operations.items():
            path = _path(template)
            for example in _examples(operation, document["components"]["schemas"]):
                for leaf in _leaves(example):
                    for value in itertools.islice(turns, 1):
                        yield method, path, json.dumps(_with(example, leaf, value)).encode()
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "query":
                    for value in itertools.islice(turns, 2):
                        text = value if isinstance(value, str) else json.dumps(value)
                        name = parameter["name"]
                        query = urlencode({name: text.encode("utf-8", "surrogatepass")})
                        yield method, f"{path}?{query}", None


async def test_no_value_in_a_body_or_a_query_is_a_fault_of_the_server(api: Api) -> None:
    await api.client.post("/v1/stations", json={"station_id": "CS-0001"})
    asked = 0
    for method, path, body in _requests(api.app.openapi()):
        headers = {} if body is None else {"Content-Type": "application/json"}
        async with api.client.stream(method, path, content=body, headers=headers) as response:
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                continue  # it has no end
            await response.aread()
        assert response.status_code < 500, (method, path, body, response.text[:300])
        if response.status_code >= 400:
            assert response.headers["content-type"] == "application/problem+json"
            assert len(response.content) < 16_384
        asked += 1
    assert asked > 300


async def test_no_value_in_a_path_is_a_fault_of_the_server(api: Api) -> None:
    turns = itertools.cycle(
        ("%00", "%FF", "%ED%A0%80", "%2e%2e", "%0A", "x" * 3000, "9" * 400, "a%00b")
    )
    for template, operations in api.app.openapi()["paths"].items():
        head, brace, rest = template.partition("{")
        for method in operations if brace else ():
            how: dict[str, Any] = {} if method in {"get", "delete"} else {"json": {}}
            for value in itertools.islice(turns, 3):
                path = _path(head + value + rest.partition("}")[2])
                response = await api.client.request(method, path, **how)
                assert response.status_code < 500, (method, path, response.text[:200])
