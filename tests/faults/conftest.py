"""Gives fault tests their finding, and has it travel with the test's report."""

import json
from collections.abc import Iterator
from dataclasses import asdict

import pytest

from tests.faults.table import PROPERTY, Finding

_FINDING = pytest.StashKey[Finding]()


@pytest.fixture
def finding(request: pytest.FixtureRequest) -> Finding:
    """Where a test with `@invariant` tells its figures."""
    mark = request.node.get_closest_marker("invariant")
    assert mark is not None, "a fault test says which @invariant it is about"
    number, fault = mark.args
    found = Finding(number, fault, **mark.kwargs)
    request.node.stash[_FINDING] = found
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add the finding, with its verdict; JSON, because xdist sends plain values only."""
    report: pytest.TestReport = yield
    found = item.stash.get(_FINDING, None)
    if call.when == "call" and found is not None:
        found.passed = report.passed
        report.user_properties.append((PROPERTY, json.dumps(asdict(found))))
    return report
