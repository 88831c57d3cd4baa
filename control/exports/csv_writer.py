"""Exports as CSV (RFC 4180), of which no spreadsheet makes a formula.

Every text stands in quotes, and nothing else does: so an empty text differs from a null, and a
number from a text that looks like one. The `csv` module of Python 3.11 cannot write that.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from control.exports.columns import Column, Kind, Values, written_time
from shared.domain.decimals import plain_digits

_LINE_END = "\r\n"
# OWASP, CSV injection: what makes a cell a formula, in its full-width form as well; spreadsheets
# pass over blanks before it. A quote is among them so that the reader of a file can tell our quotes
# from those that somebody said: the first one of a text is always ours.
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "'")


class CsvWriter:
    """Writes CSV with the columns' names in its first line, in UTF-8 without a mark.

    Args:
        columns: of the file.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._written = [_WRITTEN[column.kind] for column in columns]

    def begin(self) -> bytes:
        """Return the line with the names."""
        return (",".join(column.name for column in self._columns) + _LINE_END).encode()

    def write(self, values: Sequence[Values]) -> tuple[bytes, int]:
        """Return one line per row."""
        cells = [
            ["" if value is None else written(value) for value in column]
            for written, column in zip(self._written, values, strict=True)
        ]
        lines = [",".join(row) for row in zip(*cells, strict=True)]
        lines.append("")
        # One column whose value is null would be an empty line, which readers pass over.
        if len(cells) == 1:
            lines = [line or '""' for line in lines[:-1]] + [""]
        text = _LINE_END.join(lines).encode()
        return text, len(text)

    def end(self) -> bytes:
        """Return nothing: the last line has its end."""
        return b""


def harmless(text: str) -> str:
    """Return a text of which no spreadsheet makes a formula, and which can be had back.

    Whoever reads the file with a program takes the first character off where it is a quote.
    """
    return f"'{text}" if text.lstrip(" ").startswith(_DANGEROUS) else text


def _text(value: str) -> str:
    quoted = harmless(value).replace('"', '""')
    return f'"{quoted}"'


def _json(value: object) -> str:
    return _text(msgspec.json.encode(value).decode())


def _boolean(value: object) -> str:
    return "true" if value else "false"


def _decimal(value: Decimal) -> str:
    return plain_digits(value)


def _time(value: datetime) -> str:
    return written_time(value)


_WRITTEN: Mapping[Kind, Callable[[Any], str]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: str,
    Kind.REAL: repr,
    Kind.DECIMAL: _decimal,
    Kind.BOOLEAN: _boolean,
    Kind.TIME: _time,
    Kind.JSON: _json,
}
