"""Looking up what was acknowledged, in a real database."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from loadtest.locust.finding import Finding
from loadtest.locust.ledger import Ledger, Transaction, milliseconds
from loadtest.locust.storage_check import CannotCheckError, SqlStore, check, open_store
from shared.domain.access.tokens import AuthorizationStatus
from shared.domain.sessions import TransactionEnded, TransactionStarted
from shared.domain.sessions.meter_values import MeterSample, MeterValue, MeterValuesReported
from shared.settings import DatabaseSettings
from shared.store import facts
from shared.store.pool import Database, open_database

BEGAN = datetime.now(UTC).replace(microsecond=123_000)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(DatabaseSettings(database_url=database_url)) as database:
        yield database


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def sample(register_wh: int) -> MeterSample:
    return {
        "value": str(register_wh),
        "context": "Sample.Periodic",
        "location": "Outlet",
        "measurand": "Energy.Active.Import.Register",
        "unit": "Wh",
    }


async def store_charge(db: Database, *, readings: int = 3) -> str:
    """Store a charge with a reading per second, and return its transaction id."""
    (transaction_id,) = await facts.write(
        db,
        [
            TransactionStarted(
                station_id="LOAD-0-0",
                evse_id=1,
                connector_id=1,
                ocpp_version="1.6",
                id_token="TOKEN",
                authorization_status=AuthorizationStatus.ACCEPTED,
                started_at=at(0),
                meter_start_wh=Decimal(0),
            )
        ],
    )
    assert transaction_id is not None
    for number in range(readings):
        value = MeterValue(at(number), [sample(number)], Decimal(number))
        await facts.write(db, [MeterValuesReported("LOAD-0-0", 1, transaction_id, [value])])
    await facts.write(
        db,
        [
            TransactionEnded(
                station_id="LOAD-0-0",
                transaction_id=transaction_id,
                ended_at=at(9),
                meter_stop_wh=Decimal(9),
                stopped_reason="Local",
            )
        ],
    )
    return transaction_id


def ledger(transaction_id: str, *, readings: int = 3) -> Ledger:
    transaction = Transaction(
        started_ms=milliseconds(at(0)),
        ended_ms=milliseconds(at(9)),
        sampled_ms=[milliseconds(at(number)) for number in range(readings)],
    )
    return Ledger(
        began_ms=milliseconds(BEGAN), stations={"LOAD-0-0": {transaction_id: transaction}}
    )


async def test_what_is_there_is_found(db: Database) -> None:
    transaction_id = await store_charge(db)
    finding = await check(ledger(transaction_id), SqlStore(db))
    assert finding == Finding(acknowledged=5, stored=5)
    assert finding.good


async def test_a_long_charge_is_found_page_by_page(db: Database) -> None:
    transaction_id = await store_charge(db, readings=0)
    values = [MeterValue(at(number), [sample(number)], None) for number in range(2500)]
    await facts.write(db, [MeterValuesReported("LOAD-0-0", 1, transaction_id, values)])
    finding = await check(ledger(transaction_id, readings=2500), SqlStore(db))
    assert (finding.stored, finding.lost) == (2502, 0)


@pytest.mark.parametrize(
    ("statement", "lost", "example"),
    [
        ("DELETE FROM meter_values WHERE energy_wh = 1", 1, "the reading of"),
        ("UPDATE sessions SET ended_at = NULL", 1, "the end of transaction"),
        ("UPDATE sessions SET started_at = started_at - interval '1 hour'", 1, "the start of"),
        ("DELETE FROM sessions", 5, "of LOAD-0-0 was acknowledged and is not stored"),
    ],
)
async def test_what_is_not_there_is_missed(
    db: Database, statement: str, lost: int, example: str
) -> None:
    transaction_id = await store_charge(db)
    await db.execute(statement)
    finding = await check(ledger(transaction_id), SqlStore(db))
    assert (finding.acknowledged, finding.lost) == (5, lost)
    assert not finding.good
    assert any(example in each for each in finding.examples)


async def test_what_is_there_twice_is_found(db: Database) -> None:
    transaction_id = await store_charge(db)
    await db.execute(
        "INSERT INTO meter_values (station_id, evse_id, sampled_at, fingerprint, transaction_id, "
        "samples) SELECT station_id, evse_id, sampled_at, fingerprint + 1, transaction_id, samples "
        "FROM meter_values WHERE energy_wh = 1"
    )
    await db.execute(
        "INSERT INTO sessions (station_id, evse_id, transaction_id, transaction_id_issuer, "
        "ocpp_version, started_at) SELECT station_id, evse_id, 'other', 'station', ocpp_version, "
        "started_at FROM sessions"
    )
    finding = await check(ledger(transaction_id), SqlStore(db))
    assert (finding.stored, finding.lost, finding.twice) == (5, 0, 2)
    assert not finding.good
    assert all("is stored 2 times" in each for each in finding.examples)


async def test_nobody_can_tell_without_an_address() -> None:
    with pytest.raises(CannotCheckError, match="VOLTARO_DATABASE_URL"):
        async with open_store({}):
            pass
