"""How long `voltaro up` takes when there are data already."""

from collections.abc import Sequence

from loadtest.bench.figures import Figure, compare
from loadtest.bench.measures.sizes import load_gateway


def measure(starts_s: Sequence[float]) -> Figure:
    """Start time of the whole cluster, beside a process that only loads the gateway's code.

    Args:
        starts_s: what each start took until everything served.

    Raises:
        NotMeasuredError: the gateway's code cannot be loaded.
    """
    return compare(
        "start of `voltaro up`",
        starts_s,
        [load_gateway() for _ in starts_s],
        unit="s",
        yardstick_name="loading the gateway's code",
        note="7 processes, the data are there already",
    )
