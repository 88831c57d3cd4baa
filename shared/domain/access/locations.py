"""Locations: places with stations, and who may charge there."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.access.tokens import IdToken, IdTokenGroup, id_token_key
from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID


class LocationAuthorization(StrEnum):
    """Whether somebody has to be authorized to charge at a location."""

    REQUIRED = "required"
    FREE = "free"
    """Nobody: every token is accepted, and stations are set to charge without asking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place as it is kept. With both lists empty, every token may charge there.

    `free_since` is when it last became free for all, None if it never was. `time_zone` is the name
    of one of the IANA database, by whose clock people there are told times; None: by UTC.
    """

    location_id: str
    name: str | None
    allowed_id_tokens: tuple[str, ...]
    allowed_group_id_tokens: tuple[str, ...]
    authorization: LocationAuthorization
    free_since: datetime | None
    time_zone: str | None
    organization_id: str = DEFAULT_ORGANIZATION_ID
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class LocationRule:
    """Who may charge at a station, ready to be asked often.

    Attributes:
        id_token_keys: of the tokens that its location names.
        group_keys: likewise of groups; with both empty, everybody may.
        organization_ids: that of the station and those above it. Tokens of all others are unknown
            there: a site host's stations take its operator's drivers, and not the other way round.
            None for a station that nobody has registered.
        location_id: where it stands; None for nowhere in particular.
        free_since: when it last became free for all; None for never.
        free_until: until before when it was; None for no end.
    """

    id_token_keys: frozenset[str] = frozenset()
    group_keys: frozenset[str] = frozenset()
    organization_ids: frozenset[str] | None = None
    location_id: str | None = None
    free_since: datetime | None = None
    free_until: datetime | None = None

    def is_free(self, at: datetime, *, now: datetime) -> bool:
        """Tell whether nobody had to be authorized there at a time.

        Args:
            at: when a charge began, by the station's clock. What it tells late goes by that; a
                clock that is off by more than any station is offline tells nothing, and of one that
                is slow the beginning is not taken at its word.
            now: by our clock.
        """
        if self.free_since is None:
            return False
        if not now - _TOLD_AT_MOST_LATE < at <= now:
            at = now
        until = self.free_until
        return self.free_since - _CLOCK_IS_SLOW <= at and (until is None or at < until)

    def knows(self, what: IdToken | IdTokenGroup) -> bool:
        """Tell whether a token or a group is one of the station's organization or those above."""
        return self.organization_ids is None or what.organization_id in self.organization_ids

    def allows(self, token: IdToken) -> bool:
        """Tell whether a token may charge there, by itself or as one of its group."""
        if not self.id_token_keys and not self.group_keys:
            return True
        group = token.group_id_token
        return id_token_key(token.id_token) in self.id_token_keys or (
            group is not None and id_token_key(group) in self.group_keys
        )

    def in_words(self) -> str:
        """Say who may charge there, naming a few of those that are named."""
        if self.location_id is None:
            return "the station stands at no location"
        allowed = [
            f"the {what} {_list_some(keys)}"
            for what, keys in (("tokens", self.id_token_keys), ("groups", self.group_keys))
            if keys
        ]
        if not allowed:
            return f"location {self.location_id} allows every token"
        return f"location {self.location_id} allows only {' and '.join(allowed)}"


_NAMED = 5
_TOLD_AT_MOST_LATE = timedelta(days=31)
_CLOCK_IS_SLOW = timedelta(minutes=15)


def _list_some(keys: frozenset[str]) -> str:
    """Name a few; letter case does not count in tokens, and cards and groups are capitals."""
    named = sorted(keys)[:_NAMED]
    more = len(keys) - len(named)
    return ", ".join(named).upper() + (f" and {more} more" if more else "")


EVERYBODY = LocationRule()
"""The rule of a station that stands nowhere in particular."""
