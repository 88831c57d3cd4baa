"""What answers of OCPP 2.0.1 have in common."""

from collections.abc import Callable
from typing import TypeAlias

from simulator.charging import IdToken
from simulator.dialect import Accepted, Answer, Authorization, Sequel
from simulator.moments import parse_optional_moment
from simulator.rpc import Payload

#: Carries out one request whose payload fits its schema.
Handler: TypeAlias = Callable[[Payload], Answer]


def status(word: str, then: Sequel | None = None, *, why: str | None = None) -> Accepted:
    """Return an answer of a status, and a reason code (part 2, appendix 5) if there is one."""
    payload: Payload = {"status": word}
    if why is not None:
        payload["statusInfo"] = {"reasonCode": why}
    return Accepted(payload, then)


def id_token(id_token_type: Payload) -> IdToken:
    """Read an IdTokenType (2.28)."""
    return IdToken(id_token_type["idToken"], id_token_type["type"])


def authorization(id_token_info: Payload) -> Authorization:
    """Read an IdTokenInfoType (2.29).

    Raises:
        UnreadableMoment: Its cacheExpiryDateTime is no date.
    """
    group: Payload | None = id_token_info.get("groupIdToken")
    return Authorization(
        id_token_info["status"] == "Accepted",
        parse_optional_moment(id_token_info.get("cacheExpiryDateTime")),
        None if group is None else id_token(group),
    )
