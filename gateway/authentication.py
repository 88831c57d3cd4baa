"""Who is at the door: passwords (security profiles 1 and 2) and client certificates (3).

OCPP 2.0.1 part 2 A00, OCPP 1.6 security whitepaper edition 3 §2.
"""

import asyncio
import os
import secrets
import sys
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from websockets.exceptions import InvalidHeader
from websockets.headers import parse_authorization_basic

from gateway.admission import FailureLimit, Origin
from shared.domain.stations import Credentials, SecurityProfile

# Each verification takes the memory its hash was made with, so few run at a time.
_MAX_VERIFICATIONS = 4
# Of the threads that hash. Measured with 5,000 stations at once on two processors: as urgent as the
# event loop, four of them leave it so little that half of the first handshakes get no answer within
# 10 s, not even a 503. With 10, hashing still gets a tenth of a processor that is busy.
_HASHING_NICENESS = 10
# How the control plane's defaults make hashes; the first station's own hash corrects it.
_USUAL_PARAMETERS = "$argon2id$v=19$m=4096,t=2,p=1"

INVALID_CERTIFICATE = "InvalidChargingStationCertificate"
"""Security event: the client certificate belongs to another station (2.0.1 appendix 1)."""
LOWER_PROFILE = "LowerSecurityProfile"
"""Security event of ours: a station came with less than it has reached (A05)."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A station that may come in, and the security profile it has proven."""

    credentials: Credentials
    security_profile: SecurityProfile


@dataclass(frozen=True, slots=True)
class Refused:
    """A station that may not. Everything in it is for us; the station learns none of it.

    `security_event` is the type of the event that this is, if it is one.
    """

    known: bool
    reason: str
    security_event: str | None = None


@dataclass(frozen=True, slots=True)
class Throttled:
    """A station that failed too often; nothing was checked."""

    retry_after_s: int


Verdict: TypeAlias = Admitted | Refused | Throttled


