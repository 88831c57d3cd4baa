"""Turns every error into problem details."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control import problems
from control.problem_schemas import ERRORS_MAX, InvalidField
from control.problems import ProblemResponse, ProblemType, problem_response
from shared.domain.error_codes import ErrorCode
from shared.domain.errors import (
    CommandQueueFullError,
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    StationOfflineError,
    UnavailableError,
    VoltaroError,
)
from shared.store.judgement import is_away, is_locked
from shared.store.retrying import RETRY_DELAYS_S, may_be_the_connection
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_CLIENT_CLOSED_REQUEST = 499
# Where the words of pydantic speak of its own insides.
_WORDS = {
    "bool_parsing": "either true or false is meant here",
    "extra_forbidden": "there is no such member here: leave it out, or look for a slip of the pen",
    "union_tag_not_found": "the member that says which kind this is (type) is missing",
}
_ECHO_MAX_LENGTH = 200
_SAFE_METHODS = frozenset({"GET", "HEAD"})

# The most special class comes first.
#
# A station that is offline is no outage of ours: a client that tries a 503 again by itself would
# hammer us until somebody switches the station on. What is in the way is the state of the thing
# that was addressed, which is what 409 says (RFC 9110 §15.5.10).
_PROBLEM_OF: tuple[tuple[type[VoltaroError], ProblemType], ...] = (
    (StationOfflineError, problems.STATION_OFFLINE),
    (UnavailableError, problems.UNAVAILABLE),
    (CommandQueueFullError, problems.COMMAND_QUEUE_FULL),
    (ConflictError, problems.CONFLICT),
    (NotFoundError, problems.NOT_FOUND),
    (ForbiddenError, problems.MISSING_PERMISSION),
    (InvalidInputError, problems.INVALID_INPUT),
)


class InvalidFieldError(InvalidInputError):
    """What was said in one field cannot be.

    Args:
        location: `body`, `query`, `path` or `header`.
        field: its name.
        detail: what is wrong with it.
    """

    def __init__(self, location: str, field: str, detail: str) -> None:
        super().__init__(f"{location} field {field}: {detail}")
        self.field = InvalidField(location=location, field=field, detail=detail)


class ProblemError(VoltaroError):
    """A problem of HTTP itself, which the domain has no word for.

    Args:
        problem: which kind.
        detail: what happened, to what, and what to do.
        code: what it is more exactly.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        problem: ProblemType,
        detail: str,
        *,
        code: ErrorCode | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = problem
        self.code = code
        self.headers = headers


def problem_of(error: type[VoltaroError]) -> ProblemType:
    """Return the kind of problem that errors of a class are told as.

    Raises:
        KeyError: nobody is told of such an error.
    """
    for error_class, problem in _PROBLEM_OF:
        if issubclass(error, error_class):
            return problem
    raise KeyError(error)


def install_error_handlers(app: FastAPI) -> None:
    """Make the app answer every error that a route or the routing raises with a problem."""
    # Starlette types every handler as one of Exception.
    app.add_exception_handler(VoltaroError, cast("Any", _on_domain_error))
    app.add_exception_handler(RequestValidationError, cast("Any", _on_invalid_request))
    app.add_exception_handler(ClientDisconnect, cast("Any", _on_client_disconnect))
    app.add_exception_handler(HTTPException, cast("Any", _on_http_exception))


async def _on_domain_error(_: Request, error: VoltaroError) -> ProblemResponse:
    if isinstance(error, ProblemError):
        return problem_response(error.problem, str(error), code=error.code, headers=error.headers)
    try:
        problem = problem_of(type(error))
    except KeyError:
        raise error from None
    if problem is problems.UNAVAILABLE:
        log.warning("a dependency is away", error=str(error))
    fields = [error.field] if isinstance(error, InvalidFieldError) else None
    return problem_response(problem, str(error), code=error.code, errors=fields)


