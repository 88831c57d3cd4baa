"""Connections, uptime and planned maintenance, as the API tells them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shared.store.pool import Database
from tests.integration.control.players import PodPlayer, assert_problem, register

MAY = datetime(2025, 5, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    """Return when a day of May began, the first being 1."""
    return MAY + timedelta(days=number - 1)


@pytest.fixture
async def may(db: Database) -> None:
    """CS-1 was away from the 11th to the 12th, connector 2 Faulted from the 21st on."""
    await register(db, "CS-1")
    for epoch, (start, end) in enumerate(((-10, 11), (12, 60)), start=1):
        await db.execute(
            """
            INSERT INTO station_connections (station_id, epoch, pod_id, connection_id, ocpp_version,
                                             connected_at, disconnected_at, reason)
            VALUES ('CS-1', $1, 'pod-1', 'c', '1.6', $2, $3, 'connection_lost')
            """,
            epoch,
            day(start),
            day(end),
        )
    for evse_id, connector_id, number, status in (
        (0, 0, -5, "Available"),
        (1, 1, -5, "Available"),
        (2, 1, -5, "Occupied"),
        (2, 1, 21, "Faulted"),
    ):
        await db.execute(
            """
            INSERT INTO connector_status_changes (station_id, evse_id, connector_id, status,
                                                  reported_status, reported_at, received_at)
            VALUES ('CS-1', $1, $2, $3, $3, $4, $4)
            """,
            evse_id,
            connector_id,
            status,
            day(number),
        )


async def uptime(client: httpx.AsyncClient, month: str = "2025-05") -> list[dict[str, Any]]:
    response = await client.get("/v1/stations/CS-1/availability", params={"month": month})
    assert response.status_code == 200, response.text
    connectors: list[dict[str, Any]] = response.json()["connectors"]
    return connectors


@pytest.mark.usefixtures("may")
async def test_uptime_is_told_per_connector_with_the_seconds_of_each_kind(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get("/v1/stations/CS-1/availability", params={"month": "2025-05"})
    body = response.json()
    assert body["starts_at"] == "2025-05-01T00:00:00Z"
    assert body["ends_at"] == "2025-06-01T00:00:00Z"
    first, second = body["connectors"]
    assert first == {
        "evse_id": 1,
        "connector_id": 1,
        "measured_s": 31 * 86400,
        "available_s": 30 * 86400,
        "outage_s": 86400,
        "offline_s": 86400,
        "faulted_s": 0,
        "unavailable_s": 0,
        "excluded_s": 0,
        "uptime_percent": round(30 / 31 * 100, 4),
    }
    assert second["faulted_s"] == 11 * 86400
    assert second["uptime_percent"] == round(19 / 31 * 100, 4)
    (june, _) = await uptime(client, "2025-06")
    assert june["uptime_percent"] == round(28 / 30 * 100, 4)


@pytest.mark.usefixtures("may")
async def test_maintenance_that_is_noted_afterwards_counts_and_can_be_taken_back(
    client: httpx.AsyncClient,
) -> None:
    url = "/v1/stations/CS-1/maintenance-windows"
    window = {"starts_at": "2025-05-21T00:00:00Z", "ends_at": "2025-05-24T00:00:00Z", "evse_id": 2}
    created = await client.post(url, json={**window, "note": "new cable"})
    assert created.status_code == 201
    location = created.headers["Location"]
    first, second = await uptime(client)
    assert (first["excluded_s"], second["excluded_s"]) == (0, 3 * 86400)
    assert second["uptime_percent"] == round(22 / 31 * 100, 4)

    changed = await client.patch(
        location, json={"evse_id": None, "starts_at": "2025-05-11T00:00:00Z"}
    )
    assert changed.status_code == 200, changed.text
    first, second = await uptime(client)
    assert (first["excluded_s"], second["excluded_s"]) == (86400, 4 * 86400)
    assert first["uptime_percent"] == 100
    assert (await client.get(location)).json() == changed.json()
    assert (await client.get(url)).json()["items"] == [changed.json()]

    assert (await client.delete(location)).status_code == 204
    assert [each["excluded_s"] for each in await uptime(client)] == [0, 0]
    assert_problem(await client.get(location), 404, "not-found")
    assert_problem(await client.patch(location, json={"note": None}), 404, "not-found")
    assert_problem(await client.delete(location), 404, "not-found")


@pytest.mark.parametrize(
    "window",
    [
        {"starts_at": "2025-05-21T00:00:00Z", "ends_at": "2025-05-21T00:00:00Z"},
        {"starts_at": "2025-05-21T00:00:00Z"},
        {"starts_at": "2025-05-21T00:00:00", "ends_at": "2025-05-22T00:00:00"},
        {"starts_at": "2025-05-21T00:00:00Z", "ends_at": "2025-05-22T00:00:00Z", "evse_id": 0},
        {"starts_at": "2025-05-21T00:00:00Z", "ends_at": "2025-05-22T00:00:00Z", "note": "\0"},
    ],
)
async def test_a_window_that_cannot_be_is_refused(
    client: httpx.AsyncClient, db: Database, window: dict[str, Any]
) -> None:
    await register(db, "CS-1")
    response = await client.post("/v1/stations/CS-1/maintenance-windows", json=window)
    assert_problem(response, 422, "invalid-input")


async def test_a_change_may_not_turn_a_window_round(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    window = {"starts_at": "2025-05-21T00:00:00Z", "ends_at": "2025-05-22T00:00:00Z"}
    created = await client.post("/v1/stations/CS-1/maintenance-windows", json=window)
    response = await client.patch(
        created.headers["Location"], json={"ends_at": "2025-05-20T00:00:00Z"}
    )
    assert "ends_at" in assert_problem(response, 422, "invalid-input")["detail"]


async def test_the_present_month_is_measured_until_now(
    client: httpx.AsyncClient, pod: PodPlayer, db: Database
) -> None:
    await pod.hold("CS-1")
    await db.execute(
        """
        INSERT INTO connector_status_changes (station_id, evse_id, connector_id, status,
                                              reported_status, reported_at)
        VALUES ('CS-1', 1, 1, 'Available', 'Available', now())
        """
    )
    now = datetime.now(UTC)
    (connector,) = await uptime(client, f"{now:%Y-%m}")
    assert connector["measured_s"] < 60
    assert connector["uptime_percent"] == 100


@pytest.mark.parametrize("month", ["2025-13", "2025-5", "2999-01", "", "0000-01"])
async def test_a_month_that_cannot_be_measured_is_refused(
    client: httpx.AsyncClient, db: Database, month: str
) -> None:
    await register(db, "CS-1")
    response = await client.get("/v1/stations/CS-1/availability", params={"month": month})
    problem = assert_problem(response, 422, "invalid-input")
    assert problem["errors"][0]["field"] == "month"


async def test_connections_are_listed_newest_first_in_pages(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    for _ in range(3):
        await pod.hold("CS-1")
    url = "/v1/stations/CS-1/connections"
    page = (await client.get(url, params={"limit": 2})).json()
    rest = (await client.get(url, params={"limit": 2, "cursor": page["next_cursor"]})).json()
    items = page["items"] + rest["items"]
    assert [item["epoch"] for item in items] == [3, 2, 1]
    assert [item["reason"] for item in items] == [None, "replaced", "replaced"]
    assert items[0]["last_seen_at"] is not None
    assert items[0]["pod_id"] == pod.pod_id
    assert rest["next_cursor"] is None


async def test_of_a_station_that_is_not_there_nothing_is_known(client: httpx.AsyncClient) -> None:
    window = {"starts_at": "2025-05-21T00:00:00Z", "ends_at": "2025-05-22T00:00:00Z"}
    for response in (
        await client.get("/v1/stations/CS-9/connections"),
        await client.get("/v1/stations/CS-9/availability", params={"month": "2025-05"}),
        await client.get("/v1/stations/CS-9/maintenance-windows"),
        await client.post("/v1/stations/CS-9/maintenance-windows", json=window),
    ):
        assert_problem(response, 404, "not-found")
    bad = {"cursor": "Y29ubmVjdGlvbnMKeA"}  # no epoch
    assert_problem(
        await client.get("/v1/stations/CS-9/connections", params=bad), 422, "invalid-input"
    )
