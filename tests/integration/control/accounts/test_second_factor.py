"""The second factor: set up, asked for, taken once, replaced by recovery codes."""

import asyncio
import time
from typing import Any

import httpx
import pyotp
import pytest
from structlog.testing import capture_logs

from control.app import run
from control.settings import ControlSettings
from shared.store.pool import Database
from tests.integration.control.accounts.people import (
    PASSWORD,
    browser,
    join,
    sign_in,
    try_to_sign_in,
)
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import Api, assert_problem, running

ENCRYPTION_KEY = "an-encryption-key-of-these-tests-alone"


@pytest.fixture
def settings(make_settings: MakeSettings) -> ControlSettings:
    return make_settings(
        accounts_encryption_keys=ENCRYPTION_KEY,
        # Those who are right are not held up here by those who were wrong before.
        login_free_tries=100,
        login_free_tries_of_account=100,
        login_free_tries_of_address=1000,
    )


class App:
    """An authenticator app. Each code that it shows is of a later step, as if time passed."""

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP(secret)
        self._step = int(time.time()) // 30 - 2

    def code(self) -> str:
        """Return a code that was not shown yet: three are near enough to now."""
        self._step += 1
        return self._totp.generate_otp(self._step)

    def far_code(self) -> str:
        return self._totp.generate_otp(self._step - 1000)


async def set_up(client: httpx.AsyncClient) -> tuple[App, list[str]]:
    """Set a second factor up, and return the app and the recovery codes."""
    begun = await client.post("/v1/me/second-factor", json={"password": PASSWORD})
    assert begun.status_code == 200, begun.text
    app = App(begun.json()["secret"])
    confirmed = await client.post("/v1/me/second-factor/confirm", json={"code": app.code()})
    assert confirmed.status_code == 200, confirmed.text
    me = await client.get("/v1/me")
    client.headers["X-CSRF-Token"] = me.json()["csrf_token"]
    codes: list[str] = confirmed.json()["recovery_codes"]
    return app, codes


async def test_a_code_is_asked_for_and_none_is_taken_twice(settings: ControlSettings) -> None:
    async with running(settings) as api, browser(api) as ada, browser(api) as phone:
        await join(api.client)
        await sign_in(ada)
        await sign_in(phone)
        before = ada.cookies["voltaro_session"]
        app, _ = await set_up(ada)
        assert ada.cookies["voltaro_session"] != before
        assert_problem(await phone.get("/v1/me"), 401, "unauthorized")

        assert_problem(await try_to_sign_in(phone), 401, "second-factor-needed")
        wrong = await try_to_sign_in(phone, password="wrong")
        assert_problem(wrong, 401, "wrong-credentials")
        code = app.code()
        await sign_in(phone, code=f"{code[:3]} {code[3:]}")
        for refused in (
            code,
            app.far_code(),
            "000000x",
            "",
            "\uff11\uff12\uff13\uff14\uff15\uff16",
        ):
            response = await try_to_sign_in(phone, code=refused)
            assert response.status_code == 401
        await sign_in(phone, code=app.code())


async def test_a_recovery_code_counts_once(settings: ControlSettings) -> None:
    async with running(settings) as api, browser(api) as ada:
        await join(api.client)
        await sign_in(ada)
        _, codes = await set_up(ada)
        assert len(set(codes)) == 10
        await sign_in(ada, code=codes[0].lower())
        assert_problem(await try_to_sign_in(ada, code=codes[0]), 401, "wrong-credentials")
        await sign_in(ada, code=codes[1].replace("-", ""))


async def test_a_secret_is_stored_encrypted_and_codes_as_hashes(
    settings: ControlSettings, db: Database
) -> None:
    async with running(settings) as api, browser(api) as ada:
        await join(api.client)
        await sign_in(ada)
        begun = (await ada.post("/v1/me/second-factor", json={"password": PASSWORD})).json()
        assert begun["secret"] in begun["uri"]
        # It does not count before it was confirmed.
        await sign_in(ada)
        _, codes = await set_up(ada)
        stored = repr(dict((await db.fetch("SELECT * FROM users"))[0]))
        assert begun["secret"] not in stored
        assert not [code for code in codes if code in stored]


