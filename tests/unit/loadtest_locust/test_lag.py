"""The generator's own lateness."""

import threading
import time

import pytest

from loadtest.locust.lag import LagMeter


def test_every_time_of_a_stall_counts_with_its_own_lateness() -> None:
    late: list[float] = []
    clock = iter([10.35])
    meter = LagMeter(late.append, interval_s=0.1, clock=lambda: next(clock))
    assert meter.fire(10.0) == pytest.approx(10.4)
    assert late == pytest.approx([0.35, 0.25, 0.15, 0.05])


def test_a_process_that_is_not_stalled_is_hardly_late() -> None:
    late: list[float] = []
    stop = threading.Event()
    meter = threading.Thread(target=LagMeter(late.append, interval_s=0.01).run, args=(stop,))
    meter.start()
    time.sleep(0.3)
    stop.set()
    meter.join()
    assert 20 <= len(late) <= 31
    assert sorted(late)[len(late) // 2] < 0.05
