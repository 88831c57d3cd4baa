"""Webhook endpoints as people make, change, test and replay them."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.control.accounts.belongings import HOST, OPERATOR, make_organizations
from tests.integration.control.notices.webhooks.conftest import URL, Hooks, event, tell
from tests.integration.control.players import Api, assert_problem
from tests.support.eventually import eventually
from tests.support.webhook_receiver import Answer


async def test_a_secret_is_shown_when_it_is_made_and_never_again(hooks: Hooks) -> None:
    made = await hooks.make(description="billing", types=["session.ended"])
    assert made["secret"].startswith("whsec_")
    shown = await hooks.read()
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    listed = (await hooks.client.get(URL, params={"total": True})).json()
    assert listed["items"] == [shown]
    assert listed["total"] == {"count": 1, "at_least": False}
    rotated = (await hooks.client.post(f"{hooks.url}/rotate-secret", json={})).json()
    assert rotated["secret"] not in {made["secret"], None}
    stored = await hooks.db.fetch("SELECT secret FROM webhook_secrets")
    assert len(stored) == 2
    for record in stored:
        assert made["secret"] not in record["secret"]
        assert rotated["secret"] not in record["secret"]


async def test_of_many_secrets_the_newest_sign(hooks: Hooks) -> None:
    await hooks.make()
    made = [
        (await hooks.client.post(f"{hooks.url}/rotate-secret", json={})).json()["secret"]
        for _ in range(6)
    ]
    hooks.receiver.secrets = made[1:]
    await hooks.client.post(f"{hooks.url}/test")
    async with hooks.delivering():
        await hooks.until_delivered(1)
    (received,) = hooks.receiver.received
    assert received.headers["webhook-signature"].count("v1,") == 5


async def test_an_endpoint_is_changed_and_removed(hooks: Hooks) -> None:
    made = await hooks.make()
    changed = await hooks.client.patch(
        hooks.url, json={"station_ids": ["CS-1"], "enabled": False, "description": None}
    )
    assert changed.json()["station_ids"] == ["CS-1"]
    assert changed.json()["disabled_reason"] == "requested"
    assert changed.json()["url"] == made["url"]
    assert (await hooks.client.delete(hooks.url)).status_code == 204
    assert_problem(await hooks.client.get(hooks.url), 404, "not-found")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://user:password@example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://example.com\\@127.0.0.1/",
        "ftp://example.com/",
        "https://example.com/hook?a b",
        "https://example.com/hook?straße",
        "https://example.com/hook?a#b",
        "example.com",
        "",
    ],
)
async def test_a_url_that_leads_elsewhere_than_to_the_internet_is_refused(
    api: Api, url: str
) -> None:
    refused = await api.client.post(URL, json={"url": url})
    assert_problem(refused, 422, "invalid-input")
    assert refused.json()["errors"][0]["field"] == "url"


async def test_without_a_key_to_encrypt_with_there_are_no_webhooks(api: Api) -> None:
    refused = await api.client.post(URL, json={"url": "https://example.com/hook?tenant=7"})
    assert_problem(refused, 409, "conflict")
    assert refused.json()["code"] == "webhooks_not_set_up"


async def test_a_test_reaches_an_endpoint_whatever_its_filters(hooks: Hooks) -> None:
    await hooks.make(types=["session.ended"])
    asked = await hooks.client.post(f"{hooks.url}/test")
    assert asked.status_code == 202
    async with hooks.delivering():
        await hooks.until_delivered(1)
    (received,) = hooks.receiver.received
    assert received.event["type"] == "webhook.test"
    assert received.event["id"] == received.webhook_id == asked.json()["event_id"]
    assert received.event["organization_id"] == "default"


async def test_one_delivery_is_sent_again_with_its_id_and_holds_up_none(hooks: Hooks) -> None:
    await hooks.make()
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", 0)])
        (first,) = await hooks.until_delivered(1)
        hooks.receiver.decide = lambda told: Answer(500 if told["data"]["n"] == 0 else 200)
        asked = await hooks.client.post(
            f"{hooks.url}/deliveries/{first['webhook_delivery_id']}/resend"
        )
        assert asked.status_code == 202
        assert asked.json()["state"] == "waiting"

        async def again() -> int:
            return sum(each.webhook_id == first["event_id"] for each in hooks.receiver.received)

        await eventually(again, lambda count: count >= 2)
        await tell(hooks.db, [event("CS-1", 1)])
        await hooks.until_delivered(1)
        hooks.receiver.decide = lambda _: Answer()
        await hooks.until_delivered(2)


async def test_a_range_is_replayed_in_order_with_the_ids_it_had(hooks: Hooks) -> None:
    await hooks.make(station_ids=["CS-1"])
    async with hooks.delivering():
        first = await tell(hooks.db, [event("CS-1", 0)])
        await tell(hooks.db, [event("CS-1", n) for n in range(1, 6)])
        last = await tell(hooks.db, [event("CS-2", 6)])
        await hooks.until_delivered(6)
        ids = hooks.receiver.taken
        asked = await hooks.client.post(
            f"{hooks.url}/replay",
            json={"from_event_id": str(first + 1), "to_event_id": str(last)},
        )
        assert asked.status_code == 202
        assert asked.json() == {"deliveries": 5, "next_event_id": None}

        async def count() -> int:
            return len(hooks.receiver.received)

        await eventually(count, lambda seen: seen >= 11)
    assert [each.webhook_id for each in hooks.receiver.received] == [*ids, *ids[1:]]


async def test_a_replay_by_time_needs_its_begin(hooks: Hooks) -> None:
    await hooks.make()
    await tell(hooks.db, [event("CS-1", 0)])
    refused = await hooks.client.post(f"{hooks.url}/replay", json={"to_event_id": "5"})
    assert_problem(refused, 422, "invalid-input")
    async with hooks.delivering():
        await hooks.until_delivered(1)
        since = {"since": "2020-01-01T00:00:00Z", "until": "2020-02-01T00:00:00Z"}
        asked = await hooks.client.post(f"{hooks.url}/replay", json=since)
        assert asked.json() == {"deliveries": 0, "next_event_id": None}
        asked = await hooks.client.post(f"{hooks.url}/replay", json={"since": since["since"]})
        assert asked.json() == {"deliveries": 1, "next_event_id": None}


async def test_what_is_asked_of_an_endpoint_that_is_off_is_refused(hooks: Hooks) -> None:
    await hooks.make()
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", 0)])
        (delivery,) = await hooks.until_delivered(1)
    await hooks.client.patch(hooks.url, json={"enabled": False})
    resend = f"/deliveries/{delivery['webhook_delivery_id']}/resend"
    for path, body in (("/test", None), (resend, None), ("/replay", {"from_event_id": "1"})):
        refused = await hooks.client.post(f"{hooks.url}{path}", json=body)
        assert_problem(refused, 409, "conflict")
        assert refused.json()["code"] == "webhook_endpoint_disabled"


async def test_a_delivery_whose_event_is_gone_is_not_sent_again(hooks: Hooks) -> None:
    await hooks.make()
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", 0)])
        (delivery,) = await hooks.until_delivered(1)
    await hooks.db.execute("DELETE FROM events")
    refused = await hooks.client.post(
        f"{hooks.url}/deliveries/{delivery['webhook_delivery_id']}/resend"
    )
    assert refused.json()["code"] == "event_not_kept"
    assert [each["state"] for each in await hooks.deliveries()] == ["delivered"]
    unknown = await hooks.client.post(f"{hooks.url}/deliveries/{uuid4()}/resend")
    assert unknown.json()["code"] == "webhook_delivery_not_found"


async def test_who_did_what_stands_in_the_audit_log_without_the_secret(hooks: Hooks) -> None:
    made = await hooks.make()
    await hooks.client.post(f"{hooks.url}/rotate-secret", json={"old_ends_after_s": 60})
    await hooks.client.post(f"{hooks.url}/test")
    await hooks.client.post(f"{hooks.url}/replay", json={"from_event_id": "1"})
    await hooks.client.patch(hooks.url, json={"enabled": False})
    entries = (await hooks.client.get("/v1/audit-log")).json()["items"]
    told = [(each["resource"], each["action"]) for each in reversed(entries)]
    assert told == [
        ("webhook-endpoints", "created"),
        ("webhook-secrets", "created"),
        ("webhook-secrets", "changed"),
        ("webhook-secrets", "created"),
        ("webhook-requests", "asked"),
        ("webhook-requests", "asked"),
        ("webhook-endpoints", "changed"),
    ]
    text = json.dumps(entries)
    assert made["secret"] not in text
    assert "gAAAA" not in text  # nor its encrypted form


async def test_an_endpoint_is_told_of_its_organization_and_those_below(
    hooks: Hooks,
) -> None:
    keys = await make_organizations(hooks.client)
    made: dict[str, Any] = {}
    for organization_id in (OPERATOR, HOST):
        answer = await hooks.client.post(
            URL,
            json={"url": f"{hooks.receiver.url}?{organization_id}"},
            headers=keys[organization_id],
        )
        made[organization_id] = answer.json()
        assert answer.json()["organization_id"] == organization_id
    async with hooks.delivering():
        await tell(
            hooks.db,
            [
                event("CS-1", n, organization_id=organization_id)
                for n, organization_id in enumerate(("default", OPERATOR, HOST))
            ],
        )
        hooks.endpoint = made[OPERATOR]
        await hooks.until_delivered(2)
        hooks.endpoint = made[HOST]
        await hooks.until_delivered(1)
    assert sorted(each.event["organization_id"] for each in hooks.receiver.received) == sorted(
        [OPERATOR, HOST, HOST]
    )
    # The one below does not see the one above, nor replays what is not its own.
    theirs = f"{URL}/{made[OPERATOR]['webhook_endpoint_id']}"
    for method, path in (("GET", ""), ("GET", "/deliveries"), ("POST", "/test")):
        refused = await hooks.client.request(method, f"{theirs}{path}", headers=keys[HOST])
        assert_problem(refused, 404, "not-found")
    replayed = await hooks.client.post(
        f"{URL}/{made[HOST]['webhook_endpoint_id']}/replay", json={"from_event_id": "1"}
    )
    assert replayed.json()["deliveries"] == 1
