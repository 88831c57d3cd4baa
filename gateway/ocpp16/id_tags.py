"""Id tags: what OCPP 1.6 calls id tokens, and what it can say of them."""

from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import AuthorizationStatus

from gateway import quirks
from gateway.translation import format_time
from shared.domain.access import tokens
from shared.domain.access.authorization import Authorization
from shared.domain.stations.quirks import QuirkKind

ID_TAG_MAX_LENGTH = 20
"""Of an IdToken (§7.28, a CiString20Type)."""

# 1.6 has five words (§7.2). A token that may not charge here, now, or for lack of credit is no
# unknown one, which is what Invalid means.
_STATUS = {
    tokens.AuthorizationStatus.ACCEPTED: AuthorizationStatus.accepted,
    tokens.AuthorizationStatus.BLOCKED: AuthorizationStatus.blocked,
    tokens.AuthorizationStatus.EXPIRED: AuthorizationStatus.expired,
    tokens.AuthorizationStatus.INVALID: AuthorizationStatus.invalid,
    tokens.AuthorizationStatus.CONCURRENT_TX: AuthorizationStatus.concurrent_tx,
    tokens.AuthorizationStatus.NO_CREDIT: AuthorizationStatus.blocked,
    tokens.AuthorizationStatus.NOT_ALLOWED_TYPE_EVSE: AuthorizationStatus.blocked,
    tokens.AuthorizationStatus.NOT_AT_THIS_LOCATION: AuthorizationStatus.blocked,
    tokens.AuthorizationStatus.NOT_AT_THIS_TIME: AuthorizationStatus.blocked,
    tokens.AuthorizationStatus.UNKNOWN: AuthorizationStatus.invalid,
}


def from_id_tag(id_tag: str) -> str:
    """Return the token of an id tag; blanks that a reader fills it up with are no part of it."""
    id_token = id_tag.strip()
    if len(id_token) != len(id_tag):
        quirks.found(QuirkKind.PADDED, "idTag")
    return id_token


def to_id_tag_info(authorization: Authorization) -> IdTagInfo:
    """Translate a decision (§7.27)."""
    # A group of OCPP 2.0.1's longer tokens cannot be told to a station of 1.6.
    group = authorization.group_id_token
    return IdTagInfo(
        status=_STATUS[authorization.status],
        parent_id_tag=group if group and len(group) <= ID_TAG_MAX_LENGTH else None,
        expiry_date=format_time(authorization.expires_at) if authorization.expires_at else None,
    )
