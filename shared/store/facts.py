"""Writing facts: many stations' words in one transaction, each statement for all facts of a kind.

Every write is idempotent, because a station that was not answered says it again.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from shared.domain.access.local_lists import LocalListUpdated, LocalListVersionReported
from shared.domain.charging.charging_profiles import (
    ChargingProfileAccepted,
    ChargingProfilesCleared,
    CompositeScheduleReported,
)
from shared.domain.charging.reservations import (
    ReservationAnswered,
    ReservationEnded,
    ReservationsGivenUp,
)
from shared.domain.sessions import TransactionEnded, TransactionEventReported, TransactionStarted
from shared.domain.sessions.dead_letters import CallRefused
from shared.domain.sessions.meter_values import MeterValuesReported
from shared.domain.stations.configuration import ConfigurationChanged, ConfigurationReported
from shared.domain.stations.device_model import (
    SecurityEventReported,
    StationEventsReported,
    VariablesReported,
    VariableValuesTold,
)
from shared.domain.stations.stations import ConnectorStatusReported, StationBooted
from shared.domain.trust.certificates import (
    CertificateDeleted,
    CertificateInstalled,
    CertificateSignedAnswered,
    CertificateSigningRequested,
    InstalledCertificatesReported,
)
from shared.domain.upkeep.firmware import FirmwareStatusReported, FirmwareUpdateAnswered
from shared.domain.upkeep.logs import LogRequestAnswered, LogStatusReported
from shared.store.access import local_lists
from shared.store.charging import charging_profiles, reservations
from shared.store.pool import Connection, Database, KeptConnection
from shared.store.quotas import RowQuotas
from shared.store.sessions import (
    dead_letters,
    meter_values,
    refused_calls,
    transaction_events,
    transactions,
)
from shared.store.sessions.dead_letters import LetterToKeep, Redelivery
from shared.store.stations import configuration, device_model, reports
from shared.store.trust import certificates, signing_requests
from shared.store.upkeep import firmware, logs

Fact: TypeAlias = (
    StationBooted
    | ConnectorStatusReported
    | TransactionStarted
    | TransactionEventReported
    | MeterValuesReported
    | TransactionEnded
    | VariablesReported
    | VariableValuesTold
    | StationEventsReported
    | SecurityEventReported
    | ConfigurationReported
    | ConfigurationChanged
    | LocalListUpdated
    | LocalListVersionReported
    | ChargingProfileAccepted
    | ChargingProfilesCleared
    | CompositeScheduleReported
    | ReservationAnswered
    | ReservationEnded
    | ReservationsGivenUp
    | FirmwareUpdateAnswered
    | FirmwareStatusReported
    | LogRequestAnswered
    | LogStatusReported
    | InstalledCertificatesReported
    | CertificateInstalled
    | CertificateDeleted
    | CertificateSigningRequested
    | CertificateSignedAnswered
    | CallRefused
)


_USUAL = RowQuotas()


async def write(
    db: "Database | KeptConnection", facts: Sequence[Fact], *, quotas: RowQuotas = _USUAL
) -> list[str | None]:
    """Commit all facts. If that fails, some may be committed: write all of them again.

    Args:
        db: the pool, or a connection of it.
        facts: what stations said.
        quotas: how many rows of some kinds a station may have.

    Returns:
        One result per fact in the same order: for a `TransactionStarted` its transaction id,
        `BEYOND_QUOTA` for one that was not kept whole, what the writer of its kind says, else None.
    """
    async with db.acquire() as connection:
        return await write_with(connection, facts, quotas=quotas)


async def write_with(
    connection: Connection, facts: Sequence[Fact], *, quotas: RowQuotas = _USUAL
) -> list[str | None]:
    """Do the same on a connection, perhaps within a transaction of the caller's."""
    by_kind: dict[type[Fact], list[int]] = {}
    # By station, so that two pods which hold the same stations' words, as after a reconnect, lock
    # rows in one order and cannot wait for each other in a circle. What one station said stays in
    # the order in which it came.
    for index in sorted(range(len(facts)), key=lambda index: facts[index].station_id):
        by_kind.setdefault(type(facts[index]), []).append(index)
    results: list[str | None] = [None] * len(facts)
    # A single statement is a transaction of its own: two round trips less. What transaction
    # events need beside theirs begins one itself.
    single = len(by_kind) == 1 and by_kind.keys() <= _SINGLE_STATEMENT
    async with nullcontext() if single else connection.transaction():
        # In the order of a charge's life, so that facts of one batch find what they refer to.
        for kind, writer in _WRITERS.items():
            if indexes := by_kind.get(kind):
                written = await writer(connection, [facts[index] for index in indexes], quotas)
                for index, result in zip(indexes, written, strict=True):
                    results[index] = result
    return results


