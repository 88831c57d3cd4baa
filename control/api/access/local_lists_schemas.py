"""Local authorization lists in the words of the API."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from control.api.access.id_token_groups_schemas import GroupIdTokenValue
from control.api.types import RequestBody
from shared.domain.access import local_lists as domain
from shared.domain.access.local_list_limits import ToldLimits
from shared.domain.access.local_lists import LocalListState, TokenSelection
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType

_EXAMPLE: dict[str, Any] = {
    "station_id": "CS-0001",
    "enabled": True,
    "tokens": "groups",
    "group_id_tokens": ["FLEET-7"],
    "state": "in_step",
    "version": 7,
    "reported_version": 7,
    "entries": 42,
    "left_out": 0,
    "max_entries": 100,
    "max_entries_per_message": 20,
    "failures": 0,
    "last_error": None,
    "verified_at": "2025-06-01T08:30:03Z",
    "updated_at": "2025-06-01T08:30:05Z",
}


class LocalListProgress(StrEnum):
    """Where a list is, and whether anything is done about it."""

    UNVERIFIED = "unverified"
    OUTDATED = "outdated"
    UPDATING = "updating"
    IN_STEP = "in_step"
    NOT_SUPPORTED = "not_supported"
    NOT_KEPT = "not_kept"
    SWITCHED_OFF = "switched_off"

    @classmethod
    def of(cls, local_list: domain.LocalList, told: ToldLimits) -> Self:
        """Return what is so: what is not kept in step, or not in use, is sent nothing."""
        if local_list.state is LocalListState.NOT_SUPPORTED:
            return cls(LocalListState.NOT_SUPPORTED)
        if not local_list.enabled:
            return cls("not_kept")
        return cls("switched_off") if told.enabled is False else cls(local_list.state)


class LocalListWanted(RequestBody):
    """What a station's list is to hold."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"enabled": True, "tokens": "groups", "group_id_tokens": ["FLEET-7"]}]
        },
    )

    enabled: bool = Field(description="whether the list is kept in step")
    tokens: TokenSelection = Field(
        default=TokenSelection.ALL,
        description="`all` tokens, or those of `groups`; never those that may not charge at the "
        "station's location",
    )
    group_id_tokens: Annotated[list[GroupIdTokenValue], Field(max_length=1000)] = Field(
        default=[], description="with `groups`: which ones; none at all empties the list"
    )

    @model_validator(mode="after")
    def _groups_are_of_use(self) -> Self:
        if self.tokens is TokenSelection.ALL and self.group_id_tokens:
            raise PydanticCustomError(
                "groups_without_use", 'group_id_tokens needs "tokens": "groups"'
            )
        return self


class LocalList(BaseModel):
    """A station's local authorization list."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    station_id: str
    enabled: bool
    tokens: TokenSelection
    group_id_tokens: list[str]
    state: LocalListProgress | None = Field(
        description=(
            "`unverified`: what the station holds is in doubt, it is asked for its version. "
            "`outdated`: the whole list is sent next. "
            "`updating`: what differs is sent. "
            "`in_step`: nothing differed when it was compared last. "
            "`not_supported`: the station has no such list. "
            "`not_kept`: nothing is sent, because `enabled` is false. "
            "`switched_off`: nothing is sent, because the station has told that its list is not in "
            "use (LocalAuthListEnabled); it goes on when the station has told otherwise, as in the "
            "answer to a command that changes or reads it. "
            "null: nobody has asked for one yet."
        )
    )
    version: int | None = Field(
        description="of what the station has accepted; null if that is not known"
    )
    reported_version: int | None = Field(
        description="what the station told last; 0 is an empty list, -1 none at all"
    )
    entries: int = Field(description="how many tokens the station holds")
    left_out: int = Field(description="tokens for which the station has no room")
    max_entries: int | None = Field(description="of the list, as the station told it")
    max_entries_per_message: int | None = Field(
        description="as the station told it; where it bounds the bytes, so many fit in any case"
    )
    failures: int = Field(description="in a row; each makes the wait for the next try longer")
    last_error: str | None
    verified_at: datetime | None = Field(description="when the station told its version last")
    updated_at: datetime | None

    @classmethod
    def of(
        cls,
        station_id: str,
        local_list: domain.LocalList | None,
        told: ToldLimits,
        *,
        entries: int,
    ) -> Self:
        """Return the list as it is answered; None is one that nobody has asked for yet."""
        max_entries, per_message = told.max_entries, told.entries_that_fit
        if local_list is None:
            return cls(
                station_id=station_id,
                enabled=False,
                tokens=TokenSelection.ALL,
                group_id_tokens=[],
                state=None,
                version=None,
                reported_version=None,
                entries=entries,
                left_out=0,
                max_entries=max_entries,
                max_entries_per_message=per_message,
                failures=0,
                last_error=None,
                verified_at=None,
                updated_at=None,
            )
        return cls(
            station_id=station_id,
            enabled=local_list.enabled,
            tokens=local_list.tokens,
            group_id_tokens=list(local_list.group_id_tokens),
            state=LocalListProgress.of(local_list, told),
            version=local_list.accepted_version,
            reported_version=local_list.reported_version,
            entries=entries,
            left_out=local_list.left_out,
            max_entries=local_list.max_entries if max_entries is None else max_entries,
            max_entries_per_message=(
                local_list.max_entries_per_message if per_message is None else per_message
            ),
            failures=local_list.failures,
            last_error=local_list.last_error,
            verified_at=local_list.verified_at,
            updated_at=local_list.updated_at,
        )


class LocalListsSet(BaseModel):
    """How many stations it was said for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"stations": 12}]})

    stations: int


class LocalListEntry(BaseModel):
    """What a station's list says of a token."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id_token": "04A2B3C4D5E6F7",
                    "type": "ISO14443",
                    "status": "Accepted",
                    "expires_at": None,
                    "group_id_token": "FLEET-7",
                }
            ]
        },
    )

    id_token: str
    type: IdTokenType | None = Field(description="null for stations of OCPP 1.6")
    status: AuthorizationStatus
    expires_at: datetime | None
    group_id_token: str | None
