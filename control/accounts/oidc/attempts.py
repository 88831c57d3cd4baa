"""What has to be remembered between sending a browser to the provider and its coming back.

It stands in a cookie of that browser, sealed, and not in a table: whoever is not logged in yet must
not be able to fill one. The provider takes each code once (RFC 6749 §4.1.2), and only with the
verifier in the cookie (RFC 7636).
"""

import base64

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from control.accounts.secrets import new_token

_PURPOSE = b"voltaro oidc login attempt"
_SEALED_MAX_LENGTH = 4096  # what browsers keep of one cookie


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One browser's try to log in.

    Attributes:
        state: comes back with the browser, and ties its answer to this try.
        nonce: comes back in the ID token, and ties that to it.
        code_verifier: what the code challenge was made of (RFC 7636).
        return_to: path that the browser is sent to afterwards.
    """

    state: str
    nonce: str
    code_verifier: str
    return_to: str


def new_attempt(return_to: str) -> Attempt:
    """Return a try that nobody can guess."""
    return Attempt(
        state=new_token(), nonce=new_token(), code_verifier=new_token(), return_to=return_to
    )


class AttemptSeal:
    """Seals tries, so that only another replica of ours can read or make one.

    Args:
        secret: which all replicas share.
        max_age_s: an older one is not opened any more.
    """

    def __init__(self, secret: str, *, max_age_s: int) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._max_age_s = max_age_s

    def seal(self, attempt: Attempt, *, now_s: int) -> str:
        """Return a cookie's value."""
        return self._fernet.encrypt_at_time(msgspec.json.encode(attempt), now_s).decode()

    def open(self, sealed: str, *, now_s: int) -> Attempt | None:
        """Return what was sealed; None if it was not by us, or too long ago."""
        if len(sealed) > _SEALED_MAX_LENGTH:
            return None
        try:
            content = self._fernet.decrypt_at_time(sealed.encode(), self._max_age_s, now_s)
        except (InvalidToken, UnicodeEncodeError):
            return None
        return msgspec.json.decode(content, type=Attempt)
