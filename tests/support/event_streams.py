"""A client of event streams, which takes apart what comes as WHATWG HTML section 9.2 has it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

PATH = "/v1/events/stream"


@dataclass(frozen=True)
class Told:
    """One event of a stream: `message` unless it has a name."""

    name: str
    last_event_id: str
    data: dict[str, Any]


class Following:
    """What comes of one stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.last_event_id = ""
        self.comments = 0
        self._lines = response.aiter_lines()

    async def next(self, *, timeout_s: float = 10) -> Told:
        """Return what the stream says next.

        Raises:
            StopAsyncIteration: it has ended.
        """
        name, data = "", []
        async with asyncio.timeout(timeout_s):
            while line := await anext(self._lines):
                field, _, value = line.partition(":")
                value = value.removeprefix(" ")
                match field:
                    case "":
                        self.comments += 1
                    case "id":
                        self.last_event_id = value
                    case "event":
                        name = value
                    case "data":
                        data.append(value)
        return Told(name or "message", self.last_event_id, json.loads("\n".join(data)))

    async def rest(self, *, timeout_s: float = 10) -> list[Told]:
        """Return all that comes until the stream ends."""
        told = []
        while True:
            try:
                told.append(await self.next(timeout_s=timeout_s))
            except StopAsyncIteration:
                return told

    async def take(self, count: int) -> list[dict[str, Any]]:
        """Return the next events, in which nothing of the stream's own may be."""
        told = [await self.next() for _ in range(count)]
        assert {each.name for each in told} <= {"message"}, told
        assert all(each.last_event_id == each.data["id"] for each in told)
        return [each.data for each in told]


@asynccontextmanager
async def following(
    client: httpx.AsyncClient,
    *,
    last_event_id: str | None = None,
    headers: dict[str, str] | None = None,
    **query: Any,
) -> AsyncIterator[Following]:
    """Follow events from where the stream says it begins."""
    sent = dict(headers or {})
    if last_event_id is not None:
        sent["Last-Event-ID"] = last_event_id
    async with client.stream("GET", PATH, params=query, headers=sent) as response:
        if response.status_code != httpx.codes.OK:
            await response.aread()
            raise AssertionError(f"{response.status_code} {response.text}")
        stream = Following(response)
        opened = await stream.next()
        assert opened.name == "stream.opened"
        yield stream
