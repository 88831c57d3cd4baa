"""Run a program that dies with the process that started it.

    python -I -S tether.py PARENT_PID SIGNAL PROGRAM [ARGUMENT ...]

`voltaro up` and the tests start every server through this file, so that not even SIGKILL of the
parent leaves an orphan: the kernel sends SIGNAL the moment the parent is gone
(`prctl(2)`, PR_SET_PDEATHSIG).

Why a program of its own, and not `preexec_fn`: that hook runs Python between fork and exec in a
copy of a process that may have threads, where a lock held by another thread is held for ever.
Here nothing of the parent is left, and the price is one bare interpreter start (about 15 ms).
It is run as a file, so it imports nothing of this project.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then become the program named on the command line."""
    parent_pid, signal_number, *program = sys.argv[1:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != int(parent_pid):
            return  # the parent died before the tie was made: nobody wants this program any more
    try:
        os.execvp(program[0], program)  # noqa: S606 - becoming that program is this file's purpose
    except OSError as error:
        sys.exit(f"{program[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()
