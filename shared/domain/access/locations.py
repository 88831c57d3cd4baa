"""Locations: places with stations, and who may charge there."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.access.tokens import IdToken, id_token_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place as it is kept. With both lists empty, everybody may charge there."""

    location_id: str
    name: str | None
    allowed_id_tokens: tuple[str, ...]
    allowed_group_id_tokens: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class LocationRule:
    """Who may charge at a location, ready to be asked often; both hold keys of tokens."""

    id_token_keys: frozenset[str] = frozenset()
    group_keys: frozenset[str] = frozenset()

    def allows(self, token: IdToken) -> bool:
        """Tell whether a token may charge there, by itself or as one of its group."""
        if not self.id_token_keys and not self.group_keys:
            return True
        group = token.group_id_token
        return id_token_key(token.id_token) in self.id_token_keys or (
            group is not None and id_token_key(group) in self.group_keys
        )


EVERYBODY = LocationRule()
"""The rule of a station that stands nowhere in particular."""
