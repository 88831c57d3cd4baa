"""What is done about endpoints that are down, slow, wrong, or somewhere they must not be."""

import asyncio
import time
from typing import Any

import pytest

from control.jobs.notices.webhook_mail import WebhookMailer
from shared.domain.notices.catalogue import CATALOGUE
from shared.domain.notices.events import EventType
from shared.domain.notices.webhooks import DisabledReason
from shared.store.notices import numbering
from tests.integration.control.accounts.people import invite
from tests.integration.control.accounts.test_mail import MailServer, mail_server
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.notices.webhooks.conftest import Hooks, event, tell
from tests.support.eventually import eventually
from tests.support.webhook_receiver import Answer


async def until_tried(hooks: Hooks, attempts: int = 1) -> dict[str, Any]:
    """Wait until the first delivery was tried so often, and return it."""

    async def look() -> dict[str, Any]:
        return (await hooks.deliveries())[0] if await hooks.deliveries() else {"attempts": 0}

    return await eventually(look, lambda seen: seen["attempts"] >= attempts)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(500), "it answers 500"),
        (Answer(404), "it answers 404"),
        (Answer(302, {"Location": "/elsewhere"}), "it redirects to /elsewhere"),
        (Answer(delay_s=5), "no answer within 0.5 s"),
    ],
)
async def test_what_is_no_success_is_tried_again(hooks: Hooks, answer: Answer, words: str) -> None:
    await hooks.make()
    hooks.receiver.decide = lambda _: answer
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", 0)])
        tried = await until_tried(hooks, 2)
        assert words in tried["last_attempt"]["error"]
        assert tried["state"] == "waiting"
        hooks.receiver.decide = lambda _: Answer()
        await hooks.until_delivered(1)


async def test_a_redirect_is_not_followed(hooks: Hooks) -> None:
    await hooks.make()
    hooks.receiver.decide = lambda _: Answer(307, {"Location": hooks.receiver.url})
    async with hooks.delivering(webhook_retry_first_s=60, webhook_retry_longest_s=60):
        await tell(hooks.db, [event("CS-1", 0)])
        await until_tried(hooks)
    assert len(hooks.receiver.received) == 1


async def test_an_answer_without_an_end_is_broken_off(hooks: Hooks) -> None:
    await hooks.make()
    hooks.receiver.decide = lambda _: Answer(200, endless=True)
    async with hooks.delivering():
        began_s = time.monotonic()
        await tell(hooks.db, [event("CS-1", 0)])
        (delivery,) = await hooks.until_delivered(1)
        assert time.monotonic() - began_s < 20
    assert delivery["last_attempt"]["answer"] == "x" * 1024


async def test_nobody_listening_is_told_in_words(hooks: Hooks) -> None:
    await hooks.make()
    await hooks.receiver.stop()
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", 0)])
        tried = await until_tried(hooks)
    assert "does not take a connection at 127.0.0.1" in tried["last_attempt"]["error"]
    assert tried["last_attempt"]["status"] is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_no_address_that_is_not_allowed_is_connected_to(hooks: Hooks, host: str) -> None:
    """By its name or by itself; the API would not even take the addresses."""
    await hooks.make()
    await hooks.db.execute(
        "UPDATE webhook_endpoints SET url = $1", f"http://{host}:{hooks.receiver.port}/hooks"
    )
    async with hooks.delivering(webhook_allowed_networks=""):
        await tell(hooks.db, [event("CS-1", 0)])
        tried = await until_tried(hooks)
    assert "not of the public internet" in tried["last_attempt"]["error"]
    assert hooks.receiver.connections == 0


async def test_http_is_not_spoken_unless_a_setting_says_so(hooks: Hooks) -> None:
    await hooks.make()
    async with hooks.delivering(webhook_allow_http=False):
        await tell(hooks.db, [event("CS-1", 0)])
        tried = await until_tried(hooks)
    assert "VOLTARO_WEBHOOK_ALLOW_HTTP" in tried["last_attempt"]["error"]
    assert hooks.receiver.connections == 0


