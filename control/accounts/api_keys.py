"""The keys that a request may bring: those of the environment and those of the database."""

import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial

from control.accounts.last_used import LastUsed
from control.accounts.memory import CredentialMemory
from control.accounts.secrets import digest, is_key
from control.accounts.settings import AccountSettings
from shared.domain.accounts.api_keys import ApiKey
from shared.domain.accounts.principals import ROOT, Principal
from shared.store.accounts import api_keys
from shared.store.pool import Database
from shared.store.retrying import try_again


class RootKeys:
    """The keys of VOLTARO_API_KEYS, kept as digests.

    Digests have one length, so that comparing them in constant time tells nothing about a key.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = [digest(key) for key in keys]

    def accept(self, key: str) -> bool:
        """Tell whether `key` is one of them, in a time that does not depend on which."""
        brought = digest(key)
        # A list, so that every key is compared.
        matches = [hmac.compare_digest(brought, known) for known in self._digests]
        return any(matches)


class ApiKeys:
    """Finds who is behind a key.

    Args:
        db: where keys are.
        root_keys: those of the environment, for which nothing is looked up: they open the API also
            while Postgres is away.
        settings: how long what was looked up counts.
    """

    def __init__(self, db: Database, root_keys: Iterable[str], settings: AccountSettings) -> None:
        self._root_keys = RootKeys(root_keys)
        self._memory: CredentialMemory[ApiKey] = CredentialMemory(
            partial(_look_up, db),
            keep_s=settings.credentials_memory_s,
            max_found=settings.credentials_max_remembered,
        )
        self._last_used = LastUsed(
            partial(api_keys.note_use, db), interval_s=settings.last_used_interval_s
        )
        self.tasks = (self._memory.run, self._last_used.run)

    async def principal_of(self, key: str) -> Principal | None:
        """Return who is behind a key; None if it is unknown, revoked or expired.

        Raises:
            Exception: as the store does, as when Postgres is away.
        """
        if self._root_keys.accept(key):
            return ROOT
        if not is_key(key):
            return None
        found, now = await self._memory.find(digest(key)), datetime.now(UTC)
        if found is None or found.is_expired(now):
            return None
        self._last_used.note(found.api_key_id, now)
        return found.principal

    def forget(self, api_key_id: str) -> None:
        """Have a key count at once, in this process, as it was changed."""
        self._memory.forget(lambda key: key.api_key_id == api_key_id)

    def forget_of(self, user_id: str) -> None:
        """Have the keys that stand on a user's rights count at once as these are now."""
        self._memory.forget(lambda key: key.created_by_user_id == user_id)


async def _look_up(db: Database, digests: list[bytes]) -> list[ApiKey | None]:
    return await try_again(partial(api_keys.find, db, digests))
