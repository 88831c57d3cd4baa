"""When stations were there and how their connectors were, as a pod and the worker write it."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from control.jobs.sweeps import put_offline
from shared.domain.stations.availability import ConnectionSpan, DisconnectReason, Period
from shared.domain.stations.stations import (
    Connection,
    ConnectorStatus,
    ConnectorStatusReported,
    Ownership,
)
from shared.store import facts, pods
from shared.store.pool import Database
from shared.store.stations import availability, connections, stations
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.eventually import eventually
from tests.support.stations import register, station_client


async def list_spans(db: Database) -> list[ConnectionSpan]:
    """Return the station's connections, oldest first."""
    spans = await availability.list_connections_before(db, "CP-1", before=None, limit=100)
    return spans[::-1]


async def ended(db: Database, count: int) -> list[ConnectionSpan]:
    return await eventually(
        lambda: list_spans(db),
        lambda spans: len(spans) == count and spans[-1].disconnected_at is not None,
        timeout_s=5,
    )


async def claim(db: Database, pod_id: str = "pod-1") -> Ownership:
    (ownership,) = await connections.claim(
        db,
        [
            Connection(
                station_id="CP-1", connection_id=f"of {pod_id}", pod_id=pod_id, ocpp_version="1.6"
            )
        ],
    )
    assert ownership is not None
    return ownership


async def test_a_connection_lasts_from_its_claim_to_its_end(db: Database, gateway: Pod) -> None:
    await register(db)
    before = datetime.now(UTC)
    async with station_client(gateway.url) as station:
        await station.boot()
        (open_one,) = await list_spans(db)
        assert open_one.disconnected_at is None
        assert open_one.reason is None
        assert open_one.last_seen_at is not None  # its pod has a lease
    (span,) = await ended(db, 1)
    assert span.disconnected_at is not None
    assert before <= span.connected_at <= span.disconnected_at <= datetime.now(UTC)
    assert span.reason is DisconnectReason.CLOSED_BY_STATION
    assert (span.close_code, span.last_seen_at) == (1000, span.disconnected_at)
    assert (span.epoch, span.ocpp_version) == (1, "1.6")
    assert span.pod_id.startswith("pod-")


async def test_each_end_has_its_reason(db: Database, start_pod: StartPod) -> None:
    await register(db)
    async with start_pod(ping_interval_s=0.1, ping_timeout_s=0.2, close_timeout_s=0.1) as gateway:
        async with station_client(gateway.url) as station:
            await station.boot()
            station.websocket.transport.abort()
            await ended(db, 1)
        async with station_client(gateway.url) as station:
            await station.boot()
            station.websocket.transport.pause_reading()
            silent = await ended(db, 2)
            station.websocket.transport.abort()
        async with station_client(gateway.url) as station:
            await station.boot()
            async with station_client(gateway.url) as newer:
                await newer.boot()
                await station.websocket.wait_closed()
            await ended(db, 4)
        async with station_client(gateway.url) as station:
            await station.boot()
            await station.send("[2]" * 1000)
            await station.websocket.send(b"\xff", text=True)
            await station.websocket.wait_closed()
            await ended(db, 5)
        async with station_client(gateway.url) as station:
            await station.boot()
            await gateway.server.drain()
            await station.websocket.wait_closed()
    spans = await ended(db, 6)
    assert [span.reason for span in spans] == [
        DisconnectReason.CONNECTION_LOST,
        DisconnectReason.PING_TIMEOUT,
        DisconnectReason.REPLACED,
        DisconnectReason.CLOSED_BY_STATION,
        DisconnectReason.CLOSED_BY_GATEWAY,
        DisconnectReason.DRAINED,
    ]
    assert spans[4].close_code == 1007
    # Who answers no ping was last seen when it said something.
    assert silent[1].last_seen_at is not None
    assert silent[1].disconnected_at is not None
    assert silent[1].last_seen_at < silent[1].disconnected_at - timedelta(seconds=0.1)
    for earlier, later in pairwise(spans):
        assert earlier.disconnected_at is not None
        assert earlier.disconnected_at <= later.connected_at


