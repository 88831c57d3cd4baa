"""How late the event loop is: what a station waits for that has nothing to do with it."""

import asyncio

from shared.telemetry import metrics

_INTERVAL_S = 0.25


async def measure_lag() -> None:
    """Observe, a few times a second, by how much a timer fires too late; until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due_at_s = loop.time() + _INTERVAL_S
        await asyncio.sleep(_INTERVAL_S)
        metrics.event_loop_lag_seconds.observe(max(0.0, loop.time() - due_at_s))
