"""Memory of what is under load, and whether it grows."""

import threading
from collections.abc import Iterator
from itertools import count

import httpx
import pytest
from prometheus_client import REGISTRY, generate_latest

from loadtest.locust.resources import (
    MIB,
    Growth,
    ResourceWatch,
    Sample,
    describe,
    missed_growth,
    read_metrics,
)

HOUR_S = 3600.0


def samples(*memory_mib: float, step_s: float = 60.0) -> list[Sample]:
    return [Sample(number * step_s, each, 1.0) for number, each in enumerate(memory_mib)]


def test_steady_growth_is_told_per_hour() -> None:
    growth = Growth.of(samples(*(100 + minute for minute in range(31))))
    assert growth.mib_per_h == pytest.approx(60)
    assert (growth.first_mib, growth.last_mib) == (100, 130)
    assert growth.observed_s == 20 * 60
    assert growth.is_conclusive


def test_what_caches_took_in_the_beginning_is_no_growth() -> None:
    growth = Growth.of(samples(*(min(200, 100 + 10 * minute) for minute in range(31))))
    assert growth.mib_per_h == 0


def test_one_step_is_no_trend() -> None:
    growth = Growth.of(samples(*([100.0] * 26), *([105.0] * 5)))
    assert growth.mib_per_h == 0


def test_only_the_last_process_counts_after_a_restart() -> None:
    before = [Sample(0.0, 500.0, 1.0), Sample(10.0, 600.0, 1.0)]
    after = [Sample(20.0 + 60 * minute, 100.0, 2.0) for minute in range(20)]
    growth = Growth.of(before + after)
    assert (growth.first_mib, growth.mib_per_h, growth.restarts) == (100.0, 0.0, 1)


def test_a_short_look_and_little_noise_are_not_judged() -> None:
    short = Growth.of(samples(*(100 + 10 * minute for minute in range(4))))
    assert not short.is_conclusive
    assert not short.exceeds(1.0)
    noise = Growth.of(samples(*(100 + 0.2 * minute for minute in range(11))))
    assert noise.mib_per_h == pytest.approx(12)
    assert not noise.exceeds(10.0)


def test_a_single_sample_tells_no_trend() -> None:
    assert Growth.of(samples(100.0)).mib_per_h == 0


def test_growth_beyond_the_limit_has_its_sentence() -> None:
    growths = {"127.0.0.1:1": Growth.of(samples(*(100 + minute for minute in range(31))))}
    assert missed_growth(growths, None) == []
    assert missed_growth(growths, 61.0) == []
    (sentence,) = missed_growth(growths, 10.0)
    assert "127.0.0.1:1 grew by 60.0 MiB per hour" in sentence
    assert "10 of --max-memory-growth" in sentence
    assert describe(growths) == [
        "memory of 127.0.0.1:1: 100.0 MiB, at the end 130.0 MiB, +60.0 MiB/h in the last 1200 s"
    ]


def test_a_process_that_told_nothing_is_missed_only_if_something_was_asked() -> None:
    assert missed_growth({"127.0.0.1:1": None}, None) == []
    (sentence,) = missed_growth({"127.0.0.1:1": None}, 10.0)
    assert "is not known" in sentence
    assert "--metrics-url" in sentence
    assert describe({"127.0.0.1:1": None}) == ["memory of 127.0.0.1:1: it told nothing"]


def test_our_own_metrics_are_understood() -> None:
    # Of this very process, as every process of Voltaro tells them.
    read = read_metrics(generate_latest(REGISTRY).decode())
    assert read["process_resident_memory_bytes"] > MIB
    assert read["process_start_time_seconds"] > 1e9


def pods(memory_mib: Iterator[float]) -> httpx.Client:
    """A client of two pods, the second of which is away."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/metrics"
        if request.url.port == 2:
            raise httpx.ConnectError("refused")
        memory = f"{next(memory_mib) * MIB:.1f}"
        return httpx.Response(
            200,
            text="# HELP process_resident_memory_bytes Memory.\n"
            'voltaro_gateway_connections{ocpp_version="1.6"} 7.0\n'
            f"process_resident_memory_bytes {memory}\nprocess_start_time_seconds 5.0\n",
        )

    return httpx.Client(transport=httpx.MockTransport(answer))


def test_the_watch_looks_at_every_process_and_bears_one_that_is_away() -> None:
    clock = count(0.0, 60.0)
    watch = ResourceWatch(
        ["http://127.0.0.1:1/", "http://127.0.0.1:2"], run_time_s=60.0, clock=lambda: next(clock)
    )
    with pods(iter((64.0, 65.0))) as client:
        watch.look(client)
        watch.look(client)
    growths = watch.growths()
    first = growths["127.0.0.1:1"]
    assert first is not None
    assert (first.first_mib, first.last_mib) == (64.0, 65.0)
    assert growths["127.0.0.1:2"] is None


def test_the_watch_ends_at_once_when_told() -> None:
    watch = ResourceWatch(["http://127.0.0.1:1"], run_time_s=HOUR_S)
    stop = threading.Event()
    stop.set()
    watch.run(stop)
    assert watch.growths() == {"127.0.0.1:1": None}
