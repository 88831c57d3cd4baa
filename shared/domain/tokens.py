"""Id tokens: who may charge."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AuthorizationStatus(StrEnum):
    """AuthorizationStatusEnumType, as far as it is decided here."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    CONCURRENT_TX = "ConcurrentTx"
    UNKNOWN = "Unknown"


class IdTokenType(StrEnum):
    """IdTokenEnumType. A 1.6 idTag does not say its type: it counts as `ISO14443`."""

    CENTRAL = "Central"
    EMAID = "eMAID"
    ISO14443 = "ISO14443"
    ISO15693 = "ISO15693"
    KEY_CODE = "KeyCode"
    LOCAL = "Local"
    MAC_ADDRESS = "MacAddress"
    NO_AUTHORIZATION = "NoAuthorization"


_CARDS = {IdTokenType.ISO14443, IdTokenType.ISO15693}


@dataclass(frozen=True, slots=True, kw_only=True)
class IdToken:
    """A token as it is kept. `status` is what its owner set: Accepted, Blocked or Invalid."""

    id_token: str
    type: IdTokenType
    status: AuthorizationStatus
    expires_at: datetime | None
    group_id_token: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Authorization:
    """The answer to "may this token charge?" (IdTokenInfoType)."""

    status: AuthorizationStatus
    expires_at: datetime | None = None
    group_id_token: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether the token may charge."""
        return self.status is AuthorizationStatus.ACCEPTED


def id_token_key(id_token: str) -> str:
    """Return the form under which a token is looked up.

    Id tokens are case-insensitive: CiString20Type in OCPP 1.6 §7.28, and OCPP 2.0.1 part 2 §2.28.
    """
    return id_token.casefold()


def authorize(
    token: IdToken | None, at: datetime, presented_as: IdTokenType | None = None
) -> Authorization:
    """Decide whether `token` may charge at the time `at`.

    Args:
        token: the token as kept, or None if nobody registered it.
        at: now, aware.
        presented_as: the type that the station told. A token is an identifier together with its
            type (OCPP 2.0.1 part 2 C §1.1): a card's number typed in as a key code is no card.
    """
    if token is None or (presented_as is not None and not _same_type(token.type, presented_as)):
        return Authorization(AuthorizationStatus.INVALID)
    status = token.status
    if (
        status is AuthorizationStatus.ACCEPTED
        and token.expires_at is not None
        and token.expires_at <= at
    ):
        status = AuthorizationStatus.EXPIRED
    return Authorization(status, token.expires_at, token.group_id_token)


def _same_type(kept: IdTokenType, presented: IdTokenType) -> bool:
    # Cards are registered from what 1.6 stations read, which does not tell the two apart.
    return kept is presented or {kept, presented} <= _CARDS
