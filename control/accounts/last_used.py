"""When credentials were used last, written in batches and never in the way of a request."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime

import structlog

from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_LAST_WRITE_TIMEOUT_S = 2.0


class LastUsed:
    """Collects uses, and writes the last one of each credential once in a while.

    Args:
        write: keeps when each was used, by its id.
        interval_s: how often.
    """

    def __init__(
        self, write: Callable[[Mapping[str, datetime]], Awaitable[None]], *, interval_s: float
    ) -> None:
        self._write = write
        self._interval_s = interval_s
        self._used_at: dict[str, datetime] = {}
        self._written: dict[str, datetime] = {}

    def note(self, credential_id: str, now: datetime) -> None:
        """Note that a credential was used."""
        self._used_at[credential_id] = now

    def noted(self, credential_id: str) -> datetime | None:
        """Return the last use that this process knows of, if it is not yet to be read elsewhere."""
        return self._used_at.get(credential_id) or self._written.get(credential_id)

    async def run(self) -> None:
        """Write until cancelled, and then once more what is left."""
        try:
            while True:
                await asyncio.sleep(self._interval_s)
                await self._flush()
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WRITE_TIMEOUT_S):
                    await self._flush()

    async def _flush(self) -> None:
        if not self._used_at:
            return
        # What is being written is remembered until the next time, as a memory may be older.
        used_at = self._written = self._used_at
        self._used_at = {}
        try:
            await self._write(used_at)
        except Exception as error:  # noqa: BLE001 - nothing that matters depends on it
            log.warning(
                "when credentials were used last is written later", error=describe_error(error)
            )
            self._used_at = {**used_at, **self._used_at}