class Authenticator:
    """Checks who comes, and remembers passwords that were right.

    A fleet that reconnects would otherwise keep the processors busy for minutes. What is remembered
    is a digest under a key that lives and dies with this process, and it covers the stored hash, so
    a changed password is not found. A remembered password is let through whatever others have tried
    under the station's id or from its address, so that nobody can lock a station out.

    Args:
        find_credentials: looks a station up; None if it is not registered.
        cache_size: how many passwords are remembered.
        failures: how often a station id may fail.
    """

    def __init__(
        self,
        find_credentials: Callable[[str], Awaitable[Credentials | None]],
        *,
        cache_size: int,
        failures: FailureLimit,
    ) -> None:
        self._find_credentials = find_credentials
        self._cache_size = cache_size
        self._failures = failures
        self._cache: OrderedDict[bytes, None] = OrderedDict()
        self._key = secrets.token_bytes(32)
        self._hasher = PasswordHasher()
        self._nobody = _hash_of_nobody(_USUAL_PARAMETERS)
        self._hashing = ThreadPoolExecutor(
            _MAX_VERIFICATIONS, thread_name_prefix="hashing", initializer=_give_way
        )

    def close(self) -> None:
        """Hash nothing any more."""
        self._hashing.shutdown(wait=False, cancel_futures=True)

    async def authenticate(
        self,
        station_id: str,
        authorization: str | None,
        origin: Origin,
        *,
        address_retry_after_s: int | None = None,
        before_hashing: Callable[[], None] = lambda: None,
    ) -> Verdict:
        """Find out whether a station may come in.

        An unknown station, a wrong password, another user name and too low a profile take as long
        and are answered alike, so that nobody learns which stations there are.

        Args:
            station_id: from the path; user name or certificate have to name the same.
            authorization: the Authorization header, or None.
            origin: where it comes from.
            address_retry_after_s: its address failed too often, and may try again after so long.
            before_hashing: called if its password has to be hashed.
        """
        credentials = await self._find_credentials(station_id)
        if origin.common_name is not None:
            return _judge_certificate(station_id, credentials, origin.common_name)
        if credentials and credentials.security_profile is SecurityProfile.UNSECURED:
            return Admitted(credentials, SecurityProfile.UNSECURED)
        password = _password(station_id, authorization)
        if password is None:
            return Refused(
                credentials is not None, "no password, or a user name that is not the station id"
            )
        return await self._check_password(
            station_id,
            password,
            credentials,
            origin,
            address_retry_after_s=address_retry_after_s,
            before_hashing=before_hashing,
        )

    async def _check_password(
        self,
        station_id: str,
        password: str,
        credentials: Credentials | None,
        origin: Origin,
        *,
        address_retry_after_s: int | None,
        before_hashing: Callable[[], None],
    ) -> Verdict:
        password_hash = self._hash_for(credentials)
        digest = self._digest(station_id, password, password_hash)
        if digest not in self._cache:
            waits = (self._failures.retry_after_s(station_id), address_retry_after_s)
            if wait_s := max(wait_s or 0 for wait_s in waits):
                return Throttled(wait_s)
            before_hashing()
            if not await self._verify(password_hash, password):
                return Refused(credentials is not None, "a wrong password")
        if credentials is None:  # `_nobody` has no password; this is for the reader
            return Refused(known=False, reason="an unknown station")
        self._remember(digest)
        return _judge_profile(credentials, origin)

    def _hash_for(self, credentials: Credentials | None) -> str:
        if credentials is None or credentials.password_hash is None:
            return self._nobody
        parameters = credentials.password_hash.rsplit("$", 2)[0]
        if not self._nobody.startswith(f"{parameters}$"):
            self._nobody = _hash_of_nobody(parameters)
        return credentials.password_hash

    def _digest(self, station_id: str, password: str, password_hash: str) -> bytes:
        text = f"{station_id}\0{password}\0{password_hash}"
        return blake2b(text.encode(), key=self._key, digest_size=32).digest()

    async def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._hashing, self._hasher.verify, password_hash, password
            )
        except (Argon2Error, InvalidHashError):
            return False

    def _remember(self, digest: bytes) -> None:
        self._cache[digest] = None
        self._cache.move_to_end(digest)
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)


def _judge_certificate(
    station_id: str, credentials: Credentials | None, common_name: str
) -> Verdict:
    """Judge by a client certificate, whose chain has been verified (A00.FR.405)."""
    if common_name != station_id:
        reason = f"a client certificate of {common_name!r}"
        return Refused(credentials is not None, reason, INVALID_CERTIFICATE)
    if credentials is None:
        return Refused(known=False, reason="an unknown station")
    return Admitted(credentials, SecurityProfile.TLS_CLIENT_CERTIFICATE)


def _judge_profile(credentials: Credentials, origin: Origin) -> Verdict:
    """Judge whether a right password is enough: not for less than was reached before (A05)."""
    proven = (
        SecurityProfile.TLS_BASIC_AUTHENTICATION
        if origin.encrypted
        else SecurityProfile.BASIC_AUTHENTICATION
    )
    if proven >= credentials.security_profile:
        return Admitted(credentials, proven)
    reason = f"security profile {proven:d}, having reached {credentials.security_profile:d}"
    return Refused(known=True, reason=reason, security_event=LOWER_PROFILE)


def _give_way() -> None:
    """Let the event loop go before this thread: what is hashed can wait, all stations cannot."""
    if sys.platform == "linux":  # elsewhere the niceness is that of the whole process
        os.nice(_HASHING_NICENESS)


def _hash_of_nobody(parameters: str) -> str:
    """Return a hash that no password has, and that takes as long to check as others."""
    salt, digest = (b64encode(secrets.token_bytes(n)).decode().rstrip("=") for n in (16, 32))
    return f"{parameters}${salt}${digest}"


def _password(station_id: str, authorization: str | None) -> str | None:
    if authorization is None:
        return None
    try:
        user_name, password = parse_authorization_basic(authorization)
    except (InvalidHeader, UnicodeDecodeError):
        return None
    return password if user_name == station_id else None
