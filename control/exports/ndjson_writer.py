"""Exports as NDJSON: one JSON object per line, with the members that the API shows."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from control.exports.columns import Column, Kind, Values
from shared.domain.decimals import plain_digits


class NdjsonWriter:
    """Writes NDJSON. Decimals are numbers to their last digit.

    Args:
        columns: of the file.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._names = [column.name for column in columns]
        self._encoder = msgspec.json.Encoder()

    def begin(self) -> bytes:
        """Return nothing: there is nothing before the first line."""
        return b""

    def write(self, values: Sequence[Values]) -> tuple[bytes, int]:
        """Return one line per row."""
        written = [
            list(map(_number, each)) if column.kind is Kind.DECIMAL else each
            for column, each in zip(self._columns, values, strict=True)
        ]
        names = self._names
        rows = [dict(zip(names, row, strict=True)) for row in zip(*written, strict=True)]
        lines = self._encoder.encode_lines(rows)
        return lines, len(lines)

    def end(self) -> bytes:
        """Return nothing: the last line has its end."""
        return b""


def _number(value: Decimal | None) -> msgspec.Raw | None:
    return None if value is None else msgspec.Raw(plain_digits(value).encode())
