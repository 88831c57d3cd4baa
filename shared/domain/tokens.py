"""Id tokens and their groups: who may charge, as their owners decided it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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
    """IdTokenEnumType. A 1.6 idTag does not say its type: it counts as `ISO14443`."""

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
    created_at: datetime
    updated_at: datetime


def id_token_key(id_token: str) -> str:
    """Return the form under which a token or a group is looked up.

    Id tokens are case-insensitive: CiString20Type in OCPP 1.6 §7.28, and OCPP 2.0.1 part 2 §2.28.
    """
    return id_token.casefold()
