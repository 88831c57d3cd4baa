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
def _validator(version: str, action: str) -> jsonschema_rs.Draft4Validator:
    text = (files("ocpp") / version / "schemas" / f"{action}.json").read_text("utf-8-sig")
    return jsonschema_rs.Draft4Validator(json.loads(text))


def first_violation(version: str, action: str, payload: Payload) -> tuple[Violation, str] | None:
    """Check a request against its schema.

    Args:
        version: Folder of the `ocpp` package, such as `v16`.
        action: A known action of that version.
        payload: The request.

    Returns:
        What is wrong first, with a sentence for people; None if nothing is.
    """
    for error in _validator(version, action).iter_errors(payload):
        path = "/".join(str(step) for step in error.instance_path)
        where = f"{path}: " if path else ""
        return _KINDS.get(error.kind.name, Violation.SHAPE), f"{where}{error.message}"
    return None
