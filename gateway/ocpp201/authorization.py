"""C. Authorization: who may charge."""

import time
from typing import Any

from ocpp.v201 import call, call_result
from ocpp.v201.datatypes import IdTokenInfoType, IdTokenType
from ocpp.v201.enums import Action, AuthorizationStatusEnumType, IdTokenEnumType

from gateway.authorization.log import Decided
from gateway.errors import CannotBeSaidError
from gateway.handlers import Handlers
from gateway.routing import on, sends
from gateway.translation import format_time
from shared.domain import commands
from shared.domain.access import authorization as domain
from shared.domain.access import tokens
from shared.domain.access.authorization import TransactionStart, TransactionStop
from shared.domain.access.decisions import DecisionReason


class Authorization(Handlers):
    """Authorize, ClearCache."""

    __slots__ = ()

    @on(Action.authorize)
    async def on_authorize(self, *, id_token: dict[str, Any], **_: object) -> call_result.Authorize:
        """Say whether an id token may charge (C01)."""
        return call_result.Authorize(
            id_token_info=to_id_token_info(await authorize_id_token(self, id_token))
        )

    @sends(commands.ClearCache)
    def clear_cache(self, command: commands.ClearCache) -> call.ClearCache:
        """C11."""
        del command
        return call.ClearCache()


async def authorize_id_token(
    handlers: Handlers,
    id_token: dict[str, Any],
    *,
    start: TransactionStart | None = None,
    stop: TransactionStop | None = None,
) -> domain.Authorization:
    """Decide whether an IdTokenType may charge; a start button always may (C02.FR.02).

    Args:
        handlers: of the connection.
        id_token: as it was on the wire.
        start: what it starts, None if it is only shown.
        stop: what it is shown to end.
    """
    type_ = tokens.IdTokenType(id_token["type"])
    if type_ is tokens.IdTokenType.NO_AUTHORIZATION:
        return _start_button(handlers, id_token, start=start, stop=stop)
    return await handlers.authorize(id_token["idToken"], type_, start=start, stop=stop)


def _start_button(
    handlers: Handlers,
    id_token: dict[str, Any],
    *,
    start: TransactionStart | None,
    stop: TransactionStop | None,
) -> domain.Authorization:
    request = domain.AuthorizationRequest(
        station_id=handlers.station.station_id,
        id_token=id_token["idToken"],
        presented_as=tokens.IdTokenType.NO_AUTHORIZATION,
        start=start,
        stop=stop,
    )
    answer = domain.Authorization(
        tokens.AuthorizationStatus.ACCEPTED,
        reason=DecisionReason.START_BUTTON,
        explanation="the station let somebody charge without a token (NoAuthorization)",
    )
    now_s = time.monotonic()
    handlers.services.decisions.add(Decided(request, answer, now_s, now_s))
    return answer


async def find_type(handlers: Handlers, id_token: str) -> tokens.IdTokenType:
    """Return the type of the one token that has this text; a card's if nobody registered one.

    Raises:
        CannotBeSaidError: there are several.
        StoreAwayError: nobody can tell now.
    """
    found = await handlers.services.find_id_tokens(id_token)
    if len(found) > 1:
        types = ", ".join(sorted(token.type for token in found))
        raise CannotBeSaidError(
            f"there are several id tokens {id_token!r}: name one in id_token_type ({types})"
        )
    return found[0].type if found else tokens.IdTokenType.ISO14443


def to_id_token_info(authorization: domain.Authorization) -> IdTokenInfoType:
    """Translate a decision, with the token's group (C01.FR.06, C09.FR.12)."""
    group = authorization.group_id_token
    return IdTokenInfoType(
        status=AuthorizationStatusEnumType(authorization.status),
        cache_expiry_date_time=(
            format_time(authorization.expires_at) if authorization.expires_at else None
        ),
        group_id_token=IdTokenType(group, IdTokenEnumType.central) if group else None,
    )
