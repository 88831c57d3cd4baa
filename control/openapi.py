"""The OpenAPI document, as clients are generated from it."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from control import problems
from control.accounts.rules import is_public

# In the order of the areas.
TAGS = [
    {"name": "stations", "description": "Charging stations, their connectors and connections."},
    {
        "name": "unknown stations",
        "description": "Who tried to connect and is not registered: an inbox.",
    },
    {
        "name": "availability",
        "description": "When stations were connected, uptime, and planned maintenance.",
    },
    {"name": "OCPP log", "description": "What stations and pods said to each other."},
    {"name": "quirks", "description": "How stations deviate from OCPP, per firmware."},
    {"name": "sessions", "description": "Charging sessions and their meter values."},
    {
        "name": "dead letters",
        "description": "What stations said that fits nowhere, until somebody decides upon it.",
    },
    {"name": "id tokens", "description": "Who may charge, and rules for groups of tokens."},
    {
        "name": "authorizations",
        "description": "What stations were answered about tokens, and why a driver was refused.",
    },
    {"name": "locations", "description": "Places with stations, and who may charge there."},
    {"name": "local lists", "description": "What stations may decide by themselves."},
    {"name": "commands", "description": "What is asked of a station, and what became of it."},
    {"name": "command batches", "description": "The same command to many stations, at a pace."},
    {
        "name": "charging profiles",
        "description": "What stations may draw, and what that comes to over time.",
    },
    {"name": "reservations", "description": "EVSEs kept free for one driver."},
    {"name": "firmware updates", "description": "Firmware on its way into stations."},
    {"name": "logs", "description": "Diagnostics and security logs that stations upload."},
    {"name": "files", "description": "Firmware to give to stations, and logs they brought."},
    {"name": "jobs", "description": "What workers do once they have the time, and did."},
    {"name": "certificates", "description": "What stations trust, and what they want signed."},
    {"name": "security events", "description": "What concerned the security of stations."},
    {"name": "events", "description": "What happens, told once and in order."},
    {"name": "reports", "description": "Saved exports, run at times, and what they have made."},
    {"name": "webhooks", "description": "Endpoints that are told what happens, and deliveries."},
    {"name": "alerts", "description": "Who is woken for what, and what came of it."},
    {"name": "users", "description": "Who may sign in, and what they may do."},
    {"name": "own account", "description": "Signing in and out, and what is one's own."},
    {"name": "OpenID provider", "description": "Signing in and out at a provider of one's own."},
    {"name": "API keys", "description": "What programs prove with who they are."},
    {"name": "organizations", "description": "Operators and site hosts: whose things are whose."},
    {"name": "audit log", "description": "Who changed what through the API."},
]
DESCRIPTION = """
Back end of EV-charging networks. Words are those of OCPP 2.0.1 and OCPI, energy is in Wh. Times
are RFC 3339: any offset in requests, UTC in answers.

Every call needs the header `Authorization: Bearer <API key>`, or the cookie of `POST /v1/login`;
with the cookie, what changes anything also needs the header `X-CSRF-Token`. Which permission a call
needs stands in docs/reference/permissions.md; without it the answer is `403`.

Lists come in pages: send `next_cursor` of one page as `cursor` for the next. A query parameter
that an operation does not know is refused, as a member of a body is.

Errors are problem details (RFC 9457, `application/problem+json`). Tell them apart by `code`: each
operation lists its codes under its answers. Take a code that you do not know for what its `status`
says: there may be new ones. `503` means that Postgres or Redis is away and that trying again later
may help; a station that is offline is `409`.
"""

EVERY_ROUTE = problems.responses(
    problems.UNAUTHORIZED,
    problems.MISSING_PERMISSION,
    problems.INVALID_INPUT,
    problems.RATE_LIMITED,
    problems.INTERNAL_ERROR,
    problems.UNAVAILABLE,
)
"""The problems that any route may answer with."""

_BODY_ROUTE = problems.responses(
    problems.MALFORMED_JSON, problems.BODY_TOO_LARGE, problems.UNSUPPORTED_MEDIA_TYPE
)
_CHANGING_ROUTE = problems.responses(problems.MISSING_CSRF_TOKEN)
_READING = frozenset({"get", "head"})


def operation_id(route: APIRoute) -> str:
    """Return a route's operation id, which is the name of its function in a generated client."""
    first, *rest = route.name.split("_")
    return first + "".join(word.title() for word in rest)


def describe(app: FastAPI) -> None:
    """Make the app's OpenAPI document say what it really answers."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            document["components"]["securitySchemes"] = {
                "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key."},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "voltaro_session",
                    "description": "Of POST /v1/login; `__Host-voltaro_session` with TLS.",
                },
            }
            document["security"] = [{"apiKey": []}, {"session": []}]
            codes: set[str] = set()
            for path in document["paths"].values():
                for method, operation in path.items():
                    codes |= _describe_problems(method, operation)
                    if is_public(operation):
                        operation["security"] = []
            document["components"]["examples"] = problems.examples(sorted(codes))
            schemas = document["components"]["schemas"]
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            for schema in schemas.values():
                for example in schema.get("examples", ()):
                    _restore_nulls(example, schema, schemas)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _restore_nulls(example: object, schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Put back the members that are null: FastAPI leaves them out of examples as well."""
    if "$ref" in schema:
        _restore_nulls(example, schemas[schema["$ref"].rpartition("/")[2]], schemas)
    elif isinstance(example, list):
        for item in example:
            _restore_nulls(item, schema.get("items", {}), schemas)
    elif isinstance(example, dict):
        for branch in schema.get("anyOf", ()):
            _restore_nulls(example, branch, schemas)
        for name, member in schema.get("properties", {}).items():
            if name in example:
                _restore_nulls(example[name], member, schemas)
            elif name in schema.get("required", ()):
                example[name] = None


def _describe_problems(method: str, operation: dict[str, Any]) -> set[str]:
    """Say of each error which codes it may have, with an example of each, and return them all."""
    in_session = method not in _READING and not is_public(operation)
    responses: dict[str, Any] = operation["responses"]
    codes: dict[str, dict[str, None]] = {}  # ordered sets
    said: Mapping[Any, Any]
    for said in (
        responses,
        EVERY_ROUTE,
        _BODY_ROUTE if "requestBody" in operation else {},
        _CHANGING_ROUTE if in_session else {},
    ):
        for status, response in said.items():
            codes.setdefault(str(status), {}).update(
                dict.fromkeys(response.get(problems.CODES, ()))
            )
    for status, found in codes.items():
        if found:
            responses[status] = problems.describe(found.keys())
    operation["responses"] = dict(sorted(responses.items()))
    return set().union(*codes.values())
