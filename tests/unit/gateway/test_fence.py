"""A pod that stood still says nothing until it knows which stations are its own."""

import asyncio

from gateway.fence import Fence


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def test_a_process_that_runs_may_speak() -> None:
    clock = Clock()
    fence = Fence(pause_s=5.0, clock=clock)
    clock.now_s += 5.0
    assert not fence.is_closed()
    assert not fence.suspected.is_set()


async def test_a_pause_closes_the_fence_for_who_comes_first_until_it_is_opened() -> None:
    clock = Clock()
    fence = Fence(pause_s=5.0, clock=clock)
    clock.now_s += 5.1
    assert clock.now_s > fence.passable_until_s
    assert fence.is_closed()
    assert fence.suspected.is_set()
    waiting = asyncio.create_task(fence.wait_until_open())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert fence.is_closed()

    fence.open()
    await waiting
    assert not fence.is_closed()
    assert not fence.suspected.is_set()
    assert fence.passable_until_s == clock.now_s + 5.0


async def test_the_pulse_keeps_the_fence_open_and_does_not_open_a_closed_one() -> None:
    fence = Fence(pause_s=0.2)
    pulse = asyncio.create_task(fence.run())
    try:
        await asyncio.sleep(0.5)
        assert not fence.is_closed()
        fence.passable_until_s = 0.0  # as after a pause
        assert fence.is_closed()
        await asyncio.sleep(0.3)
        assert fence.is_closed()
    finally:
        pulse.cancel()
