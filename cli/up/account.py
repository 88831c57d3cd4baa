"""Running every server without root's rights.

Postgres refuses to run as root, and nothing that the network reaches should. When `voltaro up` is
run by root, as in most containers, Postgres, Redis, HAProxy and our own processes each run under a
user id that nobody else on the machine has, not even `nobody`, so that none can read the files and
the environment of another. No user is added to the machine: these ids have no names, and the owner
of a server's directory tells which is its.
"""

import os
import pwd
import secrets
import shutil
import signal
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cli.up.errors import UpError

# Whom `initdb` runs as: it will not do without a name.
_NAME = "nobody"
# Neither people's nor packages', containers' or dynamic ones (systemd, "Users, Groups, UIDs and
# GIDs on systemd Systems": 60706 to 61183 are unused).
_UIDS = range(60_706, 61_184)
_UNPRIVILEGED_PORTS = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
# Lets a process search directories and read files whatever their mode. The first is all that is
# wanted and the second comes with it; CAP_DAC_OVERRIDE also lets it write, and is what is left in
# a Docker container, whose root has no CAP_DAC_READ_SEARCH.
_CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}


@dataclass(frozen=True)
class Account:
    """An unprivileged user that a server of root's runs as."""

    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Make the account the owner of a file or directory.

        Raises:
            UpError: This root may not do so; that of a user namespace has no other users.
        """
        try:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
        except OSError as error:
            raise UpError(
                f"Servers are not run as root, and {path} cannot be given to the user with uid "
                f"{self.uid}, which would run one: {error.strerror}. Run as an ordinary user."
            ) from error

    def take(self, directory: Path) -> None:
        """Make the account the owner of a directory and all that is in it, unless it is already.

        The directory itself comes last, so that what was interrupted is done again.

        Raises:
            UpError: This root may not do so.
        """
        if directory.stat().st_uid == self.uid:
            return
        for parent, directories, files in os.walk(directory, topdown=False):
            for name in (*files, *directories):
                self.own(Path(parent, name))
        self.own(directory)

    def wrap(
        self,
        argv: Sequence[str],
        paths: Iterable[Path],
        orphan_signal: signal.Signals,
        *,
        ports: Iterable[int] = (),
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
            ports: Where the program listens; for one that is root's, such as 443, it gets the
                capability.

        Returns:
            The command line, starting with `setpriv`.

        Raises:
            UpError: `setpriv` is missing, or root has no capability left to give.
        """
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise UpError(
                "Servers are not run as root, and `setpriv`, which would run them as other users, "
                "is not on PATH: install util-linux, or run as an ordinary user."
            )
        capabilities = "-all"
        secure_bits: tuple[str, ...] = ()
        if any(0 < port < _first_unprivileged_port() for port in ports):
            capabilities += ",+net_bind_service"
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


def account_of(directory: Path) -> Account | None:
    """Return the account that a server runs as, or None for the current user's own.

    Args:
        directory: The server's own; the account owns it and all that is in it from now on. One that
            is of an account stays its, whoever is free now; a new one, and that of a version in
            which servers ran as `nobody` or root, gets a user of its own.

    Raises:
        UpError: This root may not give it away, or all users are taken.
    """
    if not runs_as_others():
        return None
    owner = directory.stat().st_uid
    uid = owner if owner in _UIDS else _unused_uid(directory.parent)
    account = Account(uid, uid)
    account.take(directory)
    return account


def as_account(
    account: Account | None,
    argv: Sequence[str],
    paths: Iterable[Path],
    orphan_signal: signal.Signals,
    *,
    ports: Iterable[int] = (),
) -> tuple[str, ...]:
    """Return the command line that runs a program as an account, or as the current user."""
    if account is None:
        return tuple(argv)
    return account.wrap(argv, paths, orphan_signal, ports=ports)


def named_account() -> Account | None:
    """Return the account that `initdb` runs as, or None for the current user's own.

    Raises:
        UpError: The machine has no such user.
    """
    if not runs_as_others():
        return None
    try:
        entry = pwd.getpwnam(_NAME)
    except KeyError:
        raise UpError(
            f"Postgres cannot be set up by root and this machine has no user `{_NAME}` to do it: "
            "run as an ordinary user."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def runs_as_others() -> bool:
    """Say whether servers run as other users than the current one."""
    return os.geteuid() == 0


def may_own(uid: int) -> bool:
    """Say whether files of a user are those of a server that we run."""
    if not runs_as_others():
        return uid == os.geteuid()
    account = named_account()
    return uid in _UIDS or (account is not None and uid == account.uid)


def _unused_uid(siblings: Path) -> int:
    """Return a user id that neither a user, nor a process, nor another server of ours has."""
    used = set()
    for path in (*Path("/proc").glob("[0-9]*"), *siblings.glob("*")):
        with suppress(OSError):  # it has ended
            used.add(path.stat().st_uid)
    free = [uid for uid in _UIDS if uid not in used and not _is_known(uid)]
    if not free:
        raise UpError(
            f"Servers are not run as root, and all users that they could run as (uid {_UIDS[0]} to "
            f"{_UIDS[-1]}) are taken: run as an ordinary user."
        )
    return secrets.choice(free)


def _is_known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _first_unprivileged_port() -> int:
    try:
        return int(_UNPRIVILEGED_PORTS.read_text(encoding="ascii"))
    except FileNotFoundError:
        return 1024


def _capability_for(path: Path) -> str:
    """Return the weakest capability root holds that reaches a path."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    held = int(line.split()[1], base=16)
    for name, bit in _CAPABILITIES.items():
        if held >> bit & 1:
            return name
    raise UpError(
        f"Servers are not run as root, and other users cannot reach {path}: put it below a "
        "directory that everybody may enter (mode 0755), or run as an ordinary user."
    )
