"""What answers of OCPP 1.6 have in common."""

from collections.abc import Callable
from typing import TypeAlias

from simulator.charging import IdToken
from simulator.dialect import Accepted, Answer, Authorization, Sequel
from simulator.moments import parse_optional_moment
from simulator.rpc import Payload

#: Carries out one request whose payload fits its schema.
Handler: TypeAlias = Callable[[Payload], Answer]


def status(word: str, then: Sequel | None = None) -> Accepted:
    """Return an answer that is a status."""
    return Accepted({"status": word}, then)


def accepted_if(then: Sequel | None) -> Accepted:
    """Return Accepted if something follows, and Rejected if not."""
    return status("Rejected" if then is None else "Accepted", then)


def authorization(id_tag_info: Payload) -> Authorization:
    """Read an IdTagInfo (7.27).

    Raises:
        UnreadableMoment: Its expiryDate is no date.
    """
    parent: str | None = id_tag_info.get("parentIdTag")
    return Authorization(
        id_tag_info["status"] == "Accepted",
        parse_optional_moment(id_tag_info.get("expiryDate")),
        None if parent is None else IdToken(parent),
    )
