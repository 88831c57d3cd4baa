"""Local authorization lists: what a station is to hold, what it holds, and the next step between.

A list is kept in step by comparing what is wanted with what the station has said yes to. Whenever
that is in doubt (a version that is not ours, a missing answer, a boot) the station is asked for its
version, and if it is not the expected one, sent the whole list again (OCPP 1.6 §3.5.2 and §5.15,
OCPP 2.0.1 D01 and D02).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.domain.access.local_list_limits import LocalListLimits
from shared.domain.access.tokens import (
    AuthorizationStatus,
    IdToken,
    IdTokenType,
    id_token_key,
    is_card,
    typed_key,
)
from shared.domain.commands.local_lists import LocalListUpdateType

OCPP_16_ID_TAG_MAX_LENGTH = 20
"""OCPP 1.6 §7.28."""

EMPTY_VERSION = 0
"""What a station tells of a list that holds nothing (OCPP 1.6 §5.10, OCPP 2.0.1 D02.FR.02)."""

_NOT_SUPPORTED_VERSION = -1  # OCPP 1.6 §5.10
_RETRY_MIN_S = 60.0
_RETRY_MAX_S = 6 * 3600.0


class TokenSelection(StrEnum):
    """Which tokens a station's list is made of."""

    ALL = "all"
    GROUPS = "groups"


class LocalListState(StrEnum):
    """Where a list is between what it is to hold and what it holds."""

    UNVERIFIED = "unverified"
    """What the station holds is in doubt: its version is to be asked for."""
    OUTDATED = "outdated"
    """What it holds is not known: the whole list is to be sent."""
    UPDATING = "updating"
    """What it holds is known, and is to be compared with what it shall hold."""
    IN_STEP = "in_step"
    NOT_SUPPORTED = "not_supported"
    """The station has no local list; it is asked again when it boots."""


