"""Secrets that are made here and stored as hashes: API keys, and tokens of sessions and links."""

import hashlib
import secrets

from shared.domain.accounts.api_keys import KEY_START

_SECRET_BYTES = 32
_PREFIX_BYTES = 4
_LONGEST = 256


def new_token() -> str:
    """Return 256 random bits, as what may stand in a URL and in a cookie."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def new_key() -> tuple[str, str]:
    """Return a new API key, and its prefix, which may be shown.

    The prefix is random by itself, so that the secret behind it keeps all of its 256 bits.
    """
    prefix = f"{KEY_START}{secrets.token_hex(_PREFIX_BYTES)}"
    return f"{prefix}_{new_token()}", prefix


def is_key(text: str) -> bool:
    """Tell whether this may be a key of the database; of anything else it is not asked."""
    return text.startswith(KEY_START) and len(text) <= _LONGEST


def digest(secret: str) -> bytes:
    """Return the hash that is stored, and looked for, in place of a secret.

    SHA-256 is right for these and wrong for passwords: of 256 random bits nobody finds the one that
    has a hash, however many are tried in a second (NIST SP 800-63B §5.1.1.2 asks for slow hashes
    where people choose). Looking for a digest by an index takes a time that tells something of the
    digest at most, and whoever guesses cannot choose that of the next try.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
