"""Fixtures of the tests of OCPP 2.0.1."""

import pytest

from tests.unit.simulator.ocpp201.bench import Bench201


@pytest.fixture
def bench() -> type[Bench201]:
    """Return the class: each test builds the station it needs."""
    return Bench201
