"""The formats of exports: what each of them is called, and who writes it."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from control.exports.columns import Column, Values
from control.exports.csv_writer import CsvWriter
from control.exports.ndjson_writer import NdjsonWriter
from control.exports.parquet_writer import ParquetWriter


class ExportFormat(StrEnum):
    """How an export is written; each word is the suffix of a file's name as well."""

    NDJSON = "ndjson"
    """One JSON object per line."""
    CSV = "csv"
    """RFC 4180, with the columns' names in the first line."""
    PARQUET = "parquet"
    """Apache Parquet, with its schema, compressed."""


class Writer(Protocol):
    """Turns rows into the bytes of one file, piece by piece; it does not read or send anything."""

    def begin(self) -> bytes:
        """Return the first bytes of the file."""

    def write(self, values: Sequence[Values]) -> tuple[bytes, int]:
        """Return the next bytes of the file, of which there may be none yet.

        Args:
            values: of some rows, column by column.

        Returns:
            The bytes, and about how many the rows take without compression.
        """

    def end(self) -> bytes:
        """Return the last bytes of the file."""


WRITERS: Mapping[ExportFormat, Callable[[Sequence[Column]], Writer]] = {
    ExportFormat.NDJSON: NdjsonWriter,
    ExportFormat.CSV: CsvWriter,
    ExportFormat.PARQUET: ParquetWriter,
}
MEDIA_TYPES: Mapping[ExportFormat, str] = {
    ExportFormat.NDJSON: "application/x-ndjson",
    ExportFormat.CSV: "text/csv; charset=utf-8; header=present",
    ExportFormat.PARQUET: "application/vnd.apache.parquet",
}
"""RFC 4180 §3 for CSV; the registration of Parquet at IANA."""
