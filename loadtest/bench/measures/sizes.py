"""What Voltaro weighs, and how long its tests take: measured beside the cluster, not on it."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from loadtest.bench.figures import Figure, compare

_ROOT = Path(__file__).parents[3]
_REQUIREMENTS = _ROOT / "requirements" / "production.txt"
_DASHBOARD = _ROOT / "dashboard" / "dist"
#: Written by .ci/run.
_TEST_RUN = _ROOT / "build" / "test-run.json"

_INSTALLATION_TIMEOUT_S = 300.0
_MB, _KB = 1e6, 1e3


class NotMeasuredError(Exception):
    """A figure that this machine or this checkout cannot give; the message says why."""


def measure_installation(requirements: Path = _REQUIREMENTS) -> Figure:
    """Size of a new environment with the pinned production packages, beside Python itself.

    That is what an image adds to its base, apart from our own code of a megabyte or so.

    Raises:
        NotMeasuredError: there is no uv, or a package cannot be had.
    """
    uv = shutil.which("uv") or shutil.which("uv", path=str(_ROOT / ".uv" / "bin"))
    if uv is None:
        raise NotMeasuredError("the installation's size: uv is not there; `make bench` fetches it")
    with tempfile.TemporaryDirectory(prefix="voltaro-bench-") as directory:
        environment = Path(directory) / "environment"
        for command in (
            ("venv", "--python", sys.executable, str(environment)),
            ("pip", "sync", "--python", str(environment / "bin" / "python"), str(requirements)),
        ):
            _run(uv, *command)
        size_bytes = sum(_sizes_bytes(environment))
        packages = len(list(environment.glob("lib/python*/site-packages/*.dist-info")))
    python_bytes = sum(_sizes_bytes(Path(sysconfig.get_path("stdlib")), leave_out="site-packages"))
    return compare(
        "size of the installed production packages",
        [size_bytes / _MB],
        [python_bytes / _MB],
        unit="MB",
        yardstick_name="Python's standard library",
        note=f"{packages} packages, without compiled bytecode",
    )


def measure_dashboard(dist: Path = _DASHBOARD) -> Figure:
    """Size of the dashboard as browsers fetch it, compressed, beside what that unpacks to.

    Raises:
        NotMeasuredError: it was not built.
    """
    files = sorted(path for path in dist.rglob("*") if path.is_file())
    if not files:
        raise NotMeasuredError("the dashboard's size: nothing is built in dashboard/dist")
    contents = [path.read_bytes() for path in files]
    return compare(
        "size of the dashboard",
        [sum(len(gzip.compress(content, mtime=0)) for content in contents) / _KB],
        [sum(map(len, contents)) / _KB],
        unit="kB",
        yardstick_name="uncompressed",
        note=f"{len(files)} files, each as gzip makes it",
    )


def measure_test_run(record: Path = _TEST_RUN) -> Figure:
    """Time of the last `make test` of .ci/run, beside a process that loads the gateway's code.

    Raises:
        NotMeasuredError: there was none.
    """
    try:
        run = json.loads(record.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotMeasuredError(
            "the time of `make test`: .ci/run, which notes it, was not run here"
        ) from None
    return compare(
        "time of `make test`",
        [run["seconds"]],
        [load_gateway()],
        unit="s",
        yardstick_name="loading the gateway's code",
        note=f"noted by .ci/run at commit {run['commit']}",
    )


def load_gateway() -> float:
    """Return what a process takes, in seconds, that loads the gateway's code and ends."""
    began_s = time.perf_counter()
    _run(sys.executable, "-P", "-c", "import gateway.app")
    return time.perf_counter() - began_s


def _run(*command: str) -> None:
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=_INSTALLATION_TIMEOUT_S
        )
    except subprocess.CalledProcessError as error:
        raise NotMeasuredError(f"`{' '.join(command)}` failed: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise NotMeasuredError(
            f"`{' '.join(command)}` took longer than {_INSTALLATION_TIMEOUT_S:g} s"
        ) from error


def _sizes_bytes(directory: Path, *, leave_out: str = "") -> Iterator[int]:
    """Give the size of each file below; neither links nor compiled bytecode."""
    for parent, names, files in os.walk(directory):
        names[:] = _without(names, ("__pycache__", leave_out))
        for name in files:
            path = Path(parent, name)
            if not path.is_symlink():
                yield path.stat().st_size


def _without(names: Sequence[str], unwanted: Sequence[str]) -> list[str]:
    return [name for name in names if name not in unwanted]
