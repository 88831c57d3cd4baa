"""Only the time for which the event loop ran counts for a time-out."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

import pytest

from gateway.patience import Patience, patient_timeout

LIMIT_S = 8.0
"""In ticks of a second."""


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock leaps to the next timer instead of waiting, and can stand still."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        super().__init__(_Leaping(self))

    def time(self) -> float:
        return self.now_s


class _Leaping(selectors.DefaultSelector):
    def __init__(self, loop: Loop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        self._loop.now_s += timeout or 0
        return super().select(0)


def play(coroutine: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(coroutine)


def stand_still(seconds: float) -> None:
    """Do what a long turn, or a process that gets no processor, does to the event loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    loop.now_s += seconds


def passed_s() -> float:
    return asyncio.get_running_loop().time() - 1000


def test_who_waits_too_long_is_told_when_the_time_is_over() -> None:
    async def wait() -> None:
        with pytest.raises(TimeoutError):
            async with patient_timeout(LIMIT_S):
                await asyncio.sleep(100)
        assert passed_s() == pytest.approx(LIMIT_S, abs=0.01)

    play(wait())


def test_who_is_in_time_is_not_disturbed_later() -> None:
    async def wait() -> None:
        async with patient_timeout(LIMIT_S):
            await asyncio.sleep(LIMIT_S - 0.1)
        await asyncio.sleep(100)

    play(wait())


def test_time_for_which_the_loop_stood_still_does_not_count() -> None:
    async def wait() -> None:
        async with patient_timeout(LIMIT_S):
            await asyncio.sleep(4.5)
            stand_still(1000)
            await asyncio.sleep(3)
        assert passed_s() == pytest.approx(1007.5)

    play(wait())


def test_a_loop_that_stands_still_for_ever_does_not_make_anybody_wait_for_ever() -> None:
    """Of ticks that are late one after the other only the first counts for nothing."""

    turns = 0

    async def never_end() -> None:
        nonlocal turns
        async with patient_timeout(LIMIT_S):
            while True:
                turns += 1
                stand_still(5)
                await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        play(never_end())
    assert 8 < turns < 25


@pytest.mark.parametrize(("late_s", "left_s"), [(0.02, 7), (0.04, 8)])
def test_a_timer_that_is_a_little_late_is_in_time(late_s: float, left_s: float) -> None:
    async def wait() -> None:
        with Patience(LIMIT_S) as patience:
            await asyncio.sleep(0.5)
            stand_still(0.5 + late_s)
            await asyncio.sleep(0.1)
            assert patience.left_s == left_s

    play(wait())


def test_what_is_left_is_told_while_it_runs_and_stops_with_it() -> None:
    async def wait() -> None:
        with Patience(LIMIT_S) as patience:
            assert (patience.left_s, patience.is_over) == (8, False)
            await asyncio.sleep(3.5)
            assert (patience.left_s, patience.is_over) == (5, False)
        await asyncio.sleep(100)
        assert (patience.left_s, patience.is_over) == (5, False)

    play(wait())


def test_several_tries_share_one_time() -> None:
    async def wait() -> None:
        with Patience(LIMIT_S) as patience:
            for _ in range(3):
                async with patience.limit():
                    await asyncio.sleep(2)
                await asyncio.sleep(0.1)  # between two tries it counts too
            with pytest.raises(TimeoutError):
                async with patience.limit():
                    await asyncio.sleep(100)
            assert passed_s() == pytest.approx(LIMIT_S, abs=0.01)
            assert (patience.left_s, patience.is_over) == (0, True)
            # Who begins when the time is over is told at once.
            with pytest.raises(TimeoutError):
                async with patience.limit():
                    await asyncio.sleep(0.1)
            assert passed_s() == pytest.approx(LIMIT_S, abs=0.01)

    play(wait())


@pytest.mark.parametrize("tries", [0, 1])
def test_a_time_that_runs_out_while_nobody_tries_hurts_nobody(tries: int) -> None:
    wrong: list[dict[str, Any]] = []

    async def wait() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: wrong.append(what))
        with Patience(LIMIT_S) as patience:
            for _ in range(tries):
                async with patience.limit():
                    await asyncio.sleep(1)
            await asyncio.sleep(20)
            assert (patience.left_s, patience.is_over) == (0, True)

    play(wait())
    assert wrong == []
