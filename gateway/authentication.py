"""Who is at the door: passwords (security profiles 1 and 2) and client certificates (3).

OCPP 2.0.1 part 2 A00, OCPP 1.6 security whitepaper edition 3 §2.
"""

import asyncio
import secrets
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from websockets.exceptions import InvalidHeader
from websockets.headers import parse_authorization_basic

from gateway.admission import Origin, address_key
from shared.domain.stations.passwords import spellings
from shared.domain.stations.stations import Credentials, SecurityProfile
from shared.domain.trust.certificates import PresentedCertificate
from shared.niceness import give_way

# Each verification takes the memory its hash was made with, so few run at a time.
_MAX_VERIFICATIONS = 4
# How the control plane's defaults make hashes; the first station's own hash corrects it.
_USUAL_PARAMETERS = "$argon2id$v=19$m=4096,t=2,p=1"

INVALID_CERTIFICATE = "InvalidChargingStationCertificate"
"""Security event: the client certificate is not the station's own (2.0.1 appendix 1)."""
LOWER_PROFILE = "LowerSecurityProfile"
"""Security event of ours: a station came with less than it has reached (A05)."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A station that may come in, and the security profile it has proven.

    `proven_hash` is the hash of the password that it has proven it with, if it has.
    """

    credentials: Credentials
    security_profile: SecurityProfile
    proven_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A station that may not. Everything in it is for us; the station learns none of it.

    `security_event` is the type of the event that this is, if it is one; `guessed` is whether a
    wrong password was tried.
    """

    known: bool
    reason: str
    security_event: str | None = None
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Throttled:
    """A station that failed too often; nothing was checked."""

    retry_after_s: int


Verdict: TypeAlias = Admitted | Refused | Throttled
JudgeCertificate: TypeAlias = Callable[
    [Credentials, PresentedCertificate], Awaitable[Verdict | None]
]


@dataclass(frozen=True, slots=True)
class Presented:
    """What a handshake brings: whom it names, with which password, and from where.

    `password` is None if it brings none, or one under another user name.
    """

    station_id: str
    password: bytes | None
    origin: Origin


class Authenticator:
    """Checks who comes, and remembers who was right.

    A fleet that reconnects would otherwise keep the processors busy for minutes. What is remembered
    is a digest under a key that lives and dies with this process, and beside it one of the stored
    hash, so that a changed password is not found. Who is remembered is let through whatever others
    have tried under the station's id or from its address, so that nobody can lock a station out.

    Args:
        find_credentials: looks a station up; None if it is not registered.
        judge_certificate: judges by a client certificate; None leaves it to the password.
        cache_size: how many are remembered.
        overlap_s: how long the password before counts beside one that the station has accepted.
        guess_retry_after_s: how long nobody may try a password of a station; None if anybody may.
    """

    def __init__(
        self,
        find_credentials: Callable[[str], Awaitable[Credentials | None]],
        *,
        judge_certificate: JudgeCertificate,
        cache_size: int,
        overlap_s: float,
        guess_retry_after_s: Callable[[str], int | None],
    ) -> None:
        self._find_credentials = find_credentials
        self._judge_certificate = judge_certificate
        self._cache_size = cache_size
        self._overlap_s = overlap_s
        self._guess_retry_after_s = guess_retry_after_s
        # Of whom was right, the digest of the stored hash; empty without a password.
        self._cache: OrderedDict[bytes, bytes] = OrderedDict()
        self._key = secrets.token_bytes(32)
        self._hasher = PasswordHasher()
        self._nobody = _hash_of_nobody(_USUAL_PARAMETERS)
        self._hashing = ThreadPoolExecutor(
            _MAX_VERIFICATIONS, thread_name_prefix="hashing", initializer=give_way
        )

    def close(self) -> None:
        """Hash nothing any more."""
        self._hashing.shutdown(wait=False, cancel_futures=True)

    def remembers(self, presented: Presented) -> bool:
        """Tell whether the same came in before: password, certificate, or without one the address.

        It may have been changed since; only `authenticate` knows.
        """
        return self._proof(presented) in self._cache

    async def authenticate(
        self, presented: Presented, *, before_hashing: Callable[[], None] = lambda: None
    ) -> Verdict:
        """Find out whether a station may come in.

        An unknown station, a wrong password, another user name and too low a profile take as long
        and are answered alike, so that nobody learns which stations there are.

        Args:
            presented: what it brings.
            before_hashing: called before each hash.
        """
        station_id, origin = presented.station_id, presented.origin
        credentials = await self._find_credentials(station_id)
        if credentials is not None and origin.client_certificate is not None:
            verdict = await self._judge_certificate(credentials, origin.client_certificate)
            if isinstance(verdict, Admitted):
                self._remember(self._proof(presented), b"")
            if verdict is not None:
                return verdict
        if credentials and credentials.security_profile is SecurityProfile.UNSECURED:
            self._remember(self._proof(presented), b"")
            return Admitted(credentials, SecurityProfile.UNSECURED)
        if presented.password is None:
            return Refused(
                credentials is not None, "no password, or a user name that is not the station id"
            )
        return await self._check_password(
            presented, presented.password, credentials, before_hashing=before_hashing
        )

    async def _check_password(
        self,
        presented: Presented,
        password: bytes,
        credentials: Credentials | None,
        *,
        before_hashing: Callable[[], None],
    ) -> Verdict:
        proof, hashes = self._proof(presented), self._hashes_for(credentials)
        remembered = self._cache.get(proof)
        proven = next((each for each in hashes if self._digest(each) == remembered), None)
        if proven is None:
            wait_s = self._guess_retry_after_s(presented.station_id)
            if wait_s is not None and not _is_at_home(credentials, presented.origin):
                return Throttled(wait_s)
            proven = await self._find_proven(hashes, password, before_hashing)
        if proven is None:
            # What was right once and is not any more gets no further tries than anything else.
            self._cache.pop(proof, None)
            return Refused(credentials is not None, "a wrong password", guessed=True)
        if credentials is None:  # `_nobody` has no password; this is for the reader
            return Refused(known=False, reason="an unknown station")
        self._remember(proof, self._digest(proven))
        return _judge_profile(credentials, presented.origin, proven)

    def _hashes_for(self, credentials: Credentials | None) -> list[str]:
        """Return the hashes of the passwords that count, the newer one first."""
        if credentials is None:
            return [self._nobody]
        hashes = [credentials.new_password_hash, credentials.password_hash]
        age_s = credentials.new_password_age_s
        if credentials.new_password_hash and age_s is not None and age_s > self._overlap_s:
            hashes.pop()
        found = [each for each in hashes if each is not None]
        if not found:
            return [self._nobody]
        parameters = found[0].rsplit("$", 2)[0]
        if not self._nobody.startswith(f"{parameters}$"):
            self._nobody = _hash_of_nobody(parameters)
        return found

    def _proof(self, presented: Presented) -> bytes:
        """Return a digest of all that was brought; without a secret, of where it came from."""
        certificate, password = presented.origin.client_certificate, presented.password
        if password is not None:
            kind, proof = "password", password
        elif certificate is not None:
            kind, proof = "certificate", b""
        else:
            kind, proof = "address", address_key(presented.origin.address).encode()
        # `repr` escapes what could end a part; the password, which may hold anything, comes last.
        named = (presented.station_id, kind, repr(certificate))
        return self._digest("\0".join(named).encode() + b"\0" + proof)

    def _digest(self, secret: bytes | str) -> bytes:
        secret = secret.encode() if isinstance(secret, str) else secret
        return blake2b(secret, key=self._key, digest_size=32).digest()

    async def _find_proven(
        self, hashes: Sequence[str], password: bytes, before_hashing: Callable[[], None]
    ) -> str | None:
        """Return which of the hashes a password has, if it has any."""
        for password_hash in hashes:
            for spelt in spellings(password):
                before_hashing()
                if await self._verify(password_hash, spelt):
                    return password_hash
        return None

    async def _verify(self, password_hash: str, password: bytes) -> bool:
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._hashing, self._hasher.verify, password_hash, password
            )
        except (Argon2Error, InvalidHashError):
            return False

    def _remember(self, proof: bytes, hash_digest: bytes) -> None:
        self._cache[proof] = hash_digest
        self._cache.move_to_end(proof)
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)


def _is_at_home(credentials: Credentials | None, origin: Origin) -> bool:
    """Tell whether a station's last proven connection came from there."""
    return credentials is not None and credentials.last_address == address_key(origin.address)


