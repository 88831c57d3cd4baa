"""Where a request came from.

Behind a load balancer this is what it says, if it is a trusted one (`proxies.py`).
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.types import Scope

# One site has as many addresses as it likes below this (RFC 6177).
_IPV6_SITE_PREFIX = 64
_REMEMBERED = 4096
_MAX_LENGTH = 64
_UNKNOWN = "unknown"


def client_address(scope: Scope) -> str | None:
    """Return the address that a request came from; None if nobody told one."""
    client = scope.get("client")
    known = None if client is None else _parse(client[0][:_MAX_LENGTH])
    return None if known is None else str(known)


def address_key(scope: Scope) -> str:
    """Return what requests from an address are counted under: its own, or an IPv6 site's /64."""
    client = scope.get("client")
    known = None if client is None else _parse(client[0][:_MAX_LENGTH])
    if isinstance(known, IPv6Address):
        return str(ip_network((int(known), _IPV6_SITE_PREFIX), strict=False))
    return _UNKNOWN if known is None else str(known)


@lru_cache(maxsize=_REMEMBERED)
def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        known = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = known.ipv4_mapped if isinstance(known, IPv6Address) else None
    return mapped or known
