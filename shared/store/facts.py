"""Writing facts: many stations' words in one transaction, each statement for all facts of a kind.

Every write is idempotent, because a station that was not answered says it again.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from shared.domain.device_model import (
    SecurityEventReported,
    StationEventsReported,
    VariablesReported,
)
from shared.domain.meter_values import MeterValuesReported
from shared.domain.sessions import (
    TransactionEnded,
    TransactionEventReported,
    TransactionStarted,
)
from shared.domain.stations import ConnectorStatusReported, StationBooted
from shared.store import (
    dead_letters,
    device_model,
    meter_values,
    station_reports,
    transaction_events,
    transactions,
)
from shared.store.pool import Connection, Database

Fact: TypeAlias = (
    StationBooted
    | ConnectorStatusReported
    | TransactionStarted
    | TransactionEventReported
    | MeterValuesReported
    | TransactionEnded
    | VariablesReported
    | StationEventsReported
    | SecurityEventReported
)


async def write(db: Database, facts: Sequence[Fact]) -> list[str | None]:
    """Commit all facts, or none of them.

    Returns:
        One result per fact in the same order: for a `TransactionStarted` its transaction id, else
        None.
    """
    by_kind: dict[type[Fact], list[int]] = {}
    for index, fact in enumerate(facts):
        by_kind.setdefault(type(fact), []).append(index)
    results: list[str | None] = [None] * len(facts)
    async with db.acquire() as connection:
        if len(by_kind) == 1:
            # A single statement is a transaction of its own: two round trips less.
            kind = type(facts[0])
            if kind in _SINGLE_STATEMENT:
                return await _WRITERS[kind](connection, facts)
        async with connection.transaction():
            # In the order of a charge's life, so that facts of one batch find what they refer to.
            for kind, writer in _WRITERS.items():
                if indexes := by_kind.get(kind):
                    written = await writer(connection, [facts[index] for index in indexes])
                    for index, result in zip(indexes, written, strict=True):
                        results[index] = result
    return results


async def write_dead_letter(db: Database, fact: Fact, *, reason: str) -> str | None:
    """Keep a fact that could not be written where it belongs, for a person to look at.

    Returns:
        What `write` would have: a `TransactionStarted` still gets an id that is unique, because the
        station needs one to go on.
    """
    await dead_letters.insert(db, [(fact, reason)])
    if isinstance(fact, TransactionStarted):
        return str(await db.fetchval("SELECT nextval('transaction_ids')"))
    return None


_WRITERS: dict[type[Fact], Callable[[Connection, Sequence[Any]], Awaitable[list[Any]]]] = {
    StationBooted: station_reports.write_boots,
    ConnectorStatusReported: station_reports.write_statuses,
    TransactionStarted: transactions.write_starts,
    TransactionEventReported: transaction_events.write,
    MeterValuesReported: meter_values.write,
    TransactionEnded: transactions.write_ends,
    VariablesReported: device_model.write_variables,
    StationEventsReported: device_model.write_events,
    SecurityEventReported: device_model.write_security_events,
}
_SINGLE_STATEMENT = _WRITERS.keys() - {TransactionEventReported, TransactionEnded}