def _judge_profile(credentials: Credentials, origin: Origin, proven_hash: str) -> Verdict:
    """Judge whether a right password is enough: not for less than was reached before (A05)."""
    proven = (
        SecurityProfile.TLS_BASIC_AUTHENTICATION
        if origin.encrypted
        else SecurityProfile.BASIC_AUTHENTICATION
    )
    if proven >= credentials.security_profile:
        return Admitted(credentials, proven, proven_hash)
    reason = f"security profile {proven:d}, having reached {credentials.security_profile:d}"
    return Refused(known=True, reason=reason, security_event=LOWER_PROFILE)


def _hash_of_nobody(parameters: str) -> str:
    """Return a hash that no password has, and that takes as long to check as others."""
    salt, digest = (b64encode(secrets.token_bytes(n)).decode().rstrip("=") for n in (16, 32))
    return f"{parameters}${salt}${digest}"


def read_password(station_id: str, authorization: str | None) -> bytes | None:
    """Return the password of a Basic Authorization header, as the bytes that were sent.

    It is no text: OCPP-J 1.6 §6.2.2 sends the key itself. None if there is none that can be read,
    or if its user name is not the station's id.
    """
    if authorization is None:
        return None
    try:
        user_name, password = parse_authorization_basic(authorization)
    except (InvalidHeader, ValueError):
        return None
    # Bytes that are no UTF-8 come as surrogates.
    return password.encode(errors="surrogateescape") if user_name == station_id else None
