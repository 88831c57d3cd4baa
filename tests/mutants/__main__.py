"""Runs mutmut and prints, module by module, how many mutants the tests notice.

`make mutants` starts it; `ARGS='shared.domain.tokens.*'` takes the mutants of those names alone. It
fails if too many are unnoticed, and lists each with what was changed. What mutmut found is kept in
mutants/: of what has not changed since, only those that no test noticed are tried again.

Two kinds of mutants are counted apart and are none of the share: those that a person has judged to
be equivalent, and those that only spell a sentence for people otherwise.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import get_module_from_key, orig_function_and_class_names_from_key

from tests.mutants.equivalents import Mutant, mutant_of, read_equivalents

_FOUND = Path("mutants")
_STATS = _FOUND / "mutmut-stats.json"
# Both processors of a small machine.
_SIDE_BY_SIDE = "2"
_SURVIVORS_MAX = 0.05
_NOTICED = {"killed", "timeout", "segfault"}  # a mutant may wait for ever
_COLUMNS = ("mutants", "killed", "wording", "equivalent", "survived")


def main() -> int:
    """Run mutmut with the names of the command line, and print what it found."""
    patterns = sys.argv[1:]
    _forget_survivors(patterns)
    _forget_changed_tests()
    mutmut = Path(sys.executable).with_name("mutmut")
    ran = subprocess.run([mutmut, "run", "--max-children", _SIDE_BY_SIDE, *patterns], check=False)
    return ran.returncode or _report(patterns)


def _results() -> Iterator[tuple[Path, Path, dict[str, int | None]]]:
    """Give each module with the file of its results, and the exit code of the tests by mutant."""
    for path in sorted(_FOUND.rglob("*.py.meta")):
        results = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        if results:
            yield path.relative_to(_FOUND).with_suffix(""), path, results


def _is_meant(name: str, patterns: list[str]) -> bool:
    return not patterns or any(fnmatch(name, pattern) for pattern in patterns)


def _forget_survivors(patterns: list[str]) -> None:
    """Have those tried again that no test noticed: mutmut does not see that a test has changed.

    So are those that took too long, which a busy machine does to any.
    """
    for _, path, results in _results():
        meta = json.loads(path.read_text(encoding="utf-8"))
        for name, code in results.items():
            if status_by_exit_code[code] != "killed" and _is_meant(name, patterns):
                meta["exit_code_by_key"][name] = None
        path.write_text(json.dumps(meta), encoding="utf-8")


def _forget_changed_tests() -> None:
    """Have it found out again what is covered by tests of files that have changed."""
    if not _STATS.exists():
        return
    stats = json.loads(_STATS.read_text(encoding="utf-8"))
    measured_at = _STATS.stat().st_mtime
    stats["duration_by_test"] = {
        test: duration
        for test, duration in stats["duration_by_test"].items()
        if (file := Path(test.partition("::")[0])).exists() and file.stat().st_mtime < measured_at
    }
    _STATS.write_text(json.dumps(stats), encoding="utf-8")


def _report(patterns: list[str]) -> int:
    """Print the table and the survivors; return the exit status."""
    equivalents = read_equivalents()
    left = set() if patterns else set(equivalents)
    total: Counter[str] = Counter()
    survivors: list[str] = []
    print(f"{'':50}" + "".join(f"{column:>12}" for column in _COLUMNS))
    for module, _, results in _results():
        counts: Counter[str] = Counter()
        for name, code in results.items():
            status = status_by_exit_code[code]
            if not _is_meant(name, patterns) or status == "not checked":
                continue
            counts["mutants"] += 1
            if status in _NOTICED:
                counts["killed"] += 1
                continue
            diff = get_diff_for_mutant(name, path=module).splitlines()
            mutant = mutant_of(_where(name), diff)
            left.discard(mutant)
            if mutant in equivalents:
                counts["equivalent"] += 1
            elif mutant.is_wording:
                counts["wording"] += 1
            else:
                counts["survived"] += 1
                survivors += [f"\n{name}: {status}", *_changed(mutant)]
        if counts:
            _print_row(str(module), counts)
        total += counts
    _print_row("all", total)
    print("\n".join(survivors))
    for mutant in sorted(left, key=lambda each: each.where):
        print(f"\n{mutant.where}: judged, but not among the survivors", *_changed(mutant), sep="\n")
    share = total["survived"] / max(total["killed"] + total["survived"], 1)
    print(f"\n{share:.1%} of those that make a difference survived.")
    return int(share >= _SURVIVORS_MAX)


def _where(name: str) -> str:
    function, in_class = orig_function_and_class_names_from_key(name)
    return ".".join(filter(None, (get_module_from_key(name), in_class, function)))


def _changed(mutant: Mutant) -> list[str]:
    return [f"  - {line}" for line in mutant.code] + [f"  + {line}" for line in mutant.mutated]


def _print_row(title: str, counts: Counter[str]) -> None:
    print(f"{title:50}" + "".join(f"{counts[column]:12}" for column in _COLUMNS))


if __name__ == "__main__":
    sys.exit(main())
