"""What bounds one station is told to the operator in words, once, and to nobody else's cost."""

from datetime import UTC, datetime

import asyncpg
import pytest
from prometheus_client import REGISTRY

from gateway.flapping import FlappingGuard
from gateway.ingest import Ingest
from gateway.quotas import Quota, StationQuotas
from gateway.security_reports import SecurityReports
from gateway.settings import GatewaySettings
from shared.domain.stations.device_model import SecurityEventReported
from shared.store.facts import Fact
from shared.store.quotas import BEYOND_QUOTA

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SETTINGS = GatewaySettings(
    database_url="",
    redis_url="",
    station_displacements=3,
    station_displacement_refill_s=60,
    max_remembered_failures=2,
    max_connections=2,
    **{
        name: value
        for number, kind in enumerate(
            (
                "events",
                "security_events",
                "meter_samples",
                "status_changes",
                "transfer_steps",
                "signing_requests",
            )
        )
        for name, value in (
            (f"station_{kind}_burst", 10 + number),
            (f"station_{kind}_per_hour", 100 + number),
        )
    },
    station_ocpp_log_burst_kib=20,
    station_ocpp_log_kib_per_hour=200,
)
RATES = {
    Quota.EVENTS: (10, 100),
    Quota.SECURITY_EVENTS: (11, 101),
    Quota.METER_SAMPLES: (12, 102),
    Quota.STATUS_CHANGES: (13, 103),
    Quota.TRANSFER_STEPS: (14, 104),
    Quota.SIGNING_REQUESTS: (15, 105),
    Quota.OCPP_LOG_KIB: (20, 200),
}


FLAPPING = (
    "connections of this station take each other's place again and again: look whether two boxes "
    "carry this identity"
)
EXCEEDED = (
    "this station says more than is kept of it (%s): look whether it is faulty, or raise the quota "
    "of the gateways"
)


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Reports:
    """What operators are told; it is not written down, as the pod does not run."""

    def __init__(self, ingest: Ingest) -> None:
        self._waiting: list[Fact] = ingest._light._batcher._items
        self.send = SecurityReports(ingest, now=lambda: NOW, max_remembered=100)

    def take(self) -> list[tuple[str, str, str]]:
        """Return what was told since, and to whom it applies."""
        told = []
        for fact in self._waiting:
            assert isinstance(fact, SecurityEventReported)
            assert fact.occurred_at == NOW
            told.append((fact.station_id, fact.type, fact.tech_info or ""))
        self._waiting.clear()
        return told


@pytest.fixture
async def reports() -> Reports:
    pool = asyncpg.create_pool("postgresql://127.0.0.1:1/never-asked")
    return Reports(Ingest(pool, SETTINGS, on_away=lambda: None))


def counted(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"voltaro_{metric}_total", labels) or 0.0


async def test_who_is_displaced_again_and_again_waits_and_is_told_of_once(
    reports: Reports,
) -> None:
    guard, before = FlappingGuard(SETTINGS, reports.send), counted("ownership_displacements")
    for _ in range(2):
        guard.displaced("CP-1")
    assert (guard.retry_after_s("CP-1"), reports.take()) == (None, [])
    guard.displaced("CP-1")
    assert guard.retry_after_s("CP-1") == 60
    assert guard.retry_after_s("CP-2") is None
    assert reports.take() == [("CP-1", "FlappingIdentity", FLAPPING)]
    guard.displaced("CP-1")
    assert reports.take() == []
    assert counted("ownership_displacements") - before == 4


async def test_of_more_stations_than_are_remembered_the_ones_before_are_forgotten(
    reports: Reports,
) -> None:
    guard = FlappingGuard(SETTINGS, reports.send)
    for number in range(3):
        for _ in range(3):
            guard.displaced(f"CP-{number}")
    assert [guard.retry_after_s(f"CP-{number}") for number in range(3)] == [None, 60, 60]


@pytest.mark.parametrize(("quota", "burst", "per_hour"), [(q, *r) for q, r in RATES.items()])
async def test_each_quota_is_what_its_settings_say(
    reports: Reports, quota: Quota, burst: int, per_hour: int
) -> None:
    clock = Clock()
    quotas = StationQuotas(SETTINGS, reports.send, clock=clock)
    assert quotas.take("CP-1", quota, burst) == burst
    assert reports.take() == []
    before = counted("gateway_beyond_quota", quota=quota)
    assert quotas.take("CP-1", quota) == 0
    assert reports.take() == [("CP-1", "QuotaExceeded", EXCEEDED % quota)]
    assert quotas.take("CP-1", quota, 7) == 0
    assert counted("gateway_beyond_quota", quota=quota) - before == 8
    clock.now_s += 3600 / per_hour
    assert quotas.take("CP-1", quota, 7) == 1
    assert reports.take() == []  # the operator knows
    assert quotas.take("CP-2", quota, burst) == burst
    for other in RATES.keys() - {quota}:
        assert quotas.take("CP-1", other) == 1


async def test_more_stations_than_connect_are_not_remembered(reports: Reports) -> None:
    quotas = StationQuotas(SETTINGS, reports.send, clock=Clock())
    for number in range(3):
        quotas.take(f"CP-{number}", Quota.EVENTS, 10)
    assert quotas.take("CP-2", Quota.EVENTS, 10) == 0
    assert quotas.take("CP-0", Quota.EVENTS, 10) == 10


async def test_each_matter_is_told_by_itself(reports: Reports) -> None:
    quotas = StationQuotas(SETTINGS, reports.send, clock=Clock())
    for station_id in ("CP-1", "CP-2"):
        for quota in (Quota.EVENTS, Quota.METER_SAMPLES):
            quotas.take(station_id, quota, 100)
    assert [(station_id, text.split("(")[1][:6]) for station_id, _, text in reports.take()] == [
        ("CP-1", "events"),
        ("CP-1", "meter_"),
        ("CP-2", "events"),
        ("CP-2", "meter_"),
    ]


async def test_what_the_store_had_no_room_for_is_told_and_counted(reports: Reports) -> None:
    quotas = StationQuotas(SETTINGS, reports.send, clock=Clock())
    before = counted("gateway_beyond_quota", quota="connectors")
    for written in (None, "Accepted", ""):
        quotas.heed("CP-1", Quota.CONNECTORS, written)
    assert reports.take() == []
    quotas.heed("CP-1", Quota.CONNECTORS, BEYOND_QUOTA)
    ((station_id, type_, text),) = reports.take()
    assert (station_id, type_, "(connectors)" in text) == ("CP-1", "QuotaExceeded", True)
    assert counted("gateway_beyond_quota", quota="connectors") - before == 1
