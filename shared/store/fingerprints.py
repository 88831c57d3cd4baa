"""Fingerprints: what tells two tellings of the same thing from two things of the same key."""

from hashlib import blake2b
from typing import Any

import msgspec

encode_json = msgspec.json.Encoder().encode
"""Any JSON, dataclass, time or decimal as bytes, always the same for the same content."""


def fingerprint(content: bytes, salt: bytes = b"") -> int:
    """Return 64 bits that differ if the content does, as Postgres' bigint."""
    digest = blake2b(content, digest_size=8)
    digest.update(salt)
    return int.from_bytes(digest.digest(), signed=True)


def fingerprint_of(content: Any) -> int:  # noqa: ANN401 - anything msgspec can encode
    """Return the fingerprint of an object's content."""
    return fingerprint(encode_json(content))
