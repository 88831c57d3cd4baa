"""Who is at the door: HTTP Basic authentication of stations (security profiles 0 to 2)."""

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from websockets.exceptions import InvalidHeader
from websockets.headers import parse_authorization_basic

from shared.domain.stations import Credentials, SecurityProfile

# Each verification takes the memory its hash was made with, so few run at a time.
_MAX_VERIFICATIONS = 4


class Authenticator:
    """Checks passwords against their argon2 hashes, and remembers the right ones.

    A fleet that reconnects would otherwise keep the processors busy for minutes. What is remembered
    is a digest under a key that lives and dies with this process, and it covers the stored hash, so
    a changed password is not found.

    Args:
        find_credentials: looks a station up; None if it is not registered.
        cache_size: how many passwords are remembered.
    """

    def __init__(
        self,
        find_credentials: Callable[[str], Awaitable[Credentials | None]],
        *,
        cache_size: int,
    ) -> None:
        self._find_credentials = find_credentials
        self._cache_size = cache_size
        self._cache: OrderedDict[bytes, None] = OrderedDict()
        self._key = secrets.token_bytes(32)
        self._hasher = PasswordHasher()
        # What an unknown station's password is checked against. It is made as the control plane's
        # defaults make hashes, so that it takes as long.
        self._nobody = PasswordHasher(time_cost=2, memory_cost=4096, parallelism=1).hash(
            secrets.token_hex()
        )
        self._verifications = asyncio.Semaphore(_MAX_VERIFICATIONS)

    async def authenticate(self, station_id: str, authorization: str | None) -> Credentials | None:
        """Return the station's credentials if it may come in.

        Args:
            station_id: from the path; the user name has to be the same.
            authorization: the Authorization header, or None.

        Returns:
            None for an unknown station, a wrong password and another user name alike, so that
            nobody learns which stations there are.
        """
        credentials = await self._find_credentials(station_id)
        if credentials is not None and credentials.security_profile is SecurityProfile.UNSECURED:
            return credentials
        password = _password(station_id, authorization)
        if password is None:
            return None
        password_hash = credentials and credentials.password_hash
        matches = await self._matches(station_id, password, password_hash or self._nobody)
        return credentials if matches else None

    async def _matches(self, station_id: str, password: str, password_hash: str) -> bool:
        digest = hmac.digest(
            self._key, f"{station_id}\0{password}\0{password_hash}".encode(), hashlib.sha256
        )
        if digest in self._cache:
            self._cache.move_to_end(digest)
            return True
        async with self._verifications:
            try:
                await asyncio.to_thread(self._hasher.verify, password_hash, password)
            except (Argon2Error, InvalidHashError):
                return False
        self._cache[digest] = None
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return True


def _password(station_id: str, authorization: str | None) -> str | None:
    if authorization is None:
        return None
    try:
        user_name, password = parse_authorization_basic(authorization)
    except (InvalidHeader, UnicodeDecodeError):
        return None
    return password if user_name == station_id else None
