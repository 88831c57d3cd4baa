"""What every route that exports has in common: what may be asked of it, and what it answers."""

import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from fastapi import Query
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from control import problems
from control.api.types import Written
from control.exports.resources import Resource
from control.exports.streaming import ExportForm
from control.exports.writers import MEDIA_TYPES, ExportFormat
from shared.domain.error_codes import LimitCode

MAX_ROWS = 1_000_000_000
_COLUMNS_MAX_LENGTH = 1000
_ZONE_MAX_LENGTH = 64
_EXAMPLES = {
    ExportFormat.NDJSON: "{}\n",
    ExportFormat.CSV: '"CS-0001"\r\n',
    ExportFormat.PARQUET: "PAR1",
}

Options = Callable[..., ExportForm]


@cache
def _time_zones() -> frozenset[str]:
    # `localtime` and the like mean another zone on each machine.
    return frozenset(name for name in available_timezones() if name[:1].isupper())


def known_zone(name: str) -> str:
    """Return the name of a time zone of the IANA database, or raise."""
    if name not in _time_zones():
        raise PydanticCustomError(
            "time_zone", "there is no such time zone: write one such as Europe/Berlin or UTC"
        )
    return name


TimeZone = Annotated[
    str,
    Field(
        min_length=1,
        max_length=_ZONE_MAX_LENGTH,
        pattern=r"^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$",
        examples=["Europe/Berlin"],
    ),
    AfterValidator(known_zone),
]
"""A zone of the IANA database, by its name."""


def column_names(resource: Resource) -> Written:
    """Return what reads the names of columns, separated by commas."""
    names = [column.name for column in resource.columns]
    name = f"({'|'.join(map(re.escape, names))})"

    def check(value: str) -> str:
        for each in value.split(","):
            if each not in names:
                raise PydanticCustomError(
                    "column",
                    "there is no such column: name some of {names}, separated by commas",
                    {"names": ",".join(names)},
                )
        return value

    return Written(check, f"^{name}(,{name})*$")


def options_of(resource: Resource, *, default_limit: int | None = None) -> Options:
    """Return the dependency that reads what a file of a resource is to look like.

    Args:
        resource: whose columns may be named.
        default_limit: how many rows a file has if nobody says; None for all.
    """
    written = column_names(resource)

    def options(
        *,
        export_format: Annotated[
            ExportFormat, Query(alias="format", description="how it is written")
        ] = ExportFormat.NDJSON,
        columns: Annotated[
            Annotated[str, Field(max_length=_COLUMNS_MAX_LENGTH), written] | None,
            Query(
                description="names of the columns, separated by commas; left out, all",
                examples=[",".join(column.name for column in resource.columns[:3])],
            ),
        ] = None,
        time_zone: Annotated[
            TimeZone | None,
            Query(
                description="beside each time, which is in UTC, a column `…_local` with what "
                "clocks of this zone show and their distance to UTC"
            ),
        ] = None,
        limit: Annotated[
            int | None,
            Query(ge=1, le=MAX_ROWS, description="how many rows at most; left out, all"),
        ] = default_limit,
    ) -> ExportForm:
        return ExportForm(
            format=export_format,
            columns=None if columns is None else tuple(columns.split(",")),
            time_zone=None if time_zone is None else ZoneInfo(time_zone),
            limit=limit,
        )

    return options


RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The rows, in the order of the list",
        "content": {
            MEDIA_TYPES[export_format].partition(";")[0]: {
                "schema": {
                    "type": "string",
                    "examples": [example],
                    **({"format": "binary"} if export_format is ExportFormat.PARQUET else {}),
                }
            }
            for export_format, example in _EXAMPLES.items()
        },
    },
    **problems.responses(LimitCode.EXPORTS),
}
"""What each of them answers."""
