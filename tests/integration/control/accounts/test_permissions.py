"""Each role on each operation: 403 with the missing permission, before anything is read."""

import asyncio
from typing import Any

import httpx
import pytest

from control.accounts.rules import Access, RouteRule, RouteRules
from control.app import create_api
from shared.domain.accounts.permissions import Permission
from shared.domain.accounts.roles import Role
from tests.integration.control.players import Api, assert_problem

RULES = RouteRules(create_api()).rules
SOME_UUID = "01975ed3-0000-7000-8000-000000000000"


def path_of(rule: RouteRule) -> str:
    head, brace, rest = rule.path.partition("{")
    while brace:
        head, brace, rest = (head + SOME_UUID + rest.partition("}")[2]).partition("{")
    return head


@pytest.fixture
async def keys(client: httpx.AsyncClient) -> dict[Role, dict[str, str]]:
    """Headers with a key that may do what each role may."""
    made = {}
    for role in Role:
        body = {"name": role, "scopes": sorted(role.permissions)}
        key = (await client.post("/v1/api-keys", json=body)).json()["key"]
        made[role] = {"Authorization": f"Bearer {key}"}
    return made


async def _ask(api: Api, rule: RouteRule, headers: dict[str, str], **how: Any) -> httpx.Response:
    """Return what is answered, and of an answer without an end its head."""
    async with api.client.stream(rule.method, path_of(rule), headers=headers, **how) as response:
        if response.headers.get("content-type", "").startswith("text/event-stream"):
            return httpx.Response(response.status_code)
        await response.aread()
        return response


async def test_each_role_may_call_what_its_permissions_say_and_nothing_else(
    api: Api, keys: dict[Role, dict[str, str]]
) -> None:
    refused = 0
    for rule in RULES:
        if not isinstance(rule.rule, Permission):
            continue
        for role, headers in keys.items():
            # Of what is refused no body is read, and of what is not this one changes nothing.
            how: dict[str, Any] = {"content": b"{no json"} if rule.method != "GET" else {}
            response = await _ask(api, rule, {**headers, "Content-Type": "application/json"}, **how)
            told = f"{role} {rule.method} {rule.path}: {response.status_code}"
            if rule.rule in role.permissions:
                assert response.status_code not in {401, 403}, told
                assert response.status_code < 500, told
            else:
                assert response.status_code == 403, told
                assert rule.rule in assert_problem(response, 403, "missing-permission")["detail"]
                refused += 1
    assert refused > 100


async def test_without_credentials_no_operation_answers_that_is_not_public(api: Api) -> None:
    for rule in RULES:
        if rule.rule is not Access.PUBLIC:
            response = await api.client.request(
                rule.method, path_of(rule), headers={"Authorization": ""}, content=b"{no json"
            )
            assert_problem(response, 401, "unauthorized")


async def test_a_body_is_not_waited_for_without_the_permission(
    api: Api, keys: dict[Role, dict[str, str]]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.client.base_url.port)
    authorization = keys[Role.VIEWER]["Authorization"]
    head = (
        "POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
        f"Authorization: {authorization}\r\n\r\n"
    )
    writer.write(head.encode())
    async with asyncio.timeout(5):
        assert (await reader.readline()).split()[1] == b"403"
    writer.close()
