"""What happens to a session beside what its station says."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.domain.sessions.bill import Bill, list_differences
from shared.domain.sessions.closing import EndRule
from shared.domain.sessions.review import ReviewReason
from shared.domain.sessions.settlement import EndSource, Settlement


class HistoryKind(StrEnum):
    """What happened."""

    CLOSED_BY_RULE = "closed_by_rule"
    REOPENED = "reopened"
    """The session spoke again: the rule was wrong."""
    RULE_END_REPLACED = "rule_end_replaced"
    """The station's own end came after all, or an operator's."""
    END_MATCHED = "end_matched"
    """An end that named no transaction of the station could only mean this one."""
    END_ASSIGNED = "end_assigned"
    """An operator gave it an end from the dead letters."""
    END_RELEASED = "end_released"
    """What was matched is not certain any more, and is a dead letter again."""
    CHANGED_AFTER_SETTLEMENT = "changed_after_settlement"
    """It could be billed, and is another one now; `detail` has both."""
    NEEDS_REVIEW = "needs_review"
    REVIEWED = "reviewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """Something that happened to a session; `detail` is any JSON."""

    history_id: str
    kind: HistoryKind
    detail: dict[str, Any]
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a session showed before it was settled anew.

    `bill` is what could be billed first, and `found` what the last settlement came to, whether or
    not that could be billed.
    """

    ended_by: EndSource | None
    end_rule: EndRule | None
    reasons: frozenset[ReviewReason]
    bill: Bill | None = None
    found: Bill | None = None


def list_changes(shown: Shown, settlement: Settlement) -> list[tuple[HistoryKind, dict[str, Any]]]:
    """Return what a settlement changes that people have to be told of."""
    changes: list[tuple[HistoryKind, dict[str, Any]]] = []
    source = None if settlement.end is None else settlement.end.source
    rule_end = settlement.rule_end
    if rule_end is not None and rule_end.rule is not shown.end_rule:
        detail = {"rule": rule_end.rule, "ended_at": rule_end.ended_at.isoformat()}
        changes.append((HistoryKind.CLOSED_BY_RULE, detail))
    if rule_end is None and shown.end_rule is not None:
        kind = HistoryKind.REOPENED if source is None else HistoryKind.RULE_END_REPLACED
        changes.append((kind, {"rule": shown.end_rule, "ended_by": source}))
    if source is EndSource.MATCHED and shown.ended_by is not EndSource.MATCHED:
        changes.append((HistoryKind.END_MATCHED, {}))
    if source is not EndSource.MATCHED and shown.ended_by is EndSource.MATCHED:
        changes.append((HistoryKind.END_RELEASED, {"ended_by": source}))
    new = settlement.reasons - shown.reasons
    if ReviewReason.CHANGED_AFTER_SETTLEMENT in settlement.reasons and shown.bill is not None:
        before = shown.bill if ReviewReason.CHANGED_AFTER_SETTLEMENT in new else shown.found
        if before is not None and (detail := list_differences(before, settlement.found)):
            changes.append((HistoryKind.CHANGED_AFTER_SETTLEMENT, detail))
    if settlement.needs_review and new:
        changes.append((HistoryKind.NEEDS_REVIEW, {"reasons": sorted(new)}))
    return changes
