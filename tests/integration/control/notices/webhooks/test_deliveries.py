"""Events reach webhook endpoints: all of them, signed, in the order of each station."""

import asyncio
from functools import partial
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from shared.domain.notices.events import EventType
from shared.store.notices import webhook_retention
from tests.integration.control.notices.webhooks.conftest import Hooks, event, tell
from tests.support.eventually import eventually
from tests.support.webhook_receiver import Answer, Received


def of_station(received: list[Received], station_id: str | None) -> list[int]:
    """Return what came of a station and was taken, each the first time."""
    seen = dict.fromkeys(
        each.event["data"]["n"]
        for each in received
        if each.station_id == station_id and each.status < 300
    )
    return list(seen)


async def test_events_are_delivered_signed_and_in_the_order_of_each_station(hooks: Hooks) -> None:
    await hooks.make()
    stations = ["CS-1", "CS-2", "CS-3", None]
    async with hooks.delivering():
        for n in range(25):
            await tell(hooks.db, [event(each, n) for each in stations])
        await hooks.until_delivered(100)
    for station_id in stations:
        assert of_station(hooks.receiver.received, station_id) == list(range(25))
    assert len(hooks.receiver.received) == 100


async def test_a_delivery_is_the_public_form_of_its_event(hooks: Hooks) -> None:
    await hooks.make()
    async with hooks.delivering():
        number = await tell(hooks.db, [event("CS-1", 7, location_id="depot")])
        await hooks.until_delivered(1)
    (received,) = hooks.receiver.received
    assert received.webhook_id == str(number)
    assert received.event.pop("occurred_at").endswith("Z")
    assert received.event == {
        "id": str(number),
        "type": "connector.status_changed",
        "organization_id": "default",
        "location_id": "depot",
        "station_id": "CS-1",
        "data": {"n": 7},
    }
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"].startswith("Voltaro/")


async def test_only_what_the_filters_let_through_is_delivered(hooks: Hooks) -> None:
    await hooks.make(
        types=["session.started", "session.ended"], station_ids=["CS-1", "CS-2"], location_ids=["a"]
    )
    wanted = {"type": EventType.SESSION_ENDED, "location_id": "a"}
    async with hooks.delivering():
        await tell(
            hooks.db,
            [
                event("CS-1", 0, **wanted),
                event("CS-1", 1, **{**wanted, "type": EventType.SESSION_UPDATED}),
                event("CS-3", 2, **wanted),
                event("CS-2", 3, **{**wanted, "location_id": "b"}),
                event(None, 4, **wanted),
                event("CS-2", 5, **{**wanted, "type": EventType.SESSION_STARTED}),
            ],
        )
        await hooks.until_delivered(2)
        last = await tell(hooks.db, [event("CS-9", 6)])

        async def cursor() -> str:
            found: str = (await hooks.read())["last_event_id"]
            return found

        # What is not wanted is passed over, and not looked at again.
        await eventually(cursor, lambda seen: seen == str(last))
    assert sorted(each.event["data"]["n"] for each in hooks.receiver.received) == [0, 5]


async def test_an_endpoint_is_told_of_what_happens_after_it_was_made(hooks: Hooks) -> None:
    await tell(hooks.db, [event("CS-1", 0)])
    await hooks.make()
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", 1)])
        await hooks.until_delivered(1)
    assert of_station(hooks.receiver.received, "CS-1") == [1]


async def test_a_station_that_fails_holds_up_no_other_and_keeps_its_order(hooks: Hooks) -> None:
    await hooks.make()

    def decide(told: dict[str, Any]) -> Answer:
        # For as long as the others have not come through.
        others = len(of_station(hooks.receiver.requests, "CS-good")) < 10
        is_second = told["station_id"] == "CS-bad" and told["data"]["n"] == 1
        return Answer(500, body=b"not now") if is_second and others else Answer()

    hooks.receiver.decide = decide
    async with hooks.delivering():
        await tell(hooks.db, [event(each, n) for n in range(10) for each in ("CS-bad", "CS-good")])
        await hooks.until_delivered(20)
    received = hooks.receiver.received
    assert of_station(received, "CS-bad") == list(range(10))
    assert of_station(received, "CS-good") == list(range(10))
    tries = [each for each in received if each.station_id == "CS-bad" and each.status == 500]
    assert len(tries) > 0
    assert len({(each.webhook_id, each.body) for each in tries}) == 1