async def test_an_endpoint_that_is_down_is_not_asked_for_all_that_waits(hooks: Hooks) -> None:
    await hooks.make()
    hooks.receiver.decide = lambda _: Answer(503)
    async with hooks.delivering(webhook_retry_first_s=0.1, webhook_retry_longest_s=0.1):
        await tell(hooks.db, [event(f"CS-{n}", 0) for n in range(100)])
        began_s = time.monotonic()
        await eventually(lambda: asyncio.sleep(0, len(hooks.receiver.received)), lambda n: n >= 15)
        took_s = time.monotonic() - began_s
        # Eight at once at first, then one by one with a pause before each.
        assert len(hooks.receiver.received) <= 8 + 5 + took_s / 0.08 + 1
        assert (await hooks.read())["failing_since"] is not None
        hooks.receiver.decide = lambda _: Answer()
        await hooks.until_delivered(100)
        assert (await hooks.read())["failing_since"] is None


async def test_the_first_success_of_an_endpoint_that_was_down_brings_all_that_waits(
    hooks: Hooks,
) -> None:
    await hooks.make()
    hooks.receiver.decide = lambda _: Answer(503)
    async with hooks.delivering():
        await tell(hooks.db, [event(f"CS-{n}", 0) for n in range(6)])
        await eventually(lambda: asyncio.sleep(0, len(hooks.receiver.received)), lambda n: n >= 8)
        await hooks.db.execute(
            "UPDATE webhook_deliveries SET next_attempt_at = now() + interval '1 hour'"
        )
        hooks.receiver.decide = lambda _: Answer()
        await tell(hooks.db, [event("CS-new", 0)])
        await hooks.until_delivered(7)


async def test_what_waits_for_an_endpoint_that_is_down_is_bounded(hooks: Hooks) -> None:
    await hooks.make()
    hooks.receiver.decide = lambda _: Answer(503)
    async with hooks.delivering(
        webhook_retry_first_s=0.05, webhook_batch=10, webhook_max_waiting_down=30
    ):
        await tell(hooks.db, [event(f"CS-{n}", 0) for n in range(10)])
        await eventually(
            lambda: asyncio.sleep(0, len(hooks.receiver.received)), lambda count: count > 12
        )
        await tell(hooks.db, [event(f"CS-{n % 10}", n) for n in range(10, 200)])
        seen = len(hooks.receiver.received)
        await eventually(
            lambda: asyncio.sleep(0, len(hooks.receiver.received)), lambda count: count > seen + 5
        )
        assert (await hooks.read())["waiting"] <= 40
        hooks.receiver.decide = lambda _: Answer()
        await hooks.until_delivered(200)
    for n in range(10):
        of = [each for each in hooks.receiver.received if each.station_id == f"CS-{n}"]
        told = dict.fromkeys(each.event["data"]["n"] for each in of if each.status < 300)
        assert list(told) == sorted(told)
        assert len(told) == 20


async def test_retry_after_is_obeyed_and_bounded(hooks: Hooks) -> None:
    await hooks.make()
    answers = iter([Answer(429, {"Retry-After": "1"}), Answer(503, {"Retry-After": "86400"})])
    hooks.receiver.decide = lambda _: next(answers, Answer())
    async with hooks.delivering(webhook_retry_first_s=0.01, webhook_concurrency=1):
        await tell(hooks.db, [event("CS-1", 0), event("CS-2", 0)])
        await hooks.until_delivered(2)
    times = [each.at_s for each in hooks.receiver.received]
    # The whole endpoint is left alone, and for a day no longer than the setting of a second.
    assert times[1] - times[0] > 0.99
    assert 0.99 < times[2] - times[1] < 60


async def test_gone_switches_the_endpoint_off_at_once_and_tells_its_organization(
    hooks: Hooks,
) -> None:
    made = await hooks.make()
    hooks.receiver.decide = lambda _: Answer(410)
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", 0)])
        shown = await eventually(hooks.read, lambda seen: not seen["enabled"])
    assert shown["disabled_reason"] == DisabledReason.GONE
    assert shown["waiting"] == 1
    await numbering.number(hooks.db, limit=100)
    told = await hooks.db.fetchrow("SELECT * FROM events WHERE type = 'webhook.disabled'")
    assert told is not None
    assert told["organization_id"] == "default"
    assert told["data"]["webhook_endpoint_id"] == made["webhook_endpoint_id"]
    assert told["data"]["reason"] == "gone"
    assert set(told["data"]) == set(CATALOGUE[EventType.WEBHOOK_DISABLED].data)


