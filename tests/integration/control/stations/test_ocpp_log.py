"""The OCPP log, as the API searches and exports it."""

import csv
import io
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from shared.domain.secret_names import hide_also
from shared.store.pool import Database
from shared.store.stations import ocpp_log
from shared.store.stations.ocpp_log import WRITTEN_COLUMNS
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import assert_problem, running

NOW = datetime.now(UTC).replace(microsecond=0)
LOG = "/v1/ocpp-log"
_ENTRY: dict[str, Any] = {
    "called_at": NOW - timedelta(hours=1),
    "station_id": "CS-1",
    "ocpp_version": "1.6",
    "direction": "from_station",
    "action": "Heartbeat",
    "message_id": "1",
    "outcome": "CallResult",
    "detail": None,
    "latency_us": 1500,
    "request": '[2,"1","Heartbeat",{}]',
    "response": '[3,"1",{}]',
    "truncated": False,
    "pod_id": "pod-1",
    "trace_id": None,
}


async def write(db: Database, entries: Iterable[dict[str, Any]]) -> None:
    rows = ({**_ENTRY, **entry} for entry in entries)
    await ocpp_log.write(
        db, [tuple(row[column] for column in WRITTEN_COLUMNS) for row in rows], timeout_s=5
    )


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


@pytest.fixture
async def entries(db: Database) -> None:
    await write(
        db,
        [
            {"message_id": "a", "called_at": ago(50)},
            {"message_id": "b", "called_at": ago(40), "station_id": "CS-2"},
            {
                "message_id": "c",
                "called_at": ago(30),
                "direction": "to_station",
                "action": "Reset",
                "outcome": "TimedOut",
                "request": '[2,"c","Reset",{"type":"Hard"}]',
                "response": None,
                "latency_us": None,
            },
            {
                "message_id": None,
                "called_at": ago(20),
                "action": None,
                "outcome": "Ignored",
                "detail": "not a JSON array",
                "request": "=1+1",
                "response": None,
                "latency_us": None,
            },
            {"message_id": "=e", "called_at": ago(10), "action": "Authorize"},
            {"message_id": "old", "called_at": ago(60 * 30)},
        ],
    )


async def found(client: httpx.AsyncClient, **params: Any) -> list[str]:
    response = await client.get(LOG, params=params)
    assert response.status_code == 200, response.text
    return [item["message_id"] for item in response.json()["items"]]


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize(
    ("params", "message_ids"),
    [
        ({}, ["=e", None, "c", "b", "a"]),
        ({"station_id": "CS-1"}, ["=e", None, "c", "a"]),
        ({"action": "Reset"}, ["c"]),
        ({"direction": "to_station"}, ["c"]),
        ({"outcome": "error"}, [None, "c"]),
        ({"outcome": "Ignored"}, [None]),
        ({"outcome": "CallResult", "station_id": "CS-2"}, ["b"]),
        ({"message_id": "a"}, ["a"]),
        ({"contains": '"Hard"'}, ["c"]),
        ({"contains": '[3,"1"'}, ["=e", "b", "a"]),
        ({"contains": "%"}, []),
        ({"since": ago(35).isoformat()}, ["=e", None, "c"]),
        ({"until": ago(30).isoformat()}, ["b", "a"]),
        ({"since": ago(60 * 48).isoformat(), "until": ago(60 * 24).isoformat()}, ["old"]),
        ({"until": ago(60 * 25).isoformat()}, ["old"]),
    ],
)
async def test_each_filter_finds_its_entries_newest_first(
    client: httpx.AsyncClient, params: dict[str, Any], message_ids: list[str | None]
) -> None:
    assert await found(client, **params) == message_ids


@pytest.mark.usefixtures("entries")
async def test_an_entry_tells_both_frames(client: httpx.AsyncClient) -> None:
    (entry,) = (await client.get(LOG, params={"message_id": "a"})).json()["items"]
    assert entry == {
        "called_at": ago(50).isoformat().replace("+00:00", "Z"),
        "station_id": "CS-1",
        "ocpp_version": "1.6",
        "direction": "from_station",
        "action": "Heartbeat",
        "message_id": "a",
        "outcome": "CallResult",
        "detail": None,
        "latency_ms": 1.5,
        "request": '[2,"1","Heartbeat",{}]',
        "response": '[3,"1",{}]',
        "truncated": False,
        "pod_id": "pod-1",
        "trace_id": None,
    }


