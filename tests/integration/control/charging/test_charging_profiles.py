"""Charging profiles and composite schedules through the API."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from shared.domain.charging.charging_profiles import (
    ChargingProfile,
    ChargingProfileAccepted,
    ChargingRateUnit,
    ChargingSchedulePeriod,
    CompositeScheduleReported,
)
from shared.store import facts
from shared.store.pool import Database
from tests.integration.control.charges import begin, end
from tests.integration.control.players import ACCEPTED, PodPlayer, assert_problem
from tests.support.charging_profiles import profile

START = datetime(2025, 6, 1, tzinfo=UTC)
DEFAULT, TX = "TxDefaultProfile", "TxProfile"
PROFILES = "/v1/stations/CS-1/charging-profiles"
SCHEDULE = "/v1/stations/CS-1/evses/1/composite-schedule"
COMMANDS = "/v1/stations/CS-1/commands"


@pytest.fixture(autouse=True)
async def station(pod: PodPlayer) -> None:
    await pod.hold("CS-1")


async def accept(db: Database, of: ChargingProfile, evse_id: int = 1) -> None:
    await facts.write(
        db,
        [
            ChargingProfileAccepted(
                station_id="CS-1", evse_id=evse_id, profile=of, command_id=None, accepted_at=START
            )
        ],
    )


def body(**words: Any) -> dict[str, Any]:
    document = {
        "charging_profile_id": 1,
        "stack_level": 0,
        "purpose": DEFAULT,
        "kind": "Relative",
        "charging_schedule": {
            "charging_rate_unit": "A",
            "periods": [{"start_period_s": 0, "limit": 8.1}],
        },
    }
    return {"type": "SetChargingProfile", "evse_id": 1, "charging_profile": {**document, **words}}


async def test_a_limit_keeps_its_one_decimal_in_the_command(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    asking = asyncio.create_task(client.post(COMMANDS, json=body()))
    request = await pod.next_command()
    record = await pod.take(request)
    assert record is not None
    (period,) = record.params["charging_profile"]["charging_schedule"]["periods"]
    assert str(period["limit"]) == "8.1"
    await pod.finish(request, ACCEPTED)
    answer = (await asking).json()
    assert answer["params"]["charging_profile"] == body()["charging_profile"]


@pytest.mark.parametrize("limit", [8.15, 8.100000001, "8.11", -1, 1e15, "x"])
async def test_a_limit_that_stations_cannot_take_is_refused(
    client: httpx.AsyncClient, limit: Any
) -> None:
    schedule = {
        "charging_rate_unit": "A",
        "periods": [{"start_period_s": 0, "limit": limit}],
    }
    response = await client.post(COMMANDS, json=body(charging_schedule=schedule))
    problem = assert_problem(response, 422, "invalid-input")
    (error,) = problem["errors"]
    assert error["field"].endswith("charging_profile.charging_schedule.periods.0.limit")
    if limit == 8.15:
        assert "no more than 1 decimal place" in error["detail"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"purpose": "ChargingStationMaxProfile"}, "set it for evse_id 0"),
        ({"purpose": "ChargingStationExternalConstraints"}, "not ours to set"),
        ({"purpose": TX}, "give its transaction_id"),
        ({"transaction_id": "7"}, "only a TxProfile has a transaction_id"),
        ({"kind": "Absolute"}, "needs a start_schedule"),
        ({"kind": "Recurring"}, "recurrency_kind"),
    ],
)
async def test_a_profile_that_cannot_be_is_refused_in_words(
    client: httpx.AsyncClient, words: dict[str, Any], message: str
) -> None:
    response = await client.post(COMMANDS, json=body(**words))
    assert message in assert_problem(response, 422, "invalid-input")["detail"]


async def test_a_start_takes_a_tx_profile_and_no_other(client: httpx.AsyncClient) -> None:
    start = {"type": "RemoteStart", "id_token": "TAG", "evse_id": 1}
    document = body()["charging_profile"]
    response = await client.post(COMMANDS, json={**start, "charging_profile": document})
    assert "with a TxProfile" in assert_problem(response, 422, "invalid-input")["detail"]


async def test_a_tx_profile_needs_a_transaction_that_goes_on(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer
) -> None:
    asked = body(purpose=TX, transaction_id="999999")
    problem = assert_problem(await client.post(COMMANDS, json=asked), 404, "not-found")
    assert "has no transaction '999999'" in problem["detail"]

    transaction_id = await begin(db)
    asked = body(purpose=TX, transaction_id=transaction_id)
    elsewhere = {**asked, "evse_id": 2}
    problem = assert_problem(await client.post(COMMANDS, json=elsewhere), 409, "conflict")
    assert "is at EVSE 1" in problem["detail"]
    key = {"Idempotency-Key": "once"}
    asking = asyncio.create_task(client.post(COMMANDS, json=asked, headers=key))
    await pod.answer()
    assert (await asking).json()["state"] == "accepted"

    await end(db, transaction_id, "2000")
    problem = assert_problem(await client.post(COMMANDS, json=asked), 409, "conflict")
    assert "has ended" in problem["detail"]
    again = await client.post(COMMANDS, json=asked, headers=key)
    assert again.json() == (await asking).json()


async def test_profiles_are_listed_by_id_and_by_evse(
    client: httpx.AsyncClient, db: Database
) -> None:
    for number, evse_id in ((3, 0), (1, 1), (2, 1)):
        of = profile(DEFAULT, (0, "8.1"), id=number, level=number, start=START)
        await accept(db, of, evse_id)
    page = (await client.get(PROFILES, params={"limit": 2})).json()
    assert [item["profile"]["charging_profile_id"] for item in page["items"]] == [1, 2]
    page = (await client.get(PROFILES, params={"cursor": page["next_cursor"]})).json()
    (item,) = page["items"]
    assert item["evse_id"] == 0
    assert item["profile"]["charging_schedule"] == {
        "charging_rate_unit": "A",
        "start_schedule": "2025-06-01T00:00:00Z",
        "duration_s": None,
        "min_charging_rate": None,
        "periods": [
            {"start_period_s": 0, "limit": 8.1, "number_phases": None, "phase_to_use": None}
        ],
    }
    assert page["next_cursor"] is None
    page = (await client.get(PROFILES, params={"evse_id": 1})).json()
    assert len(page["items"]) == 2
    assert_problem(await client.get("/v1/stations/NONE/charging-profiles"), 404, "not-found")
    assert_problem(await client.get(PROFILES, params={"cursor": "x"}), 422, "invalid-input")


async def test_a_profile_with_more_decimals_is_shown_as_the_station_has_it(
    client: httpx.AsyncClient, db: Database
) -> None:
    await accept(db, profile(DEFAULT, (0, "8.15"), start=START))
    (item,) = (await client.get(PROFILES)).json()["items"]
    assert item["profile"]["charging_schedule"]["periods"][0]["limit"] == 8.15


async def test_a_composite_schedule_is_ready_to_be_drawn(
    client: httpx.AsyncClient, db: Database
) -> None:
    await accept(db, profile("ChargingStationMaxProfile", (0, 11000), start=START, unit="W"), 0)
    await accept(db, profile(DEFAULT, (0, 32), (3600, "8.1"), id=2, start=START))
    params = {"start": "2025-06-01T00:00:00Z", "duration_s": 7200}
    schedule = (await client.get(SCHEDULE, params=params)).json()
    assert (schedule["source"], schedule["unit"]) == ("csms", "A")
    assert schedule["differences"] is None
    assert schedule["periods"] == [
        {
            "start": "2025-06-01T00:00:00Z",
            "end": "2025-06-01T01:00:00Z",
            "limit": 15.9,
            "number_phases": None,
            "charging_profile_id": 1,
        },
        {
            "start": "2025-06-01T01:00:00Z",
            "end": "2025-06-01T02:00:00Z",
            "limit": 8.1,
            "number_phases": None,
            "charging_profile_id": 2,
        },
    ]
    params |= {"unit": "W", "voltage_v": 110, "number_phases": 1}
    schedule = (await client.get(SCHEDULE, params=params)).json()
    assert [period["limit"] for period in schedule["periods"]] == [3520, 891]
    (period,) = (await client.get(SCHEDULE.replace("/1/", "/0/"), params=params)).json()["periods"]
    assert period["limit"] == 11000


async def test_a_relative_schedule_counts_from_the_transaction_that_goes_on(
    client: httpx.AsyncClient, db: Database
) -> None:
    await accept(db, profile(DEFAULT, (0, 6), (3600, 16), kind="Relative"))
    params = {"start": "2025-06-01T09:30:00Z", "duration_s": 3600}
    (period,) = (await client.get(SCHEDULE, params=params)).json()["periods"]
    assert period["limit"] == 6
    await begin(db)  # at 09:00
    periods = (await client.get(SCHEDULE, params=params)).json()["periods"]
    assert [(period["end"], period["limit"]) for period in periods] == [
        ("2025-06-01T10:00:00Z", 6),
        ("2025-06-01T10:30:00Z", 16),
    ]


async def test_the_stations_answer_is_compared_with_its_profiles(
    client: httpx.AsyncClient, db: Database
) -> None:
    params = {"source": "station"}
    problem = assert_problem(await client.get(SCHEDULE, params=params), 404, "not-found")
    assert "GetCompositeSchedule" in problem["detail"]
    await accept(db, profile(DEFAULT, (0, 16), start=START))
    await report(db)
    schedule = (await client.get(SCHEDULE, params=params)).json()
    assert schedule["reported_at"] == "2025-06-01T00:00:01Z"
    assert (schedule["start"], schedule["end"]) == ("2025-06-01T00:00:00Z", "2025-06-01T02:00:00Z")
    assert [period["limit"] for period in schedule["periods"]] == [16, 10]
    assert schedule["differences"] == [
        {
            "start": "2025-06-01T01:00:00Z",
            "end": "2025-06-01T02:00:00Z",
            "csms_limit": 16,
            "station_limit": 10,
        }
    ]
    params |= {"duration_s": "3600"}
    assert (await client.get(SCHEDULE, params=params)).json()["differences"] == []


@pytest.mark.parametrize(
    "odd",
    [
        {"duration_s": 0},
        {"periods": ()},
        {"periods": (ChargingSchedulePeriod(start_period_s=9000, limit=Decimal(6)),)},
        {"schedule_start": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)},
    ],
    ids=["no duration", "no periods", "begins after its end", "outside the calendar"],
)
async def test_an_answer_of_a_station_that_says_nothing_is_no_fault_of_ours(
    db: Database, client: httpx.AsyncClient, odd: dict[str, Any]
) -> None:
    await report(db, **odd)
    answer = await client.get(SCHEDULE, params={"source": "station"})
    assert "holds no limits" in assert_problem(answer, 404, "not-found")["detail"]
    assert (await client.get(f"{SCHEDULE}.svg")).status_code == 200


async def test_a_composite_schedule_is_drawn(client: httpx.AsyncClient, db: Database) -> None:
    await accept(db, profile(DEFAULT, (0, 16), start=START))
    await report(db)
    params = {"start": "2025-06-01T00:00:00Z", "duration_s": 7200}
    response = await client.get(f"{SCHEDULE}.svg", params=params)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("image/svg+xml")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    root = ET.fromstring(response.text)  # noqa: S314 - our own
    lines = {path.get("class") for path in root.iter("{http://www.w3.org/2000/svg}path")}
    assert {"csms", "station"} <= lines
    assert "Charging limits of EVSE 1 of CS-1" in response.text


@pytest.mark.parametrize("suffix", ["", ".svg"])
async def test_what_cannot_be_worked_out_is_a_problem(
    client: httpx.AsyncClient, suffix: str
) -> None:
    for params in (
        {"duration_s": 0},
        {"duration_s": 604801},
        {"unit": "V"},
        {"voltage_v": 0},
        {"start": "9999-12-31T23:59:59Z"},
        {"start": "2025-06-01T00:00:00"},
    ):
        response = await client.get(SCHEDULE + suffix, params=params)
        assert_problem(response, 422, "invalid-input")
    url = f"/v1/stations/NONE/evses/1/composite-schedule{suffix}"
    assert_problem(await client.get(url), 404, "not-found")


async def report(db: Database, **words: Any) -> None:
    periods = (
        ChargingSchedulePeriod(start_period_s=0, limit=Decimal(16)),
        ChargingSchedulePeriod(start_period_s=3600, limit=Decimal(10)),
    )
    told = CompositeScheduleReported(
        station_id="CS-1",
        evse_id=1,
        schedule_start=START,
        duration_s=7200,
        charging_rate_unit=ChargingRateUnit.AMPERE,
        periods=periods,
        reported_at=START.replace(second=1),
    )
    await facts.write(db, [replace(told, **words)])
