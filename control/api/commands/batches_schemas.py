"""Commands to many stations, in the words of the API."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from control.api.commands.schemas import AnyCommandRequest, RemoteStop, SetChargingProfile
from control.api.commands.schemas.certificates import CertificateSigned
from control.api.stations.criteria_schemas import CRITERIA, StationCriteria
from control.api.types import RequestBody, StationId
from shared.domain.commands import CommandState
from shared.domain.commands import batches as domain
from shared.domain.redaction import redact
from shared.domain.stations import stations

_TIMEOUT_MAX_S = 604_800.0
_MAX_PER_S = 1000.0
# So many of the longest ids fit into a request body.
_MAX_NAMED = 5000

_EXAMPLE: dict[str, Any] = {
    "batch_id": "0197278e-7e02-7d1c-a6d5-5a3f0f6b7a11",
    "organization_id": "default",
    "type": "Reset",
    "params": {"reset_type": "OnIdle", "evse_id": None},
    "filter": {"vendor": "Example", "firmware_version": "2.4.0"},
    "total": 1200,
    "finished": 900,
    "progress": 0.75,
    "counts": {"queued": 280, "sent": 20, "accepted": 880, "rejected": 15, "unknown": 5},
    "max_per_s": 10.0,
    "idempotency_key": "reset-2.4.0",
    "expires_at": "2025-06-01T10:00:00Z",
    "created_at": "2025-06-01T09:00:00Z",
    "cancelled_at": None,
}


class StationFilter(StationCriteria, RequestBody):
    """Which stations: those that every criterion holds for that is named.

    The words are those that stations told of themselves, and have to be the same to the letter.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"vendor": "Example", "firmware_version": "2.4.0"}]},
    )

    online: bool | None = Field(
        default=None, description="as they are when the batch is made; left out, both"
    )
    all: bool = Field(
        default=False,
        description="without any criterion: yes, every station. So that a filter whose criteria "
        "were lost on the way does not mean it",
    )

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        named = any(getattr(self, name) is not None for name in CRITERIA)
        if named == self.all:
            raise PydanticCustomError(
                "one_of", "name at least one criterion, or say `all` for every station"
            )
        return self


class CommandBatchCreate(RequestBody):
    """A command to ask many stations."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "command": {"type": "Reset", "reset_type": "OnIdle"},
                    "filter": {"vendor": "Example", "firmware_version": "2.4.0"},
                    "timeout_s": 3600,
                    "max_per_s": 10,
                }
            ]
        },
    )

    command: AnyCommandRequest = Field(
        description="as for one station, without `timeout_s`, `wait_s` and `if_offline`"
    )
    station_ids: Annotated[list[StationId], Field(min_length=1, max_length=_MAX_NAMED)] | None = (
        Field(default=None, description="whom; a station named twice is asked once")
    )
    filter: StationFilter | None = Field(default=None, description="or what holds for them")
    timeout_s: float | None = Field(
        default=None,
        gt=0,
        le=_TIMEOUT_MAX_S,
        description="deadline: nothing is sent later than this. A station that is offline gets its "
        "command when it is back until then; an hour if left out",
    )
    max_per_s: float | None = Field(
        default=None,
        ge=0.01,
        le=_MAX_PER_S,
        description="so many commands are sent in a second at most; 10 if left out",
    )

    @field_validator("command")
    @classmethod
    def _is_for_many(cls, command: AnyCommandRequest) -> AnyCommandRequest:
        if command.model_fields_set & {"timeout_s", "wait_s", "if_offline"}:
            raise PydanticCustomError(
                "not_here",
                "a batch has one timeout_s of its own, all its commands wait for their stations, "
                "and nobody waits for it",
            )
        if isinstance(command, RemoteStop | CertificateSigned) or (
            isinstance(command, SetChargingProfile)
            and command.charging_profile.transaction_id is not None
        ):
            raise PydanticCustomError(
                "one_station", "this is about one station: ask it by /v1/stations/{id}/commands"
            )
        return command

    @model_validator(mode="after")
    def _names_stations_once(self) -> Self:
        if (self.station_ids is None) == (self.filter is None):
            raise PydanticCustomError(
                "one_of", "either station_ids or filter is needed, and not both"
            )
        return self

    def stations(self) -> list[str] | stations.StationFilter:
        """Return whom it is for."""
        if self.filter is not None:
            return self.filter.to_domain()
        return sorted(set(self.station_ids or ()))


class CommandBatch(BaseModel):
    """A command to many stations, and how far it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    batch_id: str
    organization_id: str = Field(description="of whoever asked for it")
    type: str
    params: dict[str, Any] = Field(description="the command's own fields; secrets are left out")
    filter: dict[str, Any] | None = Field(
        description="as it was asked for; null for a list of stations, {} for all"
    )
    total: int = Field(description="how many stations are asked")
    finished: int = Field(description="how many of the commands nothing more will happen to")
    progress: float = Field(ge=0, le=1, description="the same as a share")
    counts: dict[CommandState, int] = Field(
        description="how many commands are in each state; those with none are left out"
    )
    max_per_s: float
    idempotency_key: str | None
    expires_at: datetime = Field(description="nothing is sent later than this")
    created_at: datetime
    cancelled_at: datetime | None

    @classmethod
    def of(cls, found: domain.BatchProgress) -> Self:
        """Return a batch as it is answered."""
        batch = found.batch
        return cls(
            batch_id=batch.batch_id,
            organization_id=batch.organization_id,
            type=batch.type,
            params=redact(batch.params),
            filter=batch.filter,
            total=batch.total,
            finished=found.finished,
            progress=found.finished / batch.total,
            counts=found.counts,
            max_per_s=batch.max_per_s,
            idempotency_key=batch.idempotency_key,
            expires_at=batch.expires_at,
            created_at=batch.created_at,
            cancelled_at=batch.cancelled_at,
        )
