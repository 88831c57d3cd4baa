"""Room for the sockets of many stations in one process."""

import resource

#: A connection of `websockets.sync` is a socket and a pair of others that wakes its reader.
_PER_STATION = 3
#: Locust's own, those of the API's client, and some to spare.
_OTHERS = 300

TOO_FEW_FILES = (
    "This process may not open enough files for its stations, and some will not connect: raise "
    "the hard limit of open files (ulimit -Hn), or use more processes."
)


def make_room(stations: int) -> bool:
    """Raise the limit of open files as far as needed and allowed.

    Args:
        stations: How many there will be.

    Returns:
        Whether there is room for all of them.
    """
    needed = stations * _PER_STATION + _OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return True
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed == needed
