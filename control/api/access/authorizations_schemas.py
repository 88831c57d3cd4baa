"""Decisions about tokens in the words of the API."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from control.access.explanation import DecidedBy, Explanation
from shared.domain.access import decisions as domain
from shared.domain.access.decisions import DecisionReason, DecisionSource, Purpose
from shared.domain.access.rules import RuleName, Ruling
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType

_EXAMPLE: dict[str, Any] = {
    "decided_at": "2025-06-01T09:00:00.104Z",
    "station_id": "CS-0001",
    "evse_id": 1,
    "connector_id": None,
    "id_token": "04A2B3C4D5E6F7",
    "id_token_type": None,
    "purpose": "start",
    "status": "Blocked",
    "reason": "group_blocked",
    "explanation": "its group FLEET-7 is blocked, changed last on 2025-05-30 16:12 UTC",
    "source": "memory",
    "latency_ms": 0.042,
    "transaction_id": "1042",
    "session_id": "01971f6e-8a54-7c3b-9d4e-1f2a3b4c5d6e",
    "pod_id": "gateway-1-3f9a2c",
}


class Authorization(BaseModel):
    """What a station was answered about a token, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    decided_at: datetime = Field(description="by the pod's clock")
    station_id: str
    evse_id: int | None = Field(description="null where the message names none, as Authorize")
    connector_id: int | None
    id_token: str = Field(description="as the station told it; empty for a start button")
    id_token_type: str | None = Field(description="null from OCPP 1.6, which tells none")
    purpose: Purpose = Field(
        description="`authorize`: the token was only shown; `start`: for a charge that begins or "
        "goes on; `stop`: for the end of one"
    )
    status: AuthorizationStatus = Field(
        description="in the words of OCPP 2.0.1; stations of OCPP 1.6 were told the nearest of "
        "theirs"
    )
    reason: DecisionReason | str = Field(description="to tell apart by; newer ones may come")
    explanation: str = Field(description="the reason in words")
    source: DecisionSource = Field(
        description="the farthest place that something was looked up in; `rule` if no token was"
    )
    latency_ms: float = Field(description="from the question to the decision")
    transaction_id: str | None
    session_id: str | None = Field(description="of that transaction, if it is kept")
    pod_id: str

    @classmethod
    def of(cls, decision: domain.Decision) -> Self:
        """Translate a decision."""
        return cls(
            **{name: getattr(decision, name) for name in cls.model_fields if name != "latency_ms"},
            latency_ms=decision.latency_us / 1000,
        )


class RuleOutcome(StrEnum):
    """What a rule says."""

    PASSED = "passed"
    REFUSED = "refused"
    NOTHING_TO_LOOK_AT = "nothing_to_look_at"


class RuleExplanation(BaseModel):
    """One rule; the first that refuses is the answer."""

    rule: RuleName
    outcome: RuleOutcome
    explanation: str

    @classmethod
    def of(cls, ruling: Ruling) -> Self:
        """Translate what a rule says."""
        outcome = RuleOutcome.NOTHING_TO_LOOK_AT
        if ruling.refused is not None:
            outcome = RuleOutcome.REFUSED if ruling.refused else RuleOutcome.PASSED
        return cls(rule=ruling.name, outcome=outcome, explanation=ruling.explanation)


class AuthorizationExplanation(BaseModel):
    """What a station would be answered about a token now, and what each rule says."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "station_id": "CS-0001",
                    "id_token": "04A2B3C4D5E6F7",
                    "id_token_type": None,
                    "status": "Blocked",
                    "reason": "token_blocked",
                    "explanation": "the token is blocked, changed last on 2025-05-30 16:12 UTC",
                    "rules": [
                        {
                            "rule": "status",
                            "outcome": "refused",
                            "explanation": "the token is blocked, changed last on 2025-05-30 "
                            "16:12 UTC",
                        }
                    ],
                    "decided_by": "rules",
                    "last_decision": _EXAMPLE,
                }
            ]
        }
    )

    station_id: str
    id_token: str
    id_token_type: IdTokenType | None
    status: AuthorizationStatus
    reason: DecisionReason
    explanation: str
    rules: list[RuleExplanation] = Field(description="in the order in which they are asked")
    decided_by: DecidedBy = Field(
        description="`external_api`: the station's last decision was that of your own API, which "
        "decides instead of these rules and may say otherwise"
    )
    last_decision: Authorization | None = Field(
        description="what this station was last told about this token, if that is still kept"
    )

    @classmethod
    def of(cls, explained: Explanation) -> Self:
        """Translate an explanation."""
        request, answer, last = explained.request, explained.answer, explained.last_decision
        return cls(
            station_id=request.station_id,
            id_token=request.id_token,
            id_token_type=request.presented_as,
            status=answer.status,
            reason=answer.reason,
            explanation=answer.explanation,
            rules=[RuleExplanation.of(ruling) for ruling in explained.rules],
            decided_by=explained.decided_by,
            last_decision=None if last is None else Authorization.of(last),
        )
