"""What stations are to be set to, and how far that has come."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from control import problems
from control.api.types import StationId
from control.services import ServicesDep
from shared.domain.error_codes import NotFoundCode
from shared.domain.stations.wanted_settings import WantedSettingState
from shared.store.stations import stations, wanted_settings

router = APIRouter(prefix="/v1/stations", tags=["stations"])

_EXAMPLE: dict[str, Any] = {
    "name": "AllowOfflineTxForUnknownId",
    "value": "true",
    "wanted": True,
    "state": "refused",
    "found_value": "false",
    "command_id": None,
    "read_at": "2025-06-01T09:00:00Z",
    "last_error": "the station answered Rejected",
    "updated_at": "2025-06-01T09:00:02Z",
}


class WantedSetting(BaseModel):
    """One setting that a station is to have, because of the location where it stands."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    name: str = Field(description="as in the command `ChangeConfiguration`")
    value: str
    wanted: bool = Field(description="false: it is being set back to `found_value`")
    state: WantedSettingState = Field(
        description="`unread`: what it is set to is asked first; `to_set`: it is told next; "
        "`in_step`; `reboot_required`: it holds from the next boot on; `refused` and "
        "`not_supported`: it said no, and is asked again after its next boot"
    )
    found_value: str | None = Field(
        description="what it was set to before; null if that was the same"
    )
    command_id: str | None = Field(description="the command that is on its way, or was last")
    read_at: datetime | None = Field(description="when the station last told what it is set to")
    last_error: str | None = Field(description="why it is not in step")
    updated_at: datetime


class WantedSettings(BaseModel):
    """All of one station."""

    items: list[WantedSetting]


@router.get("/{station_id}/wanted-settings", responses=problems.responses(NotFoundCode.STATION))
async def list_wanted_settings(station_id: StationId, services: ServicesDep) -> WantedSettings:
    """List what a station is to be set to, and how far that has come.

    Stations at a location that is free for all are set to let everybody charge, also while they are
    offline; when it is so no more, they are set back. Only settings of OCPP are used: where a
    vendor has one of its own for this, such as free vending, set it with `ChangeConfiguration`.
    """
    await stations.get(services.db, station_id)
    found = await wanted_settings.list_of(services.db, station_id)
    return WantedSettings(items=[WantedSetting.model_validate(each) for each in found])
