"""C. Authorization: who may charge."""

from typing import Any

from ocpp.v201 import call, call_result
from ocpp.v201.datatypes import IdTokenInfoType, IdTokenType
from ocpp.v201.enums import Action, AuthorizationStatusEnumType, IdTokenEnumType

from gateway.handlers import Handlers
from gateway.routing import on, sends
from gateway.translation import format_time
from shared.domain import commands, tokens


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


async def authorize_id_token(handlers: Handlers, id_token: dict[str, Any]) -> tokens.Authorization:
    """Decide whether an IdTokenType may charge; a start button always may (C02.FR.02)."""
    type_ = tokens.IdTokenType(id_token["type"])
    if type_ is tokens.IdTokenType.NO_AUTHORIZATION:
        return tokens.Authorization(tokens.AuthorizationStatus.ACCEPTED)
    return await handlers.authorize(id_token["idToken"], type_)


def to_id_token_info(authorization: tokens.Authorization) -> IdTokenInfoType:
    """Translate a decision, with the token's group (C01.FR.06, C09.FR.12)."""
    group = authorization.group_id_token
    return IdTokenInfoType(
        status=AuthorizationStatusEnumType(authorization.status),
        cache_expiry_date_time=(
            format_time(authorization.expires_at) if authorization.expires_at else None
        ),
        group_id_token=IdTokenType(group, IdTokenEnumType.central) if group else None,
    )
