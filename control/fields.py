"""`fields`: who reads something says which of its members are of interest, and gets only these.

Every operation that reads takes it, because it is added here to the routes of all resources, with
the names that there are. Members that nobody wants are not written out: pydantic is told what to
leave aside, so that a narrow answer costs less than a whole one.
"""

from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, cast, get_args

from fastapi import APIRouter, Query, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter
from pydantic.main import IncEx

from control.errors import InvalidFieldError
from control.paging import Page
from control.problems import FIELD_MAX_LENGTH, shorten

NAME = "fields"
_MAX_LENGTH = 2000
_OF_A_ROUTE = [
    parameter.name
    for parameter in signature(APIRoute.__init__).parameters.values()
    if parameter.kind is Parameter.KEYWORD_ONLY
]

_Endpoint = Callable[..., Coroutine[object, object, object]]


class Members:
    """What may be chosen of an answer: the members of a thing, or of each thing on a page.

    Args:
        answer: what the operation returns.
    """

    def __init__(self, answer: type[BaseModel]) -> None:
        self._on_a_page = issubclass(answer, Page)
        shown = answer
        if self._on_a_page:
            (shown,) = get_args(answer.model_fields["items"].annotation)
        self._fields = {info.alias or name: name for name, info in shown.model_fields.items()}
        self._fields |= {
            info.alias or name: name for name, info in shown.model_computed_fields.items()
        }
        self._beside = answer.model_fields.keys() - {"items"}
        self._adapter: TypeAdapter[object] = TypeAdapter(answer)

    @property
    def names(self) -> list[str]:
        """Their names, in their order."""
        return list(self._fields)

    def chosen(self, said: list[str]) -> IncEx:
        """Return what pydantic is to include of an answer.

        Args:
            said: what the caller sent; names are separated by commas.

        Raises:
            InvalidFieldError: there is no member of such a name.
        """
        names = [name for each in said for name in each.split(",")]
        for name in names:
            if name not in self._fields:
                raise InvalidFieldError(
                    "query",
                    NAME,
                    f"there is no member {shorten(name, FIELD_MAX_LENGTH)!r} here: choose of "
                    f"{', '.join(self._fields)}",
                )
        members = {self._fields[name] for name in names}
        if not self._on_a_page:
            return members
        include: dict[str, IncEx | bool] = dict.fromkeys(self._beside, True)
        include["items"] = {"__all__": members}
        return include

    def write(self, answer: object, chosen: IncEx) -> bytes:
        """Return an answer as JSON, with what was chosen and nothing else."""
        checked = self._adapter.validate_python(answer, from_attributes=True)
        return self._adapter.dump_json(checked, include=chosen, by_alias=True)

    @property
    def parameter(self) -> dict[str, Any]:
        """What the document says of it."""
        whose = "of each item" if self._on_a_page else "of the answer"
        return {
            "name": NAME,
            "in": "query",
            "required": False,
            "description": f"only these members {whose}, separated by commas; all the others are "
            "left out, those that are else required too",
            "style": "form",
            "explode": False,
            "schema": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "enum": self.names},
                "title": "Fields",
            },
        }


def with_fields(router: APIRouter) -> APIRouter:
    """Return a resource's routes, of which each that reads something takes `fields`."""
    made = APIRouter()
    made.routes.extend(
        _with_fields(route) if isinstance(route, APIRoute) else route for route in router.routes
    )
    return made


def _with_fields(route: APIRoute) -> APIRoute:
    answer = route.response_model
    is_model = isinstance(answer, type) and issubclass(answer, BaseModel)
    if not is_model or "GET" not in (route.methods or ()):
        return route
    members = Members(answer)
    said = {name: getattr(route, name) for name in _OF_A_ROUTE}
    extra = route.openapi_extra or {}
    said["openapi_extra"] = {
        **extra,
        "parameters": [*extra.get("parameters", ()), members.parameter],
    }
    return APIRoute(route.path, _choosing(cast("_Endpoint", route.endpoint), members), **said)


def _choosing(endpoint: _Endpoint, members: Members) -> _Endpoint:
    """Return an end point that answers with what was chosen."""

    @wraps(endpoint)
    async def answer(*, fields: list[str] | None, **said: object) -> object:
        if fields is None:
            return await endpoint(**said)
        chosen = members.chosen(fields)
        return Response(
            members.write(await endpoint(**said), chosen), media_type="application/json"
        )

    before = signature(endpoint)
    asked = Parameter(
        NAME,
        Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            list[str] | None, Query(max_length=_MAX_LENGTH, include_in_schema=False)
        ],
    )
    answer.__signature__ = before.replace(  # type: ignore[attr-defined]  # what FastAPI reads
        parameters=[*before.parameters.values(), asked]
    )
    return answer
