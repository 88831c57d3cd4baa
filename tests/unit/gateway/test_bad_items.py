"""In every list that stations send, in both versions, a bad item costs itself alone."""

import copy
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from ocpp.v16.enums import Location, Measurand
from ocpp.v21 import enums as v21
from ocpp.v201 import enums as v201

from gateway import schemas
from gateway.errors import CallRefusedError
from gateway.leniency import mend
from gateway.tolerances import WHOLE_LISTS, keeps_word

NOW = "2026-01-02T03:04:05.000+00:00"
TIME = "2026-01-01T00:00:00Z"
FROM_STATIONS = {
    "v16": ("MeterValues", "StopTransaction"),
    "v201": (
        "AuthorizeRequest",
        "BootNotificationRequest",
        "GetCertificateStatusRequest",
        "MeterValuesRequest",
        "NotifyChargingLimitRequest",
        "NotifyCustomerInformationRequest",
        "NotifyDisplayMessagesRequest",
        "NotifyEVChargingNeedsRequest",
        "NotifyEVChargingScheduleRequest",
        "NotifyEventRequest",
        "NotifyMonitoringReportRequest",
        "NotifyReportRequest",
        "PublishFirmwareStatusNotificationRequest",
        "ReportChargingProfilesRequest",
        "SecurityEventNotificationRequest",
        "StatusNotificationRequest",
        "TransactionEventRequest",
    ),
}
ANSWERS = {
    "v16": ("GetConfiguration", "GetCompositeSchedule", "GetInstalledCertificateIds"),
    "v201": (
        "ClearVariableMonitoring",
        "GetCompositeSchedule",
        "GetInstalledCertificateIds",
        "GetVariables",
        "SetVariableMonitoring",
        "SetVariables",
    ),
}
MESSAGES = [
    *((version, name) for version, names in FROM_STATIONS.items() for name in names),
    *((version, f"{name}Response") for version, names in ANSWERS.items() for name in names),
]
ITEMS = 3
Path = tuple[str | int, ...]


def plainest(schema: dict[str, Any], definitions: dict[str, Any], number: int = 0) -> Any:
    """Return what a schema allows, with everything in it and three items in each list."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {
                name: plainest(each, definitions, number)
                for name, each in schema.get("properties", {}).items()
                if name != "customData"
            }
        case "array":
            items = schema.get("maxItems", ITEMS)
            return [plainest(schema["items"], definitions, at) for at in range(min(items, ITEMS))]
        case "integer" | "number":
            return number
        case "boolean":
            return True
    return TIME if schema.get("format") == "date-time" else f"{number}"


def lists_in(value: Any, path: Path = ()) -> Iterator[Path]:
    """Give the path of every list of several items, from the outside in."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from lists_in(each, (*path, name))
    elif isinstance(value, list):
        if len(value) == ITEMS:
            yield path
        yield from lists_in(value[0], (*path, 0))


def at(payload: Any, path: Path) -> Any:
    for step in path:
        payload = payload[step]
    return payload


def no_object(item: Any) -> Any:
    del item
    return [[]]


def no_member_right(item: Any) -> Any:
    return {name: [[]] for name in item} if isinstance(item, dict) else {"x": 1}


def a_text_of_pages(item: Any) -> Any:
    if isinstance(item, dict):
        name = next((name for name, each in item.items() if isinstance(each, str)), None)
        return {**item, name: "x" * 40_000} if name else {}
    return "x" * 40_000


def null(item: Any) -> Any:
    del item


BREAKS = [no_object, no_member_right, a_text_of_pages, null]


def lists_of_all() -> Iterator[Any]:
    for version, name in MESSAGES:
        definition = schemas.load(version, name)._schema
        payload = plainest(definition, definition.get("definitions", {}))
        schemas.load(version, name).validate(payload)
        for path in lists_in(payload):
            where = "/".join(map(str, path))
            for break_ in BREAKS:
                broken = copy.deepcopy(payload)
                at(broken, path)[1] = break_(at(broken, path)[1])
                if not schemas.load(version, name).allows(broken):
                    words = f"{version} {name} {where} {break_.__name__}"
                    yield pytest.param(version, name, payload, broken, path, id=words)


def mended(version: str, name: str, payload: dict[str, Any]) -> tuple[Any, set[str]]:
    payload = json.loads(json.dumps(payload))
    action = name.removesuffix("Request")
    found = mend(action, schemas.load(version, name), payload, NOW)
    return payload, {deviation.kind for deviation in found}


@pytest.mark.parametrize(("version", "name", "payload", "broken", "path"), [*lists_of_all()])
def test_a_bad_item_costs_its_neighbours_nothing(
    version: str, name: str, payload: dict[str, Any], broken: dict[str, Any], path: Path
) -> None:
    outer = [index for index, step in enumerate(path) if isinstance(step, int)]
    if path[-1] in WHOLE_LISTS and (
        not outer or all(path[index - 1] in WHOLE_LISTS for index in outer)
    ):
        with pytest.raises(CallRefusedError):
            mended(version, name, broken)
        return
    right, quirks = mended(version, name, broken)
    assert quirks
    if path[-1] in WHOLE_LISTS:  # what it is a part of is dropped as one
        inmost = next(index for index in reversed(outer) if path[index - 1] not in WHOLE_LISTS)
        path = path[:inmost]
        assert at(right, path) == at(payload, path)[1:]
        return
    kept = at(right, path)
    first, second, third = at(payload, path)
    assert (kept[0], kept[-1]) == (first, third)
    assert len(kept) == ITEMS - 1 or (len(kept) == ITEMS and kept[1] != second)


