"""The local authorization list (1.6, 3.5.2 and 5.15; 2.0.1: D01, D02)."""

from collections.abc import Mapping
from enum import Enum, auto

from simulator.charging import IdToken
from simulator.context import Context
from simulator.dialect import Authorization

#: What this station has room for; LocalAuthListMaxLength and SendLocalListMaxLength of 1.6.
LIST_MAX_ENTRIES = 1000
UPDATE_MAX_ENTRIES = 250


class ListUpdate(Enum):
    """What came of an update."""

    ACCEPTED = auto()
    FAILED = auto()
    VERSION_MISMATCH = auto()


class LocalList:
    """The tokens that the CSMS has sent in advance; they survive a restart.

    Tokens are told apart without regard to case, as both versions have it (CiString, identifier).
    """

    __slots__ = ("_context", "_entries", "_version")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._entries: dict[IdToken, Authorization] = {}
        self._version = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def version(self) -> int:
        """Its version, 0 while it is empty (1.6, 5.10; 2.0.1: D02.FR.02)."""
        return self._version if self._entries else 0

    def find(self, id_token: IdToken) -> Authorization | None:
        """Return what the list says about a token, None if nothing or if it is not in use."""
        if not self._context.settings.uses_local_list:
            return None
        return self._entries.get(_key(id_token))

    def replace(self, version: int, entries: Mapping[IdToken, Authorization | None]) -> ListUpdate:
        """Take a new list in place of the old one (1.6: Full).

        Args:
            version: Of the new list.
            entries: All of them; one without an authorization makes the list unusable.
        """
        complete = {
            _key(token): authorization
            for token, authorization in entries.items()
            if authorization is not None
        }
        if len(complete) != len(entries):
            return ListUpdate.FAILED
        return self._keep(version, len(entries), complete)

    def change(self, version: int, entries: Mapping[IdToken, Authorization | None]) -> ListUpdate:
        """Take what has changed (1.6: Differential).

        Args:
            version: Of the list with these changes; it has to be higher than the present one.
            entries: New ones, and None for those to be removed.
        """
        if version <= self.version:
            return ListUpdate.VERSION_MISMATCH
        changed = dict(self._entries)
        for token, authorization in entries.items():
            if authorization is None:
                changed.pop(_key(token), None)
            else:
                changed[_key(token)] = authorization
        return self._keep(version, len(entries), changed)

    def _keep(self, version: int, sent: int, entries: dict[IdToken, Authorization]) -> ListUpdate:
        # 0 and -1 mean something else (1.6 errata 3.52).
        if version < 1 or sent > UPDATE_MAX_ENTRIES or len(entries) > LIST_MAX_ENTRIES:
            return ListUpdate.FAILED
        self._entries = entries
        self._version = version
        return ListUpdate.ACCEPTED


def _key(id_token: IdToken) -> IdToken:
    return IdToken(id_token.value.lower(), id_token.type)
