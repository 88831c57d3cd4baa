"""No command can bring a URL to a station that the allow-list does not see."""

from collections.abc import Iterator
from dataclasses import MISSING, fields
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from control.files.locations import LocationError, Locations
from control.settings import ControlSettings
from shared.domain.commands import COMMANDS, Call, Command

FOREIGN = "https://elsewhere.example/x"
# What a station is configured with, and what its vendor alone understands.
OPAQUE = {"ChangeConfiguration", "DataTransfer", "SetVariables"}
LOCATIONS = Locations(
    ControlSettings(database_url="", redis_url="", api_keys="k" * 16, files_allowed_hosts="a.b")
)


def places(schema: dict[str, Any], root: dict[str, Any], depth: int = 0) -> Iterator[list[str]]:
    """Yield the path of every text in a schema that may be anything; "" stands for an item."""
    if (reference := schema.get("$ref")) is not None:
        schema = root["definitions"][reference.rpartition("/")[2]]
    if depth > 12 or "enum" in schema:
        return
    match schema.get("type"):
        case "string" if schema.get("format") != "date-time":
            yield []
        case "array":
            for path in places(schema["items"], root, depth + 1):
                yield ["", *path]
        case "object":
            for name, each in schema.get("properties", {}).items():
                if name != "customData":
                    for path in places(each, root, depth + 1):
                        yield [name, *path]


def requests() -> Iterator[Any]:
    for version in ("v16", "v201"):
        for file in (files("ocpp") / version / "schemas").iterdir():
            action = file.name.removesuffix(".json")
            if action.endswith("Response"):
                continue
            action = action.removesuffix("Request")
            schema = msgspec.json.decode(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))
            if action not in OPAQUE:
                for path in places(schema, schema):
                    yield pytest.param(action, path, id=f"{version}-{action}-{'.'.join(path)}")


def payload_with(path: list[str]) -> Any:
    if not path:
        return FOREIGN
    inner = payload_with(path[1:])
    return {path[0]: inner} if path[0] else [inner]


REQUESTS = list(requests())


def test_the_known_places_are_among_them() -> None:
    found = {(case.values[0], ".".join(map(str, case.values[1]))) for case in REQUESTS}
    assert {
        ("UpdateFirmware", "location"),
        ("UpdateFirmware", "firmware.location"),
        ("GetDiagnostics", "location"),
        ("GetLog", "log.remoteLocation"),
        ("PublishFirmware", "location"),
        ("SetNetworkProfile", "connectionData.ocppCsmsUrl"),
        ("SetDisplayMessage", "message.message.content"),
    } <= found


@pytest.mark.parametrize(("action", "path"), REQUESTS)
def test_no_member_of_a_request_brings_another_url(action: str, path: list[str]) -> None:
    with pytest.raises(LocationError):
        LOCATIONS.check_command(Call(action=action, payload=payload_with(path)))


@pytest.mark.parametrize("kind", [kind for name, kind in COMMANDS.items() if name not in OPAQUE])
def test_no_field_of_a_command_brings_another_url(kind: type[Command]) -> None:
    required = {field.name: "x" for field in fields(kind) if field.default is MISSING}
    for field in fields(kind):
        content: Any = {"any": FOREIGN} if kind is Call else FOREIGN
        if kind is Call and field.name == "action":
            continue
        values: dict[str, Any] = {**required, field.name: content}
        if kind is not Call and "payload" in values:
            values["payload"] = {}
        with pytest.raises(LocationError):
            LOCATIONS.check_command(kind(**values))


def test_what_is_opaque_is_known_to_be() -> None:
    for action in OPAQUE:
        LOCATIONS.check_command(Call(action=action, payload={"value": FOREIGN}))
