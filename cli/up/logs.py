"""The children's log files: one per program, of bounded size."""

import shutil
from pathlib import Path
from typing import IO

_MAX_BYTES = 20_000_000


def open_log(path: Path) -> IO[bytes]:
    """Open a log file for appending, made if missing and readable only by its owner."""
    path.touch(mode=0o600)
    return path.open("ab")


def rotate(path: Path) -> None:
    """Put the log of the last run aside as `<name>.log.1`, in place of the one before."""
    if path.exists():
        path.rename(_previous(path))


def bound(path: Path, max_bytes: int = _MAX_BYTES) -> None:
    """Put a log aside once it is too large, while its program goes on writing.

    The program keeps its file, opened for appending, so the content is copied and then removed; a
    line written between the two is lost.
    """
    if path.exists() and path.stat().st_size > max_bytes:
        shutil.copyfile(path, _previous(path))
        with path.open("r+b") as file:
            file.truncate()


def last_lines(path: Path, count: int = 15) -> str:
    """Return the end of a log file."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16_384))
        text = file.read().decode("utf-8", errors="replace")
    return "\n".join(text.splitlines()[-count:])


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")
