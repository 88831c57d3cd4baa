"""Fixtures of the simulator's tests."""

import pytest

from tests.unit.simulator.bench import Bench


@pytest.fixture
def bench() -> type[Bench]:
    """Return the class: each test builds the station it needs."""
    return Bench
