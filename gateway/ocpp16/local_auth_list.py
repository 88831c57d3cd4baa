"""The Local Auth List Management profile of OCPP 1.6."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ocpp.v16 import call
from ocpp.v16.datatypes import AuthorizationData
from ocpp.v16.enums import Action, UpdateType

from gateway.errors import CannotBeSaidError
from gateway.handlers import Handlers
from gateway.ocpp16.id_tags import ID_TAG_MAX_LENGTH, to_id_tag_info
from gateway.routing import AnsweredCall, answered, sends
from gateway.translation import parse_time
from shared.domain import commands
from shared.domain.access.authorization import Authorization
from shared.domain.access.local_lists import (
    LocalListEntry,
    LocalListUpdated,
    LocalListUpdateStatus,
    LocalListVersionReported,
)
from shared.domain.access.tokens import AuthorizationStatus, id_token_key
from shared.store.facts import Fact


class LocalAuthList(Handlers):
    """SendLocalList, GetLocalListVersion."""

    __slots__ = ()

    @sends(commands.SendLocalList)
    def send_local_list(self, command: commands.SendLocalList) -> call.SendLocalList:
        """§5.15; a version is never 0 or -1 (errata 3.52). Each idTag is in it once (§6.41)."""
        texts = Counter(id_token_key(entry["id_token"]) for entry in command.entries)
        if repeated := [text for text, count in texts.items() if count > 1]:
            raise CannotBeSaidError(
                f"OCPP 1.6 tells no types: name {repeated[0]!r} in entries once"
            )
        return call.SendLocalList(
            list_version=command.version,
            update_type=UpdateType(command.update_type),
            local_authorization_list=[
                _to_authorization_data(LocalListEntry.from_params(entry))
                for entry in command.entries
            ],
        )

    @answered(Action.send_local_list)
    def local_list_sent(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep what the station's list holds since, or why not (§7.43)."""
        request = exchange.request
        yield LocalListUpdated(
            station_id=self.station.station_id,
            version=request["listVersion"],
            update_type=commands.LocalListUpdateType(request["updateType"]),
            status=LocalListUpdateStatus(exchange.answer["status"]),
            entries=tuple(map(_to_entry, request.get("localAuthorizationList", ()))),
        )

    @sends(commands.GetLocalListVersion)
    def get_local_list_version(
        self, command: commands.GetLocalListVersion
    ) -> call.GetLocalListVersion:
        """§5.10."""
        del command
        return call.GetLocalListVersion()

    @answered(Action.get_local_list_version)
    def local_list_version_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep the version: 0 of an empty list, -1 of a station that has no lists (§5.10)."""
        yield LocalListVersionReported(self.station.station_id, exchange.answer["listVersion"])


def _to_authorization_data(entry: LocalListEntry) -> AuthorizationData:
    if len(entry.id_token) > ID_TAG_MAX_LENGTH:
        raise CannotBeSaidError(
            f"an id tag of OCPP 1.6 has up to {ID_TAG_MAX_LENGTH} characters: leave "
            f"{entry.id_token!r} out"
        )
    if entry.status is None:
        return AuthorizationData(entry.id_token)
    return AuthorizationData(
        entry.id_token,
        to_id_tag_info(Authorization(entry.status, entry.expires_at, entry.group_id_token)),
    )


def _to_entry(data: dict[str, Any]) -> LocalListEntry:
    info = data.get("idTagInfo")
    if info is None:
        return LocalListEntry(id_token=data["idTag"])
    return LocalListEntry(
        id_token=data["idTag"],
        status=AuthorizationStatus(info["status"]),
        expires_at=parse_time(info["expiryDate"]) if "expiryDate" in info else None,
        group_id_token=info.get("parentIdTag"),
    )
