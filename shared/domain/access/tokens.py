"""Id tokens and their groups: who may charge, as their owners decided it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID


class AuthorizationStatus(StrEnum):
    """AuthorizationStatusEnumType; OCPP 1.6 knows the first five."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    CONCURRENT_TX = "ConcurrentTx"
    NO_CREDIT = "NoCredit"
    NOT_ALLOWED_TYPE_EVSE = "NotAllowedTypeEVSE"
    NOT_AT_THIS_LOCATION = "NotAtThisLocation"
    NOT_AT_THIS_TIME = "NotAtThisTime"
    UNKNOWN = "Unknown"


class IdTokenType(StrEnum):
    """IdTokenEnumType. A 1.6 idTag does not say its type: see `find_meant`."""

    CENTRAL = "Central"
    EMAID = "eMAID"
    ISO14443 = "ISO14443"
    ISO15693 = "ISO15693"
    KEY_CODE = "KeyCode"
    LOCAL = "Local"
    MAC_ADDRESS = "MacAddress"
    NO_AUTHORIZATION = "NoAuthorization"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdToken:
    """A token as it is kept. `status` is what its owner set: Accepted, Blocked or Invalid.

    `max_concurrent_sessions` is how many charges it may start side by side; None is any number.
    """

    id_token: str
    type: IdTokenType
    status: AuthorizationStatus
    expires_at: datetime | None
    group_id_token: str | None
    max_concurrent_sessions: int | None = None
    organization_id: str = DEFAULT_ORGANIZATION_ID
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTokenGroup:
    """Rules for all tokens of a group: `status` is Accepted or Blocked, the limit is of them all.

    OCPP 1.6 calls the group's id token parentIdTag. A group without rules need not be kept.
    """

    group_id_token: str
    name: str | None
    status: AuthorizationStatus
    max_concurrent_sessions: int | None
    organization_id: str = DEFAULT_ORGANIZATION_ID
    created_at: datetime
    updated_at: datetime


def id_token_key(id_token: str) -> str:
    """Return the form under which a token or a group is looked up.

    Id tokens are case-insensitive: CiString20Type in OCPP 1.6 §7.28, and OCPP 2.0.1 part 2 §2.28.
    """
    return id_token.casefold()


_CARDS = frozenset({IdTokenType.ISO14443, IdTokenType.ISO15693})
# No token has it in its text, which is of printable characters.
_BEFORE_TYPE = "\x1f"


def is_card(type_: IdTokenType) -> bool:
    """Tell whether a token of this type is a card."""
    return type_ in _CARDS


def is_same_type(one: IdTokenType, other: IdTokenType) -> bool:
    """Tell whether two types are one for us.

    Cards are registered from what stations of OCPP 1.6 read, which does not tell the two kinds
    apart.
    """
    return one is other or {one, other} <= _CARDS


def typed_key(id_token: str, type_: IdTokenType) -> str:
    """Return what tells a token from all others: its text and its type (2.0.1 part 2 C §1.1)."""
    return id_token_key(id_token) + _suffix(type_)


def _suffix(type_: IdTokenType) -> str:
    return _BEFORE_TYPE + (IdTokenType.ISO14443 if type_ in _CARDS else type_).casefold()


KEY_SUFFIXES = ("", *dict.fromkeys(map(_suffix, IdTokenType)))
"""What the keys of the tokens of one text may end with."""


def without_type(key: str) -> str:
    """Return the `id_token_key` that a typed key begins with, or the key itself."""
    return key.partition(_BEFORE_TYPE)[0]


def all_keys(id_token: str) -> list[str]:
    """Return the keys under which tokens of this text may be kept.

    The first of them to be registered has no type in its key, whatever it is: so code of before
    there could be two of them finds it.
    """
    plain = id_token_key(id_token)
    return [plain + suffix for suffix in KEY_SUFFIXES]


def find_meant(tokens: Sequence[IdToken], presented_as: IdTokenType | None) -> IdToken | None:
    """Return which of the tokens of one text is meant, or None if none is, or nobody can tell.

    Args:
        tokens: all that are registered with the text; no two of them of the same type.
        presented_as: the type that the station told. OCPP 1.6 tells none: then it is the only one
            of its text, whatever its type, because operators register apps' users and contracts for
            these stations too. Among several it is the card, which is what readers of 1.6 read. Who
            charges is not guessed beyond that.
    """
    if presented_as is not None:
        fitting = [token for token in tokens if is_same_type(token.type, presented_as)]
    elif len(tokens) > 1:
        fitting = [token for token in tokens if is_card(token.type)]
    else:
        fitting = list(tokens)
    return fitting[0] if len(fitting) == 1 else None
