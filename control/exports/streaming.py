"""Turns the pages of a resource into a file, with as much in memory as a page takes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from control.exports.columns import Column, choose, take, with_local_times
from control.exports.resources import Resource
from control.exports.writers import WRITERS, ExportFormat, Writer
from shared.store.exporting import ExportDatabase, PageSize
from shared.store.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportForm:
    """What a file of rows is to look like.

    Attributes:
        format: how it is written.
        columns: names of those that it has, in their order; None for all.
        time_zone: of further columns with the times of a place; None for none.
        limit: how many rows it has at most; None for all.
    """

    format: ExportFormat
    columns: tuple[str, ...] | None = None
    time_zone: ZoneInfo | None = None
    limit: int | None = None

    def columns_of(self, resource: Resource) -> tuple[Column, ...]:
        """Return the columns of the file.

        Raises:
            KeyError: there is none of a name.
        """
        columns = choose(resource.columns, self.columns)
        return columns if self.time_zone is None else with_local_times(columns, self.time_zone)


@dataclass(slots=True)
class Progress:
    """How far an export has come."""

    rows: int = 0
    size_bytes: int = 0


async def stream(
    db: Database,
    resource: Resource,
    found: object,
    form: ExportForm,
    *,
    page_timeout_s: float,
    progress: Progress | None = None,
) -> AsyncGenerator[bytes, None]:
    """Give the bytes of a file as its rows are read.

    Rows are written by a thread: a page takes some milliseconds, which the event loop has not.

    Args:
        db: whose scope says which rows there are.
        resource: of which kind they are.
        found: which of them, in the words of the resource.
        form: what the file is to look like.
        page_timeout_s: how long the search for the next rows may take.
        progress: counts what was given.

    Raises:
        InvalidInputError: the search took too long.
    """
    progress = progress or Progress()
    columns = form.columns_of(resource)
    writer = WRITERS[form.format](columns)
    size = PageSize()
    begin = writer.begin()
    pages = resource.pages(ExportDatabase(db, timeout_s=page_timeout_s), found, size)
    # The first page is read before the first byte is given: what cannot be read is still answered.
    async with aclosing(_cut(pages, form.limit)) as rest:
        async for page in rest:
            written, size_bytes = await asyncio.to_thread(_write, writer, columns, page)
            size.learn(len(page), size_bytes)
            progress.rows += len(page)
            if piece := begin + written:
                progress.size_bytes += len(piece)
                yield piece
            begin = b""
    piece = begin + await asyncio.to_thread(writer.end)
    progress.size_bytes += len(piece)
    yield piece


def _write(writer: Writer, columns: Sequence[Column], page: Sequence[Any]) -> tuple[bytes, int]:
    return writer.write(take(columns, page))


async def _cut(
    pages: AsyncGenerator[Sequence[Any], None], limit: int | None
) -> AsyncGenerator[Sequence[Any], None]:
    """Give no more than so many rows."""
    async with aclosing(pages):
        async for page in pages:
            if limit is not None and len(page) >= limit:
                yield page[:limit]
                return
            yield page
            if limit is not None:
                limit -= len(page)