async def _on_invalid_request(request: Request, error: RequestValidationError) -> ProblemResponse:
    found = cast("Sequence[dict[str, Any]]", error.errors())
    if any(each["type"] == "json_invalid" for each in found):
        each = found[0]
        return problem_response(
            problems.MALFORMED_JSON,
            f"the body is not JSON: {each['ctx']['error']} at character {each['loc'][-1]}",
        )
    content_type = request.headers.get("content-type", "")
    if isinstance(error.body, bytes):
        # FastAPI hands a body over as bytes when it is not declared to be JSON.
        return problem_response(
            problems.UNSUPPORTED_MEDIA_TYPE,
            f"the body came as "
            f"{problems.shorten(content_type, _ECHO_MAX_LENGTH) or 'nothing declared'}: "
            "send JSON with the header Content-Type: application/json",
        )
    fields = [_invalid_field(each) for each in found[:ERRORS_MAX]]
    told = [f"{field.location} field {field.field}: {field.detail}" for field in fields]
    if len(found) > len(fields):
        told.insert(0, f"{len(found)} fields are wrong, of which the first {len(fields)} are told")
    return problem_response(problems.INVALID_INPUT, "; ".join(told), errors=fields)


def _invalid_field(error: dict[str, Any]) -> InvalidField:
    location, *path = error["loc"]
    # The value itself is not repeated: it may be a password.
    field = ".".join(problems.shorten(str(part), problems.FIELD_MAX_LENGTH) for part in path)
    return InvalidField(
        location=str(location),
        field=problems.shorten(field, problems.FIELD_MAX_LENGTH) or "(whole)",
        detail=problems.shorten(
            _WORDS.get(error["type"], error["msg"]), problems.FIELD_DETAIL_MAX_LENGTH
        ),
    )


async def _on_http_exception(request: Request, error: HTTPException) -> ProblemResponse:
    """Answer what Starlette and FastAPI raise themselves."""
    headers: Mapping[str, str] | None = error.headers
    match error.status_code:
        case 404:
            detail = f"there is nothing at {problems.shorten(request.url.path, _ECHO_MAX_LENGTH)}"
            if request.app.openapi_url is not None:
                detail += ": see /docs for what there is"
        case 405:
            headers = {"Allow": ", ".join(_methods_at(request))}
            method = problems.shorten(request.method, _ECHO_MAX_LENGTH)
            detail = f"{method} is not allowed here: use {headers['Allow']}"
        case 413:
            detail = "the body is larger than this server accepts"
        case 400:
            detail = "the body cannot be read: it is nested too deeply or not UTF-8"
        case _:
            detail = str(error.detail)
    problem = problems.BY_STATUS.get(error.status_code, problems.INTERNAL_ERROR)
    return problem_response(problem, detail, headers=headers)


async def _on_client_disconnect(_: Request, __: ClientDisconnect) -> Response:
    # Nobody reads it; it tells these calls apart in the metrics.
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


def _methods_at(request: Request) -> list[str]:
    """Return every method of a path; Starlette knows only those of the first route it found."""
    methods = {
        method
        for route in iter_route_contexts(request.app.routes)
        if route.path_regex.fullmatch(request.url.path)
        for method in route.methods or ()
    }
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


class UnexpectedErrors:
    """ASGI middleware: what nobody foresaw is logged, and told without its internals.

    Postgres being away may surface from any statement, so it is told apart here. A connection that
    ended says the same for a moment: what only reads is tried again on a fresh one first.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app, and answer for it if it fails before its answer began."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answering = False

        async def watched_send(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        asked = dict(scope)  # routing writes into it
        delays_s = iter(RETRY_DELAYS_S if scope["method"] in _SAFE_METHODS else ())
        while True:
            try:
                await self._app(scope, receive, watched_send)
            except Exception as error:
                if answering:
                    raise  # half an answer is out: uvicorn logs this and closes the connection
                again = is_away(error) and may_be_the_connection(error)
                delay_s = next(delays_s, None) if again else None
                if delay_s is None:
                    await _response_to(error, scope)(scope, receive, send)
                    return
            else:
                return
            await asyncio.sleep(delay_s)
            scope.clear()
            scope.update(asked)


def _response_to(error: Exception, scope: Scope) -> ProblemResponse:
    if is_locked(error):
        log.warning("a lock is held for long", error=str(error), path=scope["path"])
        return problem_response(
            problems.UNAVAILABLE,
            "somebody else holds a lock on what this request needs, and nothing was changed: "
            "try again in a moment",
        )
    if is_away(error):
        log.warning(
            "a dependency is away", error=f"Postgres: {describe_error(error)}", path=scope["path"]
        )
        return problem_response(
            problems.UNAVAILABLE, "Postgres does not answer: nothing can be read or kept now"
        )
    log.error("a request failed", method=scope["method"], path=scope["path"], exc_info=error)
    return problem_response(
        problems.INTERNAL_ERROR,
        "this is a fault of the server, not of the request; its log says more",
    )
