"""The rules that ARCHITECTURE.md and CONTRIBUTING.md state, each held by a check."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "control", "shared", "cli", "simulator", "loadtest")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_imports_follow_the_layers() -> None:
    result = run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    assert result.returncode == 0, result.stdout


def test_the_reference_pages_are_current() -> None:
    result = run(sys.executable, "-P", "-m", "docs.render_reference", "--check")
    assert result.returncode == 0, result.stderr


def test_the_conformance_page_is_current_and_leaves_nothing_out() -> None:
    result = run(sys.executable, "-P", "-m", "docs.render_conformance", "--check")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_can_be_read_at_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_pages_are_ordered_by_columns_and_not_by_what_is_made_of_them() -> None:
    """A bare `ORDER BY x` beside `x::text` means the text: then no index serves, and all is sorted.

    So whatever is a UUID says whose column is meant.
    """
    store = ROOT / "shared/store"
    migrations = "".join(
        path.read_text(encoding="utf-8") for path in (store / "migrations/versions").glob("*.py")
    )
    keys = "|".join(set(re.findall(r"(\w+)\s+uuid\b", migrations)))
    offenders = [
        f"{path.name}: {found}"
        for path in store.rglob("*.py")
        for found in re.findall(rf"ORDER BY (?:{keys})\b", path.read_text(encoding="utf-8"))
    ]
    assert offenders == []


def test_no_error_is_shown_by_its_repr() -> None:
    """It may hold a password or a row: `describe_error` shows what may be seen."""
    shown = re.compile(r"\brepr\((?:error|exc|exception)\)|\{(?:error|exc|exception)!r\}")
    offenders = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if shown.search(path.read_text(encoding="utf-8"))
    ]
    assert offenders == []


def test_redis_keys_are_made_in_one_place() -> None:
    offenders = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.name != "keys.py"
        and any(prefix in path.read_text("utf-8") for prefix in ('"own:', '"alive:', '"pod:'))
    ]
    assert offenders == []


def test_metrics_are_declared_in_one_place() -> None:
    offenders = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.name != "metrics.py" and "prometheus_client import" in path.read_text("utf-8")
    ]
    assert offenders == []


def test_the_requirements_hold_hashes_and_no_address() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text("utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text


def _promises() -> dict[str, str]:
    """Return the numbered promises of ARCHITECTURE.md."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.partition("## What always holds")[2].partition("\n## ")[0]
    numbered = re.split(r"^(\d+)\. ", section, flags=re.MULTILINE)[1:]
    return dict(zip(numbered[::2], numbered[1::2], strict=True))


@pytest.fixture(scope="session")
def test_names() -> set[str]:
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text(encoding="utf-8"))
    }


def test_promises_are_numbered_in_order() -> None:
    assert list(_promises()) == [str(number) for number in range(1, len(_promises()) + 1)]


@pytest.mark.parametrize("number", _promises())
def test_a_promise_names_a_test_that_there_is(number: str, test_names: set[str]) -> None:
    named = set(re.findall(r"`(test_\w+)`", _promises()[number]))
    assert named
    assert named <= test_names
