"""Answers a request with an export."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from control.disconnect import unless_disconnected
from control.exports.places import ExportPlaces
from control.exports.resources import Resource
from control.exports.settings import ExportSettings
from control.exports.streaming import ExportForm, Progress, stream
from control.exports.writers import MEDIA_TYPES
from shared.domain.accounts.principals import Principal
from shared.store.pool import Database
from shared.telemetry import metrics

log = structlog.get_logger()


class Exports:
    """Runs the exports of this process.

    Args:
        settings: what they may take.
    """

    def __init__(self, settings: ExportSettings) -> None:
        self._settings = settings
        self._places = ExportPlaces(
            most=settings.exports_max, most_of_one=settings.exports_max_per_principal
        )

    @property
    def running(self) -> int:
        """How many run now."""
        return self._places.running

    async def respond(
        self,
        request: Request,
        resource: Resource,
        found: object,
        form: ExportForm,
        *,
        db: Database,
        principal: Principal,
    ) -> StreamingResponse:
        """Return the answer to a request for rows as a file.

        Its first rows are read now, so that what cannot be read is answered as a problem. An error
        behind them cuts the answer off before its end, which every client of HTTP/1.1 sees.

        Args:
            request: who has left ends the search for the first rows, as for all others.
            resource: which kind of rows is asked for.
            found: which of them.
            form: how they are to be written.
            db: of the request.
            principal: who asks.

        Raises:
            ClientDisconnect: nobody is there any more.
            InvalidInputError: the search took too long.
            ProblemError: too many exports of this principal are running.
            UnavailableError: too many of this process are.
        """
        with ExitStack() as opened:
            opened.enter_context(self._places.taken_by(principal))
            progress = Progress()
            pieces = stream(
                db,
                resource,
                found,
                form,
                page_timeout_s=self._settings.export_page_timeout_s,
                progress=progress,
            )
            try:
                first = await unless_disconnected(request, _first(pieces))
            except BaseException:
                await pieces.aclose()
                raise
            return _ExportResponse(
                first, pieces, _Export(resource, form, progress), opened.pop_all().close
            )


async def _first(pieces: AsyncGenerator[bytes, None]) -> bytes:
    return await anext(pieces)


@dataclass(slots=True)
class _Export:
    """One that runs, and what is told of it at its end."""

    resource: Resource
    form: ExportForm
    progress: Progress
    began_s: float = field(default_factory=time.monotonic)

    def tell(self, outcome: str) -> None:
        metrics.exports_ended.labels(self.resource.name, self.form.format, outcome).inc()
        log.info(
            "an export has ended",
            resource=self.resource.name,
            format=self.form.format,
            outcome=outcome,
            rows=self.progress.rows,
            bytes=self.progress.size_bytes,
            took_s=round(time.monotonic() - self.began_s, 3),
        )


class _ExportResponse(StreamingResponse):
    """Sends a file while it is made, and gives its place back, however that ends."""

    def __init__(
        self,
        first: bytes,
        rest: AsyncGenerator[bytes, None],
        export: _Export,
        give_back: Callable[[], None],
    ) -> None:
        super().__init__(
            self._pieces(first),
            media_type=MEDIA_TYPES[export.form.format],
            headers={
                "Content-Disposition": (
                    f'attachment; filename="{file_name(export.resource, export.form)}"'
                ),
                "Cache-Control": "no-store",
            },
        )
        self._rest = rest
        self._export = export
        self._give_back = give_back
        self._complete = False

    async def _pieces(self, first: bytes) -> AsyncGenerator[bytes, None]:
        yield first
        async for piece in self._rest:
            yield piece
        self._complete = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it until its end, or until nobody reads any more."""
        outcome = "failed"
        try:
            await super().__call__(scope, receive, send)
            outcome = "complete" if self._complete else "given_up"
        except asyncio.CancelledError:
            outcome = "given_up"
            raise
        finally:
            self._give_back()
            self._export.tell(outcome)
            await self._rest.aclose()


def file_name(resource: Resource, form: ExportForm, *, at: datetime | None = None) -> str:
    """Return what a file is called: of what it is, and when it was made."""
    made_at = (at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    return f"{resource.name}-{made_at}.{form.format}"
