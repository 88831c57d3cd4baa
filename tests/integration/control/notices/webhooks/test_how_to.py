"""The receiver of docs/how-to/webhooks.md does what the page says."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cli.up.ports import free_ports
from tests.integration.control.notices.webhooks.conftest import Hooks, event, tell
from tests.support.eventually import eventually

PAGE = Path(__file__).parents[5] / "docs/how-to/webhooks.md"
_PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)


@asynccontextmanager
async def receiving(port: int, secret: str) -> AsyncIterator[asyncio.subprocess.Process]:
    (program,) = _PROGRAM.findall(PAGE.read_text(encoding="utf-8"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env={"PATH": os.environ["PATH"], "WEBHOOK_SECRET": secret, "PORT": str(port)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_the_receiver_of_the_page_takes_each_event_once_and_no_other(hooks: Hooks) -> None:
    (port,) = free_ports(1)
    made = await hooks.make(url=f"http://127.0.0.1:{port}/")
    async with receiving(port, made["secret"]) as process, hooks.delivering():
        number = await tell(hooks.db, [event("CS-1", 0), event("CS-1", 1)])
        await hooks.until_delivered(2, timeout_s=20)
        assert process.stdout is not None
        lines = [(await process.stdout.readline()).decode().split(" ", 3) for _ in range(2)]
        assert [line[0] for line in lines] == [str(number - 1), str(number)]
        assert lines[0][1:] == ["connector.status_changed", "CS-1", "{'n': 0}\n"]

        # Sent again, it is answered alike and printed no more.
        await hooks.client.post(f"{hooks.url}/replay", json={"from_event_id": str(number)})
        await hooks.until_delivered(2)
        # What another secret has signed is refused.
        await hooks.client.post(f"{hooks.url}/rotate-secret", json={"old_ends_after_s": 0})
        await tell(hooks.db, [event("CS-1", 2)])

        async def refused() -> list[object]:
            waiting = await hooks.deliveries(state="waiting")
            return [each["last_attempt"] and each["last_attempt"]["status"] for each in waiting]

        await eventually(refused, lambda seen: seen == [401])
        process.terminate()
        assert await process.stdout.read() == b""