async def test_pages_neither_repeat_nor_lose_entries_of_one_instant(
    client: httpx.AsyncClient, db: Database
) -> None:
    await write(db, ({"message_id": str(number)} for number in range(7)))
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 3}
    while True:
        page = (await client.get(LOG, params=params)).json()
        seen += [item["message_id"] for item in page["items"]]
        await write(db, [{"message_id": "new", "called_at": NOW}])
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == [str(number) for number in reversed(range(7))]


@pytest.mark.usefixtures("entries")
async def test_an_export_has_one_object_per_line(client: httpx.AsyncClient) -> None:
    response = await client.get(f"{LOG}/export", params={"station_id": "CS-1"})
    assert response.headers["content-type"] == "application/x-ndjson"
    name = r'attachment; filename="ocpp-log-\d{8}T\d{6}Z\.ndjson"'
    assert re.fullmatch(name, response.headers["content-disposition"])
    items = [msgspec.json.decode(line) for line in response.text.splitlines()]
    listed = (await client.get(LOG, params={"station_id": "CS-1"})).json()["items"]
    assert items == listed


@pytest.mark.usefixtures("entries")
async def test_a_spreadsheet_takes_nothing_in_an_export_for_a_formula(
    client: httpx.AsyncClient,
) -> None:
    response = await client.get(f"{LOG}/export", params={"format": "csv", "limit": 2})
    assert response.headers["content-type"].startswith("text/csv")
    first, second = csv.DictReader(io.StringIO(response.text))
    assert (first["message_id"], first["action"]) == ("'=e", "Authorize")
    assert (second["request"], second["response"]) == ("'=1+1", "")


async def test_an_export_is_longer_than_a_page_and_never_longer_than_asked(
    client: httpx.AsyncClient, db: Database
) -> None:
    await write(db, ({"message_id": str(number)} for number in range(1500)))
    for export_format, heading in (("ndjson", 0), ("csv", 1)):
        for limit, count in ((1200, 1200), (100_000, 1500), (500, 500)):
            response = await client.get(
                f"{LOG}/export", params={"limit": limit, "format": export_format}
            )
            lines = response.text.splitlines()[heading:]
            assert len(lines) == count
            assert len(set(lines)) == count


async def test_an_empty_export_is_empty(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{LOG}/export")).text == ""
    assert (await client.get(f"{LOG}/export", params={"format": "csv"})).text.count("\n") == 1


@pytest.mark.parametrize(
    "params",
    [
        {"cursor": "b2NwcC1sb2cKeAox"},
        {"cursor": "b2NwcC1sb2cKMjAyNS0wNi0wMQox"},  # a day without a zone
        {"contains": ""},
        {"contains": "\0"},
        {"direction": "sideways"},
        {"since": "yesterday"},
        {"station_id": "a:b"},
    ],
)
async def test_a_search_that_cannot_be_is_refused(
    client: httpx.AsyncClient, params: dict[str, Any]
) -> None:
    assert_problem(await client.get(LOG, params=params), 422, "invalid-input")


async def test_a_search_that_takes_too_long_says_what_to_do(
    db: Database, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control.api.stations.ocpp_log._SEARCH_TIMEOUT_S", 0.2)
    settings = make_settings(export_page_timeout_s=0.2)
    async with running(settings) as api, db.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE ocpp_log IN ACCESS EXCLUSIVE MODE")
        for path in (LOG, f"{LOG}/export"):
            problem = assert_problem(await api.client.get(path), 422, "invalid-input")
            assert "shorter time" in problem["detail"]


async def test_a_name_that_an_operator_adds_is_hidden_in_what_was_written_before(
    db: Database, client: httpx.AsyncClient
) -> None:
    frame = '[2,"1","ChangeConfiguration",{"key":"MeterVault","value":"s3cret"}]'
    answer = '[3,"1",{"configurationKey":[{"key":"metervault","value":"s3cret"}]}]'
    entry = {"action": "ChangeConfiguration", "request": frame, "response": answer}
    await write(db, [entry])
    asked = [LOG, f"{LOG}/export", f"{LOG}/export?format=csv"]
    assert ["s3cret" in (await client.get(url)).text for url in asked] == [True] * 3
    try:
        hide_also(["MeterVault"])
        for url in asked:
            text = (await client.get(url)).text
            assert text.count("(redacted)") == 2
            assert "s3cret" not in text
    finally:
        hide_also([])