@dataclass(frozen=True, slots=True)
class SetAside:
    """A fact that could not be written where it belongs, and why."""

    fact: Fact
    reason: str
    because_of_a_lock: bool = False
    """It is nobody's fault, so the worker writes it later."""


async def write_dead_letters(db: KeptConnection, facts: Sequence[SetAside]) -> list[str | None]:
    """Keep facts that could not be written where they belong, for a person or the worker.

    Returns:
        What `write` would have: a `TransactionStarted` still gets an id that is unique, because the
        station needs one to go on. Told again, it gets the one that the worker will give it.
    """
    async with db.acquire() as connection, connection.transaction():
        results = [
            str(await connection.fetchval("SELECT nextval('transaction_ids')"))
            if isinstance(each.fact, TransactionStarted)
            else None
            for each in facts
        ]
        await dead_letters.insert(
            connection,
            [
                LetterToKeep(each.fact, each.reason, transaction_id, each.because_of_a_lock)
                for each, transaction_id in zip(facts, results, strict=True)
            ],
        )
        for position, each in enumerate(facts):
            if isinstance(each.fact, TransactionStarted):
                told = await dead_letters.find_redelivery(connection, each.fact)
                if told is not None:
                    told_before = msgspec.json.decode(told, type=Redelivery)
                    results[position] = told_before.transaction_id or results[position]
    return results


def _unbounded(
    write: Callable[[Connection, Sequence[Any]], Awaitable[list[Any]]],
) -> Callable[[Connection, Sequence[Any], RowQuotas], Awaitable[list[Any]]]:
    """Make a writer whose rows no quota counts."""

    def write_all(
        connection: Connection, facts: Sequence[Any], _: RowQuotas
    ) -> Awaitable[list[Any]]:
        return write(connection, facts)

    return write_all


_WRITERS: dict[
    type[Fact], Callable[[Connection, Sequence[Any], RowQuotas], Awaitable[list[Any]]]
] = {
    StationBooted: _unbounded(reports.write_boots),
    ConnectorStatusReported: reports.write_statuses,
    TransactionStarted: _unbounded(transactions.write_starts),
    TransactionEventReported: _unbounded(transaction_events.write),
    MeterValuesReported: _unbounded(meter_values.write),
    TransactionEnded: _unbounded(transactions.write_ends),
    VariablesReported: device_model.write_variables,
    VariableValuesTold: device_model.write_values,
    StationEventsReported: _unbounded(device_model.write_events),
    SecurityEventReported: _unbounded(device_model.write_security_events),
    ConfigurationReported: configuration.write_reports,
    ConfigurationChanged: configuration.write_changes,
    LocalListUpdated: _unbounded(local_lists.write_updates),
    LocalListVersionReported: _unbounded(local_lists.write_versions),
    ChargingProfileAccepted: _unbounded(charging_profiles.write_accepted),
    ChargingProfilesCleared: _unbounded(charging_profiles.write_cleared),
    CompositeScheduleReported: _unbounded(charging_profiles.write_composite_schedules),
    ReservationAnswered: _unbounded(reservations.write_answers),
    ReservationEnded: _unbounded(reservations.write_ends),
    ReservationsGivenUp: _unbounded(reservations.write_given_up),
    FirmwareUpdateAnswered: _unbounded(firmware.write_answers),
    FirmwareStatusReported: _unbounded(firmware.write_statuses),
    LogRequestAnswered: _unbounded(logs.write_answers),
    LogStatusReported: _unbounded(logs.write_statuses),
    InstalledCertificatesReported: _unbounded(certificates.write_installed_lists),
    CertificateInstalled: _unbounded(certificates.write_installed),
    CertificateDeleted: _unbounded(certificates.write_deleted),
    CertificateSigningRequested: _unbounded(signing_requests.write),
    CertificateSignedAnswered: _unbounded(signing_requests.write_answers),
    CallRefused: refused_calls.write,
}
_SINGLE_STATEMENT = _WRITERS.keys() - {
    FirmwareStatusReported,
    LogStatusReported,
    InstalledCertificatesReported,
    TransactionEnded,
    ConfigurationChanged,
    CertificateSignedAnswered,
    ChargingProfileAccepted,
    ReservationAnswered,
    LocalListUpdated,
    LocalListVersionReported,
    VariableValuesTold,
}

KINDS: dict[str, type[Fact]] = {kind.__name__: kind for kind in _WRITERS}
"""Every fact by the name of its class, as dead letters carry it."""
