"""Meter values of stations and sessions, by why they were taken."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.domain.sessions.meter_values import MeterSample, MeterValue, MeterValuesReported
from shared.store import facts
from shared.store.pool import Database
from tests.integration.control.charges import START, begin
from tests.integration.control.players import assert_problem, register

URL = "/v1/stations/CS-1/meter-values"
SINCE = {"since": START.isoformat(), "until": (START + timedelta(days=1)).isoformat()}


def value(minute: int, *samples: tuple[str, str]) -> MeterValue:
    """Return a meter value of (value, context) samples."""
    return MeterValue(
        START + timedelta(minutes=minute),
        [
            MeterSample(
                value=each, measurand="Power.Active.Import", context=context, location="Outlet"
            )
            for each, context in samples
        ],
        None,
    )


@pytest.fixture
async def transaction_id(db: Database) -> str:
    """A session of EVSE 1 with sampled and clock-aligned values, and some of no transaction."""
    await register(db, "CS-1")
    transaction_id = await begin(db)
    await facts.write(
        db,
        [
            MeterValuesReported(
                "CS-1",
                1,
                transaction_id,
                [
                    value(1, ("1", "Sample.Periodic")),
                    value(15, ("2", "Sample.Clock")),
                    value(16, ("3", "Sample.Periodic"), ("4", "Sample.Clock")),
                ],
            ),
            MeterValuesReported("CS-1", 1, None, [value(30, ("5", "Sample.Clock"))]),
            MeterValuesReported("CS-1", 0, None, [value(30, ("6", "Trigger"))]),
            MeterValuesReported("CS-2", 0, None, [value(30, ("7", "Sample.Clock"))]),
            MeterValuesReported("CS-1", 0, None, [value(-60 * 24, ("8", "Sample.Clock"))]),
        ],
    )
    return transaction_id


async def values(client: httpx.AsyncClient, url: str, **params: Any) -> list[str]:
    response = await client.get(url, params=params)
    assert response.status_code == 200, response.text
    items = response.json()["items"]
    assert all(item["samples"] for item in items)
    return [sample["value"] for item in items for sample in item["samples"]]


@pytest.mark.usefixtures("transaction_id")
@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["1", "2", "3", "4", "6", "5"]),
        ({"context": "Sample.Clock"}, ["2", "4", "5"]),
        ({"context": "Sample.Periodic"}, ["1", "3"]),
        ({"in_transaction": False}, ["6", "5"]),
        ({"in_transaction": True, "context": "Sample.Clock"}, ["2", "4"]),
        ({"in_transaction": False, "evse_id": 1}, ["5"]),
        ({"evse_id": 0}, ["6"]),
        ({"until": (START + timedelta(minutes=15)).isoformat()}, ["1"]),
        ({"since": (START - timedelta(days=2)).isoformat(), "evse_id": 0}, ["8", "6"]),
    ],
)
async def test_a_stations_values_are_told_apart(
    client: httpx.AsyncClient, params: dict[str, Any], found: list[str]
) -> None:
    assert await values(client, URL, **{**SINCE, **params}) == found


async def test_a_value_names_its_transaction(
    client: httpx.AsyncClient, transaction_id: str
) -> None:
    items = (await client.get(URL, params=SINCE)).json()["items"]
    assert [item["transaction_id"] for item in items] == [transaction_id] * 3 + [None] * 2


@pytest.mark.usefixtures("transaction_id")
async def test_they_come_in_pages(client: httpx.AsyncClient) -> None:
    seen: list[str] = []
    params: dict[str, Any] = {**SINCE, "limit": 1}
    while params.get("cursor", "") is not None:
        page = (await client.get(URL, params=params)).json()
        seen += [sample["value"] for item in page["items"] for sample in item["samples"]]
        params["cursor"] = page["next_cursor"]
    assert seen == ["1", "2", "3", "4", "6", "5"]


@pytest.mark.usefixtures("transaction_id")
async def test_a_sessions_values_can_be_those_of_the_clock_alone(
    client: httpx.AsyncClient,
) -> None:
    (session,) = (await client.get("/v1/sessions")).json()["items"]
    url = f"/v1/sessions/{session['session_id']}/meter-values"
    assert await values(client, url) == ["1", "2", "3", "4"]
    assert await values(client, url, context="Sample.Clock") == ["2", "4"]
    assert await values(client, url, context="Sample.Periodic") == ["1", "3"]
    assert await values(client, url, context="Trigger") == []


@pytest.mark.usefixtures("transaction_id")
async def test_what_cannot_be_asked_for_is_refused(client: httpx.AsyncClient) -> None:
    for params in ({"context": "Sometimes"}, {"evse_id": -1}, {"cursor": "eA"}):
        assert_problem(await client.get(URL, params=params), 422, "invalid-input")
    assert_problem(await client.get("/v1/stations/CS-9/meter-values"), 404, "not-found")