async def test_an_encryption_key_is_replaced(
    settings: ControlSettings, make_settings: MakeSettings
) -> None:
    async with running(settings) as api, browser(api) as ada:
        await join(api.client)
        await sign_in(ada)
        app, _ = await set_up(ada)
    other = "another-encryption-key-that-comes-first"
    both = settings.model_copy(
        update={
            "accounts_encryption_keys": make_settings(
                accounts_encryption_keys=f"{other},{ENCRYPTION_KEY}"
            ).accounts_encryption_keys
        }
    )
    async with running(both) as api, browser(api) as ada:
        await sign_in(ada, code=app.code())
    lost = make_settings(accounts_encryption_keys=other)
    async with running(lost) as api, browser(api) as ada:
        problem = assert_problem(await try_to_sign_in(ada, code=app.code()), 409, "conflict")
        assert "VOLTARO_ACCOUNTS_ENCRYPTION_KEYS" in problem["detail"]


async def test_it_is_removed_by_its_owner_or_an_administrator(settings: ControlSettings) -> None:
    async with running(settings) as api, browser(api) as ada:
        user_id = (await join(api.client))["user_id"]
        await sign_in(ada)
        app, _ = await set_up(ada)
        body: dict[str, Any] = {"password": PASSWORD, "code": "000000"}
        url = "/v1/me/second-factor/remove"
        assert_problem(await ada.post(url, json=body), 403, "wrong-proof")
        wrong = {"password": "wrong", "code": app.code()}
        assert_problem(await ada.post(url, json=wrong), 403, "wrong-proof")
        again = await ada.post("/v1/me/second-factor", json={"password": PASSWORD})
        assert_problem(again, 409, "conflict")
        removed = await ada.post(url, json={"password": PASSWORD, "code": app.code()})
        assert removed.status_code == 200, removed.text
        await sign_in(ada)

        await set_up(ada)
        admin = await api.client.delete(f"/v1/users/{user_id}/second-factor")
        assert admin.status_code == 204
        assert_problem(await ada.get("/v1/me"), 401, "unauthorized")
        await sign_in(ada)


async def test_a_right_password_gives_no_further_tries_at_a_code(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(accounts_encryption_keys=ENCRYPTION_KEY, login_free_tries=3)
    async with running(settings) as api, browser(api) as ada:
        await join(api.client)
        await sign_in(ada)
        await set_up(ada)
        answers = []
        for _ in range(3):
            answers.append(await try_to_sign_in(ada, code="000000"))
            answers.append(await try_to_sign_in(ada))
        assert answers[-1].status_code == 429
        assert_problem(await try_to_sign_in(ada, code="000000"), 429, "too-many-tries")


async def test_without_an_encryption_key_there_is_none(api: Api) -> None:
    await join(api.client)
    async with browser(api) as ada:
        await sign_in(ada)
        problem = assert_problem(
            await ada.post("/v1/me/second-factor", json={"password": PASSWORD}), 409, "conflict"
        )
        assert "VOLTARO_ACCOUNTS_ENCRYPTION_KEYS" in problem["detail"]
        confirm = await ada.post("/v1/me/second-factor/confirm", json={"code": "123456"})
        assert_problem(confirm, 409, "conflict")


async def starting(settings: ControlSettings) -> list[Any]:
    """Start a process of the control plane, and return what it logs of keys that it lacks."""
    stop = asyncio.Event()
    stop.set()
    with capture_logs() as logged:
        await run(settings.model_copy(update={"http_port": 0, "management_port": 0}), stop)
    return [each for each in logged if "VOLTARO_ACCOUNTS_ENCRYPTION_KEYS" in each["event"]]


async def test_a_process_without_its_keys_says_at_its_start_what_does_not_work(
    settings: ControlSettings, make_settings: MakeSettings
) -> None:
    async with running(settings) as api, browser(api) as ada:
        await join(api.client)
        await sign_in(ada)
        await set_up(ada)
    assert await starting(settings) == []
    (none, unreadable) = await starting(make_settings())
    assert (none["log_level"], "set up a second factor" in none["event"]) == ("warning", True)
    assert (unreadable["log_level"], unreadable["users"]) == ("error", 1)
    (other,) = await starting(make_settings(accounts_encryption_keys=2 * ENCRYPTION_KEY))
    assert other["users"] == 1