async def test_an_endpoint_that_fails_for_days_is_switched_off_and_goes_on_when_enabled(
    hooks: Hooks, make_settings: MakeSettings
) -> None:
    await hooks.make(description="billing")
    await hooks.receiver.stop()
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", n) for n in range(3)])
        await until_tried(hooks)
        # Three days pass.
        await hooks.db.execute(
            """
            UPDATE webhook_progress SET failing_since = failing_since - interval '3 days 1 minute'
            """
        )
        await hooks.db.execute(
            """
            UPDATE webhook_deliveries
            SET first_attempt_at = first_attempt_at - interval '3 days 1 minute'
            """
        )
        shown = await eventually(hooks.read, lambda seen: not seen["enabled"])
        assert shown["disabled_reason"] == DisabledReason.FAILING
        assert shown["waiting"] == 3

        await _assert_administrators_are_mailed(hooks, make_settings)

        await tell(hooks.db, [event("CS-1", 3)])
        await hooks.receiver.start()
        enabled = await hooks.client.patch(hooks.url, json={"enabled": True})
        assert enabled.json()["disabled_reason"] is None
        await hooks.until_delivered(5)
    told = [each.event for each in hooks.receiver.received if each.station_id == "CS-1"]
    assert [each["data"]["n"] for each in told] == [0, 1, 2, 3]


async def _assert_administrators_are_mailed(hooks: Hooks, make_settings: MakeSettings) -> None:
    for email, role in (("ada@example.com", "admin"), ("vera@example.com", "viewer")):
        await invite(hooks.client, email=email, role=role)
    async with mail_server() as mail:
        settings = make_settings(
            smtp_host="127.0.0.1",
            smtp_port=mail.port,
            smtp_security="none",
            mail_from="voltaro@example.com",
            dashboard_url="https://voltaro.example.com",
        )
        mailer = WebhookMailer(hooks.db, settings)
        await _assert_a_refused_mail_is_tried_again(hooks, mailer, mail)
        assert await mailer.run() == 0
    (message,) = mail.mails
    assert message["To"] == "ada@example.com"
    assert hooks.receiver.url in message.get_content()
    assert "billing" in message.get_content()


async def _assert_a_refused_mail_is_tried_again(
    hooks: Hooks, mailer: WebhookMailer, mail: MailServer
) -> None:
    mail.answer = "451 later"
    assert await mailer.run() == 0
    mail.answer = "250 OK"
    assert await mailer.run() == 0  # it waits
    await hooks.db.execute("UPDATE webhook_progress SET mail_at = now() WHERE mail_at > now()")
    assert await mailer.run() == 1


async def test_a_delivery_is_given_up_after_three_days_and_the_next_of_its_station_follows(
    hooks: Hooks,
) -> None:
    await hooks.make()
    hooks.receiver.decide = lambda told: Answer(
        400 if (told["station_id"], told["data"]["n"]) == ("CS-1", 0) else 200
    )
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", 0), event("CS-1", 1), event("CS-2", 0)])
        await hooks.until_delivered(1)
        await until_tried(hooks)
        assert [each["state"] for each in await hooks.deliveries()] == [
            *("waiting", "waiting", "delivered")
        ]
        await hooks.db.execute(
            """
            UPDATE webhook_deliveries SET first_attempt_at = now() - interval '3 days 1 minute'
            WHERE state = 'waiting' AND failures > 0
            """
        )
        await hooks.until_delivered(2)
    assert [each["state"] for each in await hooks.deliveries()] == [
        *("failed", "delivered", "delivered")
    ]
    assert (await hooks.read())["enabled"]


async def test_an_event_that_is_not_kept_any_more_holds_up_nothing(hooks: Hooks) -> None:
    await hooks.make()
    await hooks.receiver.stop()
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", 0), event("CS-1", 1)])
        await until_tried(hooks)
        await hooks.db.execute("DELETE FROM events WHERE data ->> 'n' = '0'")
        await hooks.receiver.start()
        await hooks.until_delivered(1)
    assert [each["state"] for each in await hooks.deliveries()] == ["failed", "delivered"]


async def test_without_its_key_a_secret_is_asked_for_in_words(hooks: Hooks) -> None:
    await hooks.make()
    await hooks.db.execute("UPDATE webhook_secrets SET secret = 'of another key'")
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", 0)])
        tried = await until_tried(hooks)
    assert "VOLTARO_ACCOUNTS_ENCRYPTION_KEYS" in tried["last_attempt"]["error"]
    assert hooks.receiver.connections == 0
