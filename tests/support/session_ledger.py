"""What the store does with a station's words, in memory and without SQL: the model to compare with.

It keeps sets: the same word again changes nothing. Only of different ends the first one counts, and
a start bounds the session before it if it came later as well.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

from shared.domain.sessions import (
    Bill,
    ClosingRules,
    End,
    EndSource,
    Limits,
    OpenSession,
    Reading,
    ReadingOf,
    ReviewReason,
    RuleEnd,
    SessionFacts,
    Settlement,
    StrayEnd,
    Surroundings,
    TransactionEnded,
    TransactionEventReported,
    TransactionEventType,
    TransactionStarted,
    is_certain,
    match_ends,
    settle,
)
from shared.domain.sessions.meter_values import MeterValue, MeterValuesReported
from shared.domain.stations.stations import ConnectorStatus, ConnectorStatusReported
from shared.store.facts import Fact

LIMITS, RULES = Limits(), ClosingRules()


@dataclass
class _Session:
    received_at: datetime
    start: TransactionStarted | None = None
    ends: list[End] = field(default_factory=list)
    events: dict[Any, TransactionEventReported] = field(default_factory=dict)
    heard_at: dict[Any, datetime] = field(default_factory=dict)
    """When each event came."""
    concluded: RuleEnd | None = None
    bill: Bill | None = None


class Ledger:
    """One station's words."""

    def __init__(self) -> None:
        self.sessions: dict[str, _Session] = {}
        self._values: dict[Any, tuple[MeterValuesReported, MeterValue, datetime]] = {}
        self._strays: dict[Any, TransactionEnded] = {}
        self._ids: dict[Any, str] = {}
        self._booted_at: datetime | None = None
        self._statuses: dict[int, tuple[ConnectorStatusReported, datetime]] = {}

    def receive(self, fact: Fact, now: datetime) -> str | None:
        """Keep a fact; return the transaction id of a start."""
        match fact:
            case TransactionStarted():
                key = (
                    fact.evse_id, fact.started_at, fact.id_token, fact.meter_start_wh
                )  # fmt: skip
                transaction_id = self._ids.setdefault(key, str(len(self._ids) + 1))
                self.sessions.setdefault(transaction_id, _Session(now, start=fact))
                return transaction_id
            case TransactionEnded():
                self._receive_end(fact, now)
            case MeterValuesReported():
                self._receive_values(fact, now)
            case TransactionEventReported():
                session = self.sessions.setdefault(fact.transaction_id, _Session(now))
                session.events.setdefault(_number(fact), fact)
                session.heard_at.setdefault(_number(fact), now)
                values = MeterValuesReported(
                    fact.station_id, 0, fact.transaction_id, fact.meter_values
                )
                self._receive_values(values, now)
            case ConnectorStatusReported():
                self._statuses[fact.evse_id] = fact, now
            case _:
                raise AssertionError(fact)
        return None

    def boot(self, now: datetime) -> None:
        """Keep that the station has booted."""
        self._booted_at = now

    def _receive_end(self, fact: TransactionEnded, now: datetime) -> None:
        session = self.sessions.get(fact.transaction_id)
        if session is None or session.start is None:
            key = (
                fact.transaction_id, fact.ended_at, fact.meter_stop_wh, fact.stopped_reason,
                fact.id_token,
            )  # fmt: skip
            self._strays.setdefault(key, fact)
            return
        end = _end(fact, EndSource.STATION, now)
        if not any(_words(end) == _words(other) for other in session.ends):
            session.ends.append(end)

    def _receive_values(self, fact: MeterValuesReported, now: datetime) -> None:
        for value in fact.meter_values:
            key = (fact.evse_id, fact.transaction_id, value.sampled_at, str(value.samples))
            self._values.setdefault(key, (fact, value, now))

    def settle(self, now: datetime, *, evses: int = 2) -> dict[str, Settlement]:
        """Work every session out, and remember what rules concluded, as the worker does."""
        matched = self._match(evses)
        settlements = {}
        for transaction_id, session in self.sessions.items():
            facts = self._facts(transaction_id, session, matched[transaction_id])
            settlement = settle(facts, now=now, limits=LIMITS, rules=RULES)
            session.concluded = settlement.rule_end
            if session.bill is None and settlement.billable:
                session.bill = settlement.found
            settlements[transaction_id] = settlement
        return settlements

    def _match(self, evses: int) -> defaultdict[str, list[End]]:
        candidates = [
            OpenSession(
                session_id=transaction_id,
                started_at=session.start.started_at,
                meter_start_wh=session.start.meter_start_wh,
                id_token=session.start.id_token,
                sampled_until=max(
                    (
                        value.sampled_at
                        for told, value, _ in self._values.values()
                        if told.transaction_id == transaction_id
                    ),
                    default=None,
                ),
                next_started_at=self._next_started_at(session, session.start),
            )
            for transaction_id, session in self.sessions.items()
            if session.start is not None and not session.ends
        ]
        strays = dict(enumerate(self._strays.values()))
        found = match_ends(
            [
                StrayEnd(
                    letter_id=str(number),
                    ended_at=stray.ended_at,
                    meter_stop_wh=stray.meter_stop_wh,
                    id_token=stray.id_token,
                )
                for number, stray in strays.items()
            ],
            candidates,
            evses=evses,
            limits=LIMITS,
        )
        matched: defaultdict[str, list[End]] = defaultdict(list)
        for number, transaction_id in found.items():
            stray = strays[int(number)]
            matched[transaction_id].append(_end(stray, EndSource.MATCHED, stray.ended_at))
        return matched

    def _next_started_at(self, session: _Session, start: TransactionStarted) -> datetime | None:
        later = [
            other.start.started_at
            for other in self.sessions.values()
            if other.start is not None
            and other.start.evse_id == start.evse_id
            and other.start.started_at > start.started_at
            and other.received_at >= session.received_at
        ]
        return min(later, default=None)

    def _facts(self, transaction_id: str, session: _Session, matched: list[End]) -> SessionFacts:
        if session.start is None:
            return self._facts_of_events(transaction_id, session)
        start = session.start
        return SessionFacts(
            started_at=start.started_at,
            meter_start_wh=start.meter_start_wh,
            authorization_status=start.authorization_status,
            received_at=session.received_at,
            heard_at=session.received_at,
            ends=[*session.ends, *matched],
            readings=[
                Reading(
                    value.sampled_at,
                    received_at,
                    value.samples,
                    ReadingOf.SESSION if told.transaction_id == transaction_id
                    else ReadingOf.NONE if told.transaction_id is None
                    else ReadingOf.UNKNOWN,
                )
                for told, value, received_at in self._values.values()
                if told.evse_id == start.evse_id
                and (
                    told.transaction_id == transaction_id
                    or told.transaction_id not in self.sessions
                )
            ],
            surroundings=self._surroundings(session),
            concluded=session.concluded,
            id_token=start.id_token,
            bill=session.bill,
        )  # fmt: skip

    def _surroundings(self, session: _Session) -> Surroundings:
        """Return what is known beside a session; only one that tells its EVSE has a next."""
        evse_id, started_at = _place(session)
        if evse_id is None or started_at is None:
            return Surroundings()
        later = [
            (began, other.received_at)
            for other in self.sessions.values()
            for place, began in (_place(other),)
            if place == evse_id and began is not None and began > started_at
        ]
        status, status_at = self._statuses.get(evse_id, (None, None))
        available = status is not None and status.status is ConnectorStatus.AVAILABLE
        return Surroundings(
            next_start_at=min((began for began, _ in later), default=None),
            next_start_received_at=min(
                (came for _, came in later if came > session.received_at), default=None
            ),
            booted_at=self._booted_at,
            available_since=status.reported_at if status is not None and available else None,
            available_received_at=status_at if available else None,
        )

    def _facts_of_events(self, transaction_id: str, session: _Session) -> SessionFacts:
        events = session.events.values()
        first = [register for event in events if (register := event.registers()[0])]
        last = [register for event in events if (register := event.registers()[1])]
        starts = [e.occurred_at for e in events if e.event_type is TransactionEventType.STARTED]
        tokens = [(e.seq_no, e) for e in events if e.id_token_type and not e.ends_authorization]
        ends = [
            End(
                source=EndSource.STATION,
                ended_at=event.occurred_at,
                meter_stop_wh=_lowest_certain(last),
                stopped_reason=event.stopped_reason,
                id_token=None,
                received_at=session.heard_at[_number(event)],
            )
            for event in events
            if event.event_type is TransactionEventType.ENDED
        ]
        return SessionFacts(
            started_at=min(starts, default=None),
            meter_start_wh=_lowest_certain(first),
            authorization_status=min(tokens, key=itemgetter(0))[1].authorization_status
            if tokens
            else None,
            received_at=session.received_at,
            heard_at=max(session.heard_at.values()),
            ends=ends,
            readings=[
                Reading(value.sampled_at, received_at, value.samples)
                for told, value, received_at in self._values.values()
                if told.transaction_id == transaction_id
            ],
            surroundings=self._surroundings(session),
            concluded=session.concluded,
            id_token=min(tokens, key=itemgetter(0))[1].id_token if tokens else None,
            anonymous=not tokens,
            bill=session.bill,
            events_missing=_count_missing(session),
        )


