"""Requests of local authorization lists."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from control.api.commands.schemas.request import CommandRequest
from control.api.types import ONE_LINE, RequestBody, UtcTime
from shared.domain import commands as domain
from shared.domain.access.local_lists import LocalListEntry
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType, typed_key
from shared.domain.commands import LocalListUpdateType

_IdToken = Annotated[str, Field(min_length=1, max_length=36, examples=["04A2B3C4D5E6F7"]), ONE_LINE]


class LocalListEntryRequest(RequestBody):
    """What the list is to say of one token."""

    id_token: _IdToken = Field(description="OCPP 1.6 stations take 20 characters")
    type: IdTokenType = Field(
        default=IdTokenType.ISO14443, description="OCPP 1.6 stations are not told it"
    )
    status: AuthorizationStatus | None = Field(
        default=None, description="left out in a differential update, the token is removed"
    )
    expires_at: UtcTime | None = None
    group_id_token: _IdToken | None = None


class SendLocalList(CommandRequest):
    """Replace a station's local authorization list, or change entries of it.

    A list that is kept in step (`PUT /v1/stations/{station_id}/local-list`) is put right again
    after this.
    """

    type: Literal["SendLocalList"]
    version: int = Field(
        ge=1,
        le=2_147_483_647,
        description="of the list after the update; a differential one needs a higher one than the "
        "station has",
    )
    update_type: LocalListUpdateType
    entries: tuple[LocalListEntryRequest, ...] = Field(default=(), max_length=10_000)

    @model_validator(mode="after")
    def _entries_are_whole(self) -> Self:
        keys = [typed_key(entry.id_token, entry.type) for entry in self.entries]
        if len(set(keys)) < len(keys):
            raise PydanticCustomError("duplicate", "each token may be in entries once")
        if self.update_type is LocalListUpdateType.FULL and any(
            entry.status is None for entry in self.entries
        ):
            raise PydanticCustomError(
                "status_missing", "in a full update each of entries needs a status"
            )
        return self

    def to_command(self) -> domain.SendLocalList:
        """Return the command, its entries as they are kept."""
        return domain.SendLocalList(
            version=self.version,
            update_type=self.update_type,
            entries=tuple(
                LocalListEntry(**entry.model_dump()).to_params() for entry in self.entries
            ),
        )


class GetLocalListVersion(CommandRequest):
    """Ask for the version of the station's local authorization list.

    0 is an empty list; -1 is told by OCPP 1.6 stations that have no such thing.
    """

    type: Literal["GetLocalListVersion"]


EXAMPLES: dict[str, dict[str, Any]] = {
    "SendLocalList": {
        "version": 7,
        "update_type": "Differential",
        "entries": [{"id_token": "04A2B3C4D5E6F7", "type": "ISO14443", "status": "Accepted"}],
    },
    "GetLocalListVersion": {},
}
"""The fields of one request of each type."""
