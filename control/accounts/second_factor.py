"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes."""

import base64
import hmac
import secrets
import time

import pyotp

from control.accounts.encryption import Encryption, NoEncryptionKeyError, UnreadableSecretError
from control.accounts.secrets import digest
from shared.domain.accounts.users import UserSecrets
from shared.domain.errors import ConflictError
from shared.store.accounts import users
from shared.store.pool import Database

_ISSUER = "Voltaro"
# One before and one after: clocks of phones are off by some seconds (RFC 6238 §5.2).
_STEPS = (0, -1, 1)
_DIGITS = 6
_RECOVERY_CODES = 10
_RECOVERY_CODE_BYTES = 10
_GROUP = 4


class SecondFactor:
    """Makes and checks second factors.

    Args:
        encryption: of the secrets. One of 160 bits stands in Postgres, as each code is made of it;
            encrypted, so that a copy of the database alone is no second factor.
    """

    def __init__(self, encryption: Encryption) -> None:
        self._encryption = encryption

    @property
    def is_set_up(self) -> bool:
        """Whether there is anything to encrypt secrets with."""
        return self._encryption.is_possible

    def can_read(self, encrypted: str) -> bool:
        """Tell whether there is the key that a secret was encrypted with."""
        try:
            self._decrypt(encrypted)
        except ConflictError:
            return False
        return True

    def new_secret(self, email: str) -> tuple[str, str, str]:
        """Return a secret, the address that an app reads it from, and its encrypted form.

        Raises:
            ConflictError: there is nothing to encrypt it with.
        """
        secret = pyotp.random_base32()
        try:
            encrypted = self._encryption.encrypt(secret)
        except NoEncryptionKeyError:
            raise ConflictError(
                "there is no second factor here: whoever runs this installation has to set "
                "VOLTARO_ACCOUNTS_ENCRYPTION_KEYS before"
            ) from None
        uri = pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=_ISSUER)
        return secret, uri, encrypted

    async def accepts(self, db: Database, secrets_of_user: UserSecrets, code: str) -> bool:
        """Tell whether a code of the app is right, or a recovery code; none counts twice.

        Raises:
            ConflictError: the secret cannot be decrypted.
        """
        user = secrets_of_user.user
        plain = "".join(code.split()).replace("-", "")
        if len(plain) == _DIGITS:
            step = self.find_step(secrets_of_user, plain)
            return step is not None and await users.take_step(db, user.user_id, step)
        return await users.take_recovery_code(db, user.user_id, digest(plain.upper()))

    def find_step(self, secrets_of_user: UserSecrets, code: str) -> int | None:
        """Return the time step whose code this is, or None if it is that of no step near now.

        Raises:
            ConflictError: the secret cannot be decrypted.
        """
        totp = pyotp.TOTP(self._decrypt(secrets_of_user.totp_secret or ""))
        now = int(time.time()) // totp.interval
        # All are compared, so that the time tells nothing of which it was.
        matches = [
            now + step
            for step in _STEPS
            if hmac.compare_digest(totp.generate_otp(now + step).encode(), code.encode())
        ]
        return max(matches, default=None)

    def _decrypt(self, encrypted: str) -> str:
        try:
            return self._encryption.decrypt(encrypted)
        except UnreadableSecretError:
            raise ConflictError(
                "this second factor cannot be read: VOLTARO_ACCOUNTS_ENCRYPTION_KEYS has not the "
                "key that it was encrypted with. An administrator can remove it"
            ) from None


def new_recovery_codes() -> tuple[list[str], list[bytes]]:
    """Return codes to be written down, and their hashes.

    Each has 80 random bits, so that SHA-256 is enough, as for tokens.
    """
    plain = [
        base64.b32encode(secrets.token_bytes(_RECOVERY_CODE_BYTES)).decode()
        for _ in range(_RECOVERY_CODES)
    ]
    shown = [
        "-".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))
        for code in plain
    ]
    return shown, [digest(code) for code in plain]
