"""What the API says when it cannot do what was asked: RFC 9457 problem details."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

PROBLEM_MEDIA_TYPE = "application/problem+json"

# A client tells problems apart by this name, and people by the title.
_TYPE_PREFIX = "urn:voltaro:problem:"

# An answer that repeats what was sent must not be longer than what was sent, nor cost more to make.
# A person mends twenty fields and asks again; a list of them is 9 kB at most, mostly 2.
ERRORS_MAX = 20
FIELD_MAX_LENGTH = 100
FIELD_DETAIL_MAX_LENGTH = 200
# Room for a sentence, and for the names of all commands, which are listed to who misspells one.
DETAIL_MAX_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem: the name clients switch on, the status, the title people read."""

    name: str
    status: HTTPStatus
    title: str


MALFORMED_JSON = ProblemType(
    "malformed-json", HTTPStatus.BAD_REQUEST, "The body cannot be read as JSON"
)
MALFORMED_REQUEST = ProblemType(
    "malformed-request", HTTPStatus.BAD_REQUEST, "The request cannot be understood"
)
UNAUTHORIZED = ProblemType("unauthorized", HTTPStatus.UNAUTHORIZED, "No valid credentials")
MISSING_PERMISSION = ProblemType(
    "missing-permission", HTTPStatus.FORBIDDEN, "The caller has not the permission for this"
)
FORBIDDEN = ProblemType("forbidden", HTTPStatus.FORBIDDEN, "The URL does not allow this")
NOT_FOUND = ProblemType("not-found", HTTPStatus.NOT_FOUND, "There is no such thing")
METHOD_NOT_ALLOWED = ProblemType(
    "method-not-allowed", HTTPStatus.METHOD_NOT_ALLOWED, "This method is not allowed here"
)
REQUEST_TIMEOUT = ProblemType(
    "request-timeout", HTTPStatus.REQUEST_TIMEOUT, "The request came too slowly"
)
CONFLICT = ProblemType("conflict", HTTPStatus.CONFLICT, "The state of things does not allow this")
STATION_OFFLINE = ProblemType("station-offline", HTTPStatus.CONFLICT, "The station is offline")
COMMAND_QUEUE_FULL = ProblemType(
    "command-queue-full", HTTPStatus.TOO_MANY_REQUESTS, "Too many commands wait for the station"
)
BODY_TOO_LARGE = ProblemType(
    "body-too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"
)
RANGE_NOT_SATISFIABLE = ProblemType(
    "range-not-satisfiable",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    "The file has no such part",
)
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    "unsupported-media-type",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "The body is not sent as JSON",
)
INVALID_INPUT = ProblemType(
    "invalid-input", HTTPStatus.UNPROCESSABLE_ENTITY, "The request says something that cannot be"
)
HEAD_TOO_LARGE = ProblemType(
    "head-too-large",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "The request line or a header is too long",
)
NOT_IMPLEMENTED = ProblemType(
    "not-implemented", HTTPStatus.NOT_IMPLEMENTED, "The server does not know this of HTTP"
)
TOO_MANY_CONNECTIONS = ProblemType(
    "too-many-connections", HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections are open"
)
INTERNAL_ERROR = ProblemType(
    "internal-error", HTTPStatus.INTERNAL_SERVER_ERROR, "A fault of the server"
)
STORAGE_FULL = ProblemType(
    "storage-full", HTTPStatus.INSUFFICIENT_STORAGE, "There is no room for this file"
)
UNAVAILABLE = ProblemType(
    "unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Something the server needs is away"
)

BY_STATUS: dict[int, ProblemType] = {
    problem.status: problem
    for problem in (
        MALFORMED_JSON,
        UNAUTHORIZED,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        CONFLICT,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        INVALID_INPUT,
        INTERNAL_ERROR,
        UNAVAILABLE,
    )
}

RETRY_AFTER_S = 5


class InvalidField(BaseModel):
    """One part of a request that cannot be."""

    location: str = Field(description="`body`, `query`, `path` or `header`")
    field: str = Field(description="name of the field, with dots where it is nested")
    detail: str = Field(description="what is wrong with it")


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:voltaro:problem:not-found",
                    "title": "There is no such thing",
                    "status": 404,
                    "detail": "there is no station 'CS-0042'",
                }
            ]
        }
    )

    type: str = Field(description="kind of problem; the same kind always has the same name")
    title: str = Field(description="the kind of problem in words")
    status: int = Field(description="HTTP status of this answer")
    detail: str = Field(description="what happened, to what, and what to do")
    errors: list[InvalidField] | None = Field(
        default=None,
        max_length=ERRORS_MAX,
        description="with `invalid-input`: the fields that are wrong, or the first of many",
    )


class ProblemResponse(JSONResponse):
    """An answer that is a problem."""

    media_type = PROBLEM_MEDIA_TYPE


def shorten(text: str, max_length: int) -> str:
    """Return `text`, with an ellipsis in place of its end if it is longer."""
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


def problem_response(
    problem: ProblemType,
    detail: str,
    *,
    errors: list[InvalidField] | None = None,
    headers: Mapping[str, str] | None = None,
) -> ProblemResponse:
    """Return the answer for a problem, of bounded length whatever it repeats.

    Args:
        problem: which kind.
        detail: what happened, to what, and what to do.
        errors: the fields that are wrong; the first of them are told.
        headers: further headers, such as `Allow`.
    """
    content = Problem(
        type=_TYPE_PREFIX + problem.name,
        title=problem.title,
        status=problem.status,
        detail=shorten(_printable(detail), DETAIL_MAX_LENGTH),
        errors=None if errors is None else [_bounded(each) for each in errors[:ERRORS_MAX]],
    )
    extra = dict(headers or {})
    if problem in (UNAVAILABLE, COMMAND_QUEUE_FULL, TOO_MANY_CONNECTIONS):
        extra["Retry-After"] = str(RETRY_AFTER_S)
    return ProblemResponse(
        content.model_dump(exclude_none=True), status_code=problem.status, headers=extra
    )


def _bounded(field: InvalidField) -> InvalidField:
    return InvalidField(
        location=field.location,
        field=shorten(_printable(field.field), FIELD_MAX_LENGTH),
        detail=shorten(_printable(field.detail), FIELD_DETAIL_MAX_LENGTH),
    )


def _printable(text: str) -> str:
    # A lone surrogate, which JSON can name and UTF-8 cannot, would make the answer itself fail.
    return text.encode("utf-8", "backslashreplace").decode()


def responses(*kinds: ProblemType) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer with these problems.

    Args:
        kinds: beside those that every route has.
    """
    found: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        known = found.get(int(kind.status))
        titles = f"{known['description']}; {kind.title}" if known else kind.title
        found[int(kind.status)] = {"model": Problem, "description": titles}
    return found
