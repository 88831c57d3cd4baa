"""Local authorization lists: whom a station lets charge without asking."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.domain.commands.command import Command


class LocalListUpdateType(StrEnum):
    """UpdateEnumType."""

    FULL = "Full"
    DIFFERENTIAL = "Differential"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendLocalList(Command):
    """Replace a station's local authorization list, or change entries of it.

    `version` is what the list is afterwards: 1 or more (OCPP 1.6 errata 3.52, OCPP 2.0.1
    D01.FR.18), and more than before if the update is differential. Each of `entries` is what
    `shared.domain.local_lists.LocalListEntry.to_params` gives; one without a status removes its
    token.
    """

    version: int
    update_type: LocalListUpdateType
    entries: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GetLocalListVersion(Command):
    """Ask for the version of a station's local authorization list."""