class LocalListUpdateStatus(StrEnum):
    """SendLocalListStatusEnumType, and UpdateStatus of OCPP 1.6 §7.43."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    NOT_SUPPORTED = "NotSupported"
    VERSION_MISMATCH = "VersionMismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalListEntry:
    """What a list says of one token; without a status, that it is not to be in it.

    `type` is None where the version tells none (OCPP 1.6).
    """

    id_token: str
    type: IdTokenType | None = None
    status: AuthorizationStatus | None = None
    expires_at: datetime | None = None
    group_id_token: str | None = None

    @property
    def key(self) -> str:
        """Return what tells it from other entries: the text, and the type of what is no card."""
        if self.type is None or is_card(self.type):
            return id_token_key(self.id_token)
        return typed_key(self.id_token, self.type)

    def to_params(self) -> dict[str, Any]:
        """Return it as JSON, for a command's parameters."""
        return {
            name: value
            for name, value in (
                ("id_token", self.id_token),
                ("type", self.type),
                ("status", self.status),
                ("expires_at", self.expires_at and self.expires_at.isoformat()),
                ("group_id_token", self.group_id_token),
            )
            if value is not None
        }

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "LocalListEntry":
        """Return the entry that `to_params` gave."""
        type_, status, expires_at = (params.get(k) for k in ("type", "status", "expires_at"))
        return cls(
            id_token=params["id_token"],
            type=None if type_ is None else IdTokenType(type_),
            status=None if status is None else AuthorizationStatus(status),
            expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
            group_id_token=params.get("group_id_token"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalList:
    """A station's list as it is kept: what is wanted, and how far that has come.

    `version` is the highest that was given out, `accepted_version` that of what we know the station
    to hold, `reported_version` what it told last. `left_out` counts tokens that found no room.
    `checked_revision` is that of all tokens when the list was compared last. The limits are what
    the station told, None if it did not.
    """

    station_id: str
    enabled: bool
    tokens: TokenSelection
    group_id_tokens: tuple[str, ...]
    state: LocalListState
    version: int
    accepted_version: int | None
    reported_version: int | None
    left_out: int
    checked_revision: int | None
    verified_at: datetime | None
    limits_asked_at: datetime | None
    max_entries: int | None
    max_entries_per_message: int | None
    command_id: str | None
    failures: int
    last_error: str | None
    next_step_at: datetime
    updated_at: datetime

    @property
    def next_version(self) -> int:
        """Return a version that is higher than any the station may know."""
        return max(self.version, self.reported_version or 0, 0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalListUpdated:
    """A station answered to an update of its list (SendLocalList)."""

    station_id: str
    version: int
    update_type: LocalListUpdateType
    status: LocalListUpdateStatus
    entries: tuple[LocalListEntry, ...]


@dataclass(frozen=True, slots=True)
class LocalListVersionReported:
    """A station told its list's version (GetLocalListVersion)."""

    station_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalListUpdate:
    """An update to send."""

    version: int
    update_type: LocalListUpdateType
    entries: tuple[LocalListEntry, ...]


def to_entry(
    token: IdToken, *, group_status: AuthorizationStatus | None, ocpp_version: str
) -> LocalListEntry | None:
    """Return what a station's list is to say of a token, or None if it cannot say it.

    A token that has expired stays Accepted until a date in the past, so that the list does not
    change with the clock: the station refuses it all the same (OCPP 1.6 §3.5.4).

    Args:
        token: as it is kept.
        group_status: what the rules of its group say, None if there are none.
        ocpp_version: the station's. 1.6 tells no types, and takes 20 characters.
    """
    if token.type is IdTokenType.NO_AUTHORIZATION:
        return None
    status, group_id_token = token.status, token.group_id_token
    if status is AuthorizationStatus.ACCEPTED and group_status is not None:
        status = group_status
    type_: IdTokenType | None = token.type
    if ocpp_version == "1.6":
        if len(token.id_token) > OCPP_16_ID_TAG_MAX_LENGTH:
            return None
        type_ = None
        if group_id_token is not None and len(group_id_token) > OCPP_16_ID_TAG_MAX_LENGTH:
            group_id_token = None
    return LocalListEntry(
        id_token=token.id_token,
        type=type_,
        status=status,
        expires_at=token.expires_at and _in_milliseconds(token.expires_at),
        group_id_token=group_id_token,
    )


def _in_milliseconds(time: datetime) -> datetime:
    # What stands on the wire. Otherwise an entry would differ from itself when it comes back.
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def plan_full(
    wanted: Sequence[LocalListEntry], limits: LocalListLimits, *, version: int
) -> LocalListUpdate:
    """Return the update that replaces a list.

    If it is too large for one message, the rest follows in differential ones (D01.FR.15).
    """
    return LocalListUpdate(
        version=version,
        update_type=LocalListUpdateType.FULL,
        entries=tuple(wanted[: limits.max_entries_per_message]),
    )


def plan_update(
    held: Mapping[str, LocalListEntry],
    wanted: Sequence[LocalListEntry],
    limits: LocalListLimits,
    *,
    version: int,
) -> LocalListUpdate | None:
    """Return the next update of a list whose content is known, or None if it is in step.

    Args:
        held: what the station holds, by key.
        wanted: what it is to hold, not more than it can; each token once.
        limits: how much one message takes.
        version: the list's after this update.
    """
    keys = {entry.key for entry in wanted}
    # First what goes, so that the list is never longer than it is to be at the end.
    removed = [
        LocalListEntry(id_token=entry.id_token, type=entry.type)
        for key, entry in held.items()
        if key not in keys
    ]
    changed = [entry for entry in wanted if held.get(entry.key) != entry]
    if not removed and not changed:
        return None
    if len(removed) + len(changed) > len(wanted):
        return plan_full(wanted, limits, version=version)
    return LocalListUpdate(
        version=version,
        update_type=LocalListUpdateType.DIFFERENTIAL,
        entries=tuple((removed + changed)[: limits.max_entries_per_message]),
    )


def state_after_update(fact: LocalListUpdated) -> LocalListState:
    """Return a list's state after the station's answer to an update."""
    match fact.status:
        case LocalListUpdateStatus.ACCEPTED:
            return LocalListState.UPDATING
        case LocalListUpdateStatus.NOT_SUPPORTED:
            return LocalListState.NOT_SUPPORTED
        case LocalListUpdateStatus.VERSION_MISMATCH:
            return LocalListState.UNVERIFIED
        case LocalListUpdateStatus.FAILED:
            return LocalListState.OUTDATED


def state_after_report(
    state: LocalListState, *, accepted_version: int | None, reported_version: int
) -> LocalListState:
    """Return a list's state after the station told its version.

    Args:
        state: before.
        accepted_version: the version of what we know the station to hold, None if we know nothing.
        reported_version: 0 means an empty list or none, -1 that it has no such thing.
    """
    if reported_version == _NOT_SUPPORTED_VERSION:
        return LocalListState.NOT_SUPPORTED
    if reported_version != accepted_version:
        # A list that is empty has version 0, whichever one it was sent with (OCPP 1.6 §5.10). In
        # 2.0.1 there is none (D02.FR.02). Either way it is known what it holds.
        empty = reported_version == EMPTY_VERSION
        return LocalListState.UPDATING if empty else LocalListState.OUTDATED
    return LocalListState.IN_STEP if state is LocalListState.IN_STEP else LocalListState.UPDATING


def retry_delay_s(failures: int) -> float:
    """Return how long to wait after so many failures in a row.

    After the first one there is a better thing to do at once: to send the whole list.
    """
    if failures <= 1:
        return 0.0
    return float(min(_RETRY_MIN_S * 2.0 ** min(failures - 2, 16), _RETRY_MAX_S))
