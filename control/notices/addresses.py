"""Which addresses may be connected to: those of the public internet, and what a setting allows.

Whoever may name a URL here must not reach with it what stands beside our processes: databases,
metadata services of clouds, management ports. What counts is the address that is connected to, in
whatever form it is written.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# IANA's registry of special-purpose addresses, as of 2026, and multicast. Not `is_global` of the
# standard library: what it says of some of them differs among versions, and it counts multicast.
_SPECIAL_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared by carriers
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local, and clouds' metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
# All that is not global unicast is special, and of that what is listed.
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo among them, which holds an IPv4 address
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which holds an IPv4 address
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)
# IPv4 in the clothes of IPv6: ::ffff:a.b.c.d, and what a NAT64 translates (RFC 6052 §2.1).
_MAPPED_V4 = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
_LOW_32_BITS = 0xFFFF_FFFF


class AddressPolicy:
    """Says which addresses may be connected to.

    Args:
        allowed: networks that are, although they are special.
    """

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def allows(self, text: str) -> bool:
        """Tell whether an address may be connected to; what is no address may not.

        Args:
            text: as a resolver returns it, with a zone or without.
        """
        try:
            address = ip_address(text)
        except ValueError:
            return False
        if isinstance(address, IPv6Address):
            address = _without_clothes(address)
        return any(address in network for network in self._allowed) or not _is_special(address)


def read_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a list with commas, such as `10.0.0.0/8, fd00::/8`.

    Raises:
        ValueError: one is none; the message says which.
    """
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


def _without_clothes(address: IPv6Address) -> Address:
    if any(address in network for network in _MAPPED_V4):
        return IPv4Address(int(address) & _LOW_32_BITS)
    return address


def _is_special(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return any(address in network for network in _SPECIAL_V4)
    return address not in _GLOBAL_UNICAST_V6 or any(address in each for each in _SPECIAL_V6)
