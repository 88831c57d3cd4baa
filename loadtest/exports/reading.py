"""Reads exported files back, row by row, and makes one number of what is in them."""

import csv
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pyarrow.parquet as pq

_BATCH_ROWS = 10_000
_TEXTS = ("session_id", "station_id", "transaction_id", "id_token", "stopped_reason")
_DECIMALS = ("meter_start_wh", "meter_stop_wh", "energy_wh")
_TIMES = ("started_at", "ended_at", "updated_at")
_BOOLEANS = ("active", "billable", "needs_review")

Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a file holds.

    Attributes:
        rows: how many.
        energy_wh: of all sessions that have ended, to the last digit.
        checksum: of the texts, numbers and times of all rows in their order, whatever the format.
    """

    rows: int
    energy_wh: Decimal
    checksum: str


def read_content(path: Path, export_format: str) -> Content:
    """Read a file of sessions to its end."""
    digest = hashlib.sha256()
    count, total = 0, Decimal(0)
    for row in _READERS[export_format](path):
        count += 1
        if not row["active"]:
            total += row["energy_wh"] or 0
        digest.update(_canonical(row))
    return Content(rows=count, energy_wh=total, checksum=digest.hexdigest())


def _canonical(row: Row) -> bytes:
    """Return the same bytes for the same row, whichever format it was read from."""
    parts = [row[name] or "" for name in _TEXTS]
    parts += ["" if row[name] is None else f"{row[name].normalize():f}" for name in _DECIMALS]
    parts += ["" if row[name] is None else str(row[name].timestamp()) for name in _TIMES]
    parts += [str(row[name]) for name in _BOOLEANS]
    return ("\x1f".join(parts) + "\x1e").encode()


def _csv(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, strict=True):
            yield {
                # Ours stands before each text that a spreadsheet would calculate.
                **{name: row[name].removeprefix("'") for name in _TEXTS},
                **_read(row, _DECIMALS, Decimal),
                **_read(row, _TIMES, datetime.fromisoformat),
                **{name: row[name] == "true" for name in _BOOLEANS},
            }


def _ndjson(path: Path) -> Iterator[Row]:
    decoder = msgspec.json.Decoder(float_hook=Decimal)
    with path.open("rb") as file:
        for line in file:
            row = decoder.decode(line)
            yield {
                **row,
                **_read(row, _DECIMALS, Decimal),
                **_read(row, _TIMES, datetime.fromisoformat),
            }


def _parquet(path: Path) -> Iterator[Row]:
    columns = [*_TEXTS, *_DECIMALS, *_TIMES, *_BOOLEANS]
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
            yield from batch.to_pylist()


def _read(row: Row, names: Iterable[str], read: Callable[[Any], Any]) -> Row:
    return {name: None if row[name] in {None, ""} else read(row[name]) for name in names}


_READERS: Mapping[str, Callable[[Path], Iterator[Row]]] = {
    "csv": _csv,
    "ndjson": _ndjson,
    "parquet": _parquet,
}
FORMATS = tuple(_READERS)
