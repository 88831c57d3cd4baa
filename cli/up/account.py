"""Running the servers that hold data without root's rights.

Postgres refuses to run as root, and Redis should not. When `voltaro up` is run by root, as in most
containers, both run as `nobody`; no user is added to the machine.
"""

import os
import pwd
import shutil
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.up.errors import UpError

_NAME = "nobody"
# Lets a process search directories and read files whatever their mode. The first is all that is
# wanted and the second comes with it; CAP_DAC_OVERRIDE also lets it write, and is what is left in
# a Docker container, whose root has no CAP_DAC_READ_SEARCH.
_CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}


@dataclass(frozen=True)
class Account:
    """The unprivileged user that root's servers run as."""

    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Make the account the owner of a file or directory.

        Raises:
            UpError: This root may not do so; that of a user namespace has no other users.
        """
        try:
            os.chown(path, self.uid, self.gid)
        except OSError as error:
            raise UpError(
                f"Postgres refuses to run as root, and {path} cannot be given to `{_NAME}`, which "
                f"would run it: {error.strerror}. Run as an ordinary user."
            ) from error

    def wrap(
        self, argv: Sequence[str], paths: Iterable[Path], orphan_signal: signal.Signals
    ) -> tuple[str, ...]:
        """Return the command line that runs a program as this account.

        `setpriv` ends in exec, so the pid stays the program's own. It renews the parent-death
        signal, which the kernel clears when a process changes its user.

        Args:
            argv: The program's own command line.
            paths: What the program opens. If one lies below a directory closed to the account
                (a checkout below /root, whose mode is 0700), one capability is left to it; ambient,
                so that the dynamic loader still honours the program's `$ORIGIN` library path.
            orphan_signal: What the kernel sends when the parent dies.

        Returns:
            The command line, starting with `setpriv`.

        Raises:
            UpError: `setpriv` is missing, or root has no capability left to give.
        """
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise UpError(
                "Postgres refuses to run as root, and `setpriv`, which would run it as "
                f"`{_NAME}`, is not on PATH: install util-linux, or run as an ordinary user."
            )
        capabilities = "-all"
        secure_bits: tuple[str, ...] = ()
        closed = next((path for path in paths if not self._reaches(path)), None)
        if closed is not None:
            capabilities += f",+{_capability_for(closed)}"
            # Otherwise access(2) answers as if the capability were not there, and Postgres asks it
            # before it runs its own binaries; see capabilities(7), SECBIT_NO_SETUID_FIXUP.
            secure_bits = ("--securebits=+no_setuid_fixup",)
        return (
            setpriv,
            f"--reuid={self.uid}",
            f"--regid={self.gid}",
            "--clear-groups",
            *secure_bits,
            f"--bounding-set={capabilities}",
            f"--inh-caps={capabilities}",
            f"--ambient-caps={capabilities}",
            "--no-new-privs",
            f"--pdeathsig={orphan_signal.name.removeprefix('SIG')}",
            "--",
            *argv,
        )

    def _reaches(self, path: Path) -> bool:
        """Say whether every directory above a path lets the account through."""
        for directory in path.resolve().parents:
            status = directory.stat()
            if status.st_uid == self.uid:
                allowed = status.st_mode & 0o100
            elif status.st_gid == self.gid:
                allowed = status.st_mode & 0o010
            else:
                allowed = status.st_mode & 0o001
            if not allowed:
                return False
        return True


def server_account() -> Account | None:
    """Return the account that Postgres and Redis run as, or None for the current user's own."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_NAME)
    except KeyError:
        raise UpError(
            f"Postgres refuses to run as root and this machine has no user `{_NAME}` to run it "
            "as: run as an ordinary user."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def _capability_for(path: Path) -> str:
    """Return the weakest capability root holds that reaches a path."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    held = int(line.split()[1], base=16)
    for name, bit in _CAPABILITIES.items():
        if held >> bit & 1:
            return name
    raise UpError(
        f"Postgres refuses to run as root, and the user `{_NAME}` cannot reach {path}: put it "
        "below a directory that everybody may enter (mode 0755), or run as an ordinary user."
    )
