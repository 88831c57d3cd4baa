"""Who may charge: by the word of the CSMS, or by what the station knows itself."""

from collections.abc import Callable

from simulator.charging import IdToken
from simulator.dialect import Authorization, Dialect, Failure
from simulator.link import Link
from simulator.rpc import Payload
from simulator.tokens import KnownTokens


class Admission:
    """Answers whether a token may charge (1.6, 3.5.4; 2.0.1: C)."""

    __slots__ = ("_dialect", "_link", "_tokens")

    def __init__(self, link: Link, dialect: Dialect, tokens: KnownTokens) -> None:
        self._link = link
        self._dialect = dialect
        self._tokens = tokens

    def ask(self, id_token: IdToken, decided: Callable[[Authorization], None]) -> None:
        """Find out about a token.

        Args:
            id_token: The token.
            decided: Told the answer, at once or later.
        """
        if not self._link.ready:
            decided(self._tokens.judge_offline(id_token))
            return
        known = self._tokens.spares_asking(id_token)
        if known is not None:
            decided(known)
            return

        def answered(payload: Payload) -> None:
            authorization = self._dialect.read_authorization(payload)
            self._tokens.remember(id_token, authorization)
            decided(authorization)

        def failed(failure: Failure) -> None:
            if failure is Failure.REFUSED:
                decided(Authorization(accepted=False))
            else:
                decided(self._tokens.judge_offline(id_token))

        request = self._dialect.authorize(id_token)
        request.on_result = answered
        request.on_failure = failed
        self._link.call(request)
