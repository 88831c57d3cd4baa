"""HTTP clients of tests."""

import ssl
from typing import Any

import httpx

_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def http_client(**options: Any) -> httpx.AsyncClient:
    """Return a client that asks no proxy, and trusts no certificate.

    Everything is on this machine without TLS, and to load the certificates of the world's
    authorities costs every client 20 ms of processor time.
    """
    return httpx.AsyncClient(**{"verify": _NO_CERTIFICATES, "trust_env": False, **options})
