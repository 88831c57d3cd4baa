"""The authorization cache (1.6, 3.5.1; 2.0.1: C10 to C12)."""

from simulator.charging import IdToken
from simulator.context import Context
from simulator.dialect import Authorization


class TokenCache:
    """What the CSMS has said about id tokens; survives a restart (1.6 errata 3.4)."""

    __slots__ = ("_context", "_known")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: dict[IdToken, Authorization] = {}

    def remember(self, id_token: IdToken, authorization: Authorization) -> None:
        """Note the latest word of the CSMS."""
        if self._context.settings.caches_authorizations:
            self._known[id_token] = authorization

    def clear(self) -> bool:
        """Forget everything; False if the cache is not in use (1.6 errata 3.23)."""
        self._known.clear()
        return self._context.settings.caches_authorizations

    def spares_asking(self, id_token: IdToken) -> bool:
        """Return whether a token may charge online without a question (LocalPreauthorize)."""
        return self._context.settings.preauthorizes and self._verdict(id_token) is True

    def allows_offline(self, id_token: IdToken) -> bool:
        """Return whether a token may charge while nobody can be asked (1.6, 3.5.4)."""
        settings = self._context.settings
        verdict = self._verdict(id_token)
        if verdict is None:
            return settings.starts_offline_if_unknown
        return verdict and settings.starts_offline_if_known

    def _verdict(self, id_token: IdToken) -> bool | None:
        if not self._context.settings.caches_authorizations:
            return None
        entry = self._known.get(id_token)
        if entry is None:
            return None
        expired = entry.expires_at is not None and entry.expires_at <= self._context.now
        return entry.accepted and not expired
