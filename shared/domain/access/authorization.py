"""May this token charge, here and now? A pure decision over what was looked up before."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.domain.access.locations import EVERYBODY, LocationRule
from shared.domain.access.tokens import (
    AuthorizationStatus,
    IdToken,
    IdTokenGroup,
    IdTokenType,
    is_same_type,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionStart:
    """The start of a transaction that a token is asked for.

    `meter_start_wh` is told by OCPP 1.6, `transaction_id` by OCPP 2.0.1, which also may begin a
    transaction before it knows the EVSE.
    """

    evse_id: int | None
    started_at: datetime
    meter_start_wh: Decimal | None = None
    transaction_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """A station asks whether a token may charge.

    `presented_as` is the type it told, None where the version tells none. `start` is None where
    the token is only shown (Authorize, and the end of a charge).
    """

    station_id: str
    id_token: str
    presented_as: IdTokenType | None = None
    start: TransactionStart | None = None


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


@dataclass(frozen=True, slots=True)
class OpenSessions:
    """What else a token and its group charge when one more session starts.

    A session of the same EVSE is not among them: it is the same start told again, or its end was
    lost. `told_before` is what was answered to this very start, None if it is new.
    """

    of_token: int = 0
    of_group: int = 0
    told_before: AuthorizationStatus | None = None


NO_OPEN_SESSIONS = OpenSessions()


def needs_open_sessions(token: IdToken | None, group: IdTokenGroup | None) -> bool:
    """Tell whether the decision about a start depends on what goes on elsewhere."""
    return (token is not None and token.max_concurrent_sessions is not None) or (
        group is not None and group.max_concurrent_sessions is not None
    )


def decide(
    token: IdToken | None,
    at: datetime,
    *,
    group: IdTokenGroup | None = None,
    rule: LocationRule = EVERYBODY,
    presented_as: IdTokenType | None = None,
    open_sessions: OpenSessions | None = None,
) -> Authorization:
    """Decide whether `token` may charge at the time `at`.

    Args:
        token: the token as kept, or None if nobody registered it.
        at: now, aware.
        group: the rules of the token's group, None if it has none. Those of an organization that
            the station does not stand below are none of its business.
        rule: who may charge where the station stands.
        presented_as: the type that the station told. A token is an identifier together with its
            type (OCPP 2.0.1 part 2 C §1.1): a card's number typed in as a key code is no card.
        open_sessions: what else goes on, if this is the start of a transaction; None if the token
            is only shown, because ConcurrentTx is an answer to a start alone (OCPP 1.6 §7.2,
            OCPP 2.0.1 part 2 §3.3). A card that ends a charge must not be refused for it.
    """
    if (
        token is None
        or not rule.knows(token)
        or (presented_as is not None and not is_same_type(token.type, presented_as))
    ):
        return Authorization(AuthorizationStatus.INVALID)
    if group is not None and not rule.knows(group):
        group = None
    status = _status(token, at, group, rule, open_sessions)
    return Authorization(status, token.expires_at, token.group_id_token)


def _status(
    token: IdToken,
    at: datetime,
    group: IdTokenGroup | None,
    rule: LocationRule,
    open_sessions: OpenSessions | None,
) -> AuthorizationStatus:
    if token.status is not AuthorizationStatus.ACCEPTED:
        return token.status
    if group is not None and group.status is not AuthorizationStatus.ACCEPTED:
        return group.status
    if has_expired(token.expires_at, at):
        return AuthorizationStatus.EXPIRED
    if not rule.allows(token):
        return AuthorizationStatus.NOT_AT_THIS_LOCATION
    if open_sessions is not None and _is_one_too_many(token, group, open_sessions):
        return AuthorizationStatus.CONCURRENT_TX
    return AuthorizationStatus.ACCEPTED


def _is_one_too_many(
    token: IdToken, group: IdTokenGroup | None, open_sessions: OpenSessions
) -> bool:
    if open_sessions.told_before is not None:
        return open_sessions.told_before is AuthorizationStatus.CONCURRENT_TX
    return _reaches(open_sessions.of_token, token.max_concurrent_sessions) or (
        group is not None and _reaches(open_sessions.of_group, group.max_concurrent_sessions)
    )


def _reaches(count: int, limit: int | None) -> bool:
    return limit is not None and count >= limit


def has_expired(expires_at: datetime | None, at: datetime) -> bool:
    """Tell whether a validity has ended; the moment of its end is outside."""
    return expires_at is not None and expires_at <= at