async def test_a_delivery_shows_each_attempt_and_what_was_answered(hooks: Hooks) -> None:
    await hooks.make()
    answers = iter([Answer(503, body=b"busy " * 1000), Answer(200, body=b"\0thanks \xff")])
    hooks.receiver.decide = lambda _: next(answers)
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", 0)])
        (delivery,) = await hooks.until_delivered(1)
    shown = (
        await hooks.client.get(f"{hooks.url}/deliveries/{delivery['webhook_delivery_id']}")
    ).json()
    last, first = shown["all_attempts"]
    assert (first["status"], last["status"]) == (503, 200)
    assert first["answer"] == ("busy " * 1000)[:1024]
    assert "503" in first["error"]
    assert last["error"] is None
    assert last["answer"] == "\ufffdthanks \ufffd"
    assert 0 < first["seconds"] < 1
    assert shown["attempts"] == 2
    assert shown["last_attempt"] == last
    assert delivery["last_attempt"] == last


async def test_a_rotated_secret_signs_beside_the_old_one_until_that_ends(hooks: Hooks) -> None:
    old = (await hooks.make())["secret"]
    rotated = await hooks.client.post(f"{hooks.url}/rotate-secret", json={"old_ends_after_s": 3600})
    assert rotated.status_code == 200
    new = rotated.json()["secret"]
    assert new != old
    hooks.receiver.secrets = [old, new]  # each has to verify
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", 0)])
        await hooks.until_delivered(1)
        await hooks.client.post(f"{hooks.url}/rotate-secret", json={"old_ends_after_s": 0})
        hooks.receiver.secrets = []
        await tell(hooks.db, [event("CS-1", 1)])
        await hooks.until_delivered(2)
    received = hooks.receiver.received[-1]
    assert received.headers["webhook-signature"].count("v1,") == 1
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(received.body, received.headers)


async def test_one_slow_endpoint_costs_the_others_nothing(hooks: Hooks) -> None:
    slow = await hooks.make(description="slow", station_ids=["CS-slow"])
    fast = await hooks.make(description="fast", station_ids=["CS-fast"])
    assert slow["webhook_endpoint_id"] != fast["webhook_endpoint_id"]
    hooks.receiver.secrets = []
    hooks.receiver.decide = lambda told: Answer(
        delay_s=60.0 if told["station_id"] == "CS-slow" else 0.0
    )
    async with hooks.delivering(webhook_timeout_s=90, webhook_lease_s=200):
        await tell(hooks.db, [event("CS-slow", n) for n in range(5)])
        await eventually(lambda: asyncio.sleep(0, hooks.receiver.in_work), bool)
        await tell(hooks.db, [event("CS-fast", n) for n in range(20)])
        await hooks.until_delivered(20)
        assert len(of_station(hooks.receiver.received, "CS-slow")) == 1


async def test_no_more_requests_at_once_than_the_setting_says(hooks: Hooks) -> None:
    await hooks.make()
    hooks.receiver.decide = lambda _: Answer(delay_s=0.05)
    async with hooks.delivering(webhook_concurrency=3):
        await tell(hooks.db, [event(f"CS-{n}", n) for n in range(30)])
        await hooks.until_delivered(30)
    assert hooks.receiver.most_in_work == 3


async def test_what_is_finished_goes_after_a_week_and_what_is_nobodys_at_once(
    hooks: Hooks,
) -> None:
    await hooks.make()
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", 0), event("CS-1", 1)])
        await hooks.until_delivered(2)
    await hooks.client.post(f"{hooks.url}/replay", json={"from_event_id": "1"})
    await hooks.db.execute(
        """
        UPDATE webhook_deliveries SET state = 'delivered', finished_at = now() - interval '8 days'
        WHERE event_id = '1'
        """
    )
    sweep = partial(webhook_retention.sweep_finished, hooks.db, retention_days=7, limit=100)
    assert await sweep() == 1
    assert [each["event_id"] for each in await hooks.deliveries()] == ["2"]
    assert await hooks.db.fetchval("SELECT count(*) FROM webhook_attempts") == 1
    assert await webhook_retention.measure_waiting(hooks.db) == (1, pytest.approx(30, abs=30))
    await hooks.client.delete(hooks.url)
    assert await sweep() == 1
    for table in ("deliveries", "attempts", "progress", "secrets", "requests"):
        assert await hooks.db.fetchval(f"SELECT count(*) FROM webhook_{table}") == 0  # noqa: S608 - names of our own
