"""Passwords of users: hashed with Argon2id, few at a time, and never in the event loop's way."""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from control.accounts.settings import AccountSettings
from shared.domain.errors import UnavailableError
from shared.niceness import give_way

# Each takes user_password_hash_memory_kib.
_AT_ONCE = 2

Result = TypeVar("Result")


class UserPasswords:
    """Hashes and verifies passwords that people have chosen.

    Args:
        settings: what a hash costs, and how many may wait.
    """

    def __init__(self, settings: AccountSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.user_password_hash_time_cost,
            memory_cost=settings.user_password_hash_memory_kib,
            parallelism=settings.user_password_hash_parallelism,
        )
        # What is compared with where there is no password, so that it takes as long.
        self._nobody = (
            f"$argon2id$v=19$m={settings.user_password_hash_memory_kib}"
            f",t={settings.user_password_hash_time_cost}"
            f",p={settings.user_password_hash_parallelism}${_random(16)}${_random(32)}"
        )
        self._max_waiting = settings.user_password_max_waiting
        self._waiting = 0
        self._threads = ThreadPoolExecutor(
            _AT_ONCE, thread_name_prefix="hashing", initializer=give_way
        )

    def close(self) -> None:
        """Hash nothing any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Return the hash, its parameters and salt included.

        Raises:
            UnavailableError: too many wait already.
        """
        return await self._run(lambda: self._hasher.hash(_spelt(password)))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Tell whether a password is right; without a hash none is, which takes as long to tell.

        Raises:
            UnavailableError: too many wait already.
        """
        return await self._run(lambda: self._verify(password_hash or self._nobody, password))

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether a hash was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(password_hash)

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, _spelt(password))
        except (Argon2Error, InvalidHashError):
            return False

    def require_room(self) -> None:
        """Make sure that one more may wait.

        Raises:
            UnavailableError: too many do.
        """
        if self._waiting >= self._max_waiting:
            raise UnavailableError("too many passwords are being checked: try again in a moment")

    async def _run(self, work: Callable[[], Result]) -> Result:
        self.require_room()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _random(count: int) -> str:
    return b64encode(secrets.token_bytes(count)).decode().rstrip("=")


def _spelt(password: str) -> str:
    """Return a password as all keyboards type it (NIST SP 800-63B §5.1.1.2)."""
    return normalize("NFKC", password)
