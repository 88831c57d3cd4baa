"""People who sign in, each with a browser of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.integration.control.players import Api
from tests.support.http import http_client

PASSWORD = "correct horse battery staple"


async def invite(
    client: httpx.AsyncClient, email: str = "ada@example.com", **changes: Any
) -> dict[str, Any]:
    """Invite somebody, and return what the administrator is told."""
    body = {"email": email, "name": email.partition("@")[0], "role": "admin", **changes}
    response = await client.post("/v1/users", json=body)
    assert response.status_code == 201, response.text
    told: dict[str, Any] = response.json()
    return told


async def join(
    client: httpx.AsyncClient, email: str = "ada@example.com", **changes: Any
) -> dict[str, Any]:
    """Invite somebody who takes the invitation up."""
    told = await invite(client, email, **changes)
    use = {"token": told["invitation"]["token"], "password": PASSWORD}
    response = await client.post("/v1/password-links/use", json=use)
    assert response.status_code == 204, response.text
    return told


@asynccontextmanager
async def browser(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without any credentials, which keeps cookies."""
    async with http_client(base_url=api.url, timeout=20) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, email: str = "ada@example.com", **more: Any) -> None:
    """Sign in, and send the CSRF token from then on."""
    response = await try_to_sign_in(client, email, **more)
    assert response.status_code == 200, response.text
    client.headers["X-CSRF-Token"] = response.json()["csrf_token"]


async def try_to_sign_in(
    client: httpx.AsyncClient, email: str = "ada@example.com", **more: Any
) -> httpx.Response:
    body = {"email": email, "password": PASSWORD, **more}
    return await client.post("/v1/login", json=body)
