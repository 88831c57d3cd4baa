"""Several workers share the endpoints; one that is gone leaves nothing behind."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from shared.store.notices import webhook_expansion, webhook_queue
from tests.integration.control.notices.webhooks.conftest import QUICK, Hooks, event, tell
from tests.support.eventually import eventually
from tests.support.webhook_receiver import Answer


async def test_two_workers_deliver_each_event_once_and_in_order(hooks: Hooks) -> None:
    for _ in range(4):
        await hooks.make()
    hooks.receiver.secrets = []
    async with AsyncExitStack() as workers:
        for _ in range(2):
            await workers.enter_async_context(
                # Nothing is to be late, however busy the machine is.
                hooks.delivering(webhook_turn_s=0.1, webhook_timeout_s=20, webhook_lease_s=60)
            )
        for n in range(20):
            await tell(hooks.db, [event("CS-1", n), event("CS-2", n)])
        for endpoint in (await hooks.client.get("/v1/webhook-endpoints")).json()["items"]:
            hooks.endpoint = endpoint
            await hooks.until_delivered(40)
    assert len(hooks.receiver.received) == 160
    for station_id in ("CS-1", "CS-2"):
        told = [
            each.event["data"]["n"]
            for each in hooks.receiver.received
            if each.station_id == station_id
        ]
        assert sorted(told) == sorted([*range(20)] * 4)


async def test_an_endpoint_of_a_killed_worker_is_taken_over_when_its_lease_ends(
    hooks: Hooks,
) -> None:
    made = await hooks.make()
    await tell(hooks.db, [event("CS-1", 0)])
    # A worker has claimed it and is gone; what it made of events is done again by nobody.
    async with hooks.delivering(webhook_max_endpoints=1) as dead:
        await dead.run()
        await hooks.until_delivered(1)
    await tell(hooks.db, [event("CS-1", 1)])
    await hooks.db.execute("UPDATE webhook_progress SET due_at = now()")
    lease_s = float(str(QUICK["webhook_lease_s"]))
    claimed = await webhook_queue.claim(hooks.db, "dead", limit=1, lease_s=lease_s)
    assert [each.webhook_endpoint_id for each in claimed] == [made["webhook_endpoint_id"]]
    assert await webhook_queue.claim(hooks.db, "other", limit=1, lease_s=lease_s) == []
    async with hooks.delivering():
        await hooks.until_delivered(2, timeout_s=lease_s + 5)
    assert (
        await webhook_queue.renew(hooks.db, "dead", made["webhook_endpoint_id"], lease_s=1) is None
    )


async def test_what_is_under_way_at_the_end_of_a_worker_is_ended_and_noted(hooks: Hooks) -> None:
    await hooks.make()
    hooks.receiver.decide = lambda _: Answer(delay_s=0.3)
    async with hooks.delivering():
        await tell(hooks.db, [event("CS-1", 0), event("CS-1", 1)])
        await eventually(lambda: asyncio.sleep(0, hooks.receiver.in_work), bool)
    # The one under way, and no other: the next is for whoever comes.
    assert len(hooks.receiver.received) == 1
    assert [each["state"] for each in await hooks.deliveries()] == ["delivered", "waiting"]
    async with hooks.delivering():
        await hooks.until_delivered(2)
    assert [each.event["data"]["n"] for each in hooks.receiver.received] == [0, 1]


async def test_what_comes_while_nothing_is_found_is_not_overlooked(hooks: Hooks) -> None:
    made = await hooks.make()
    expand = partial(
        webhook_expansion.expand,
        hooks.db,
        batch=100,
        down_after=5,
        max_waiting=100,
        max_waiting_down=100,
    )
    claim = partial(webhook_queue.claim, hooks.db, "me", limit=1, lease_s=60)
    await tell(hooks.db, [event("CS-1", 0)])
    assert await expand() == (1, False)
    (claimed,) = await claim()
    await tell(hooks.db, [event("CS-2", 0)])
    assert await expand() == (1, False)
    release = partial(webhook_queue.release, hooks.db, "me", made["webhook_endpoint_id"])
    await release(revision=claimed.revision)  # that was of before
    (claimed,) = await claim()
    await release(revision=claimed.revision)
    assert await claim() == []
