"""Sends messages to a server, as fast as it answers or as fast as a clock says.

One message per station is in flight, as OCPP-J demands. The loops are callbacks, not tasks: a task
per message would cost the generator as much as the message costs the gateway.
"""

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from loadtest.bench.websocket import StationSocket

_ANSWER_TIMEOUT_S = 20.0
_TICK_S = 0.001
_CALL_ERROR = b"[4"


class LoadError(Exception):
    """A run that cannot be counted: something was refused, lost or not answered."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a run came to.

    Attributes:
        seconds: from the first message to the last answer.
        latencies_s: one per message that was answered, and all were; in an open loop from the
            moment it was due.
        lags_s: one per message of an open loop that a station was free for: how late it was sent.
        generator_share: the generator's own processor time over `seconds`.
    """

    seconds: float
    latencies_s: Sequence[float]
    lags_s: Sequence[float] = ()
    generator_share: float

    @property
    def messages(self) -> int:
        """How many messages were sent and answered."""
        return len(self.latencies_s)

    @property
    def rate_per_s(self) -> float:
        """How many were answered in a second."""
        return self.messages / self.seconds


async def closed_loop(
    stations: Sequence[StationSocket],
    messages: Iterator[bytes],
    *,
    in_flight: int,
    seconds: float,
) -> Load:
    """Keep so many messages in flight, through all the stations in turn.

    Args:
        stations: who sends.
        messages: what is sent, one after another.
        in_flight: how many stations wait for an answer at any time; at most all.
        seconds: no message is sent later than this.

    Raises:
        LoadError: a message was refused, or not answered, or a connection ended.
    """
    until_s = time.perf_counter() + seconds

    def after_answer(now_s: float) -> None:
        if now_s < until_s:
            run.send(now_s)

    run = _Run(stations, messages, after_answer)
    with _measuring(run) as finish:
        for _ in range(min(in_flight, len(stations))):
            run.send(time.perf_counter())
        await run.wait_for_answers(seconds + _ANSWER_TIMEOUT_S)
    return finish()


async def open_loop(
    stations: Sequence[StationSocket],
    messages: Iterator[bytes],
    *,
    rate_per_s: float,
    seconds: float,
) -> Load:
    """Send at a steady rate, whether the server keeps up or not.

    A message that is due while every station still waits for an answer is sent when one is free,
    and its latency counts from when it was due.

    Raises:
        LoadError: a message was refused, or not answered, or a connection ended.
    """
    late: deque[float] = deque()
    lags_s: list[float] = []

    def after_answer(_: float) -> None:
        if late:
            run.send(late.popleft())

    run = _Run(stations, messages, after_answer)
    with _measuring(run) as finish:
        started_at_s = time.perf_counter()
        for number in range(int(rate_per_s * seconds)):
            due_s = started_at_s + number / rate_per_s
            while (now_s := time.perf_counter()) < due_s:
                run.check()
                await asyncio.sleep(_TICK_S)
            if run.has_free_station:
                lags_s.append(now_s - due_s)
                run.send(due_s)
            else:
                late.append(due_s)
        await run.wait_for_answers(_ANSWER_TIMEOUT_S)
    return finish(lags_s)


class _Run:
    """Messages under way: who is free, who was asked, what came back.

    Args:
        stations: who sends.
        messages: what is sent.
        after_answer: called after each answer, with the time of the clock.
    """

    def __init__(
        self,
        stations: Sequence[StationSocket],
        messages: Iterator[bytes],
        after_answer: Callable[[float], None],
    ) -> None:
        self.latencies_s: list[float] = []
        self.last_answer_s = 0.0
        self._messages = messages
        self._after_answer = after_answer
        self._stations = stations
        self._free = deque(stations)
        self._open = 0
        self._quiet = asyncio.Event()
        self._failure: str | None = None

    @property
    def has_free_station(self) -> bool:
        """Whether somebody could send now."""
        return bool(self._free)

    def attach(self) -> None:
        """Listen to the stations."""
        for station in self._stations:
            station.on_message = self._take
            station.on_end = self._end

    def detach(self) -> None:
        """Listen no more."""
        for station in self._stations:
            station.ignore()

    def send(self, at_s: float) -> None:
        """Let a free station send the next message; its latency counts from `at_s`."""
        station = self._free.popleft()
        station.sent_at_s = at_s
        self._open += 1
        station.send(next(self._messages))

    def check(self) -> None:
        """Raise what has gone wrong meanwhile, as a LoadError."""
        if self._failure is not None:
            raise LoadError(self._failure)

    async def wait_for_answers(self, timeout_s: float) -> None:
        """Wait until nobody waits for an answer any more."""
        self._quiet.clear()
        if self._open and self._failure is None:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._quiet.wait()
            except TimeoutError:
                raise LoadError(
                    f"{self._open} messages were not answered within {timeout_s:g} s"
                ) from None
        self.check()

    def _take(self, station: StationSocket, message: bytes) -> None:
        self.last_answer_s = now_s = time.perf_counter()
        self.latencies_s.append(now_s - station.sent_at_s)
        self._open -= 1
        self._free.append(station)
        if message.startswith(_CALL_ERROR):
            self._fail(f"station {station.station_id} was refused: {message.decode()}")
        elif self._failure is None:
            self._after_answer(now_s)
        if not self._open:
            self._quiet.set()

    def _end(self, station: StationSocket) -> None:
        self._fail(station.describe_end())

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason
        self._quiet.set()


@contextmanager
def _measuring(run: _Run) -> Iterator[Callable[..., Load]]:
    """Listen to the stations while the block runs; the context's value then makes the result."""
    # A collection would look through every socket there is, and that pause would count as latency.
    gc.collect()
    gc.disable()
    run.attach()
    started_at_s, cpu_s = time.perf_counter(), time.process_time()

    def finish(lags_s: Sequence[float] = ()) -> Load:
        seconds = run.last_answer_s - started_at_s
        return Load(
            seconds=seconds,
            latencies_s=run.latencies_s,
            lags_s=lags_s,
            generator_share=spent_cpu_s / seconds,
        )

    try:
        yield finish
    finally:
        spent_cpu_s = time.process_time() - cpu_s
        run.detach()
        gc.enable()
