"""Refuses query parameters that an operation does not know.

Left unread, a filter in other words (`since` for `started_since`) or with a slip of the pen would
select everything, and whoever asked could not see that from the answer.
"""

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Cookie, Header, Path

from control import problems
from control.errors import InvalidFieldError


def refuse_unknown(request: Request) -> None:
    """Raise InvalidFieldError for the first query parameter that the route has no use for."""
    if not request.query_params:
        return
    # Those of a model are plain fields, so the query is what is nothing else.
    known = [
        field.alias
        for field in get_flat_params(request.scope["route"].dependant)
        if not isinstance(field.field_info, (Path, Header, Cookie))
    ]
    for name in request.query_params:
        if name not in known:
            raise InvalidFieldError(
                "query",
                problems.shorten(name, problems.FIELD_MAX_LENGTH) or "(without a name)",
                f"there is no such parameter here: use {', '.join(known)}"
                if known
                else "there are no query parameters here: leave it out",
            )
