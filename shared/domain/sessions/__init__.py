"""Sessions: our stored, billable record of what a station calls a transaction.

What a station says is kept as it came (`facts`). What its session is follows from all of it
together (`settlement.settle`), whatever the order it came in and however often it was said.
"""

from shared.domain.sessions.bill import CHANGES, Bill
from shared.domain.sessions.closing import ClosingRules, EndRule, RuleEnd, Surroundings
from shared.domain.sessions.energy import (
    EnergyEstimate,
    EnergyMethod,
    Reading,
    ReadingOf,
    energy_samples,
)
from shared.domain.sessions.facts import (
    RankedRegister,
    TransactionEnded,
    TransactionEventReported,
    TransactionEventType,
    TransactionIdIssuer,
    TransactionStarted,
    is_certain,
)
from shared.domain.sessions.history import HistoryEntry, HistoryKind, Shown, list_changes
from shared.domain.sessions.limits import Limits
from shared.domain.sessions.matching import OpenSession, StrayEnd, TooManyPairsError, match_ends
from shared.domain.sessions.review import Review, ReviewDecision, ReviewReason, Seen
from shared.domain.sessions.search import SessionFilter, SessionOrder
from shared.domain.sessions.session import Session
from shared.domain.sessions.settlement import End, EndSource, SessionFacts, Settlement, settle

__all__ = [
    "CHANGES",
    "Bill",
    "ClosingRules",
    "End",
    "EndRule",
    "EndSource",
    "EnergyEstimate",
    "EnergyMethod",
    "HistoryEntry",
    "HistoryKind",
    "Limits",
    "OpenSession",
    "RankedRegister",
    "Reading",
    "ReadingOf",
    "Review",
    "ReviewDecision",
    "ReviewReason",
    "RuleEnd",
    "Seen",
    "Session",
    "SessionFacts",
    "SessionFilter",
    "SessionOrder",
    "Settlement",
    "Shown",
    "StrayEnd",
    "Surroundings",
    "TooManyPairsError",
    "TransactionEnded",
    "TransactionEventReported",
    "TransactionEventType",
    "TransactionIdIssuer",
    "TransactionStarted",
    "energy_samples",
    "is_certain",
    "list_changes",
    "match_ends",
    "settle",
]