@pytest.mark.parametrize("count", [150, 900])
@pytest.mark.parametrize(
    ("version", "name", "member"),
    [
        ("v16", "GetConfigurationResponse", "configurationKey"),
        ("v16", "GetInstalledCertificateIdsResponse", "certificateHashData"),
        ("v201", "NotifyReportRequest", "reportData"),
        ("v201", "NotifyEventRequest", "eventData"),
        ("v201", "NotifyMonitoringReportRequest", "monitor"),
        ("v201", "NotifyDisplayMessagesRequest", "messageInfo"),
        ("v201", "ReportChargingProfilesRequest", "chargingProfile"),
        ("v201", "MeterValuesRequest", "meterValue"),
        ("v201", "TransactionEventRequest", "meterValue"),
        ("v201", "GetVariablesResponse", "getVariableResult"),
    ],
)
def test_a_long_list_keeps_all_but_its_bad_items(
    version: str, name: str, member: str, count: int
) -> None:
    """Also of one whose every other item is bad in a way of its own."""
    definition = schemas.load(version, name)._schema
    definitions = definition.get("definitions", {})
    payload = plainest(definition, definitions)
    payload[member] = [
        plainest(definition["properties"][member]["items"], definitions, number)
        for number in range(count)
    ]
    broken = copy.deepcopy(payload)
    for number in range(1, count, 2):
        broken[member][number] = BREAKS[number % 4](broken[member][number]) or [number]
    right, quirks = mended(version, name, broken)
    assert [item for item in right[member] if item in payload[member]] == payload[member][::2]
    assert quirks & {"item_dropped", "sample_dropped"}


def test_what_is_dropped_is_named_by_where_it_was_wrong() -> None:
    definition = schemas.load("v16", "GetConfigurationResponse")._schema
    payload = plainest(definition, {})
    payload["configurationKey"][1]["key"] = {"secret": "x"}
    found = mend(
        "GetConfigurationResponse", schemas.load("v16", "GetConfigurationResponse"), payload, NOW
    )
    assert [(it.kind, it.member, it.example) for it in found] == [
        ("item_dropped", "configurationKey.key", "")
    ]
    assert [item["value"] for item in payload["configurationKey"]] == ["0", "2"]


@pytest.mark.parametrize(
    ("member", "value"),
    [("supportsMonitoring", None), ("dataType", None), ("dataType", ""), ("unit", 5)],
)
def test_all_variables_of_a_long_report_are_kept_whatever_it_leaves_out(
    member: str, value: Any
) -> None:
    """More of them than are looked into one by one."""
    name = "NotifyReportRequest"
    definition = schemas.load("v201", name)._schema
    payload = plainest(definition, definition["definitions"])
    variable = payload["reportData"][0]
    variable["variableCharacteristics"][member] = value
    variable["variableAttribute"] = [{"value": "x" * 3_000}]
    payload["reportData"] = [variable] * 2_000
    right, quirks = mended("v201", name, payload)
    assert len(right["reportData"]) == 2_000
    assert all(len(each["variableAttribute"][0]["value"]) == 3_000 for each in right["reportData"])
    assert quirks.isdisjoint({"item_dropped", "member_dropped"})


@pytest.mark.parametrize(
    ("version", "name", "member"),
    [
        ("v201", "NotifyReportRequest", "reportData"),
        ("v201", "NotifyEventRequest", "eventData"),
        ("v201", "TransactionEventRequest", "meterValue"),
        ("v201", "GetInstalledCertificateIdsResponse", "certificateHashDataChain"),
        ("v201", "GetVariablesResponse", "getVariableResult"),
        ("v16", "MeterValues", "meterValue"),
    ],
)
def test_an_empty_list_costs_nothing(version: str, name: str, member: str) -> None:
    definition = schemas.load(version, name)._schema
    payload = plainest(definition, definition.get("definitions", {})) | {member: []}
    right, quirks = mended(version, name, payload)
    assert (right, quirks) == (payload, {"too_few"})


def test_what_became_of_settings_is_told_or_not() -> None:
    with pytest.raises(CallRefusedError):
        mended("v201", "SetVariablesResponse", {"setVariableResult": []})


@pytest.mark.parametrize(
    ("member", "known", "later"),
    [
        ("measurand", Measurand, v21.MeasurandEnumType),
        ("measurand", v201.MeasurandEnumType, v21.MeasurandEnumType),
        ("location", Location, v21.LocationEnumType),
        ("location", v201.LocationEnumType, v21.LocationEnumType),
        ("stoppedReason", v201.ReasonEnumType, v21.ReasonEnumType),
        ("triggerReason", v201.TriggerReasonEnumType, v21.TriggerReasonEnumType),
        (
            "reservationUpdateStatus",
            v201.ReservationUpdateStatusEnumType,
            v21.ReservationUpdateStatusEnumType,
        ),
    ],
)
def test_every_word_of_a_later_version_is_kept(
    member: str, known: Iterable[str], later: Iterable[str]
) -> None:
    new = [word for word in later if word not in set(known)]
    assert all(keeps_word("MeterValues", member, word) for word in new)
    assert not keeps_word("MeterValues", member, "Nonsense")