def _number(fact: TransactionEventReported) -> tuple[Any, ...]:
    """Return what tells an event from others; some makes give all the same number."""
    return fact.seq_no, fact.event_type, fact.occurred_at


def _count_missing(session: _Session) -> int:
    events = session.events.values()
    ends = [e.occurred_at for e in events if e.event_type is TransactionEventType.ENDED]
    if not ends:
        return 0
    numbers = {event.seq_no for event in events if event.occurred_at <= min(ends)}
    return max(numbers) - min(numbers) + 1 - len(numbers)


def _place(session: _Session) -> tuple[int | None, datetime | None]:
    """Return a session's EVSE and when it began, by the station's clock."""
    if session.start is not None:
        return session.start.evse_id, session.start.started_at
    events = session.events.values()
    starts = [e.occurred_at for e in events if e.event_type is TransactionEventType.STARTED]
    return (
        min((e.evse_id for e in events if e.evse_id is not None), default=None),
        min(starts, default=None),
    )


def _lowest_certain(registers: list[Any]) -> Decimal | None:
    certain = [register for register in registers if is_certain(register.rank)]
    return min(certain, key=lambda register: register.rank).energy_wh if certain else None


def _end(fact: TransactionEnded, source: EndSource, received_at: datetime) -> End:
    return End(
        source=source,
        ended_at=fact.ended_at,
        meter_stop_wh=fact.meter_stop_wh,
        stopped_reason=fact.stopped_reason,
        id_token=fact.id_token,
        received_at=received_at,
    )


def _words(end: End) -> tuple[Any, ...]:
    return end.ended_at, end.meter_stop_wh, end.stopped_reason, end.id_token


def outcome(settlement: Settlement) -> tuple[Any, ...]:
    """Return what a session is, without when we heard of it.

    Which of the rules closed it is a matter of when the worker looked, and so is whether it could
    be billed before it was what it is.
    """
    end = settlement.end
    reasons = settlement.reasons - {ReviewReason.CHANGED_AFTER_SETTLEMENT}
    return (
        None if end is None else (end.source, end.ended_at, end.meter_stop_wh, end.stopped_reason),
        settlement.energy_wh,
        settlement.energy_method,
        settlement.estimates,
        sorted(reasons),
        bool(reasons),
    )
