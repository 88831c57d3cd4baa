"""Sessions and meter values through the API."""

from uuid import uuid4

import httpx
import pytest

from shared.store.pool import Database
from tests.integration.control.charges import begin, end, meter
from tests.integration.control.players import assert_problem


async def test_energy_is_a_number_in_wh_that_grows_while_the_session_goes_on(
    client: httpx.AsyncClient, db: Database
) -> None:
    transaction_id = await begin(db)
    (session,) = (await client.get("/v1/sessions")).json()["items"]
    assert session["active"] is True
    assert session["energy_wh"] is None
    await meter(db, transaction_id, (60, "1250"))
    session = (await client.get(f"/v1/sessions/{session['session_id']}")).json()
    assert session["energy_wh"] == 250
    await end(db, transaction_id, "2500.125")
    session = (await client.get(f"/v1/sessions/{session['session_id']}")).json()
    assert session["active"] is False
    assert session["meter_start_wh"] == 1000
    assert session["meter_stop_wh"] == 2500.125
    assert session["energy_wh"] == 1500.125
    assert session["started_at"] == "2025-06-01T09:00:00Z"


async def test_sessions_are_listed_newest_first_by_station_and_by_whether_they_go_on(
    client: httpx.AsyncClient, db: Database
) -> None:
    first = await begin(db, minute=1)
    second = await begin(db, minute=2)
    other = await begin(db, "CS-2")
    await end(db, first, "2000")

    async def listed(**params: object) -> list[str]:
        page = (await client.get("/v1/sessions", params=params)).json()
        return [item["transaction_id"] for item in page["items"]]

    assert await listed() == [other, second, first]
    assert await listed(station_id="CS-1") == [second, first]
    assert await listed(active=True) == [other, second]
    assert await listed(active=False) == [first]
    assert await listed(station_id="CS-1", active=True) == [second]


async def test_a_page_of_sessions_is_stable_while_new_ones_begin(
    client: httpx.AsyncClient, db: Database
) -> None:
    begun = [await begin(db, minute=minute) for minute in range(4)]
    page = (await client.get("/v1/sessions", params={"limit": 3})).json()
    await begin(db, minute=10)
    params = {"limit": 3, "cursor": page["next_cursor"]}
    rest = (await client.get("/v1/sessions", params=params)).json()
    seen = [item["transaction_id"] for item in page["items"] + rest["items"]]
    assert seen == begun[::-1]


async def test_meter_values_come_in_the_order_of_their_time_and_none_is_lost_between_pages(
    client: httpx.AsyncClient, db: Database
) -> None:
    transaction_id = await begin(db)
    # Three of one second, with a page ending between them.
    await meter(db, transaction_id, (60, "1"), (30, "0"), (60, "2"), (60, "3"), (90, "4"))
    await meter(db, await begin(db, minute=5), (45, "999"))
    (session_id,) = [
        item["session_id"]
        for item in (await client.get("/v1/sessions")).json()["items"]
        if item["transaction_id"] == transaction_id
    ]
    values: list[dict[str, object]] = []
    params: dict[str, object] = {"limit": 2}
    while True:
        page = (await client.get(f"/v1/sessions/{session_id}/meter-values", params=params)).json()
        values += page["items"]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert sorted(value["energy_wh"] for value in values) == [0, 1, 2, 3, 4]
    times = [value["sampled_at"] for value in values]
    assert times == sorted(times)
    assert values[0]["samples"] == [
        {
            "value": "0",
            "measurand": "Energy.Active.Import.Register",
            "context": "Sample.Periodic",
            "location": "Outlet",
            "unit": "Wh",
            "multiplier": None,
            "phase": None,
            "format": None,
            "signed_meter_value": None,
        }
    ]


@pytest.mark.parametrize(
    "cursor",
    [
        "bWV0ZXItdmFsdWVzCjIwMjUtMDYtMDEKMQ",  # a day without a zone
        "bWV0ZXItdmFsdWVzCngKMQ",  # no time
        "c2Vzc2lvbnMKeA",  # another list's
    ],
)
async def test_a_cursor_of_meter_values_that_was_made_up_is_refused(
    client: httpx.AsyncClient, db: Database, cursor: str
) -> None:
    await begin(db)
    (session,) = (await client.get("/v1/sessions")).json()["items"]
    response = await client.get(
        f"/v1/sessions/{session['session_id']}/meter-values", params={"cursor": cursor}
    )
    assert_problem(response, 422, "invalid-input")


async def test_a_session_that_is_not_there_is_a_404(client: httpx.AsyncClient) -> None:
    for path in ("", "/meter-values"):
        assert_problem(await client.get(f"/v1/sessions/{uuid4()}{path}"), 404, "not-found")
    assert_problem(await client.get("/v1/sessions/42"), 422, "invalid-input")
