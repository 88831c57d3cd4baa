"""The verdict: figures of a run against what was asked of them, one sentence each."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from simulator.profile import OcppVersion


class Kind(StrEnum):
    """What a line of the statistics is about; locust calls it the type of a request."""

    CONNECT = "connect"
    PUT_OFF = "put off"
    LOSS = "loss"
    OCPP16 = "OCPP 1.6"
    OCPP201 = "OCPP 2.0.1"
    COMMAND = "API"
    GENERATOR = "generator"


#: Calls of stations, by what these speak.
KINDS = {OcppVersion.V1_6: Kind.OCPP16, OcppVersion.V2_0_1: Kind.OCPP201}
CALLS = tuple(KINDS.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What is asked of a run; None asks nothing.

    Attributes:
        max_failure_ratio: Failed share of handshakes, connections, calls and commands together.
        max_p95_ms: 95th percentile of the calls of stations.
        max_connect_p95_ms: The same of handshakes.
        max_command_p95_ms: The same of remote commands.
        max_lag_ms: 99th percentile of how late the generator's own timers fire.
        max_memory_growth: Of each process whose metrics are read, in MiB per hour.
    """

    max_failure_ratio: float | None = None
    max_p95_ms: float | None = None
    max_connect_p95_ms: float | None = None
    max_command_p95_ms: float | None = None
    max_lag_ms: float | None = None
    max_memory_growth: float | None = None


@dataclass(slots=True)
class Measured:
    """The figures of some lines together.

    Attributes:
        count: How many there were.
        failures: How many of them failed.
        latencies_ms: How many took how long, as coarsely as locust keeps it.
    """

    count: int = 0
    failures: int = 0
    latencies_ms: Counter[int] = field(default_factory=Counter)

    def add(self, count: int, failures: int, latencies_ms: Mapping[int, int]) -> None:
        """Add a line."""
        self.count += count
        self.failures += failures
        self.latencies_ms.update(latencies_ms)

    def __add__(self, other: "Measured") -> "Measured":
        return Measured(
            self.count + other.count,
            self.failures + other.failures,
            self.latencies_ms + other.latencies_ms,
        )

    def percentile_ms(self, share: float) -> int:
        """Return the smallest latency that so large a share does not exceed; 0 if there is none."""
        needed = share * self.latencies_ms.total()
        seen = 0
        for latency_ms in sorted(self.latencies_ms):
            seen += self.latencies_ms[latency_ms]
            if seen >= needed:
                return latency_ms
        return 0


def together(measured: Mapping[str, Measured], kinds: Iterable[Kind]) -> Measured:
    """Return the figures of several kinds as one."""
    return sum((measured.get(kind, Measured()) for kind in kinds), Measured())


def missed(thresholds: Thresholds, measured: Mapping[str, Measured]) -> list[str]:
    """Return one sentence for each threshold that was missed.

    Args:
        thresholds: What was asked.
        measured: By `Kind`.
    """
    asked_for = together(measured, (Kind.CONNECT, Kind.PUT_OFF, Kind.LOSS, *CALLS, Kind.COMMAND))
    calls = together(measured, CALLS)
    if not calls.count:
        return ["No station was answered at all, so nothing was measured."]
    sentences = []
    ratio, limit = asked_for.failures / asked_for.count, thresholds.max_failure_ratio
    if limit is not None and ratio > limit:
        sentences.append(
            f"{ratio:.2%} of the requests failed ({asked_for.failures} of {asked_for.count}), "
            f"more than --max-failure-ratio {limit:g} allows."
        )
    for subject, option, figures, share, limit in (
        ("calls of stations", "--max-p95-ms", calls, 0.95, thresholds.max_p95_ms),
        (
            "handshakes",
            "--max-connect-p95-ms",
            together(measured, (Kind.CONNECT,)),
            0.95,
            thresholds.max_connect_p95_ms,
        ),
        (
            "remote commands",
            "--max-command-p95-ms",
            together(measured, (Kind.COMMAND,)),
            0.95,
            thresholds.max_command_p95_ms,
        ),
    ):
        value_ms = figures.percentile_ms(share)
        if limit is not None and value_ms > limit:
            sentences.append(
                f"95% of the {subject} took up to {value_ms:g} ms, longer than the {limit:g} ms "
                f"of {option}."
            )
    lag_ms = together(measured, (Kind.GENERATOR,)).percentile_ms(0.99)
    if thresholds.max_lag_ms is not None and lag_ms > thresholds.max_lag_ms:
        sentences.append(
            f"The generator itself was up to {lag_ms:g} ms late (99% of its timers), more than "
            f"the {thresholds.max_lag_ms:g} ms of --max-lag-ms: the latencies above are "
            "partly its own. Give it more processes or fewer stations."
        )
    return sentences
