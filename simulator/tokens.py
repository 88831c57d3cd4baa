"""What a station knows about tokens by itself: the local list, and the authorization cache."""

from simulator.charging import IdToken
from simulator.context import Context
from simulator.dialect import Authorization
from simulator.local_list import LocalList


class KnownTokens:
    """The authorization cache behind the local authorization list.

    The cache is what the CSMS has said about id tokens (1.6, 3.5.1; 2.0.1: C10 to C12); it survives
    a restart (1.6 errata 3.4). What the list says counts for more (1.6, 3.5.3).

    Attributes:
        local_list: The list.
    """

    __slots__ = ("_cache", "_context", "local_list")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cache: dict[IdToken, Authorization] = {}
        self.local_list = LocalList(context)

    def remember(self, id_token: IdToken, authorization: Authorization) -> None:
        """Note the latest word of the CSMS; tokens of the list are not cached (1.6, 3.5.3)."""
        if self._context.settings.caches_authorizations and self.local_list.find(id_token) is None:
            self._cache[id_token] = authorization

    def clear(self) -> bool:
        """Empty the cache; False if it is not in use (1.6 errata 3.23)."""
        self._cache.clear()
        return self._context.settings.caches_authorizations

    def find(self, id_token: IdToken) -> Authorization | None:
        """Return what is known about a token, None if nothing; what has expired is not accepted."""
        entry = self.local_list.find(id_token)
        if entry is None and self._context.settings.caches_authorizations:
            entry = self._cache.get(id_token)
        if entry is None:
            return None
        expired = entry.expires_at is not None and entry.expires_at <= self._context.now
        return Authorization(entry.accepted and not expired, entry.expires_at, entry.group)

    def spares_asking(self, id_token: IdToken) -> Authorization | None:
        """Return the leave to charge online without a question (LocalPreauthorize), if any."""
        if not self._context.settings.preauthorizes:
            return None
        known = self.find(id_token)
        return known if known is not None and known.accepted else None

    def judge_offline(self, id_token: IdToken) -> Authorization:
        """Return whether a token may charge while nobody can be asked (1.6, 3.5.4)."""
        settings = self._context.settings
        known = self.find(id_token)
        if known is None:
            return Authorization(settings.starts_offline_if_unknown)
        return Authorization(
            known.accepted and settings.starts_offline_if_known, known.expires_at, known.group
        )