async def test_what_a_dead_pod_held_ended_with_its_lease(db: Database) -> None:
    await register(db)
    await pods.renew_lease(db, pod_id="pod-1", pod_name="pod", lease_s=0.05)
    await claim(db)
    await asyncio.sleep(0.3)
    assert await put_offline(db) == 1
    (span,) = await list_spans(db)
    assert span.reason is DisconnectReason.POD_DIED
    assert span.disconnected_at is not None
    assert span.disconnected_at < datetime.now(UTC) - timedelta(seconds=0.2)


async def test_a_pod_that_was_taken_for_dead_had_its_connection_all_the_time(db: Database) -> None:
    await register(db)
    await pods.renew_lease(db, pod_id="pod-1", pod_name="pod", lease_s=0.01)
    ownership = await claim(db)
    await asyncio.sleep(0.05)
    await put_offline(db)
    assert await connections.reassert(db, [ownership]) == {"CP-1"}
    (span,) = await list_spans(db)
    assert (span.disconnected_at, span.reason) == (None, None)


async def test_a_connection_that_nobody_ended_ends_where_its_station_went_offline(
    db: Database,
) -> None:
    # As a pod of a version before this one does.
    await register(db)
    await claim(db)
    offline = (
        "UPDATE stations SET online = false, disconnected_at = now() RETURNING disconnected_at"
    )
    disconnected_at = await db.fetchval(offline)
    (span,) = await list_spans(db)
    assert span.disconnected_at == disconnected_at
    await claim(db)
    first, second = await list_spans(db)
    assert (first.disconnected_at, first.reason) == (
        disconnected_at,
        DisconnectReason.CONNECTION_LOST,
    )
    assert second.disconnected_at is None


async def history(db: Database) -> list[tuple[int, str]]:
    records = await db.fetch(
        "SELECT evse_id, reported_status FROM connector_status_changes ORDER BY change_id"
    )
    return [(record["evse_id"], record["reported_status"]) for record in records]


def report(status: str, *, evse_id: int = 1, epoch: int = 1) -> ConnectorStatusReported:
    return ConnectorStatusReported(
        station_id="CP-1",
        epoch=epoch,
        evse_id=evse_id,
        connector_id=1,
        status=ConnectorStatus.AVAILABLE,
        reported_status=status,
        error_code="NoError",
        info=None,
        vendor_id=None,
        vendor_error_code=None,
        reported_at=datetime.now(UTC),
    )


async def test_a_status_is_kept_when_it_changes(db: Database, gateway: Pod) -> None:
    await register(db)
    async with station_client(gateway.url) as station:
        await station.boot()
        for status in ("Available", "Available", "Preparing", "Available"):
            payload = {"connectorId": 1, "errorCode": "NoError", "status": status}
            await station.call("StatusNotification", payload)
    assert await history(db) == [(1, "Available"), (1, "Preparing"), (1, "Available")]


async def test_statuses_of_one_batch_are_all_kept_and_the_last_one_stands(db: Database) -> None:
    await register(db)
    await facts.write(db, [report("Available")])
    await facts.write(
        db,
        [
            report("Available"),
            report("Faulted", evse_id=2),
            report("Charging"),
            report("Finishing"),
        ],
    )
    assert await history(db) == [
        (1, "Available"),
        (2, "Faulted"),
        (1, "Charging"),
        (1, "Finishing"),
    ]
    connectors = await stations.list_connectors(db, ["CP-1"])
    assert [each.reported_status for each in connectors] == ["Finishing", "Faulted"]


async def test_a_connection_that_was_replaced_changes_no_history(db: Database) -> None:
    await register(db)
    await facts.write(db, [report("Available", epoch=2)])
    await facts.write(db, [report("Faulted", epoch=1)])
    assert await history(db) == [(1, "Available")]


async def test_the_history_of_a_period_begins_with_what_held_before_it(db: Database) -> None:
    await register(db)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for hours, status in ((-2, "Faulted"), (-1, "Available"), (1, "Occupied"), (24, "Faulted")):
        await db.execute(
            """
            INSERT INTO connector_status_changes (station_id, evse_id, connector_id, status,
                                                  reported_status, reported_at, received_at)
            VALUES ('CP-1', 1, 1, $1, $1, now(), $2)
            """,
            status,
            start + timedelta(hours=hours),
        )
    found = await availability.get_history(db, "CP-1", Period(start, start + timedelta(hours=24)))
    assert [change.status for change in found.statuses[1, 1]] == ["Available", "Occupied"]
    assert found.connected == []
