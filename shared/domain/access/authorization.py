"""May this token charge, here and now? A pure decision over what was looked up before."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.domain.access.decisions import DecisionReason, DecisionSource
from shared.domain.access.locations import EVERYBODY, LocationRule
from shared.domain.access.rules import Case, OpenSessions, free_at, judge
from shared.domain.access.tokens import AuthorizationStatus, IdToken, IdTokenGroup, IdTokenType


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
    connector_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionStop:
    """The end of a transaction that a token is shown for."""

    transaction_id: str
    evse_id: int | None = None
    connector_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """A station asks whether a token may charge.

    `presented_as` is the type it told, None where the version tells none. `start` is None where
    the token is only shown (Authorize, and the end of a charge); `stop` tells of which charge it is
    the end. Nothing is decided by `stop`: it says in the record of the decision what that was for.
    """

    station_id: str
    id_token: str
    presented_as: IdTokenType | None = None
    start: TransactionStart | None = None
    stop: TransactionStop | None = None


@dataclass(frozen=True, slots=True)
class Authorization:
    """The answer to "may this token charge?" (IdTokenInfoType), and why it is so.

    `explanation` says `reason` in words for an operator; `source` is what it stands on. Stations
    are told neither.
    """

    status: AuthorizationStatus
    expires_at: datetime | None = None
    group_id_token: str | None = None
    reason: DecisionReason = DecisionReason.ALLOWED
    explanation: str = ""
    source: DecisionSource = DecisionSource.RULE

    @property
    def accepted(self) -> bool:
        """Whether the token may charge."""
        return self.status is AuthorizationStatus.ACCEPTED

    @property
    def free(self) -> bool:
        """Whether no token was looked at, because the location is free for all."""
        return self.reason is DecisionReason.FREE_LOCATION


_NOT_THIS_TOKEN = frozenset(
    {
        DecisionReason.TOKEN_UNKNOWN,
        DecisionReason.TOKEN_OF_OTHER_TYPE,
        DecisionReason.TOKEN_AMBIGUOUS,
        DecisionReason.FREE_LOCATION,
    }
)


def free_authorization(rule: LocationRule) -> Authorization:
    """Return the answer to every token at a location that is free for all."""
    status, reason, explanation = free_at(rule)
    return Authorization(status, reason=reason, explanation=explanation)


def is_free(rule: LocationRule, request: AuthorizationRequest, *, now: datetime) -> bool:
    """Tell whether nobody has to be authorized for what a token is shown for."""
    if rule.free_since is None:
        return False
    return rule.is_free(now if request.start is None else request.start.started_at, now=now)


def decide(
    token: IdToken | None,
    at: datetime,
    *,
    group: IdTokenGroup | None = None,
    rule: LocationRule = EVERYBODY,
    presented_as: IdTokenType | None = None,
    open_sessions: OpenSessions | None = None,
    known: tuple[IdTokenType, ...] = (),
    free: bool = False,
    source: DecisionSource = DecisionSource.RULE,
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
        known: the types of all tokens with this text; they tell why none of them is meant.
        free: nobody has to be authorized there, or had to be when the charge began.
        source: where all this was found.
    """
    status, reason, explanation = judge(
        Case(token, at, group, rule, presented_as, open_sessions, known, free)
    )
    if token is None or reason in _NOT_THIS_TOKEN:
        return Authorization(status, None, None, reason, explanation, source)
    return Authorization(
        status, token.expires_at, token.group_id_token, reason, explanation, source
    )
