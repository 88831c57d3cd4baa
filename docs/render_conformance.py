"""Writes docs/conformance-1.6.md: which test shows which message and which rule of OCPP 1.6.

`make docs` writes it; `--check` exits with 1 if it is not current. Either way it is an error if a
message or a rule has no test.
"""

import argparse
import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from tests.conformance.ocpp16.coverage import (
    FROM_STATION,
    SHOWN_ELSEWHERE,
    TO_STATION,
    Message,
    Row,
)

_ROOT = Path(__file__).parents[1]
_TESTS = _ROOT / "tests" / "conformance" / "ocpp16"
_PAGE = Path(__file__).parent / "conformance-1.6.md"

_INTRODUCTION = """\
# Conformance with OCPP 1.6

Each test plays a transcript against a real pod, Postgres, Redis and API: frames in, frames out, and
the rows that are there then. What no transcript reaches, because it happens below OCPP, is shown by
tests of the gateway on raw sockets. This page is made from the tests: `make docs`.

The messages are those of OCPP 1.6 edition 2 and of the security whitepaper, edition 3.
"""


def find_tests() -> Iterator[tuple[Message | Row, str, Path]]:
    """Give what each test covers, with the test's name and file; one that fails shows nothing.

    Raises:
        LookupError: a test that is named in `SHOWN_ELSEWHERE` is not there.
    """
    for path in sorted(_TESTS.glob("test_*.py")):
        module = import_module(f"tests.conformance.ocpp16.{path.stem}")
        for name, function in vars(module).items():
            marks = getattr(function, "pytestmark", ())
            if any(mark.name == "xfail" for mark in marks):
                continue
            for mark in marks:
                if mark.name == "covers":
                    for subject in mark.args:
                        yield subject, name, path
    for row, tests in SHOWN_ELSEWHERE.items():
        for test in tests:
            path = _ROOT / test.path
            if test.name not in _functions_of(path):
                raise LookupError(f"{test.path} has no {test.name}, which is to show: {row}")
            yield row, test.name, path


def _functions_of(path: Path) -> set[str]:
    """Return the names of a module's functions without importing what it needs."""
    return {
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def render() -> tuple[str, list[str]]:
    """Return the page, and what has no test."""
    found: dict[Message | Row, list[str]] = defaultdict(list)
    for subject, name, path in find_tests():
        sentence = name.removeprefix("test_").replace("_", " ")
        link = f"../{path.relative_to(_ROOT)}"
        found[subject].append(f"[{sentence}]({link})")
    lines = [_INTRODUCTION, "| message | direction | tests |", "|---|---|---|"]
    for message in (*FROM_STATION, *TO_STATION):
        tests = "<br>".join(found[message])
        lines.append(f"| {message.action} | {message.direction} | {tests} |")
    lines += ["", "| what has to hold | tests |", "|---|---|"]
    lines += [f"| {row} | {'<br>'.join(found[row])} |" for row in Row]
    missing = [
        f"{each.action} {each.direction}" if isinstance(each, Message) else str(each)
        for each in (*FROM_STATION, *TO_STATION, *Row)
        if not found[each]
    ]
    return "\n".join(lines) + "\n", missing


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    page, missing = render()
    for each in missing:
        sys.stderr.write(f"no conformance test covers: {each}\n")
    if not check:
        _PAGE.write_text(page, encoding="utf-8")
    elif not _PAGE.exists() or _PAGE.read_text(encoding="utf-8") != page:
        sys.stderr.write(f"{_PAGE.name} is not current: run `make docs`\n")
        return 1
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
