"""What the API says when it cannot do what was asked: RFC 9457 problem details.

A problem has a type, which is its kind, and a code, which is as exact as a program can need it.
What the domain has no code for is coded by its kind.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from control import request_ids
from control.problem_schemas import ERRORS_MAX, InvalidField, Problem
from shared.domain.error_codes import ConflictCode, ErrorCode, LimitCode, NotFoundCode

PROBLEM_MEDIA_TYPE = "application/problem+json"

# A client tells problems apart by this name, and people by the title.
_TYPE_PREFIX = "urn:voltaro:problem:"

# An answer that repeats what was sent must not be longer than what was sent, nor cost more to make.
FIELD_MAX_LENGTH = 100
FIELD_DETAIL_MAX_LENGTH = 200
# Room for a sentence, and for the names of all commands, which are listed to who misspells one.
DETAIL_MAX_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem: its name, the status, the title people read, and an example's detail."""

    name: str
    status: HTTPStatus
    title: str
    example: str = ""

    @property
    def code(self) -> str:
        """Return the code of problems that the domain has none for."""
        return self.name.replace("-", "_")


MALFORMED_JSON = ProblemType(
    "malformed-json",
    HTTPStatus.BAD_REQUEST,
    "The body cannot be read as JSON",
    "the body is not JSON: Expecting value at character 9",
)
MALFORMED_REQUEST = ProblemType(
    "malformed-request",
    HTTPStatus.BAD_REQUEST,
    "The request cannot be understood",
    "the request cannot be read: illegal request line",
)
UNAUTHORIZED = ProblemType(
    "unauthorized",
    HTTPStatus.UNAUTHORIZED,
    "No valid credentials",
    "this API key is not known",
)
MISSING_PERMISSION = ProblemType(
    "missing-permission",
    HTTPStatus.FORBIDDEN,
    "The caller has not the permission for this",
    "this needs the permission stations:write, which key 'dashboard' has not",
)
FORBIDDEN = ProblemType(
    "forbidden",
    HTTPStatus.FORBIDDEN,
    "The URL does not allow this",
    "the URL has expired: ask for a new one",
)
NOT_FOUND = ProblemType(
    "not-found",
    HTTPStatus.NOT_FOUND,
    "There is no such thing",
    "there is nothing at /v1/station: see /docs for what there is",
)
MISSING_CSRF_TOKEN = ProblemType(
    "missing-csrf-token",
    HTTPStatus.FORBIDDEN,
    "The page has not proved itself",
    "the header X-CSRF-Token is missing: send the token that came with the session",
)
WRONG_CREDENTIALS = ProblemType(
    "wrong-credentials",
    HTTPStatus.UNAUTHORIZED,
    "E-mail address, password or code is wrong",
    "the e-mail address or the password is wrong",
)
SECOND_FACTOR_NEEDED = ProblemType(
    "second-factor-needed",
    HTTPStatus.UNAUTHORIZED,
    "A code of the second factor is needed",
    "send the code that the authenticator shows, or a recovery code",
)
WRONG_PROOF = ProblemType(
    "wrong-proof",
    HTTPStatus.FORBIDDEN,
    "Password or code is wrong",
    "the password is wrong",
)
TOO_MANY_TRIES = ProblemType(
    "too-many-tries",
    HTTPStatus.TOO_MANY_REQUESTS,
    "There were too many wrong tries",
    "there were too many wrong tries: try again in 60 s",
)
NO_MAIL = ProblemType(
    "no-mail",
    HTTPStatus.CONFLICT,
    "This installation sends no mail",
    "this installation sends no mail: ask an administrator for a link",
)
METHOD_NOT_ALLOWED = ProblemType(
    "method-not-allowed",
    HTTPStatus.METHOD_NOT_ALLOWED,
    "This method is not allowed here",
    "PUT is not allowed here: use GET, HEAD, POST",
)
REQUEST_TIMEOUT = ProblemType(
    "request-timeout",
    HTTPStatus.REQUEST_TIMEOUT,
    "The request came too slowly",
    "nothing came for 30 s: send it again",
)
CONFLICT = ProblemType(
    "conflict",
    HTTPStatus.CONFLICT,
    "The state of things does not allow this",
    "the state of things does not allow this",
)
STATION_OFFLINE = ProblemType(
    "station-offline",
    HTTPStatus.CONFLICT,
    "The station is offline",
    "station 'CS-0042' is offline: no command was kept",
)
COMMAND_QUEUE_FULL = ProblemType(
    "command-queue-full",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many commands wait for the station",
    "100 commands wait for station 'CS-0042' already: wait for their outcomes, or cancel some",
)
EVENTS_GONE = ProblemType(
    "events-gone",
    HTTPStatus.GONE,
    "These events are not kept any longer",
    "events up to 4711 are not kept any longer, and you have those up to 42: read what you follow "
    "anew, then follow without an id",
)
TOO_MANY_STREAMS = ProblemType(
    "too-many-streams",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many event streams of one caller are open",
    "key 'dashboard' has 100 event streams open at this process: close some",
)
STREAMS_FULL = ProblemType(
    "streams-full",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Too many event streams are open",
    "this process has 2500 event streams open already: try again in a moment",
)
RATE_LIMITED = ProblemType(
    "rate-limited",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many requests in a short time",
    "too many requests by key 'dashboard': 100 at once and 20 a second are let through; wait 1 s",
)
BODY_TOO_LARGE = ProblemType(
    "body-too-large",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "The body is too large",
    "the body is larger than this server accepts",
)
RANGE_NOT_SATISFIABLE = ProblemType(
    "range-not-satisfiable",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    "The file has no such part",
    "the file has 1024 bytes",
)
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    "unsupported-media-type",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "The body is not sent as JSON",
    "the body came as text/plain: send JSON with the header Content-Type: application/json",
)
INVALID_INPUT = ProblemType(
    "invalid-input",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The request says something that cannot be",
    "query field limit: Input should be less than or equal to 1000",
)
HEAD_TOO_LARGE = ProblemType(
    "head-too-large",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "The request line or a header is too long",
    "the request line and the headers have more than 65536 bytes",
)
NOT_IMPLEMENTED = ProblemType(
    "not-implemented",
    HTTPStatus.NOT_IMPLEMENTED,
    "The server does not know this of HTTP",
    "the server does not know this of HTTP",
)
TOO_MANY_CONNECTIONS = ProblemType(
    "too-many-connections",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Too many connections are open",
    "too many connections are open: try again in a moment",
)
INTERNAL_ERROR = ProblemType(
    "internal-error",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "A fault of the server",
    "this is a fault of the server, not of the request; its log says more",
)
STORAGE_FULL = ProblemType(
    "storage-full",
    HTTPStatus.INSUFFICIENT_STORAGE,
    "There is no room for this file",
    "there is no room for this file: remove some, or raise the quota",
)
UNAVAILABLE = ProblemType(
    "unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Something the server needs is away",
    "Postgres does not answer: nothing can be read or kept now",
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
_TRY_AGAIN = frozenset(
    {UNAVAILABLE, COMMAND_QUEUE_FULL, TOO_MANY_CONNECTIONS, TOO_MANY_STREAMS, STREAMS_FULL}
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
    code: ErrorCode | None = None,
    errors: list[InvalidField] | None = None,
    headers: Mapping[str, str] | None = None,
) -> ProblemResponse:
    """Return the answer for a problem, of bounded length whatever it repeats.

    Args:
        problem: which kind.
        detail: what happened, to what, and what to do.
        code: what it is more exactly.
        errors: the fields that are wrong; the first of them are told.
        headers: further headers, such as `Allow`.
    """
    content = Problem(
        type=_TYPE_PREFIX + problem.name,
        title=problem.title,
        status=problem.status,
        code=problem.code if code is None else code,
        detail=shorten(_printable(detail), DETAIL_MAX_LENGTH),
        request_id=request_ids.current.get(),
        errors=None if errors is None else [_bounded(each) for each in errors[:ERRORS_MAX]],
    )
    extra = dict(headers or {})
    if problem in _TRY_AGAIN:
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


_KIND_OF: tuple[tuple[type[ErrorCode], ProblemType], ...] = (
    (NotFoundCode, NOT_FOUND),
    (ConflictCode, CONFLICT),
    (LimitCode, RATE_LIMITED),
)
CODES = "x-error-codes"
"""Beside a response in the document: the codes that it may have."""


def kinds() -> dict[str, ProblemType]:
    """Return the kind of problem that each code is of."""
    plain = {each.code: each for each in globals().values() if isinstance(each, ProblemType)}
    return plain | {code.value: kind for codes, kind in _KIND_OF for code in codes}


def responses(*found: ProblemType | ErrorCode) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that may answer with these problems.

    The document makes a description and examples of the codes (control/openapi.py).

    Args:
        found: beside those that every route has. A kind stands for what has no code of its own.
    """
    said: dict[int | str, dict[str, Any]] = {}
    of = kinds()
    for each in found:
        code = each.value if isinstance(each, ErrorCode) else each.code
        response = said.setdefault(int(of[code].status), {"model": Problem, CODES: []})
        response[CODES].append(code)
    return said


def describe(codes: Collection[str]) -> dict[str, Any]:
    """Return what the document says of the problems of one status."""
    of = kinds()
    return {
        "description": "; ".join(dict.fromkeys(of[code].title for code in codes)),
        CODES: list(codes),
        "content": {
            PROBLEM_MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
            }
        },
    }


def examples(codes: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return an example of each of these problems, for the document's components."""
    of, details = kinds(), {code.value: code.example for codes, _ in _KIND_OF for code in codes}
    return {
        code: {
            "value": {
                "type": _TYPE_PREFIX + of[code].name,
                "title": of[code].title,
                "status": int(of[code].status),
                "code": code,
                "detail": details.get(code, of[code].example),
            }
        }
        for code in codes
    }
