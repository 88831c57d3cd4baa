"""Sizes, measured on real files."""

import gzip
import json
from pathlib import Path

import pytest

from loadtest.bench.measures.sizes import (
    NotMeasuredError,
    load_gateway,
    measure_dashboard,
    measure_installation,
    measure_test_run,
)


def test_a_dashboard_weighs_what_a_browser_fetches(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(b"x" * 10_000)
    (tmp_path / "assets" / "main.js").write_bytes(b"y" * 20_000)
    figure = measure_dashboard(tmp_path)
    expected = sum(len(gzip.compress(each, mtime=0)) for each in (b"x" * 10_000, b"y" * 20_000))
    assert figure.value == expected / 1000
    assert figure.yardstick == 30.0
    assert "2 files" in figure.note


def test_what_was_not_built_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotMeasuredError, match="nothing is built in dashboard/dist"):
        measure_dashboard(tmp_path / "dist")


def test_the_time_of_the_tests_is_what_was_noted(tmp_path: Path) -> None:
    record = tmp_path / "test-run.json"
    with pytest.raises(NotMeasuredError, match=r"\.ci/run"):
        measure_test_run(record)
    record.write_text(json.dumps({"seconds": 120, "commit": "abc"}))
    figure = measure_test_run(record)
    assert figure.value == 120
    assert figure.ratio == 120 / figure.yardstick
    assert "abc" in figure.note


def test_loading_the_gateway_takes_a_while() -> None:
    assert 0.05 < load_gateway() < 60


def test_an_installation_that_fails_is_told_with_the_reason(tmp_path: Path) -> None:
    # Nothing is fetched: no file of that name is there.
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("nothing @ file:///nowhere/nothing-1.0-py3-none-any.whl\n")
    with pytest.raises(NotMeasuredError, match=r"nothing|uv is not there"):
        measure_installation(requirements)
