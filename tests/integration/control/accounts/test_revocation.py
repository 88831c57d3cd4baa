"""What is taken from somebody counts on every pod within the time that a credential is remembered.

docs/reference/settings.md has it: VOLTARO_CREDENTIALS_MEMORY_S.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.integration.control.accounts.people import browser, join, sign_in
from tests.integration.control.accounts.test_api_keys import bearer, make_key
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import running
from tests.support.eventually import eventually

MEMORY_S = 1.0
# Until a request is answered on a machine that is busy.
ANSWER_S = 3.0


async def end_session(root: httpx.AsyncClient, told: dict[str, Any]) -> None:
    await root.delete(f"/v1/users/{told['user_id']}/sessions")


async def disable(root: httpx.AsyncClient, told: dict[str, Any]) -> None:
    await root.patch(f"/v1/users/{told['user_id']}", json={"disabled": True})


async def demote(root: httpx.AsyncClient, told: dict[str, Any]) -> None:
    await root.patch(f"/v1/users/{told['user_id']}", json={"role": "finance"})


async def remove(root: httpx.AsyncClient, told: dict[str, Any]) -> None:
    await root.delete(f"/v1/users/{told['user_id']}")


async def revoke(root: httpx.AsyncClient, told: dict[str, Any]) -> None:
    await root.delete(f"/v1/api-keys/{told['api_key_id']}")


async def narrow(root: httpx.AsyncClient, told: dict[str, Any]) -> None:
    scopes = {"scopes": ["sessions:read"]}
    await root.patch(f"/v1/api-keys/{told['api_key_id']}", json=scopes)


Take = Callable[[httpx.AsyncClient, dict[str, Any]], Awaitable[None]]


@pytest.mark.parametrize(
    ("take", "session", "key"),
    [
        (end_session, 401, 200),
        (disable, 401, 403),
        (demote, 401, 403),
        (remove, 401, 401),
        (revoke, 200, 401),
        (narrow, 200, 403),
    ],
)
async def test_what_is_taken_on_one_pod_counts_on_the_other_in_time(
    make_settings: MakeSettings, take: Take, session: int, key: int
) -> None:
    settings = make_settings(credentials_memory_s=MEMORY_S)
    async with running(settings) as here, running(settings) as there, browser(there) as ada:
        await join(here.client, "eve@example.com")
        told = await join(here.client, "ada@example.com")
        await sign_in(ada)
        made = await make_key(ada, scopes=["sessions:read", "commands:read"])
        batches = "/v1/command-batches"

        async def ask() -> tuple[int, int]:
            # Both are in use all the time, on the pod where nobody takes anything away.
            by_session = await ada.get(batches)
            by_key = await there.client.get(batches, headers=bearer(made))
            return by_session.status_code, by_key.status_code

        assert await ask() == (200, 200)
        await take(here.client, {**told, **made})
        taken_at = time.monotonic()
        await eventually(ask, lambda answers: answers == (session, key), timeout_s=30)
        assert time.monotonic() - taken_at < MEMORY_S + ANSWER_S
