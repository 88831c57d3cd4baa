"""D. Local authorization list management."""

from collections.abc import Iterator
from typing import Any

from ocpp.v201 import call
from ocpp.v201.datatypes import AuthorizationData, IdTokenType
from ocpp.v201.enums import Action, IdTokenEnumType, UpdateEnumType

from gateway.handlers import Handlers
from gateway.ocpp201.authorization import to_id_token_info
from gateway.routing import AnsweredCall, answered, sends
from gateway.translation import parse_time
from shared.domain import commands
from shared.domain.access import tokens
from shared.domain.access.authorization import Authorization
from shared.domain.access.local_lists import (
    LocalListEntry,
    LocalListUpdated,
    LocalListUpdateStatus,
    LocalListVersionReported,
)
from shared.store.facts import Fact


class LocalAuthorizationList(Handlers):
    """SendLocalList, GetLocalListVersion."""

    __slots__ = ()

    @sends(commands.SendLocalList)
    def send_local_list(self, command: commands.SendLocalList) -> call.SendLocalList:
        """D01."""
        return to_send_local_list(command)

    @answered(Action.send_local_list)
    def local_list_sent(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep what the station's list holds since, or why not (D01.FR.02)."""
        request = exchange.request
        yield LocalListUpdated(
            station_id=self.station.station_id,
            version=request["versionNumber"],
            update_type=commands.LocalListUpdateType(request["updateType"]),
            status=LocalListUpdateStatus(exchange.answer["status"]),
            entries=tuple(map(_to_entry, request.get("localAuthorizationList", ()))),
        )

    @sends(commands.GetLocalListVersion)
    def get_local_list_version(
        self, command: commands.GetLocalListVersion
    ) -> call.GetLocalListVersion:
        """D02."""
        del command
        return call.GetLocalListVersion()

    @answered(Action.get_local_list_version)
    def local_list_version_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep the version: 0 without a list (D02.FR.02, D02.FR.03)."""
        yield LocalListVersionReported(self.station.station_id, exchange.answer["versionNumber"])


def to_send_local_list(command: commands.SendLocalList) -> call.SendLocalList:
    """Return the message; an update without entries has no list at all (D01.FR.04, D01.FR.05)."""
    entries = [
        _to_authorization_data(LocalListEntry.from_params(entry)) for entry in command.entries
    ]
    return call.SendLocalList(
        version_number=command.version,
        update_type=UpdateEnumType(command.update_type),
        local_authorization_list=entries or None,
    )


def _to_authorization_data(entry: LocalListEntry) -> AuthorizationData:
    type_ = entry.type or tokens.IdTokenType.ISO14443
    id_token = IdTokenType(entry.id_token, IdTokenEnumType(type_))
    if entry.status is None:
        return AuthorizationData(id_token)
    return AuthorizationData(
        id_token,
        to_id_token_info(Authorization(entry.status, entry.expires_at, entry.group_id_token)),
    )


def _to_entry(data: dict[str, Any]) -> LocalListEntry:
    id_token, info = data["idToken"], data.get("idTokenInfo")
    type_ = tokens.IdTokenType(id_token["type"])
    if info is None:
        return LocalListEntry(id_token=id_token["idToken"], type=type_)
    expires_at = info.get("cacheExpiryDateTime")
    return LocalListEntry(
        id_token=id_token["idToken"],
        type=type_,
        status=tokens.AuthorizationStatus(info["status"]),
        expires_at=None if expires_at is None else parse_time(expires_at),
        group_id_token=info.get("groupIdToken", {}).get("idToken"),
    )
