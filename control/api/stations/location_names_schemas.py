"""Names of locations in the words of the API."""

from typing import Any

from pydantic import BaseModel, ConfigDict

_EXAMPLE: dict[str, Any] = {
    "location_id": "depot-north",
    "organization_id": "default",
    "name": "Depot North",
}


class NamedLocation(BaseModel):
    """A place where stations may stand, and nothing of who may charge there."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    location_id: str
    organization_id: str
    name: str | None
