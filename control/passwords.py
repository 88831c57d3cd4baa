"""Passwords of stations: made here, hashed here, verified by the gateway."""

import asyncio
import secrets

from argon2 import PasswordHasher

from control.settings import ControlSettings
from shared.domain.commands import Command
from shared.domain.stations.passwords import find_new_password, to_be_hashed

_GENERATED_BYTES = 20


def generate_password() -> str:
    """Return a new password that a station of any version takes.

    40 hexadecimal digits, 160 random bits: the only form of an AuthorizationKey in OCPP 1.6
    (security whitepaper edition 3, A00.FR.205 and §7.2), and a passwordString of 16 to 40
    characters in OCPP 2.0.1 (A00.FR.205). Capitals, as in the whitepaper's example.
    """
    return secrets.token_hex(_GENERATED_BYTES).upper()


class StationPasswords:
    """Hashes passwords with Argon2id, as `ControlSettings` argues and configures it."""

    def __init__(self, settings: ControlSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.password_hash_time_cost,
            memory_cost=settings.password_hash_memory_kib,
            parallelism=settings.password_hash_parallelism,
        )

    async def hash(self, password: str) -> str:
        """Return the hash, its parameters and salt included; the event loop goes on meanwhile."""
        return await asyncio.to_thread(self._hasher.hash, to_be_hashed(password))

    async def hash_of(self, command: Command) -> str | None:
        """Return the hash of the password that a command gives its station, if it gives one."""
        password = find_new_password(command)
        return None if password is None else await self.hash(password)
