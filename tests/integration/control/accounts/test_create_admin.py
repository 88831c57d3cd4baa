"""`voltaro create-admin`: the first administrator."""

import asyncio
import os
import subprocess
import sys

from tests.integration.control.accounts.people import PASSWORD, browser, invite, sign_in
from tests.integration.control.players import Api


async def create_admin(database_url: str, email: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-P", "-m", "cli", "create-admin", email, "--url", "http://x.example"]
    env = {**os.environ, "VOLTARO_DATABASE_URL": database_url}
    return await asyncio.to_thread(
        subprocess.run, argv, env=env, capture_output=True, text=True, timeout=60, check=False
    )


async def test_the_first_administrator_is_made_and_gets_back_in(
    api: Api, database_url: str
) -> None:
    for _ in range(2):
        done = await create_admin(database_url, "ada@example.com")
        assert done.returncode == 0, done.stderr
        url, _, token = done.stdout.strip().partition("#")
        assert url == "http://x.example/set-password"
        async with browser(api) as ada:
            use = {"token": token, "password": PASSWORD}
            assert (await ada.post("/v1/password-links/use", json=use)).status_code == 204
            await sign_in(ada)
            assert (await ada.get("/v1/users")).status_code == 200


async def test_who_is_no_administrator_does_not_become_one(api: Api, database_url: str) -> None:
    await invite(api.client, role="viewer")
    done = await create_admin(database_url, "ada@example.com")
    assert done.returncode == 1
    assert "viewer" in done.stderr
    assert (await create_admin(database_url, "ada")).returncode == 2


async def test_the_page_of_a_link_takes_nothing_from_elsewhere(api: Api) -> None:
    async with browser(api) as ada:
        page = await ada.get("/set-password")
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["referrer-policy"] == "no-referrer"
        for name in ("page.js", "page.css"):
            assert f"set-password/{name}" in page.text
            assert (await ada.get(f"/set-password/{name}")).status_code == 200
        assert "<script>" not in page.text
