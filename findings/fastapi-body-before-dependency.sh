#!/usr/bin/env bash
# fastapi 0.165.0 with starlette 1.10.0 (PyPI).
#
# Guessed: a dependency that refuses who has no credentials (of the route, the router or the whole
# application) keeps a stranger's body from being read, as it is looked at before the body's model.
#
# Seen: the body is received to its end and parsed as JSON before the first dependency is called,
# whatever stands in the dependencies. A stranger gets the same 401 for 32 MiB, after all of them were
# read into memory, and 422 instead of 401 if what they have sent is not JSON. Only what stands in
# front of the route, an ASGI middleware, refuses before.
#
# Output seen:
#   dependency: 401 after 33554432 of 33554432 bytes
#   dependency, not JSON: 422
#   middleware: 401 after 0 of 33554432 bytes
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check fastapi==0.165.0 starlette==1.10.0

cat >"$folder/look.py" <<'PYTHON'
import asyncio

from fastapi import Depends, FastAPI, HTTPException
from starlette.responses import PlainTextResponse

SIZE, PIECE = 32 * 2**20, 2**16


def refuse():
    raise HTTPException(401)


def application():
    app = FastAPI(dependencies=[Depends(refuse)])

    @app.post("/", dependencies=[Depends(refuse)])
    def take(body: dict) -> None: ...

    return app


def guarded(app):
    async def middleware(scope, receive, send):
        await PlainTextResponse("no", 401)(scope, receive, send)

    return middleware


async def ask(app, body):
    """Return the status, and how much of the body was taken, as a server sees it."""
    scope = {
        "type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"",
        "headers": [(b"content-type", b"application/json")], "http_version": "1.1",
        "scheme": "http", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "root_path": "",
    }
    taken, answered = 0, []

    async def receive():
        nonlocal taken
        piece = body[taken : taken + PIECE]
        taken += len(piece)
        return {"type": "http.request", "body": piece, "more_body": taken < len(body)}

    async def send(message):
        if message["type"] == "http.response.start":
            answered.append(message["status"])

    await app(scope, receive, send)
    return answered[0], taken


body = b'{"a": "' + b"x" * (SIZE - 9) + b'"}'
assert len(body) == SIZE
status, taken = asyncio.run(ask(application(), body))
print(f"dependency: {status} after {taken} of {SIZE} bytes")
assert (status, taken) == (401, SIZE)
status, _ = asyncio.run(ask(application(), b"{"))
print(f"dependency, not JSON: {status}")
assert status == 422
status, taken = asyncio.run(ask(guarded(application()), body))
print(f"middleware: {status} after {taken} of {SIZE} bytes")
assert (status, taken) == (401, 0)
PYTHON
"$folder/venv/bin/python" "$folder/look.py"
