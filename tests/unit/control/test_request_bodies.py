"""A request's body holds the types that the document says, and nothing that looks like them."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel, ValidationError

from control.api.access.local_lists_schemas import LocalListWanted
from control.api.stations.availability_schemas import MaintenanceWindowCreate
from control.api.types import RequestBody
from control.app import create_api

WINDOW = {"starts_at": "2026-11-01T08:00:00Z", "ends_at": "2026-11-01T10:00:00Z"}


@pytest.mark.parametrize("value", [0, 1, "true", "no", 1.0, None])
def test_a_boolean_is_true_or_false(value: Any) -> None:
    with pytest.raises(ValidationError):
        LocalListWanted.model_validate({"enabled": value})


@pytest.mark.parametrize("value", ["1", True, " 1 ", "1.0"])
def test_a_number_is_no_text(value: Any) -> None:
    with pytest.raises(ValidationError):
        MaintenanceWindowCreate.model_validate({**WINDOW, "evse_id": value})
    assert MaintenanceWindowCreate.model_validate({**WINDOW, "evse_id": 1}).evse_id == 1


def models(kind: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a body is made of, as its annotation names them."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
        for field in kind.model_fields.values():
            yield from models(field.annotation)
    for each in getattr(kind, "__args__", ()):
        yield from models(each)


def test_every_body_is_read_strictly() -> None:
    found = {
        model
        for context in iter_route_contexts(create_api().routes)
        if isinstance(route := getattr(context, "original_route", context), APIRoute)
        for field in route.dependant.body_params
        for model in models(field.field_info.annotation)
    }
    assert len(found) > 20
    loose = sorted(each.__name__ for each in found if not issubclass(each, RequestBody))
    assert not loose, f"derive these from RequestBody of control/api/types.py: {loose}"
