"""Which facts are heavy."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gateway.ingest.weighing import HEAVY, weigh
from shared.domain.sessions import TransactionEnded
from shared.domain.sessions.meter_values import MeterSample, MeterValue, MeterValuesReported
from shared.domain.stations.stations import ConnectorStatus, ConnectorStatusReported
from shared.store.facts import Fact

AT = datetime(2026, 1, 2, tzinfo=UTC)


def values(count: int, samples: int, text: str = "1") -> list[MeterValue]:
    sample: MeterSample = {
        "value": text,
        "measurand": "Voltage",
        "context": "Other",
        "location": "Body",
    }
    return [MeterValue(AT, [sample] * samples, None) for _ in range(count)]


def ended(meter_values: list[MeterValue]) -> TransactionEnded:
    return TransactionEnded(
        station_id="CP-1",
        transaction_id="1",
        ended_at=AT,
        meter_stop_wh=Decimal(1),
        stopped_reason="Local",
        id_token=None,
        meter_values=meter_values,
    )


def reported(meter_values: list[MeterValue]) -> MeterValuesReported:
    return MeterValuesReported("CP-1", 1, None, meter_values)


STATUS = ConnectorStatusReported(
    station_id="CP-1",
    epoch=1,
    evse_id=1,
    connector_id=1,
    status=ConnectorStatus.AVAILABLE,
    reported_status="Available",
    error_code="NoError",
    info="x" * 5_000,
    vendor_id=None,
    vendor_error_code=None,
    reported_at=AT,
)


@pytest.mark.parametrize(
    ("fact", "heavy"),
    [
        (STATUS, False),
        (reported(values(1, 26)), False),
        (reported(values(1, 1_500)), True),
        (reported(values(200, 1)), True),
        (reported(values(1, 1, "x" * 100_000)), True),
        (ended([]), False),
        (ended(values(2, 10)), False),
        (ended(values(60, 3)), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_fact_of_many_values_or_of_long_ones_is_heavy(fact: Fact, *, heavy: bool) -> None:
    assert (weigh(fact) >= HEAVY) is heavy


@pytest.mark.parametrize(
    ("fact", "weight"),
    [
        (STATUS, 1),
        (reported([]), 1),
        (reported(values(1, 1)), 2),
        (reported(values(2, 3)), 7),
        (ended(values(2, 3)), 7),
        # A text counts once more for every 512 characters.
        (reported(values(1, 1, "x" * 511)), 2),
        (reported(values(1, 1, "x" * 512)), 3),
        (reported(values(1, 2, "x" * 1_024)), 7),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_sample_weighs_and_a_long_text_like_several(fact: Fact, weight: int) -> None:
    assert weigh(fact) == weight
