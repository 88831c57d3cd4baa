"""More stations than can be let in come at the same time."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from shared.store.pool import Database
from tests.integration.gateway.conftest import StartPod
from tests.support.eventually import eventually
from tests.support.stations import basic_auth, register

_COUNT = 500
# Tokens; each of these handshakes takes five, as its password is new to the pod.
_PER_S, _BURST = 500, 250


@pytest.mark.timeout(60)
async def test_a_storm_is_let_in_at_its_rate_and_the_others_when_they_were_told_to_come(
    db: Database, start_pod: StartPod, record_property: Callable[[str, object], None]
) -> None:
    station_ids = [f"CP-{number}" for number in range(_COUNT)]
    for station_id in station_ids:
        await register(db, station_id)
    refused: list[int] = []
    statuses: Counter[int] = Counter()
    let_in_at_s: list[float] = []

    async def come(url: str, station_id: str, sockets: AsyncExitStack) -> None:
        while True:
            try:
                await sockets.enter_async_context(
                    connect(
                        f"{url}/{station_id}",
                        subprotocols=["ocpp1.6"],
                        additional_headers=basic_auth(station_id),
                        open_timeout=30,
                        close_timeout=1,
                    )
                )
            except InvalidStatus as error:
                statuses[error.response.status_code] += 1
                retry_after_s = int(error.response.headers["Retry-After"])
                refused.append(retry_after_s)
                await asyncio.sleep(retry_after_s)
            else:
                let_in_at_s.append(time.monotonic() - began)
                return

    async with (
        start_pod(handshakes_per_s=_PER_S, handshakes_burst=_BURST) as gateway,
        AsyncExitStack() as sockets,
    ):
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for station_id in station_ids:
                tasks.create_task(come(gateway.url, station_id, sockets))
        took_s = time.monotonic() - began

        async def held() -> int:
            return len(gateway.server.all())

        await eventually(held, lambda count: count == _COUNT)
    record_property(
        "500 stations, 50 at once and 100 in a second, are in after s", round(took_s, 1)
    )
    record_property("and were refused so often", len(refused))
    # No second has more than its tokens.
    assert max(Counter(int(at_s) for at_s in let_in_at_s).values()) <= (_BURST + _PER_S) / 5 * 1.2
    assert set(statuses) == {503}
    assert min(refused) >= 1
    # Most are refused once: they were told when there is room for them.
    assert len(refused) < 2.5 * _COUNT
    assert took_s < 20
