"""Configuration in the words of the API."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_EXAMPLE: dict[str, Any] = {
    "name": "HeartbeatInterval",
    "value": "300",
    "mutability": "ReadWrite",
    "known": True,
    "secret": False,
    "reboot_required": False,
    "unit": None,
    "data_type": None,
    "told_at": "2025-06-01T09:00:00.104Z",
}


class ConfigurationItem(BaseModel):
    """A configuration key of OCPP 1.6, or an attribute of a variable of 2.0.1."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    name: str = Field(
        description="what `GetConfiguration` and `ChangeConfiguration` call it; in 2.0.1 "
        "`Component.Variable`, an attribute other than Actual behind a slash"
    )
    value: str | None = Field(description="as last told; null if there is none, or for a secret")
    mutability: str | None = Field(
        description="`ReadOnly`, `WriteOnly` or `ReadWrite`; null for what the station does not "
        "know"
    )
    known: bool = Field(description="false if the station says that it has no such key")
    secret: bool = Field(description="whether its value is kept nowhere")
    reboot_required: bool = Field(
        description="whether the value holds only from the next boot on, which has not come yet"
    )
    unit: str | None
    data_type: str | None
    told_at: datetime = Field(description="when the station told it, or took it")
