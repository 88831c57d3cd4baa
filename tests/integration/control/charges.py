"""What a station tells of a charge, written as the gateway writes it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from shared.domain.access.tokens import AuthorizationStatus
from shared.domain.sessions import TransactionEnded, TransactionStarted
from shared.domain.sessions.meter_values import MeterSample, MeterValue, MeterValuesReported
from shared.store import facts
from shared.store.pool import Database

START = datetime(2025, 6, 1, 9, 0, tzinfo=UTC)


async def begin(
    db: Database, station_id: str = "CS-1", *, minute: int = 0, evse_id: int = 1
) -> str:
    """Begin a session; return its transaction id."""
    start = TransactionStarted(
        station_id=station_id,
        evse_id=evse_id,
        connector_id=1,
        ocpp_version="1.6",
        id_token="04A2B3C4",
        authorization_status=AuthorizationStatus.ACCEPTED,
        started_at=START + timedelta(minutes=minute),
        meter_start_wh=Decimal(1000),
    )
    (transaction_id,) = await facts.write(db, [start])
    assert transaction_id is not None
    return transaction_id


async def end(db: Database, transaction_id: str, meter_stop_wh: str) -> None:
    stop = TransactionEnded(
        station_id="CS-1",
        transaction_id=transaction_id,
        ended_at=START + timedelta(hours=1),
        meter_stop_wh=Decimal(meter_stop_wh),
        stopped_reason="Local",
    )
    await facts.write(db, [stop])


async def meter(db: Database, transaction_id: str, *values: tuple[int, str]) -> None:
    """Report (second, register in Wh) pairs."""
    meter_values = []
    for second, value in values:
        sample = MeterSample(
            value=value,
            measurand="Energy.Active.Import.Register",
            context="Sample.Periodic",
            location="Outlet",
            unit="Wh",
        )
        sampled_at = START + timedelta(seconds=second)
        meter_values.append(MeterValue(sampled_at, [sample], Decimal(value)))
    await facts.write(db, [MeterValuesReported("CS-1", 1, transaction_id, meter_values)])
