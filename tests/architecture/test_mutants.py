"""What is said of mutants is about code that is there."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mutants.equivalents import Mutant, mutant_of, read_equivalents

ROOT = Path(__file__).parents[2]


def test_what_was_judged_stands_in_the_code() -> None:
    """Else a later change would find its mutant excused by what was said of another line."""
    missing = [each for each in read_equivalents() if not set(each.code) <= set(_lines_of(each))]
    assert missing == []


def _lines_of(mutant: Mutant) -> Iterator[str]:
    """Give the lines of its function as mutmut shows them, whose diffs have three lines around."""
    parts = mutant.where.split(".")
    for end in range(len(parts) - 1, 0, -1):
        path = ROOT.joinpath(*parts[:end])
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path.exists():
            break
    else:
        return
    source = path.read_text(encoding="utf-8")
    node: ast.AST = ast.parse(source)
    for name in parts[end:]:
        node = next(
            each for each in ast.iter_child_nodes(node) if getattr(each, "name", None) == name
        )
    for line in (ast.get_source_segment(source, node) or "").splitlines():
        yield line.strip()


def test_a_mutant_is_known_by_its_lines_wherever_they_stand() -> None:
    diff = "--- a\n+++ a\n@@ -1,3 +1,3 @@\n def f():\n-    return 1\n+    return 2".splitlines()
    assert mutant_of("m.f", diff) == Mutant("m.f", ("return 1",), ("return 2",))


@pytest.mark.parametrize(
    "listed",
    [
        '[["m.f"]]\ncode = "a"\nmutated = "b"\nwhy = " "',
        '[["m.f"]]\ncode = "a"\nmutated = "b"\nwhy = "c"\n' * 2,
    ],
    ids=["no reason", "twice"],
)
def test_a_judgement_has_a_reason_and_stands_once(tmp_path: Path, listed: str) -> None:
    path = tmp_path / "equivalents.toml"
    path.write_text(listed, encoding="utf-8")
    with pytest.raises(ValueError, match="has no reason, or stands there twice"):
        read_equivalents(path)


@pytest.mark.parametrize(
    ("code", "mutated", "is_wording"),
    [
        ('fail("it is too long")', 'fail("XXit is too longXX")', True),
        ('fail("it is too long")', 'fail("IT IS TOO LONG")', True),
        ('fail("it is too long")', "fail(None)", False),
        ('fail("it is too long", 1)', 'fail("it is too long", 2)', False),
        ('params["token"]', 'params["TOKEN"]', False),
        ('split("XX")', 'split("XXXXXX")', False),
    ],
)
def test_only_what_spells_a_sentence_otherwise_is_wording(
    code: str, mutated: str, *, is_wording: bool
) -> None:
    assert Mutant("m.f", (code,), (mutated,)).is_wording is is_wording
