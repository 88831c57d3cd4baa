"""Guessing is slowed, and its owner gets into an account all the same."""

import asyncio

import httpx
import pytest

from control.errors import ProblemError
from control.settings import ControlSettings
from shared.domain.accounts.users import User
from shared.store.pool import Database
from tests.integration.control.accounts.people import (
    PASSWORD,
    browser,
    invite,
    join,
    sign_in,
    try_to_sign_in,
)
from tests.integration.control.accounts.test_oidc_users import welcome
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import assert_problem, running

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def settings(make_settings: MakeSettings) -> ControlSettings:
    return make_settings(
        http_trusted_proxies="127.0.0.1",
        login_free_tries=3,
        login_free_tries_of_account=6,
        login_free_tries_of_address=8,
    )


async def guess(
    client: httpx.AsyncClient, email: str = "ada@example.com", *, address: str = ELSEWHERE
) -> int:
    client.headers["X-Forwarded-For"] = address
    return (await try_to_sign_in(client, email, password="a guess")).status_code


async def test_after_some_wrong_tries_the_next_ones_wait(settings: ControlSettings) -> None:
    async with running(settings) as api, browser(api) as eve:
        await join(api.client)
        assert [await guess(eve) for _ in range(5)] == [401, 401, 401, 429, 429]
        # Not even the right password is looked at, and it says when it will be.
        refused = await try_to_sign_in(eve)
        assert_problem(refused, 429, "too-many-tries")
        assert 0 < int(refused.headers["retry-after"]) <= 2


async def test_an_account_that_there_is_not_is_slowed_alike(settings: ControlSettings) -> None:
    async with running(settings) as api, browser(api) as eve:
        assert [await guess(eve, "nobody@example.com") for _ in range(4)] == [401, 401, 401, 429]


async def test_many_tries_at_once_are_counted_as_well(settings: ControlSettings) -> None:
    async with running(settings) as api, browser(api) as eve:
        await join(api.client)
        answers = await asyncio.gather(*(guess(eve) for _ in range(20)))
        assert sorted(answers) == [401] * 3 + [429] * 17


async def test_each_further_try_doubles_the_wait_up_to_a_limit(
    settings: ControlSettings, db: Database
) -> None:
    async with running(settings) as api, browser(api) as eve:
        assert await guess(eve) == 401
        for failures, wait_s in ((6, 8), (7, 16), (8, 32), (1000, 900)):
            await db.execute(
                "UPDATE login_attempts SET failures = $1, last_failed_at = now()", failures
            )
            told = int((await try_to_sign_in(eve)).headers["retry-after"])
            assert wait_s - 3 < told <= wait_s


async def test_a_pause_makes_all_tries_free_again(settings: ControlSettings, db: Database) -> None:
    async with running(settings) as api, browser(api) as eve:
        await join(api.client)
        assert [await guess(eve) for _ in range(4)][-1] == 429
        await db.execute("UPDATE login_attempts SET last_failed_at = now() - interval '2 hours'")
        assert await guess(eve) == 401


async def test_guesses_elsewhere_do_not_keep_the_owner_out_who_was_here(
    settings: ControlSettings,
) -> None:
    async with running(settings) as api, browser(api) as ada, browser(api) as eve:
        await join(api.client)
        ada.headers["X-Forwarded-For"] = HOME
        await sign_in(ada)
        addresses = [f"203.0.113.{n}" for n in range(4)]
        answers = [await guess(eve, address=each) for each in addresses for _ in range(3)]
        assert answers.count(401) == 6
        assert answers[-1] == 429
        await sign_in(ada)
        # From where she never was she waits, or takes a link, which makes the place known.
        ada.headers["X-Forwarded-For"] = "203.0.113.77"
        assert (await try_to_sign_in(ada)).status_code == 429
        users = (await api.client.get("/v1/users")).json()["items"]
        link = await api.client.post(f"/v1/users/{users[0]['user_id']}/password-link")
        body = {"token": link.json()["token"], "password": PASSWORD}
        assert (await ada.post("/v1/password-links/use", json=body)).status_code == 204
        await sign_in(ada)


async def test_an_address_that_tries_many_accounts_is_slowed(settings: ControlSettings) -> None:
    async with running(settings) as api, browser(api) as eve:
        await invite(api.client)
        # Of IPv6 a customer has a whole network.
        answers = [
            await guess(eve, f"user{n}@example.com", address=f"2001:db8::{n:x}") for n in range(10)
        ]
        assert answers == [401] * 8 + [429] * 2
        assert await guess(eve, "ada@example.com", address="2001:db8:0:1::1") == 401


async def test_who_may_not_try_leaves_nothing_behind(
    settings: ControlSettings, db: Database
) -> None:
    async with running(settings) as api, browser(api) as eve:
        answers = [await guess(eve, f"user{n}@example.com") for n in range(20)]
        assert answers[8:] == [429] * 12
        # Of each of eight tries the account and both together, and the address.
        assert await db.fetchval("SELECT count(*) FROM login_attempts") == 17


async def test_who_is_right_has_all_tries_again(settings: ControlSettings) -> None:
    async with running(settings) as api, browser(api) as ada:
        await join(api.client)
        ada.headers["X-Forwarded-For"] = HOME
        for _ in range(4):
            assert [await guess(ada, address=HOME) for _ in range(2)] == [401, 401]
            await sign_in(ada)


async def test_a_wrong_password_in_a_session_counts_alike(settings: ControlSettings) -> None:
    async with running(settings) as api, browser(api) as ada:
        await join(api.client)
        await sign_in(ada)
        body = {"password": "a guess", "new_password": PASSWORD}
        answers = [await ada.post("/v1/me/password", json=body) for _ in range(4)]
        assert [each.status_code for each in answers] == [403, 403, 403, 429]


async def test_users_of_a_provider_are_guessed_at_one_by_one(
    settings: ControlSettings, db: Database
) -> None:
    async with running(settings) as api, browser(api) as eve:

        async def prove_wrongly(user: User, address: str = HOME) -> int:
            with pytest.raises(ProblemError) as refused:
                await api.services.accounts.prove(user, address=address, password="a guess")
            return refused.value.problem.status

        without = [await welcome(db, subject=each, email=None) for each in ("1", "2")]
        assert [await prove_wrongly(without[0]) for _ in range(4)] == [403] * 3 + [429]
        assert await prove_wrongly(without[1]) == 403
        # Nor are they counted as who has the same address here, and a password.
        await join(api.client)
        same = await welcome(db, subject="3", email="ada@example.com")
        assert [await prove_wrongly(same, ELSEWHERE) for _ in range(3)] == [403] * 3
        assert await guess(eve) == 401


async def test_no_more_passwords_wait_to_be_hashed_than_may(make_settings: MakeSettings) -> None:
    settings = make_settings(user_password_max_waiting=3, user_password_hash_time_cost=200)
    async with running(settings) as api, browser(api) as eve:
        answers = await asyncio.gather(
            *(try_to_sign_in(eve, f"user{n}@example.com") for n in range(12))
        )
        found = sorted(each.status_code for each in answers)
        assert set(found) == {401, 503}
        assert found.count(401) >= 3
