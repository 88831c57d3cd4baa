"""Decisions about tokens as they are kept: what was asked and answered, why, and by what."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.access.tokens import AuthorizationStatus


class Purpose(StrEnum):
    """What a token was shown for."""

    AUTHORIZE = "authorize"
    """It was only shown (Authorize)."""
    START = "start"
    """It starts a transaction, or is told during one."""
    STOP = "stop"
    """It ends one."""


class DecisionSource(StrEnum):
    """What a decision stands on: of all that was looked up, the one that was farthest away."""

    MEMORY = "memory"
    """The pod remembered everything."""
    STALE_MEMORY = "stale_memory"
    """Postgres was away, so the pod went by what it had known last, however old that was."""
    REDIS = "redis"
    DATABASE = "database"
    EXTERNAL_API = "external_api"
    """The operator's own API answered."""
    RULE = "rule"
    """No token was looked up: a rule answers for any."""


class DecisionReason(StrEnum):
    """Why a token was accepted or refused; the explanation beside it says it in words."""

    ALLOWED = "allowed"
    TOKEN_UNKNOWN = "token_unknown"  # noqa: S105 - words, no secrets, here and below
    TOKEN_OF_OTHER_TYPE = "token_of_other_type"  # noqa: S105
    TOKEN_AMBIGUOUS = "token_ambiguous"  # noqa: S105
    TOKEN_BLOCKED = "token_blocked"  # noqa: S105
    TOKEN_INVALID = "token_invalid"  # noqa: S105
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    GROUP_BLOCKED = "group_blocked"
    NOT_AT_THIS_LOCATION = "not_at_this_location"
    TOO_MANY_SESSIONS = "too_many_sessions"
    START_TOLD_AGAIN = "start_told_again"
    START_BUTTON = "start_button"
    FREE_LOCATION = "free_location"
    EXTERNAL_ANSWER = "external_answer"
    EXTERNAL_ANSWER_EXPIRED = "external_answer_expired"
    EXTERNAL_FAILURE = "external_failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPosition:
    """Where a decision stands among the others."""

    decided_at: datetime
    decision_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was answered to a station about a token.

    `id_token` and `id_token_type` are as the station told them; the type is None where its version
    tells none. `latency_us` is from the question to the decision, in microseconds. `session_id` is
    of the transaction, if that is kept.
    """

    decision_id: int
    decided_at: datetime
    station_id: str
    evse_id: int | None
    connector_id: int | None
    id_token: str
    id_token_type: str | None
    purpose: Purpose
    status: AuthorizationStatus
    reason: str
    explanation: str
    source: DecisionSource
    latency_us: int
    transaction_id: str | None
    session_id: str | None
    pod_id: str

    @property
    def position(self) -> DecisionPosition:
        """Where it stands."""
        return DecisionPosition(decided_at=self.decided_at, decision_id=self.decision_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFilter:
    """Which decisions are asked for; None is no condition.

    `status` is a word of OCPP, or `refused` for every one but Accepted.
    """

    since: datetime | None = None
    until: datetime | None = None
    station_id: str | None = None
    id_token: str | None = None
    status: str | None = None
    reason: DecisionReason | None = None
    source: DecisionSource | None = None
    transaction_id: str | None = None


ANY_REFUSAL = "refused"
"""`DecisionFilter.status` for every answer but Accepted."""
