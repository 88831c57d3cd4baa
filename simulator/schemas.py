"""Compiled validators of the requests a CSMS may send, shared by all stations of a process."""

import json
from enum import StrEnum
from functools import cache
from importlib.resources import files

import jsonschema_rs

from simulator.rpc import Payload


class Violation(StrEnum):
    """What kind of rule a payload breaks; each version has its own error code for it."""

    MISSING = "missing"
    TYPE = "type"
    VALUE = "value"
    SHAPE = "shape"


_KINDS = {
    "required": Violation.MISSING,
    "minItems": Violation.MISSING,
    "maxItems": Violation.MISSING,
    "type": Violation.TYPE,
    "enum": Violation.VALUE,
    "maxLength": Violation.VALUE,
    "minimum": Violation.VALUE,
    "maximum": Violation.VALUE,
    "multipleOf": Violation.VALUE,
    "format": Violation.VALUE,
}


@cache
def _validator(folder: str, name: str) -> jsonschema_rs.Validator:
    text = (files("ocpp") / folder / "schemas" / f"{name}.json").read_text("utf-8-sig")
    # Each version is written in a draft of its own, which its schemas name.
    return jsonschema_rs.validator_for(json.loads(text))


def first_violation(folder: str, name: str, payload: Payload) -> tuple[Violation, str] | None:
    """Check a request against its schema.

    Args:
        folder: Of the `ocpp` package, such as `v16`.
        name: Of a schema in it.
        payload: The request.

    Returns:
        What is wrong first, with a sentence for people; None if nothing is.
    """
    for error in _validator(folder, name).iter_errors(payload):
        path = "/".join(str(step) for step in error.instance_path)
        where = f"{path}: " if path else ""
        return _KINDS.get(error.kind.name, Violation.SHAPE), f"{where}{error.message}"
    return None
