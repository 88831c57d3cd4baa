"""Who may charge, asked through a real pod: the rules, and what is remembered of them."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from control.access.changes import AuthorizationChanges
from shared.bus.authorization import Change, ChangePublisher, Kind, SharedCache
from shared.bus.client import open_redis
from shared.domain.access.tokens import AuthorizationStatus, IdToken, IdTokenType
from shared.settings import ServiceSettings
from shared.store.access import id_token_groups, id_tokens, locations
from shared.store.pool import Database
from shared.store.stations import stations
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.eventually import eventually
from tests.support.ocpp16 import NOON, authorize, start, stop
from tests.support.ocpp201 import booted_station, tell
from tests.support.relay import relay
from tests.support.stations import StationClient, register, station_client


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


@pytest.fixture
def changes(redis: Redis) -> AuthorizationChanges:
    return AuthorizationChanges(ChangePublisher(redis, tombstone_s=20))


async def add_token(db: Database, id_token: str, **more: Any) -> IdToken:
    return await id_tokens.create(
        db,
        **{
            "id_token": id_token,
            "type": IdTokenType.ISO14443,
            "status": AuthorizationStatus.ACCEPTED,
            "expires_at": None,
            "group_id_token": None,
            **more,
        },
    )


async def add_group(db: Database, group_id_token: str, **more: Any) -> None:
    await id_token_groups.create(
        db,
        **{
            "group_id_token": group_id_token,
            "name": None,
            "status": AuthorizationStatus.ACCEPTED,
            "max_concurrent_sessions": None,
            **more,
        },
    )


@pytest.fixture
async def two_stations(
    db: Database, gateway: Pod
) -> AsyncIterator[tuple[StationClient, StationClient]]:
    async with AsyncExitStack() as connections:
        found = []
        for station_id in ("CP-1", "CP-2"):
            await register(db, station_id)
            client = await connections.enter_async_context(station_client(gateway.url, station_id))
            await client.boot()
            found.append(client)
        yield found[0], found[1]


Stations = tuple[StationClient, StationClient]


async def test_the_answer_says_until_when_and_in_which_group(
    db: Database, two_stations: Stations
) -> None:
    until = datetime(2100, 1, 1, tzinfo=UTC)
    await add_token(db, "Card-1", expires_at=until, group_id_token="FLEET-7")
    assert await authorize(two_stations[0], "CARD-1") == {
        "status": "Accepted",
        "expiryDate": "2100-01-01T00:00:00.000Z",
        "parentIdTag": "FLEET-7",
    }


async def test_each_rule_has_its_word(db: Database, two_stations: Stations) -> None:
    here, elsewhere = two_stations
    await add_group(db, "BAD", status=AuthorizationStatus.BLOCKED)
    await locations.create(
        db,
        location_id="depot",
        name=None,
        allowed_id_tokens=["ONE"],
        allowed_group_id_tokens=["fleet-7"],
    )
    await stations.update(db, "CP-1", {"location_id": "depot"})
    await add_token(db, "EXPIRED", expires_at=NOON)
    await add_token(db, "BLOCKED", status=AuthorizationStatus.BLOCKED)
    await add_token(db, "IN-BAD", group_id_token="bad")
    await add_token(db, "IN-FLEET", group_id_token="FLEET-7")
    for id_token in ("ONE", "STRANGER"):
        await add_token(db, id_token)
    found = {}
    for id_tag in ("NOBODY", "EXPIRED", "BLOCKED", "IN-BAD", "IN-FLEET", "ONE", "STRANGER"):
        found[id_tag] = (
            (await authorize(here, id_tag))["status"],
            (await authorize(elsewhere, id_tag))["status"],
        )
    assert found == {
        "NOBODY": ("Invalid", "Invalid"),
        "EXPIRED": ("Expired", "Expired"),
        "BLOCKED": ("Blocked", "Blocked"),
        "IN-BAD": ("Blocked", "Blocked"),
        "IN-FLEET": ("Accepted", "Accepted"),
        "ONE": ("Accepted", "Accepted"),
        "STRANGER": ("Blocked", "Accepted"),  # 1.6 has no word for NotAtThisLocation
    }


async def test_a_token_may_charge_once_at_a_time_if_so_limited(
    db: Database, two_stations: Stations
) -> None:
    here, elsewhere = two_stations
    await add_token(db, "Card", max_concurrent_sessions=1)
    status, transaction_id = await start(here, "CARD")
    assert status == "Accepted"
    # The same start told again, in the same words or as a new message, gets the same answer.
    assert await start(here, "CARD") == (status, transaction_id)
    refused = await start(elsewhere, "card", minute=1)
    assert refused[0] == "ConcurrentTx"
    assert (await start(here, "CARD", minute=1, connector_id=2))[0] == "ConcurrentTx"
    # Shown, as to end the charge, it is as good as ever.
    assert (await authorize(elsewhere, "CARD"))["status"] == "Accepted"
    await stop(here, transaction_id, "CARD")
    assert await start(elsewhere, "card", minute=1) == refused
    assert (await start(elsewhere, "CARD", minute=2))[0] == "Accepted"


async def test_a_charge_whose_end_was_lost_does_not_lock_its_token_out_of_the_same_connector(
    db: Database, two_stations: Stations
) -> None:
    await add_token(db, "CARD", max_concurrent_sessions=1)
    assert (await start(two_stations[0], "CARD"))[0] == "Accepted"
    assert (await start(two_stations[0], "CARD", minute=9))[0] == "Accepted"


async def test_a_start_of_last_night_is_not_measured_against_what_began_since(
    db: Database, two_stations: Stations
) -> None:
    await add_token(db, "CARD", max_concurrent_sessions=1)
    assert (await start(two_stations[0], "CARD", minute=60))[0] == "Accepted"
    assert (await start(two_stations[1], "CARD", minute=-600))[0] == "Accepted"


async def test_a_group_has_a_limit_for_all_its_tokens_and_they_stop_each_others_charges(
    db: Database, two_stations: Stations
) -> None:
    here, elsewhere = two_stations
    await add_group(db, "FLEET-7", max_concurrent_sessions=2)
    for id_token in ("A", "B", "C"):
        await add_token(db, id_token, group_id_token="fleet-7")
    _, first = await start(here, "A")
    assert (await start(here, "B", connector_id=2))[0] == "Accepted"
    assert (await start(elsewhere, "C", minute=1))[0] == "ConcurrentTx"
    assert (await authorize(here, "C")) == {"status": "Accepted", "parentIdTag": "fleet-7"}
    stopped = await stop(here, first, "C")
    assert stopped["idTagInfo"]["status"] == "Accepted"
    assert stopped["idTagInfo"]["parentIdTag"] == "fleet-7"
    assert (await start(elsewhere, "C", minute=2))[0] == "Accepted"


async def test_2_0_1_goes_the_same_way_and_has_more_words(db: Database, gateway: Pod) -> None:
    await locations.create(
        db,
        location_id="depot",
        name=None,
        allowed_id_tokens=["ONE"],
        allowed_group_id_tokens=[],
    )
    for station_id in ("CP-1", "CP-2", "CP-3"):
        await register(db, station_id)
    await stations.update(db, "CP-3", {"location_id": "depot"})
    await add_token(db, "ONE", max_concurrent_sessions=1)
    await add_token(db, "TWO")
    one = {"idToken": "ONE", "type": "ISO14443"}

    async def event(station: StationClient, type_: str, trigger: str, **more: Any) -> str:
        answer = await tell(
            station,
            "TransactionEvent",
            {
                "eventType": type_,
                "timestamp": NOON.isoformat(),
                "triggerReason": trigger,
                "seqNo": more.pop("seq_no"),
                "transactionInfo": {"transactionId": more.pop("transaction_id")},
                "evse": {"id": 1, "connectorId": 1},
                "idToken": one,
            },
        )
        return str(answer["idTokenInfo"]["status"])

    async with (
        booted_station(gateway.url, "CP-1") as here,
        booted_station(gateway.url, "CP-2") as elsewhere,
        booted_station(gateway.url, "CP-3") as depot,
    ):
        started = {"seq_no": 0, "transaction_id": "tx-1"}
        assert await event(here, "Started", "Authorized", **started) == "Accepted"
        assert await event(here, "Started", "Authorized", **started) == "Accepted"
        other = {"seq_no": 0, "transaction_id": "tx-2"}
        assert await event(elsewhere, "Started", "Authorized", **other) == "ConcurrentTx"
        assert await event(elsewhere, "Started", "Authorized", **other) == "ConcurrentTx"
        ends = {"seq_no": 1, "transaction_id": "tx-1"}
        assert await event(here, "Updated", "StopAuthorized", **ends) == "Accepted"
        for id_token, status in (("ONE", "Accepted"), ("TWO", "NotAtThisLocation")):
            answer = await tell(
                depot, "Authorize", {"idToken": {"idToken": id_token, "type": "ISO14443"}}
            )
            assert answer["idTokenInfo"]["status"] == status


def lookups(source: str, kind: str = "id_token") -> float:
    labels = {"kind": kind, "source": source}
    return REGISTRY.get_sample_value("voltaro_authorization_lookups_total", labels) or 0.0


async def test_what_is_remembered_is_answered_without_a_round_trip(
    db: Database,
    database_url: str,
    redis_url: str,
    start_pod: StartPod,
    record_property: Callable[[str, object], None],
) -> None:
    await register(db)
    await add_token(db, "TAG", group_id_token="FLEET-7")
    async with (
        relay(database_url) as to_postgres,
        relay(redis_url) as to_redis,
        start_pod(database_url=to_postgres.url, redis_url=to_redis.url) as gateway,
        station_client(gateway.url) as station,
    ):
        await station.boot()
        began = time.perf_counter()
        cold = await authorize(station, "TAG")
        cold_s = time.perf_counter() - began
        await to_postgres.cut()
        await to_redis.cut()
        from_memory, stale = lookups("memory"), lookups("stale")
        times_s = []
        for _ in range(200):
            began = time.perf_counter()
            assert await authorize(station, "TAG") == cold
            times_s.append(time.perf_counter() - began)
        assert lookups("memory") == from_memory + 200
        assert lookups("stale") == stale
        await to_postgres.mend()
        await to_redis.mend()
    record_property("Authorize, not remembered", f"{cold_s * 1e3:.2f} ms")
    record_property("Authorize, remembered, median", f"{sorted(times_s)[100] * 1e3:.2f} ms")


async def test_a_change_is_heard_by_every_pod(
    db: Database, start_pod: StartPod, changes: AuthorizationChanges
) -> None:
    await add_group(db, "FLEET-7")
    await locations.create(
        db, location_id="depot", name=None, allowed_id_tokens=[], allowed_group_id_tokens=[]
    )
    async with AsyncExitStack() as running:
        clients = []
        for station_id in ("CP-1", "CP-2"):
            await register(db, station_id)
            await stations.update(db, station_id, {"location_id": "depot"})
            pod = await running.enter_async_context(
                start_pod(authorization_cache_ttl_s=3600, authorization_shared_cache_ttl_s=3600)
            )
            client = await running.enter_async_context(station_client(pod.url, station_id))
            await client.boot()
            clients.append(client)

        async def answers() -> list[str]:
            return [(await authorize(client, "TAG"))["status"] for client in clients]

        async def becomes(status: str) -> None:
            await eventually(answers, lambda found: found == [status] * 2, timeout_s=2)

        assert await answers() == ["Invalid"] * 2
        await add_token(db, "TAG", group_id_token="FLEET-7")
        assert await answers() == ["Invalid"] * 2  # nobody told them
        await changes.id_token_changed("TAG")
        await becomes("Accepted")
        await id_token_groups.update(db, "FLEET-7", {"status": AuthorizationStatus.BLOCKED})
        await changes.group_changed("fleet-7")
        await becomes("Blocked")
        await id_token_groups.delete(db, "FLEET-7")
        await changes.group_changed("FLEET-7")
        await becomes("Accepted")
        await locations.update(db, "depot", {"allowed_id_tokens": ["OTHER"]})
        await changes.rules_changed()
        await becomes("Blocked")
        await locations.update(db, "depot", {"allowed_id_tokens": ["tag"]})
        await changes.rules_changed()
        await becomes("Accepted")
        await id_tokens.delete(db, "TAG")
        await changes.id_token_changed("TAG")
        await becomes("Invalid")


async def test_a_token_that_one_pod_has_read_is_in_redis_for_the_others(
    db: Database, start_pod: StartPod
) -> None:
    await add_token(db, "TAG")
    for station_id, source in (("CP-1", "database"), ("CP-2", "redis")):
        await register(db, station_id)
        async with start_pod() as pod, station_client(pod.url, station_id) as station:
            await station.boot()
            before = lookups(source)
            assert (await authorize(station, "TAG"))["status"] == "Accepted"
            assert lookups(source) == before + 1


async def test_without_redis_tokens_are_read_from_postgres(
    db: Database, redis_url: str, start_pod: StartPod
) -> None:
    await register(db)
    await add_token(db, "TAG")
    async with (
        relay(redis_url) as wire,
        start_pod(redis_url=wire.url) as pod,
        station_client(pod.url) as station,
    ):
        await station.boot()
        await wire.cut()
        assert (await authorize(station, "TAG"))["status"] == "Accepted"
        assert (await authorize(station, "NOBODY"))["status"] == "Invalid"
        await wire.mend()


async def test_without_postgres_and_memory_the_station_is_not_answered(
    db: Database, database_url: str, start_pod: StartPod
) -> None:
    await register(db)
    async with (
        relay(database_url) as wire,
        start_pod(database_url=wire.url, ingest_hold_s=0.3) as pod,
        station_client(pod.url) as station,
    ):
        await station.boot()
        await wire.cut()
        await station.send([2, "1", "Authorize", {"idTag": "TAG"}])
        await station.websocket.wait_closed()
        assert station.websocket.close_code == 1013
        await wire.mend()


async def test_what_was_read_before_a_change_cannot_come_back_into_redis(
    db: Database, redis: Redis
) -> None:
    old = await add_token(db, "TAG")
    cache = SharedCache(redis, Kind.ID_TOKEN, IdToken, ttl_s=60)
    await cache.add([("tag", old), ("nobody", None)])
    assert await cache.get(["tag", "nobody", "other"]) == [(old,), (None,), None]
    await ChangePublisher(redis, tombstone_s=20).publish([Change(Kind.ID_TOKEN, "tag")])
    await cache.add([("tag", old)])
    assert await cache.get(["tag"]) == [None]
