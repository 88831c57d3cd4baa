"""Runs pytest, and what failed once more alone.

`make test` starts it. Four workers share two processors with all their servers, so one of many
thousand tests may fail because the machine was busy. Such a test passes alone, and then the run
stands, but it is named at the end: it waits for less than it says, or a race of ours is behind it,
and both are to be mended. More than a few failures are no accident, and are not tried again.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

_FAILED_BEFORE = Path(".pytest_cache/v/cache/lastfailed")
# pytest's exit code if tests ran and some failed. Others tell of a run that broke.
_TESTS_FAILED = 1
_FEW = 3


def main() -> int:
    """Run pytest with the options of the command line; give its exit code, or that of the look."""
    # Ctrl-C is for pytest, which stops its servers; a handler, unlike SIG_IGN, is not inherited.
    signal.signal(signal.SIGINT, lambda *_: None)
    _FAILED_BEFORE.unlink(missing_ok=True)
    pytest = [sys.executable, "-m", "pytest"]
    code = subprocess.run([*pytest, *sys.argv[1:]], check=False).returncode
    failed = _failed() if code == _TESTS_FAILED else []
    if not 0 < len(failed) <= _FEW:
        return code
    print(f"\n{len(failed)} failed beside the others; once more, alone:", flush=True)
    code = subprocess.run([*pytest, *failed], check=False).returncode
    if code == 0:
        print("\nFailed beside the others and passed alone, to be mended:", *failed, sep="\n  ")
    return code


def _failed() -> list[str]:
    try:
        return sorted(json.loads(_FAILED_BEFORE.read_text(encoding="utf-8")))
    except (OSError, ValueError):  # pytest could not write it: no second look
        return []


if __name__ == "__main__":
    sys.exit(main())
