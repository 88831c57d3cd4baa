"""Exports as Parquet, one group of rows at a time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from control.exports.columns import DECIMAL_DIGITS, DECIMAL_PLACES, Column, Kind, Values

# A group is held in memory until it is whole. So many rows are some megabytes; of long frames fewer
# are. What is in order lies together then: who looks for one station reads a few groups.
_GROUP_ROWS = 20_000
_GROUP_BYTES = 16 * 1024 * 1024
# Beyond it a column's dictionary is given up, and the column takes several times the bytes.
_DICTIONARY_BYTES = 8 * 1024 * 1024

_TYPES: Mapping[Kind, pa.DataType] = {
    Kind.TEXT: pa.string(),
    Kind.INTEGER: pa.int64(),
    Kind.REAL: pa.float64(),
    Kind.DECIMAL: pa.decimal128(DECIMAL_DIGITS, DECIMAL_PLACES),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIME: pa.timestamp("us", tz="UTC"),
    Kind.JSON: pa.string(),
}


class ParquetWriter:
    """Writes Parquet with an explicit schema, which no row changes, and times in UTC.

    zstd at level 1: higher ones take longer and win nothing with texts such as ours.

    Args:
        columns: of the file.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._schema = pa.schema([(column.name, _TYPES[column.kind]) for column in columns])
        self._sink = _Sink()
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0
        self._bytes = 0
        self._writer: pq.ParquetWriter | None = None

    def begin(self) -> bytes:
        """Return the magic number."""
        self._writer = pq.ParquetWriter(
            self._sink,
            self._schema,
            compression="zstd",
            compression_level=1,
            dictionary_pagesize_limit=_DICTIONARY_BYTES,
        )
        return self._sink.take()

    def write(self, values: Sequence[Values]) -> tuple[bytes, int]:
        """Return a group of rows, if there are enough for one."""
        batch = pa.record_batch(
            [
                pa.array(_converted(column.kind, each), _TYPES[column.kind])
                for column, each in zip(self._columns, values, strict=True)
            ],
            schema=self._schema,
        )
        self._batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._flush()
        return self._sink.take(), batch.nbytes

    def end(self) -> bytes:
        """Return the last group, and what tells where everything is."""
        assert self._writer is not None  # noqa: S101 - `begin` was called first
        if self._batches:
            self._flush()
        self._writer.close()
        return self._sink.take()

    def _flush(self) -> None:
        assert self._writer is not None  # noqa: S101 - `begin` was called first
        table = pa.Table.from_batches(self._batches, self._schema)
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))
        self._batches, self._rows, self._bytes = [], 0, 0


def _converted(kind: Kind, values: Values) -> Values:
    convert = _CONVERTED.get(kind)
    if convert is None:
        return values
    return [None if value is None else convert(value) for value in values]


def _json(value: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    return msgspec.json.encode(value).decode()


_CONVERTED: Mapping[Kind, Callable[[Any], Any]] = {Kind.JSON: _json}


class _Sink:
    """What pyarrow writes to: a file without an end, of which nothing is kept that was taken."""

    closed = False

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False
