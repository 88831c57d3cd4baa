"""Who may try to come in: where a handshake comes from, how often it may fail, and how many may.

Checking a password takes milliseconds of a processor and megabytes of memory, so guessing is slowed
down before anything is hashed. What is counted lives in this process and is bounded: a scan with
random ids makes others of its kind forgotten, and then meets the limit of its address.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import ceil
from typing import TypeAlias

from websockets.datastructures import Headers

from shared.domain.trust.certificates import PresentedCertificate

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

_IPV6_SITE_PREFIX = 64
# Of a fleet behind a few load balancers or networks; to read one takes a handshake's time.
_ADDRESSES_REMEMBERED = 1024
# Measured: a handshake takes 1 ms of a processor, and Argon2 with the usual parameters 4 ms.
_TOKENS_FOR_HASHING = 4
_HEXADECIMAL = frozenset("0123456789abcdef")
_SHA1_DIGITS, _SHA256_DIGITS = 40, 64
_TOKENS = 1 + _TOKENS_FOR_HASHING
# Of a token: sums of intervals come out a hair above what they should be.
_ROUNDING = 0.001


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a handshake comes from.

    `encrypted` is whether the station's own connection is TLS, ours or a proxy's in front;
    `client_certificate` is the one that it was verified with, or None.
    """

    address: str
    encrypted: bool
    client_certificate: PresentedCertificate | None


class ProxyTrust:
    """Tells a station's address and TLS from what a load balancer says of them.

    Headers of anybody else are worth nothing: everyone can write them.

    Args:
        networks: where our load balancers are.
        common_name_header: in which they tell the common name of a client certificate that they
            have verified; None if they tell none.
        fingerprint_header: likewise its fingerprint, SHA-256 or SHA-1 in hexadecimal.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        *,
        common_name_header: str | None,
        fingerprint_header: str | None = None,
    ) -> None:
        self._networks = networks
        self._common_name_header = common_name_header
        self._fingerprint_header = fingerprint_header

    def find_origin(
        self,
        peer: str,
        headers: Headers,
        *,
        encrypted: bool,
        client_certificate: PresentedCertificate | None,
    ) -> Origin:
        """Return where a handshake comes from.

        Args:
            peer: address at the other end of our socket.
            headers: of the request.
            encrypted: whether our socket is TLS.
            client_certificate: that our own TLS has verified.
        """
        if not self._trusts(peer):
            return Origin(peer, encrypted, client_certificate)
        address = peer
        hops = ",".join(headers.get_all("X-Forwarded-For")).split(",")
        for hop in reversed(hops):
            # The last one that none of ours has written is the station's.
            known = _parse(hop.strip())
            if known is None:
                break
            address = str(known)
            if not self._trusts(address):
                break
        encrypted = encrypted or _only(headers, "X-Forwarded-Proto").lower() in {"https", "wss"}
        if encrypted and client_certificate is None:
            client_certificate = self._find_certificate(headers)
        return Origin(address, encrypted, client_certificate)

    def _find_certificate(self, headers: Headers) -> PresentedCertificate | None:
        name = _only(headers, self._common_name_header) if self._common_name_header else ""
        if self._fingerprint_header is None:
            return PresentedCertificate(common_name=name) if name else None
        told = _only(headers, self._fingerprint_header)
        if not told and not name:
            return None
        digits = told.replace(":", "").lower()
        if not _HEXADECIMAL.issuperset(digits):
            digits = ""
        # Where a fingerprint ought to be told, no common name stands in for one that is missing.
        return PresentedCertificate(
            common_name=name or None,
            sha256=""
            if len(digits) not in {_SHA1_DIGITS, _SHA256_DIGITS}
            else digits
            if len(digits) == _SHA256_DIGITS
            else None,
            sha1=digits if len(digits) == _SHA1_DIGITS else None,
        )

    def _trusts(self, address: str) -> bool:
        known = _parse(address)
        return known is not None and any(known in network for network in self._networks)


class HandshakeRate:
    """How many handshakes are looked at: a token bucket that tells who found it empty when to come.

    Those who are put off get one moment each, one behind the other at the same rate, so that a
    fleet that came together comes back in the order and at the pace that it can be let in. Nothing
    is kept for them: a station that comes at its moment takes a token like any other.

    A handshake takes what it costs when its password has to be hashed, as in a storm that follows
    the start of a pod, and gets most of it back when it did not.

    Args:
        per_s: tokens in a second.
        burst: how many at once after a calm.
        max_wait_s: nobody is put off for longer, however many there are.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        *,
        per_s: float,
        burst: int,
        max_wait_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval_s = 1 / per_s
        self._window_s = (burst + _ROUNDING) / per_s
        self._max_wait_s = max_wait_s
        self._clock = clock
        # The bucket is full again then; it is empty while that is a whole window away.
        self._full_at = clock()
        # Moments up to this one have been given away.
        self._promised_until = clock()

    def take(self) -> float | None:
        """Let one handshake in, or return after how many seconds it may try again."""
        now = self._clock()
        full_at = max(self._full_at, now) + _TOKENS * self._interval_s
        if full_at - now <= self._window_s:
            self._full_at = full_at
            return None
        promised = max(self._promised_until, now) + _TOKENS * self._interval_s
        self._promised_until = min(promised, now + self._max_wait_s)
        return self._promised_until - now

    def settle_hashing(self, hashes: int) -> None:
        """Settle what a handshake that was let in has paid for one hash, but made so many."""
        self._full_at += (hashes - 1) * _TOKENS_FOR_HASHING * self._interval_s


