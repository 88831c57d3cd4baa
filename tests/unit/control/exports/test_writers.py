"""Each format, read back by the library that everybody reads it with."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from control.exports.columns import (
    Column,
    Kind,
    bounded,
    choose,
    take,
    with_local_times,
    written_time,
)
from control.exports.csv_writer import harmless
from control.exports.writers import WRITERS, ExportFormat
from shared.domain.stations.ocpp_log import Direction

AT = datetime(2027, 10, 31, 0, 30, 0, 120_000, UTC)
ROWS: list[dict[str, Any]] = [
    {
        "text": 'a "quoted", long\r\nline; ü',
        "word": Direction.FROM_STATION,
        "count": -(2**63),
        "ratio": 0.1,
        "energy_wh": Decimal("5E+4"),
        "told": True,
        "at": AT,
        "document": {"a": [1, None, "x"]},
    },
    {
        "text": "",
        "word": None,
        "count": 7,
        "ratio": 1e-9,
        "energy_wh": Decimal("-0.100"),
        "told": False,
        "at": AT.replace(hour=1, microsecond=0),
        "document": [],
    },
    dict.fromkeys(("text", "word", "count", "ratio", "energy_wh", "told", "at", "document"), None),
]
KINDS = {
    "text": Kind.TEXT,
    "word": Kind.TEXT,
    "count": Kind.INTEGER,
    "ratio": Kind.REAL,
    "energy_wh": Kind.DECIMAL,
    "told": Kind.BOOLEAN,
    "at": Kind.TIME,
    "document": Kind.JSON,
}


def column(name: str, kind: Kind) -> Column:
    return Column(name, kind, lambda row: row[name])


COLUMNS = tuple(column(name, kind) for name, kind in KINDS.items())


def written(
    export_format: ExportFormat,
    *pages: Sequence[dict[str, Any]],
    columns: Sequence[Column] = COLUMNS,
) -> bytes:
    writer = WRITERS[export_format](columns)
    pieces = [writer.begin()]
    pieces += [writer.write(take(columns, page))[0] for page in pages]
    pieces.append(writer.end())
    return b"".join(pieces)


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


def test_csv_is_read_back_as_it_was() -> None:
    first, second, third = read_csv(written(ExportFormat.CSV, ROWS[:1], ROWS[1:]))
    assert first == {
        "text": ROWS[0]["text"],
        "word": "from_station",
        "count": "-9223372036854775808",
        "ratio": "0.1",
        "energy_wh": "50000",
        "told": "true",
        "at": "2027-10-31T00:30:00.120000Z",
        "document": '{"a":[1,null,"x"]}',
    }
    assert second["energy_wh"] == "-0.100"
    assert set(third.values()) == {""}


def test_csv_has_the_line_ends_and_quotes_of_its_rfc_and_tells_nothing_from_an_empty_text() -> None:
    lines = written(ExportFormat.CSV, ROWS[1:]).split(b"\r\n")
    assert lines[0] == b"text,word,count,ratio,energy_wh,told,at,document"
    assert lines[1].startswith(b'"",,7,1e-09,-0.100,false,2027-10-31T01:30:00Z,"[]"')
    assert lines[2:] == [b",,,,,,,", b""]


def test_ndjson_is_read_back_as_it_was() -> None:
    lines = written(ExportFormat.NDJSON, ROWS[:1], ROWS[1:]).splitlines()
    read = [json.loads(line, parse_float=Decimal) for line in lines]
    assert read[0] == {
        **ROWS[0],
        "energy_wh": 50000,
        "ratio": Decimal("0.1"),
        "at": "2027-10-31T00:30:00.120000Z",
    }
    assert b'"energy_wh":-0.100,' in lines[1]
    assert read[2] == ROWS[2]


def test_parquet_is_read_back_as_it_was() -> None:
    table = pq.read_table(io.BytesIO(written(ExportFormat.PARQUET, ROWS[:1], ROWS[1:])))
    assert table.to_pylist() == [
        {**row, "document": None if row["document"] is None else text}
        for row, text in zip(ROWS, ['{"a":[1,null,"x"]}', "[]", None], strict=True)
    ]
    assert table.schema.field("at").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("energy_wh").type == pa.decimal128(38, 9)


def test_a_parquet_file_has_one_schema_whatever_its_rows_are() -> None:
    empty, full = (
        pq.read_schema(io.BytesIO(written(ExportFormat.PARQUET, *pages)))
        for pages in ((), (ROWS[2:], ROWS[:1]))
    )
    assert empty.equals(full)


def test_a_parquet_file_of_many_rows_has_groups_and_zstd() -> None:
    pages = [ROWS[:2] * 500] * 45
    read = pq.ParquetFile(io.BytesIO(written(ExportFormat.PARQUET, *pages)))
    assert read.metadata.num_rows == 45_000
    assert read.metadata.num_row_groups == 3
    assert read.metadata.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize("export_format", list(ExportFormat))
def test_a_file_without_rows_can_be_read(export_format: ExportFormat) -> None:
    content = written(export_format)
    match export_format:
        case ExportFormat.CSV:
            assert read_csv(content) == []
        case ExportFormat.NDJSON:
            assert content == b""
        case ExportFormat.PARQUET:
            assert pq.read_table(io.BytesIO(content)).num_rows == 0


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1+1",
        "\uff1d1+1",
        "\uff0b1",
        "\uff0d1",
        "\uff20x",
        "'=1",
        "'quoted'",
    ],
)
def test_no_text_is_a_formula_and_each_can_be_had_back(text: str) -> None:
    (row,) = read_csv(written(ExportFormat.CSV, [{**ROWS[0], "text": text}]))
    assert row["text"] == f"'{text}"
    assert row["text"].removeprefix("'") == text


@pytest.mark.parametrize("text", ["", "CS-0001", "a=b", " plain", "1", "#1"])
def test_other_texts_are_left_alone(text: str) -> None:
    assert harmless(text) == text


def test_a_number_stays_a_number_whatever_its_sign() -> None:
    line = written(ExportFormat.CSV, [{**ROWS[0], "count": -5, "energy_wh": Decimal("-1.5")}])
    assert b",-5,0.1,-1.5," in line


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (Decimal("1.0000000005"), Decimal("1.000000001")),  # half away from zero
        (Decimal("-1.0000000005"), Decimal("-1.000000001")),
        (Decimal("1.0000000004"), Decimal("1.000000000")),
        (Decimal("9" * 29 + ".123456789"), Decimal("9" * 29 + ".123456789")),
        (Decimal("9" * 29 + ".9999999999"), None),
        (Decimal("1E+29"), None),
        (Decimal("1E-400"), Decimal(0)),
        (Decimal("NaN"), None),
        (Decimal("Infinity"), None),
        (None, None),
    ],
)
def test_a_decimal_is_the_same_in_every_format(
    number: Decimal | None, told: Decimal | None
) -> None:
    assert bounded(number) == told
    columns = [column("n", Kind.DECIMAL), column("m", Kind.INTEGER)]
    row = {"n": number, "m": 1}
    (of_csv,) = read_csv(written(ExportFormat.CSV, [row], columns=columns))
    of_json = json.loads(written(ExportFormat.NDJSON, [row], columns=columns), parse_float=Decimal)
    table = pq.read_table(io.BytesIO(written(ExportFormat.PARQUET, [row], columns=columns)))
    assert (Decimal(of_csv["n"]) if of_csv["n"] else None) == told
    assert of_json["n"] == told
    assert table.to_pylist()[0]["n"] == told
    assert "E" not in of_csv["n"]


def test_times_of_a_place_tell_the_hour_that_comes_twice_apart() -> None:
    columns = with_local_times(COLUMNS, ZoneInfo("Europe/Berlin"))
    assert [each.name for each in columns][6:8] == ["at", "at_local"]
    first, second, third = read_csv(written(ExportFormat.CSV, ROWS, columns=columns))
    assert first["at_local"] == "2027-10-31T02:30:00.120000+02:00"
    assert second["at_local"] == "2027-10-31T02:30:00+01:00"
    assert third["at_local"] == ""


def test_a_time_beyond_the_calendar_has_no_place() -> None:
    (local,) = with_local_times([column("at", Kind.TIME)], ZoneInfo("Pacific/Auckland"))[1:]
    assert local.of({"at": datetime(9999, 12, 31, 23, tzinfo=UTC)}) is None


def test_columns_are_chosen_in_the_order_of_their_names() -> None:
    assert [each.name for each in choose(COLUMNS, ("told", "text", "told"))] == ["told", "text"]
    with pytest.raises(KeyError):
        choose(COLUMNS, ("other",))


def test_a_time_is_written_in_utc() -> None:
    at = datetime(2027, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert written_time(at) == "2027-07-01T10:00:00Z"
