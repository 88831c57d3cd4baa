"""How long `voltaro up` takes when there are data already."""

import subprocess
import sys
import time
from collections.abc import Sequence

from loadtest.bench.figures import Figure, compare


def measure(starts_s: Sequence[float]) -> list[Figure]:
    """Start time of the whole cluster, beside a process that only loads the gateway's code.

    Args:
        starts_s: what each start took until everything served.
    """
    return [
        compare(
            "start of `voltaro up`",
            starts_s,
            [_load_gateway() for _ in starts_s],
            unit="s",
            yardstick_name="loading the gateway's code",
            note="7 processes, the data are there already",
        )
    ]


def _load_gateway() -> float:
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", "import gateway.app"], check=True)
    return time.perf_counter() - began_s
