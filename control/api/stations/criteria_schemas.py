"""What stations are selected by, in lists and in batches of commands alike."""

from typing import Annotated

from pydantic import BaseModel, Field

from control.api.accounts.organizations_schemas import OrganizationId
from control.api.types import ONE_LINE
from shared.domain.stations.stations import StationFilter

_Word = Annotated[str, Field(min_length=1, max_length=255), ONE_LINE]


class StationCriteria(BaseModel):
    """Which stations: those that every criterion holds for that is named.

    The words are those that stations told of themselves, and have to be the same to the letter.
    """

    vendor: _Word | None = Field(default=None, description="only those of this vendor")
    model: _Word | None = Field(default=None, description="only those of this model")
    firmware_version: _Word | None = Field(
        default=None, description="only those that run this version"
    )
    location_id: _Word | None = Field(default=None, description="only those that stand there")
    organization_id: OrganizationId | None = Field(
        default=None, description="only those that belong to this organization itself"
    )
    ocpp_version: Annotated[_Word | None, Field(examples=["1.6"])] = Field(
        default=None, description="only those that speak this version"
    )
    online: bool | None = Field(default=None, description="only those online, or offline")

    def to_domain(self) -> StationFilter:
        """Return the filter of the domain."""
        return StationFilter(**{name: getattr(self, name) for name in CRITERIA})


CRITERIA = tuple(StationCriteria.model_fields)