class FailureLimit:
    """How often something may fail: `burst` times at once, then once in `refill_s`.

    Args:
        burst: failures in a row that are let through.
        refill_s: after how many seconds one more is.
        max_keys: how many are remembered; beyond, the one that failed longest ago is forgotten.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        *,
        burst: int,
        refill_s: float,
        max_keys: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst = burst
        self._refill_s = refill_s
        self._max_keys = max_keys
        self._clock = clock
        # When the failures of each key are all forgiven; the later, the more there were.
        self._forgiven_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._forgiven_at)

    def retry_after_s(self, key: str) -> int | None:
        """Return after how many seconds `key` may try again, or None if it may now."""
        forgiven_at = self._forgiven_at.get(key)
        if forgiven_at is None:
            return None
        wait_s = forgiven_at - self._clock() - (self._burst - 1) * self._refill_s
        return ceil(wait_s) if wait_s > 0 else None

    def failed(self, key: str) -> None:
        """Count one failure; beyond `burst` none counts, so that nobody is locked out for long."""
        now = self._clock()
        forgiven_at = max(now, self._forgiven_at.get(key, now)) + self._refill_s
        self._forgiven_at[key] = min(forgiven_at, now + self._burst * self._refill_s)
        self._forgiven_at.move_to_end(key)
        if len(self._forgiven_at) > self._max_keys:
            self._forgiven_at.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forgive."""
        self._forgiven_at.pop(key, None)


class HandshakeFailures:
    """What has failed at the door, counted so that who guesses locks out nobody but himself.

    Tightly by station and address together, by address, and loosely by station alone, which bounds
    guesses from many addresses.

    Args:
        addresses: how often an address may fail.
        pairs: how often a station may fail from one address.
        stations: how often a password of a station may be wrong, from anywhere.
    """

    def __init__(
        self, *, addresses: FailureLimit, pairs: FailureLimit, stations: FailureLimit
    ) -> None:
        self._addresses = addresses
        self._pairs = pairs
        self._stations = stations

    def retry_after_s(self, address: str, station_id: str | None = None) -> int | None:
        """Return how long an address has to wait, perhaps with one station; None if it may try.

        To ask costs nothing, so it comes before anything is looked up.
        """
        waits = [self._addresses.retry_after_s(address)]
        if station_id is not None:
            waits.append(self._pairs.retry_after_s(_pair(station_id, address)))
        return max((wait_s for wait_s in waits if wait_s is not None), default=None)

    def guess_retry_after_s(self, station_id: str) -> int | None:
        """Return after how long one more password of a station may be tried; None if at once."""
        return self._stations.retry_after_s(station_id)

    def failed(self, address: str, station_id: str | None = None, *, guessed: bool = False) -> None:
        """Count a handshake that was refused.

        Args:
            address: where it came from.
            station_id: whom it named, if it was refused for that station.
            guessed: it brought a wrong password.
        """
        self._addresses.failed(address)
        if station_id is not None:
            self._pairs.failed(_pair(station_id, address))
            if guessed:
                self._stations.failed(station_id)

    def succeeded(self, address: str, station_id: str) -> None:
        """Forgive a station what failed from its own address."""
        self._pairs.succeeded(_pair(station_id, address))


def _pair(station_id: str, address: str) -> str:
    return f"{station_id} {address}"


def parse_networks(text: str) -> list[Network]:
    """Read networks in CIDR notation, separated by commas.

    Raises:
        ValueError: one of them is none.
    """
    return [ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()]


def address_key(address: str) -> str:
    """Return what the failures of an address are counted under: its own, or an IPv6 site's /64."""
    known = _parse(address)
    if isinstance(known, IPv6Address):
        return str(ip_network((known, _IPV6_SITE_PREFIX), strict=False))
    return address


def _only(headers: Headers, name: str) -> str:
    """Return a header's value; an empty text if it is missing, or there are several."""
    values = headers.get_all(name)
    return values[0].strip() if len(values) == 1 else ""


@lru_cache(maxsize=_ADDRESSES_REMEMBERED)
def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
