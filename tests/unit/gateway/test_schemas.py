"""What is loosened and tightened in the schemas of OCPP, on schemas as small as can be.

Those of the specifications are compiled once, with the first use of a version; these are not.
"""

from typing import Any

import pytest

from gateway import schemas
from gateway.errors import CallRefusedError, ErrorCode
from gateway.schemas import Schema, plain


def of(required: tuple[str, ...] = (), /, **properties: Any) -> Schema:
    return Schema(
        {
            "type": "object",
            "properties": properties,
            "required": list(required),
            "additionalProperties": False,
        }
        if required
        else {"type": "object", "properties": properties, "additionalProperties": False}
    )


INTEGER = {"type": "integer"}
TIME = {"type": "string", "format": "date-time"}
WORDS: dict[str, list[str]] = {
    "unit": ["Wh", "Percent"],
    "celsius": ["Celsius", "K"],
    "celcius": ["Celcius", "K"],
    "both": ["Celsius", "Celcius"],
    "hertz": ["Wh", "Percent", "Hertz"],
    "status": ["Available"],
    "Wh": ["Wh"],
}


@pytest.mark.parametrize(
    ("number", "allowed"),
    [
        (2**31 - 1, True),
        (2**31, False),
        (-(2**31), True),
        (-(2**31) - 1, False),
        (1.0, False),
        (True, False),
    ],
)
@pytest.mark.parametrize("deep", [False, True])
def test_an_integer_has_32_bits(number: object, *, allowed: bool, deep: bool) -> None:
    if deep:
        inner = {"type": "object", "properties": {"n": {"anyOf": [INTEGER, {"type": "null"}]}}}
        assert (
            of(items={"type": "array", "items": inner}).allows({"items": [{"n": 1}, {"n": number}]})
            is allowed
        )
    else:
        assert of(n=INTEGER).allows({"n": number}) is allowed


@pytest.mark.parametrize("register", ["meterStart", "meterStop"])
def test_a_register_is_an_integer_of_any_length(register: str) -> None:
    assert of(**{register: INTEGER}).allows({register: 10**15})
    assert not of(**{register: INTEGER}).allows({register: 1.5})


def test_bounds_that_a_schema_has_stay() -> None:
    schema = of(n={"type": "integer", "minimum": 0, "maximum": 2**40})
    assert [schema.allows({"n": number}) for number in (-1, 0, 2**40, 2**40 + 1)] == [
        False,
        True,
        True,
        False,
    ]


def test_an_empty_text_is_no_time_and_one_without_a_zone_is_read_later() -> None:
    schema = of(at=TIME, text={"type": "string"})
    assert not schema.allows({"at": ""})
    assert schema.allows({"at": "2026-01-02T03:04:05", "text": ""})


def test_an_empty_tag_is_told_only_where_there_has_to_be_one() -> None:
    tag = {"type": "string", "maxLength": 20}
    assert not of(idTag=tag).allows({"idTag": ""})
    assert of(("idTag",), idTag=tag).allows({"idTag": ""})
    assert of(info=tag).allows({"info": ""})


def test_the_value_of_a_sample_of_2_0_1_may_be_anything_and_no_other_is() -> None:
    number = {"type": "object", "properties": {"value": {"type": "number"}}}
    definitions = {"SampledValueType": number, "OtherType": number}
    for name, allowed in (("SampledValueType", True), ("OtherType", False)):
        schema = Schema({"definitions": definitions, "$ref": f"#/definitions/{name}"})
        assert schema.allows({"value": "none"}) is allowed
        assert schema.allows({"value": 1.5})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("unit", {"Wh", "Percent", "Hertz"}),
        ("celsius", {"Celsius", "Celcius", "K"}),
        ("celcius", {"Celsius", "Celcius", "K"}),
        ("both", {"Celsius", "Celcius"}),
        ("hertz", {"Wh", "Percent", "Hertz"}),
        ("status", {"Available"}),
        ("Wh", {"Wh"}),
    ],
)
def test_both_spellings_of_celsius_and_the_unit_of_a_frequency_are_words(
    name: str, words: set[str]
) -> None:
    schema = of(unit={"type": "string", "enum": WORDS[name]})
    every = {"Wh", "Percent", "Hertz", "Celsius", "Celcius", "K", "Available"}
    assert {word for word in every if schema.allows({"unit": word})} == words


