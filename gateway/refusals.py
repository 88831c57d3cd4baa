"""What the door answers to those that it does not let in."""

import http
import random
from math import ceil

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Response

# Spread, so that those who were put off together do not come back together.
_RETRY_AFTER_MIN_S, _RETRY_AFTER_MAX_S = 5, 15
# By so much later than it could, who was put off by the rate comes back: those whom the same moment
# was given at other pods must not meet here.
_RETRY_JITTER = 0.5


def browser(socket: ServerConnection) -> Response:
    """Return what a browser gets that would speak for a station without a password."""
    return socket.respond(
        http.HTTPStatus.FORBIDDEN,
        "this station has no password, so no page of a browser may speak for it: a handshake with "
        "an Origin is let in only if the operator allows that origin (VOLTARO_BROWSER_ORIGINS)\n",
    )


def unauthorized(socket: ServerConnection) -> Response:
    """Return what everybody gets who may not come in, whatever the reason."""
    response = socket.respond(
        http.HTTPStatus.UNAUTHORIZED,
        "unknown station, wrong password, or a user name that is not the station id\n",
    )
    response.headers["WWW-Authenticate"] = 'Basic realm="OCPP", charset="UTF-8"'
    return response


def too_many_failures(socket: ServerConnection, retry_after_s: int) -> Response:
    """Return what who has failed too often gets."""
    response = socket.respond(
        http.HTTPStatus.TOO_MANY_REQUESTS,
        f"this station or address has failed too often: try again in {retry_after_s} s\n",
    )
    response.headers["Retry-After"] = str(retry_after_s)
    return response


def flapping(socket: ServerConnection, retry_after_s: int) -> Response:
    """Return what the connections of a station get that take each other's place."""
    response = socket.respond(
        http.HTTPStatus.TOO_MANY_REQUESTS,
        "connections of this station take each other's place too often: look whether two boxes "
        f"carry this identity, and try again in {retry_after_s} s\n",
    )
    response.headers["Retry-After"] = str(retry_after_s)
    return response


def try_again_later(
    socket: ServerConnection,
    reason: str,
    wait_s: float | None = None,
    *,
    jitter: float = _RETRY_JITTER,
) -> Response:
    """Return a refusal; with `wait_s`, it names about that time for the next try."""
    response = socket.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, f"try again later: {reason}\n")
    if wait_s is None:
        after_s = random.randint(_RETRY_AFTER_MIN_S, _RETRY_AFTER_MAX_S)  # noqa: S311 - no secret
    else:
        after_s = max(1, ceil(wait_s * random.uniform(1, 1 + jitter)))  # noqa: S311 - as above
    response.headers["Retry-After"] = str(after_s)
    return response
