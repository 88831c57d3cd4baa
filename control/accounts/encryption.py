"""Encrypts secrets that Postgres keeps and that are needed again: a hash will not do for them."""

import base64
import hashlib
from collections.abc import Iterable
from typing import Annotated

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from shared.settings import ServiceSettings

_KEY_MIN_LENGTH = 32


class EncryptionSettings(ServiceSettings):
    """What secrets are encrypted with."""

    accounts_encryption_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="a secret: comma separated, each at least 32 characters, such as `openssl rand "
        "-hex 32`; the same for every API process and every worker. The first encrypts the secrets "
        "of second factors and of webhooks, and all decrypt them, so that a new one is put in "
        "front. Without any there are neither, which an API process says as it starts",
    )

    @field_validator("accounts_encryption_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(key.strip() for key in value.split(",") if key.strip())
        return value

    @field_validator("accounts_encryption_keys")
    @classmethod
    def _check_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < _KEY_MIN_LENGTH for key in keys):
            raise ValueError(f"each has at least {_KEY_MIN_LENGTH} characters")
        return keys

    @property
    def encryption(self) -> "Encryption":
        """Return what encrypts with these keys."""
        return Encryption(key.get_secret_value() for key in self.accounts_encryption_keys)


class NoEncryptionKeyError(Exception):
    """There is nothing to encrypt with."""


class UnreadableSecretError(Exception):
    """There is no key here that a secret was encrypted with."""


class Encryption:
    """Encrypts with the first of some keys, and decrypts with any of them.

    Args:
        keys: none is allowed, and then nothing can be encrypted.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        fernets = [
            Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())) for key in keys
        ]
        self._fernet = MultiFernet(fernets) if fernets else None

    @property
    def is_possible(self) -> bool:
        """Whether there is a key."""
        return self._fernet is not None

    def encrypt(self, secret: str) -> str:
        """Return a secret as it may be stored.

        Raises:
            NoEncryptionKeyError: there is no key.
        """
        if self._fernet is None:
            raise NoEncryptionKeyError
        return self._fernet.encrypt(secret.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Return what was encrypted.

        Raises:
            UnreadableSecretError: with none of these keys.
        """
        if self._fernet is None:
            raise UnreadableSecretError
        try:
            return self._fernet.decrypt(encrypted.encode()).decode()
        except InvalidToken:
            raise UnreadableSecretError from None
