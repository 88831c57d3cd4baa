"""Slows down who guesses passwords and codes, and locks nobody out for ever."""

import hashlib
from collections.abc import Sequence
from functools import partial
from ipaddress import IPv6Address, ip_address
from math import ceil

from control import problems
from control.accounts.settings import AccountSettings
from control.errors import ProblemError
from shared.store.accounts import login_attempts
from shared.store.accounts.login_attempts import Attempts
from shared.store.pool import Database

_FIRST_WAIT_S = 1.0
_DOUBLINGS = 30


class Guesses:
    """Counts tries, in Postgres for all processes together, before they are made.

    Three counters see a try: that of its address and account together is strict; that of the
    address and that of the account are loose, and hold up nobody at an address where the account's
    owner was right before. So a stranger elsewhere keeps no owner out who comes from where they
    always do, and who comes from anywhere has a link mailed, whose use makes that address known.

    Args:
        db: where.
        settings: how many tries are free, and how long the waits grow.
    """

    def __init__(self, db: Database, settings: AccountSettings) -> None:
        self._db = db
        self._settings = settings

    async def count(self, account: str, address: str) -> None:
        """Count a try as a wrong one until `forgive` says otherwise.

        Args:
            account: whose password or code is tried, whether there is such an account or not.
            address: from where.

        Raises:
            ProblemError: there were too many; it says when the next one may be made.
        """
        wait_s = await login_attempts.count(
            self._db,
            [*_keys(account, address)],
            forget_s=self._settings.login_forget_s,
            may_try=partial(_wait_s, self._settings),
        )
        if wait_s is not None:
            raise ProblemError(
                problems.TOO_MANY_TRIES,
                f"there were too many wrong tries: try again in {ceil(wait_s)} s, or ask for a "
                "link to set a new password",
                headers={"Retry-After": str(ceil(wait_s))},
            )

    async def take_back(self, account: str, address: str) -> None:
        """Take the last try back: it was right as far as it went.

        Those before it still count, so that a right password gives no further tries at a code.
        """
        await login_attempts.take_back(self._db, _keys(account, address))

    async def forgive(self, account: str, address: str) -> None:
        """Note that the owner of an account has signed in."""
        pair, *others = _keys(account, address)
        await login_attempts.forgive(self._db, pair, others)

    async def welcome(self, account: str, address: str) -> None:
        """Note that an account's owner is at this address, as by a link that they were mailed."""
        pair, *others = _keys(account, address)
        await login_attempts.ensure(self._db, pair)
        await login_attempts.forgive(self._db, pair, others)


def _wait_s(settings: AccountSettings, attempts: Sequence[Attempts]) -> float | None:
    pair, of_account, of_address = attempts
    waits = [_left_s(pair, settings.login_free_tries, settings.login_max_wait_s)]
    if not pair.has_succeeded:
        waits += (
            _left_s(of_account, settings.login_free_tries_of_account, settings.login_max_wait_s),
            _left_s(of_address, settings.login_free_tries_of_address, settings.login_max_wait_s),
        )
    longest = max(waits)
    return longest if longest > 0 else None


def _left_s(attempts: Attempts, free: int, max_wait_s: float) -> float:
    """Return how long nobody may try: not at all, or twice as long with each further failure."""
    beyond = attempts.failures - free
    if beyond < 0 or attempts.since_failure_s is None:
        return 0.0
    wait_s = min(_FIRST_WAIT_S * 2.0 ** min(beyond, _DOUBLINGS), max_wait_s)
    return wait_s - attempts.since_failure_s


def _keys(account: str, address: str) -> tuple[bytes, bytes, bytes]:
    """Return the counters of a try: of both together, of the account and of the address."""
    network = _network(address)
    return _key("both", account, network), _key("account", account), _key("address", network)


def _key(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def _network(address: str) -> str:
    """Return what one customer of a provider has: an IPv4 address, or a /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)