@pytest.mark.parametrize(
    ("member", "value", "refusal", "code"),
    [
        ("n", "x", 'n: "x" is not of type "integer"', ErrorCode.TYPE_CONSTRAINT_VIOLATION),
        (
            "n",
            2**31,
            "n: 2147483648 is greater than the maximum of 2147483647",
            ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
        ),
        ("list", [], "list: [] has less than 1 item", ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION),
        (
            "list",
            [1, 2, 3],
            "list: [1,2,3] has more than 2 items",
            ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
        ),
        (
            "list",
            ["x"],
            'list/0: "x" is not of type "integer"',
            ErrorCode.TYPE_CONSTRAINT_VIOLATION,
        ),
        ("x", 1, "payload: Additional properties", ErrorCode.FORMAT_VIOLATION),
        ("word", "b", 'word: "b" is not', ErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
        ("text", "x" * 300, f'text: "{"x" * 248}', ErrorCode.PROPERTY_CONSTRAINT_VIOLATION),
    ],
)
def test_a_refusal_names_the_place_and_the_rule(
    member: str, value: object, refusal: str, code: ErrorCode
) -> None:
    schema = of(
        n=INTEGER,
        list={"type": "array", "items": INTEGER, "minItems": 1, "maxItems": 2},
        word={"type": "string", "enum": ["a"]},
        text={"type": "string", "maxLength": 5},
    )
    with pytest.raises(CallRefusedError) as refused:
        schema.validate({member: value})
    assert str(refused.value).startswith(refusal)
    assert len(str(refused.value)) <= 255
    assert refused.value.code is code
    assert refused.value.member == ("" if member == "x" else member)


def test_a_missing_member_is_an_occurrence() -> None:
    with pytest.raises(CallRefusedError) as refused:
        of(("n",), n=INTEGER).validate({})
    assert str(refused.value) == 'payload: "n" is a required property'
    assert refused.value.code is ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION


def test_a_violation_says_what_would_have_been_right() -> None:
    schema = of(
        ("must",),
        must={},
        n={"type": ["integer", "null"]},
        word={"type": "string", "enum": ["a", "b"]},
        text={"type": "string", "maxLength": 5},
    )
    told = {
        violation.kind: (violation.path, {*violation.names})
        for violation in schema.find_violations({"n": "x", "word": "c", "text": "x" * 6, "y": 1})
    }
    assert told == {
        "Required": ((), {"must"}),
        "AdditionalProperties": ((), {"y"}),
        "Type": (("n",), {"integer", "null"}),
        "Enum": (("word",), {"a", "b"}),
        "MaxLength": (("text",), set()),
    }


@pytest.fixture
def nested() -> Schema:
    return Schema(
        {
            "definitions": {"InnerType": {"type": "object", "properties": {"innerName": {}}}},
            "type": "object",
            "properties": {
                "meterValue": {
                    "type": "array",
                    "items": {"anyOf": [{"type": "object", "properties": {"sampledValue": {}}}]},
                    "minItems": 1,
                },
                "connectorId": INTEGER,
            },
            "required": ["meterValue", "connectorId"],
            "additionalProperties": False,
        }
    )


def test_every_member_is_known_at_whatever_depth(nested: Schema) -> None:
    assert nested.members == {"meterValue", "connectorId", "sampledValue", "innerName"}
    assert nested.properties == {"meterValue", "connectorId"}


@pytest.mark.parametrize(
    ("name", "anywhere", "here"),
    [
        ("meterValue", "meterValue", "meterValue"),
        ("METER_VALUE", "meterValue", "meterValue"),
        ("sampled-value", "sampledValue", None),
        ("innername", "innerName", None),
        ("meterValues", None, None),
        ("_" * 90 + "meterValue", "meterValue", "meterValue"),
        ("_" * 91 + "meterValue", None, None),
        ("", None, None),
    ],
)
def test_a_name_is_meant_whatever_its_letter_case(
    nested: Schema, name: str, anywhere: str | None, here: str | None
) -> None:
    assert nested.find_spelling(name) == anywhere
    assert nested.find_property(name) == here


def test_a_word_is_its_letters_and_digits() -> None:
    assert plain("Suspended EV-SE_2.") == "suspendedevse2"


def test_a_member_and_the_rest_are_looked_at_apart(nested: Schema) -> None:
    rest, alone = nested.split("meterValue")
    assert rest.allows({"connectorId": 1, "meterValue": "whatever"})
    assert not rest.allows({"connectorId": "x", "meterValue": []})
    assert not rest.allows({"connectorId": 1})
    assert not rest.allows({"connectorId": 1, "meterValue": [], "x": 1})
    assert alone.allows({"meterValue": [{}]})
    assert not alone.allows({"meterValue": []})
    assert not alone.allows({"meterValue": [1]})
    assert not alone.allows({"meterValue": [{}], "connectorId": 1})
    assert nested.split("meterValue") is nested.split("meterValue")


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("MeterValues", {"connectorId": 1, "meterValue": []}),
        ("StopTransaction", {"meterStop": 1, "timestamp": "2026-01-01T00:00:00Z"}),
    ],
)
def test_a_transaction_id_that_a_station_made_up_is_read_and_no_other_long_number(
    name: str, payload: dict[str, Any]
) -> None:
    schema = schemas.load.__wrapped__("v16", name)

    def beyond(transaction_id: int) -> bool:
        violations = schema.find_violations({**payload, "transactionId": transaction_id})
        return any(violation.path == ("transactionId",) for violation in violations)

    longest = 10**36 - 1
    assert [beyond(number) for number in (-1, 2**64, longest, longest + 1)] == [
        False,
        False,
        False,
        True,
    ]
    assert [beyond(number) for number in (-longest, -longest - 1)] == [False, True]
    stop = schemas.load.__wrapped__("v16", "RemoteStopTransaction")
    assert not stop.allows({"transactionId": 2**31})


def test_a_message_that_a_version_does_not_know_has_no_schema() -> None:
    with pytest.raises(KeyError, match="OCPP v16 has no message NotifyEvent"):
        schemas.load.__wrapped__("v16", "NotifyEvent")
