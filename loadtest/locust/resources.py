"""What the processes under load use, from their own /metrics: memory that only grows is a leak."""

import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Self
from urllib.parse import urlsplit

import httpx

MIB = 2**20

_TIMEOUT_S = 5.0
_LEAST_INTERVAL_S = 5.0
#: Bounds what a run of a week keeps, and the pairs that a slope is the median of.
_MOST_SAMPLES = 500
#: In the beginning caches fill and stations arrive: that ends, so it says nothing of hours to come.
_SETTLING_SHARE = 1 / 3
#: Shorter than this, and smaller than that, it may be anything: the allocator takes memory in MiBs.
_LEAST_JUDGED_S = 300.0
_NOISE_MIB = 2.0

_MEMORY, _STARTED = "process_resident_memory_bytes", "process_start_time_seconds"


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process used at a moment.

    Attributes:
        at_s: The moment, by a clock that never goes back.
        memory_mib: Resident.
        started_at: When the process started, in seconds since the Unix epoch.
    """

    at_s: float
    memory_mib: float
    started_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How the memory of one process changed in the course of a run.

    Attributes:
        first_mib: At the first look.
        last_mib: At the last one.
        mib_per_h: Growth after it had settled: the median over all pairs of samples of the growth
            between them (Theil and Sen), as one step up is no trend.
        observed_s: How long that was looked at.
        restarts: How often another process had taken its place; what is told is of the last one.
    """

    first_mib: float
    last_mib: float
    mib_per_h: float
    observed_s: float
    restarts: int = 0

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Self:
        """Judge the samples of one process, the oldest first; at least one."""
        last = samples[-1]
        alive = [each for each in samples if each.started_at == last.started_at]
        settled_at_s = alive[0].at_s + _SETTLING_SHARE * (last.at_s - alive[0].at_s)
        settled = [each for each in alive if each.at_s >= settled_at_s]
        slopes = [
            (after.memory_mib - before.memory_mib) / (after.at_s - before.at_s)
            for before, after in combinations(settled, 2)
        ]
        return cls(
            first_mib=alive[0].memory_mib,
            last_mib=last.memory_mib,
            mib_per_h=3600 * statistics.median(slopes) if slopes else 0.0,
            observed_s=last.at_s - settled[0].at_s,
            restarts=len({each.started_at for each in samples}) - 1,
        )

    @property
    def is_conclusive(self) -> bool:
        """Whether it was looked at for long enough to tell growth from noise."""
        return self.observed_s >= _LEAST_JUDGED_S

    def exceeds(self, limit_mib_per_h: float) -> bool:
        """Return whether it certainly grew faster than that."""
        grown_mib = self.mib_per_h * self.observed_s / 3600
        return self.is_conclusive and grown_mib > _NOISE_MIB and self.mib_per_h > limit_mib_per_h


class ResourceWatch:
    """Looks at the metrics of processes in the course of a run.

    Args:
        urls: Of their management ports, without `/metrics`.
        run_time_s: How long the run lasts.
        clock: Seconds, never going back.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        run_time_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._samples: dict[str, list[Sample]] = {url: [] for url in urls}
        self._interval_s = max(_LEAST_INTERVAL_S, run_time_s / _MOST_SAMPLES)
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        """Look until told to stop, and once more then."""
        # No proxy stands between us and a system under test.
        with httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as client:
            self.look(client)
            while not stop.wait(self._interval_s):
                self.look(client)
            self.look(client)

    def look(self, client: httpx.Client) -> None:
        """Take a sample of each process; one that does not answer now may answer next time."""
        for url, samples in self._samples.items():
            try:
                answer = client.get(f"{url.rstrip('/')}/metrics")
                answer.raise_for_status()
            except httpx.HTTPError:
                continue
            read = read_metrics(answer.text)
            if _MEMORY in read and _STARTED in read:
                samples.append(Sample(self._clock(), read[_MEMORY] / MIB, read[_STARTED]))

    def growths(self) -> dict[str, Growth | None]:
        """Return how each process grew, by host and port; None for one that never told."""
        return {
            urlsplit(url).netloc: Growth.of(samples) if samples else None
            for url, samples in self._samples.items()
        }


def read_metrics(text: str) -> dict[str, float]:
    """Return the values of all metrics without labels in Prometheus' text format."""
    values = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if not name.startswith("#") and "{" not in name and value:
            values[name] = float(value)
    return values


def describe(growths: Mapping[str, Growth | None]) -> list[str]:
    """Return a line for each process."""
    lines = []
    for name, growth in growths.items():
        if growth is None:
            lines.append(f"memory of {name}: it told nothing")
            continue
        restarted = f", after {growth.restarts} restart(s)" if growth.restarts else ""
        trend = (
            f"{growth.mib_per_h:+.1f} MiB/h in the last {growth.observed_s:.0f} s"
            if growth.is_conclusive
            else f"too short to tell a trend ({growth.observed_s:.0f} s)"
        )
        lines.append(
            f"memory of {name}: {growth.first_mib:.1f} MiB, at the end {growth.last_mib:.1f} MiB, "
            f"{trend}{restarted}"
        )
    return lines


def missed_growth(growths: Mapping[str, Growth | None], limit_mib_per_h: float | None) -> list[str]:
    """Return a sentence for each process that grew too fast, or of which nobody knows."""
    if limit_mib_per_h is None:
        return []
    sentences = []
    for name, growth in growths.items():
        if growth is None:
            sentences.append(
                f"The memory of {name} is not known: its /metrics told nothing. "
                "Is --metrics-url the management port of a process of Voltaro?"
            )
        elif growth.exceeds(limit_mib_per_h):
            sentences.append(
                f"The memory of {name} grew by {growth.mib_per_h:.1f} MiB per hour, more than the "
                f"{limit_mib_per_h:g} of --max-memory-growth."
            )
    return sentences
