"""Exports of each resource in each format, read back by what everybody reads them with."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from control.api.accounts.audit_log_schemas import AuditEntry
from control.api.notices.events_schemas import Event
from control.api.sessions.meter_values_schemas import StationMeterValue
from control.api.sessions.sessions_schemas import Session
from control.api.stations.ocpp_log_schemas import LogEntry
from control.exports import resources
from control.exports.columns import Kind
from control.exports.resources import Resource
from shared.store.pool import Database
from tests.integration.control.charges import begin, end, meter
from tests.integration.control.notices.conftest import happening, put, told

FORMATS = ("csv", "ndjson", "parquet")
SINCE = {"since": "2025-06-01T00:00:00Z", "until": "2025-06-03T00:00:00Z"}
EVERY = {
    "sessions": (resources.SESSIONS, {}),
    "meter-values": (resources.METER_VALUES, SINCE),
    "ocpp-log": (resources.OCPP_LOG, {}),
    "audit-log": (resources.AUDIT_LOG, {}),
    "events": (resources.EVENTS, {}),
}


def of_csv(resource: Resource, content: bytes) -> list[dict[str, Any]]:
    kinds = {column.name: column.kind for column in resource.columns}
    read: dict[Kind, Callable[[str], Any]] = {
        Kind.TEXT: lambda cell: cell.removeprefix("'"),
        Kind.INTEGER: int,
        Kind.REAL: float,
        Kind.DECIMAL: Decimal,
        Kind.BOOLEAN: {"true": True, "false": False}.__getitem__,
        Kind.TIME: datetime.fromisoformat,
        Kind.JSON: json.loads,
    }
    rows = csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True)
    return [
        {name: None if cell == "" else read[kinds[name]](cell) for name, cell in row.items()}
        for row in rows
    ]


def of_ndjson(resource: Resource, content: bytes) -> list[dict[str, Any]]:
    kinds = {column.name: column.kind for column in resource.columns}
    read: dict[Kind, Callable[[Any], Any]] = {
        Kind.REAL: float,
        Kind.DECIMAL: Decimal,
        Kind.TIME: datetime.fromisoformat,
    }
    return [
        {
            name: None if value is None else read.get(kinds[name], lambda same: same)(value)
            for name, value in json.loads(line, parse_float=Decimal).items()
        }
        for line in content.splitlines()
    ]


def of_parquet(resource: Resource, content: bytes) -> list[dict[str, Any]]:
    kinds = {column.name: column.kind for column in resource.columns}
    return [
        {
            name: json.loads(value) if kinds[name] is Kind.JSON and value is not None else value
            for name, value in row.items()
        }
        for row in pq.read_table(io.BytesIO(content)).to_pylist()
    ]


READ = {"csv": of_csv, "ndjson": of_ndjson, "parquet": of_parquet}


async def exported(client: httpx.AsyncClient, name: str, **params: Any) -> httpx.Response:
    response = await client.get(f"/v1/{name}/export", params={**EVERY[name][1], **params})
    assert response.status_code == 200, response.text
    return response


async def rows_of(
    client: httpx.AsyncClient, name: str, export_format: str, **params: Any
) -> list[dict[str, Any]]:
    response = await exported(client, name, format=export_format, **params)
    return READ[export_format](EVERY[name][0], response.content)


@pytest.fixture
async def things(client: httpx.AsyncClient, db: Database) -> None:
    """Some of each, with texts that a spreadsheet would calculate."""
    for number in range(3):
        body = {"station_id": f"CS-{number}", "name": '=HYPERLINK("x")'}
        assert (await client.post("/v1/stations", json=body)).is_success
    for minute in (0, 90, 180):
        transaction_id = await begin(db, "CS-1", minute=minute)
        await meter(
            db, transaction_id, *((60 * minute + 60 * n, f"{1000 + n}.25") for n in range(9))
        )
        if minute == 0:
            await end(db, transaction_id, "11234.5")
    for number in range(3):
        await put(db, happening(f"CS-{number}", note="=1+1", number=number))
    await told(db)
    await db.execute("UPDATE sessions SET review_note = '=1+1', reviewed_by = ''' quoted'")
    await db.execute(
        """
        INSERT INTO ocpp_log (called_at, station_id, ocpp_version, direction, action, outcome,
                              latency_us, request, pod_id)
        SELECT now() - number * interval '1 s', 'CS-1', '1.6', 'from_station', 'Heartbeat',
               'CallResult', 1500, '=[2,"' || number || '"]', 'pod-1'
        FROM generate_series(1, 30) AS number
        """
    )


@pytest.mark.usefixtures("things")
@pytest.mark.parametrize("name", EVERY)
async def test_each_format_has_the_same_rows(client: httpx.AsyncClient, name: str) -> None:
    of_csv, of_ndjson, of_parquet = [
        await rows_of(client, name, export_format) for export_format in FORMATS
    ]
    # A text of nothing and none at all look alike to this module's reader of CSV.
    assert len(of_ndjson) >= 3
    assert of_csv == of_ndjson == of_parquet


@pytest.mark.usefixtures("things")
@pytest.mark.parametrize("name", ["sessions", "ocpp-log", "audit-log", "events"])
async def test_an_export_is_the_list_to_its_end(client: httpx.AsyncClient, name: str) -> None:
    listed = (await client.get(f"/v1/{name}", params={"limit": 100})).json()["items"]
    lines = (await exported(client, name, format="ndjson")).content.splitlines()
    rows = [json.loads(line) for line in lines]
    if name == "audit-log":
        listed = [_flat(each) for each in listed]
    assert rows == listed


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    principal = entry.pop("principal")
    names = {"kind": "kind", "id": "id", "name": "name", "organization_id": "organization_id"}
    return entry | {f"principal_{name}": principal[member] for name, member in names.items()}


@pytest.mark.usefixtures("things")
async def test_meter_values_are_those_of_their_stations(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/stations/CS-1/meter-values", params=SINCE)).json()["items"]
    lines = (await exported(client, "meter-values")).content.splitlines()
    rows = [json.loads(line) for line in lines]
    samples = [
        dict(filter(_is_told, sample.items())) for row in listed for sample in row["samples"]
    ]
    assert [sample for row in rows for sample in row["samples"]] == samples
    assert [row["sampled_at"] for row in rows] == [row["sampled_at"] for row in listed]
    assert {row["station_id"] for row in rows} == {"CS-1"}
    assert len(rows) == 27


def _is_told(item: tuple[str, Any]) -> bool:
    return item[1] is not None


@pytest.mark.parametrize(
    ("resource", "members"),
    [
        (resources.SESSIONS, list(Session.model_fields)),
        (resources.METER_VALUES, ["station_id", *StationMeterValue.model_fields]),
        (resources.OCPP_LOG, list(LogEntry.model_fields)),
        (resources.EVENTS, list(Event.model_fields)),
        (
            resources.AUDIT_LOG,
            [
                *(name for name in AuditEntry.model_fields if name != "principal"),
                *(f"principal_{each}" for each in ("kind", "id", "name", "organization_id")),
            ],
        ),
    ],
)
def test_an_export_has_a_column_for_each_member_of_its_list(
    resource: Resource, members: list[str]
) -> None:
    assert {column.name for column in resource.columns} == set(members)


FILTERS: list[tuple[str, dict[str, Any], int]] = [
    ("sessions", {"active": True}, 2),
    ("sessions", {"started_since": "2025-06-01T10:00:00Z"}, 2),
    ("sessions", {"updated_since": "2025-01-01T00:00:00Z"}, 3),
    ("sessions", {"station_id": "CS-2"}, 0),
    ("meter-values", {"station_id": "CS-2"}, 0),
    ("meter-values", {"evse_id": 1, "in_transaction": True}, 27),
    ("meter-values", {"in_transaction": False}, 0),
    ("meter-values", {"context": "Sample.Periodic", "since": "2025-06-01T09:05:00Z"}, 22),
    ("meter-values", {"context": "Sample.Clock"}, 0),
    ("ocpp-log", {"contains": '"7"'}, 1),
    ("audit-log", {"resource": "stations"}, 3),
    ("events", {"type": ["station.online", "session.ended"]}, 3),
    ("events", {"station_id": "CS-2", "since": "2025-01-01T00:00:00Z"}, 1),
    ("events", {"until": "2025-01-01T00:00:00Z"}, 0),
]


@pytest.mark.usefixtures("things")
async def test_filters_are_those_of_the_list(client: httpx.AsyncClient) -> None:
    for name, params, count in FILTERS:
        for export_format in FORMATS:
            rows = await rows_of(client, name, export_format, **params)
            assert len(rows) == count, (name, params, export_format)


@pytest.mark.usefixtures("things")
async def test_no_cell_of_a_text_is_a_formula_and_numbers_stay_numbers(
    client: httpx.AsyncClient,
) -> None:
    content = await exported(client, "sessions", format="csv", columns="review_note,energy_wh")
    rows = list(csv.reader(io.StringIO(content.text)))
    assert rows[0] == ["review_note", "energy_wh"]
    assert {row[0] for row in rows[1:]} == {"'=1+1"}
    assert {row[1] for row in rows[1:]} == {"10234.5", "8.25"}
    log = (await exported(client, "ocpp-log", format="csv", columns="request")).text
    assert all(line.startswith("\"'=[2") for line in log.splitlines()[1:])


@pytest.mark.usefixtures("things")
@pytest.mark.parametrize("export_format", FORMATS)
async def test_columns_zone_and_limit_are_as_asked(
    client: httpx.AsyncClient, export_format: str
) -> None:
    params = {"columns": "station_id,started_at", "time_zone": "Europe/Berlin", "limit": 2}
    response = await exported(client, "sessions", format=export_format, **params)
    if export_format == "csv":
        rows = list(csv.DictReader(io.StringIO(response.text)))
    elif export_format == "ndjson":
        rows = [json.loads(line) for line in response.text.splitlines()]
    else:
        rows = pq.read_table(io.BytesIO(response.content)).to_pylist()
    assert len(rows) == 2
    assert list(rows[0]) == ["station_id", "started_at", "started_at_local"]
    assert rows[1]["started_at_local"] == "2025-06-01T12:30:00+02:00"


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("export_format", FORMATS)
async def test_a_file_has_a_name_and_a_type(
    client: httpx.AsyncClient, name: str, export_format: str
) -> None:
    response = await exported(client, name, format=export_format)
    disposition = response.headers["content-disposition"]
    assert disposition.startswith(f'attachment; filename="{name}-2')
    assert disposition.endswith(f'.{export_format}"')
    assert (
        response.headers["content-type"].partition(";")[0]
        in {
            "csv": "text/csv",
            "ndjson": "application/x-ndjson",
            "parquet": "application/vnd.apache.parquet",
        }[export_format]
    )
    assert response.headers["cache-control"] == "no-store"


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("sessions", {"columns": "energy"}, "there is no such column"),
    ("sessions", {"columns": ""}, "there is no such column"),
    ("sessions", {"format": "xls"}, "'ndjson', 'csv' or 'parquet'"),
    ("sessions", {"time_zone": "Europe/Nowhere"}, "there is no such time zone"),
    ("sessions", {"time_zone": "../../etc/passwd"}, "pattern"),
    ("sessions", {"limit": 0}, "greater than or equal to 1"),
    ("sessions", {"cursor": "x"}, "there is no such parameter"),
    ("meter-values", {"since": "2020-01-01T00:00:00Z"}, "more than 366 days"),
]


async def test_what_cannot_be_asked_is_refused(client: httpx.AsyncClient) -> None:
    for name, params, words in REFUSED:
        response = await client.get(f"/v1/{name}/export", params={**EVERY[name][1], **params})
        assert response.status_code == 422
        assert words in response.json()["detail"]


async def test_values_at_the_ends_of_the_calendar_can_be_asked_for(
    client: httpx.AsyncClient,
) -> None:
    for since, until in (
        ("0001-01-01T00:00:01Z", "0001-01-02T00:00:00Z"),
        ("9999-12-30T00:00:00Z", "9999-12-31T23:59:59Z"),
    ):
        assert (await exported(client, "meter-values", since=since, until=until)).content == b""
    params = {"until": "0001-01-01T00:00:01Z"}
    assert (await client.get("/v1/meter-values/export", params=params)).status_code == 200


async def test_sessions_of_many_pages_come_once_each(
    client: httpx.AsyncClient, db: Database
) -> None:
    await db.execute(
        """
        INSERT INTO sessions (station_id, evse_id, transaction_id, transaction_id_issuer,
                              ocpp_version, started_at)
        SELECT 'CS-1', 1, number::text, 'csms', '1.6',
               timestamptz '2025-06-01 00:00Z' + number * interval '1 min'
        FROM generate_series(1, 3500) AS number
        """
    )
    for params in ({}, {"started_since": "2025-01-01T00:00:00Z"}, {"updated_since": _ago()}):
        rows = await rows_of(client, "sessions", "ndjson", columns="transaction_id", **params)
        assert sorted(int(row["transaction_id"]) for row in rows) == list(range(1, 3501))


def _ago() -> str:
    return (datetime.now(UTC) - timedelta(hours=1)).isoformat()
