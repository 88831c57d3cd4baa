"""The examples of docs/how-to/follow-events.md, run as they stand there."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from control.notices.frames import EndReason
from shared.domain.notices.events import EventType
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.notices.conftest import Happen, happening
from tests.integration.control.players import API_KEY, Api, running

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "follow-events.md"


def example(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


@asynccontextmanager
async def program(
    api: Api, *command: str, **environment: str
) -> AsyncIterator[asyncio.StreamReader]:
    """Run an example against the API; gives what it prints."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "VOLTARO_URL": api.url.rstrip("/"),
            "VOLTARO_API_KEY": API_KEY,
            "no_proxy": "*",
            **environment,
        },
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def next_line(output: asyncio.StreamReader, *, containing: str) -> str:
    async with asyncio.timeout(20):
        while line := (await output.readline()).decode():
            if containing in line:
                return line
    raise AssertionError(f"it ended without {containing!r}")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed here")
async def test_the_example_of_curl_shows_what_it_asks_for(api: Api, happen: Happen) -> None:
    async with program(api, "sh", "-c", f"exec {example('sh')}") as output:
        await next_line(output, containing="stream.opened")
        await happen(
            happening("CS-0001", EventType.SESSION_STARTED),
            happening("CS-0002", EventType.STATION_OFFLINE),
        )
        line = await next_line(output, containing='data: {"id"')
    assert '"station_id":"CS-0002"' in line


async def test_the_example_of_python_goes_on_when_its_stream_was_ended_and_misses_nothing(
    make_settings: MakeSettings, happen: Happen
) -> None:
    (before,) = await happen(happening("CS-0001"))
    await happen(happening("CS-0002"))
    async with running(make_settings()) as api:
        command = sys.executable, "-c", example("python")
        async with program(api, *command, LAST_ID=str(before)) as output:
            assert "CS-0002" in await next_line(output, containing="station.online")
            await happen(happening("CS-0003"))
            assert "CS-0003" in await next_line(output, containing="station.online")
            api.services.event_streams.end_all(EndReason.SLOW)
            await happen(happening("CS-0004"))
            assert "CS-0004" in await next_line(output, containing="station.online")


async def test_the_example_of_python_says_when_it_was_too_long_away(api: Api) -> None:
    async with program(api, sys.executable, "-c", example("python"), LAST_ID="99") as output:
        assert await asyncio.wait_for(output.read(), 20) == b""
