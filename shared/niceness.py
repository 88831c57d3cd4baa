"""Threads that give way to the event loop."""

import os
import sys

# Measured with 5,000 stations at once on two processors: as urgent as the event loop, four threads
# that hash leave it so little that half of the first handshakes get no answer within 10 s, not even
# a 503. With 10, hashing still gets a tenth of a processor that is busy.
_NICENESS = 10


def give_way() -> None:
    """Let the event loop go before this thread: what it works on can wait, all others cannot."""
    if sys.platform == "linux":  # elsewhere the niceness is that of the whole process
        os.nice(_NICENESS)
