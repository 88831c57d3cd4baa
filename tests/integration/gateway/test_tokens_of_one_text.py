"""Tokens of one text and several types (OCPP 2.0.1 part 2 C §1.1), through a real pod."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from control.access.changes import AuthorizationChanges
from shared.bus.authorization import Change, ChangePublisher, Kind, SharedCache
from shared.bus.client import open_redis
from shared.domain import commands
from shared.domain.access.local_lists import LocalListEntry, TokenSelection
from shared.domain.access.tokens import AuthorizationStatus, IdToken, IdTokenType
from shared.domain.commands import CommandState
from shared.settings import ServiceSettings
from shared.store.access import id_token_groups, id_tokens, local_list_steps, local_lists
from shared.store.pool import Database
from shared.store.sessions import sessions
from tests.integration.gateway.conftest import Pod
from tests.support.asking import ask, outcome
from tests.support.ocpp16 import NOON, authorize, start
from tests.support.ocpp201 import booted_station, tell
from tests.support.stations import StationClient, register, station_client

CARD, EMAID, CENTRAL = IdTokenType.ISO14443, IdTokenType.EMAID, IdTokenType.CENTRAL
ACCEPTED, BLOCKED = AuthorizationStatus.ACCEPTED, AuthorizationStatus.BLOCKED


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


@pytest.fixture
async def old_station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db, "CP-16")
    async with station_client(gateway.url, "CP-16") as client:
        await client.boot()
        yield client


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with booted_station(gateway.url) as client:
        yield client


async def add(db: Database, type_: IdTokenType, **more: Any) -> IdToken:
    return await id_tokens.create(
        db,
        **{
            "id_token": "ABC",
            "type": type_,
            "status": ACCEPTED,
            "expires_at": None,
            "group_id_token": None,
            **more,
        },
    )


async def shown(station: StationClient, type_: IdTokenType) -> str:
    payload = {"idToken": {"idToken": "abc", "type": type_}}
    status: str = (await tell(station, "Authorize", payload))["idTokenInfo"]["status"]
    return status


async def test_each_type_is_a_token_of_its_own(
    db: Database, redis: Redis, station: StationClient, old_station: StationClient
) -> None:
    changes = AuthorizationChanges(ChangePublisher(redis, tombstone_s=20))
    await add(db, EMAID, status=BLOCKED)
    assert await shown(station, EMAID) == "Blocked"
    assert await shown(station, CARD) == "Invalid"
    assert (await authorize(old_station, "ABC"))["status"] == "Blocked"  # the only one
    await add(db, CARD)
    await changes.id_token_changed("ABC")
    assert await shown(station, EMAID) == "Blocked"
    assert await shown(station, CARD) == "Accepted"
    assert await shown(station, IdTokenType.ISO15693) == "Accepted"
    assert await shown(station, CENTRAL) == "Invalid"
    assert (await authorize(old_station, "ABC"))["status"] == "Accepted"  # the card
    await id_tokens.delete(db, "ABC", CARD)
    await add(db, CENTRAL)
    await changes.id_token_changed("ABC")
    # Neither is what a reader reads: nobody can tell.
    assert (await authorize(old_station, "ABC"))["status"] == "Invalid"
    assert await shown(station, CENTRAL) == "Accepted"


async def test_charges_of_another_type_do_not_count_against_a_limit(
    db: Database, station: StationClient, old_station: StationClient
) -> None:
    await id_token_groups.create(
        db,
        group_id_token="FLEET-7",
        name=None,
        status=ACCEPTED,
        max_concurrent_sessions=2,
    )
    await add(db, CARD, max_concurrent_sessions=1)
    await add(db, EMAID, max_concurrent_sessions=1)
    await add(db, CENTRAL, group_id_token="FLEET-7")

    async def begin(type_: IdTokenType, minute: int) -> str:
        event = {
            "eventType": "Started",
            "timestamp": (NOON + timedelta(minutes=minute)).isoformat(),
            "triggerReason": "Authorized",
            "seqNo": 0,
            "transactionInfo": {"transactionId": f"T-{minute}"},
            "idToken": {"idToken": "ABC", "type": type_},
            "evse": {"id": minute + 1, "connectorId": 1},
        }
        answer = await tell(station, "TransactionEvent", event)
        status: str = answer["idTokenInfo"]["status"]
        return status

    assert await begin(EMAID, 0) == "Accepted"
    # In 1.6 this text is the card's.
    assert (await start(old_station, "ABC", minute=1))[0] == "Accepted"
    assert await begin(EMAID, 2) == "ConcurrentTx"
    assert await begin(CARD, 3) == "ConcurrentTx"
    shown = await sessions.list_before(db, before=None, limit=9)
    assert [(each.id_token, each.id_token_type) for each in reversed(shown)] == [
        ("ABC", EMAID),
        ("ABC", None),
        ("ABC", EMAID),
        ("ABC", CARD),
    ]
    # Of the group only the third is one.
    assert [await begin(CENTRAL, minute) for minute in (4, 5, 6)] == [
        "Accepted",
        "Accepted",
        "ConcurrentTx",
    ]


async def test_a_remote_start_names_the_type_where_the_text_does_not(
    db: Database, redis: Redis, station: StationClient
) -> None:
    await add(db, EMAID)
    await add(db, CENTRAL)
    for command in (
        commands.RemoteStart(id_token="ABC", evse_id=1),
        commands.ReserveNow(
            reservation_id=1, id_token="ABC", expiry_date_time="2099-01-01T00:00:00+00:00"
        ),
    ):
        record = await outcome(db, await ask(db, redis, command))
        assert (record.state, record.error_code) == (CommandState.FAILED, "CannotBeSaid")
        assert "id_token_type (Central, eMAID)" in (record.error_description or "")
    command_id = await ask(
        db, redis, commands.RemoteStart(id_token="ABC", id_token_type=EMAID, evse_id=1)
    )
    frame = await station.receive()
    assert frame[3]["idToken"] == {"idToken": "ABC", "type": "eMAID"}
    await station.send([3, command_id, {"status": "Accepted"}])
    assert (await outcome(db, command_id)).state is CommandState.ACCEPTED


@pytest.mark.usefixtures("station", "old_station")
async def test_a_local_list_has_both_where_it_can_tell_them_apart(db: Database) -> None:
    await add(db, EMAID, status=BLOCKED)
    await add(db, CARD)
    await add(db, EMAID, id_token="XYZ")
    await add(db, CENTRAL, id_token="XYZ")

    async def wanted(station_id: str, version: str) -> set[tuple[str, str | None]]:
        local_list = await local_lists.set_wanted(
            db, station_id, enabled=True, tokens=TokenSelection.ALL, group_id_tokens=[]
        )
        found = await local_list_steps.read_wanted(
            db, local_list, ocpp_version=version, max_entries=100
        )
        return {(entry.id_token, entry.type) for entry in found.entries}

    assert await wanted("CP-1", "2.0.1") == {
        ("ABC", EMAID),
        ("ABC", CARD),
        ("XYZ", EMAID),
        ("XYZ", CENTRAL),
    }
    # Nobody can tell which XYZ is shown, so that the station asks.
    assert await wanted("CP-16", "1.6") == {("ABC", None)}


async def test_entries_are_kept_by_text_and_type(
    db: Database, redis: Redis, station: StationClient
) -> None:
    # Kept by older code, which knew one of each text.
    await db.execute(
        "INSERT INTO local_list_entries (station_id, id_token_key, id_token, type, status)"
        " VALUES ('CP-1', 'abc', 'ABC', 'eMAID', 'Accepted')"
    )

    async def sent(version: int, *entries: LocalListEntry) -> set[tuple[str, str | None, str]]:
        command = commands.SendLocalList(
            version=version,
            update_type=commands.LocalListUpdateType.DIFFERENTIAL,
            entries=tuple(entry.to_params() for entry in entries),
        )
        command_id = await ask(db, redis, command)
        await station.receive()
        await station.send([3, command_id, {"status": "Accepted"}])
        await outcome(db, command_id)
        held = await local_lists.read_held(db, "CP-1")
        return {(each.id_token, each.type, str(each.status)) for each in held.values()}

    card = LocalListEntry(id_token="abc", type=CARD, status=ACCEPTED)
    assert await sent(1, card, LocalListEntry(id_token="ABC", type=EMAID, status=BLOCKED)) == {
        ("abc", CARD, "Accepted"),
        ("ABC", EMAID, "Blocked"),
    }
    assert await sent(2, LocalListEntry(id_token="ABC", type=EMAID)) == {("abc", CARD, "Accepted")}
    assert await sent(3, LocalListEntry(id_token="ABC", type=CARD)) == set()


async def test_a_list_of_1_6_has_each_text_once(
    db: Database, redis: Redis, old_station: StationClient
) -> None:
    command = commands.SendLocalList(
        version=1,
        update_type=commands.LocalListUpdateType.FULL,
        entries=tuple(
            LocalListEntry(id_token="ABC", type=type_, status=ACCEPTED).to_params()
            for type_ in (CARD, EMAID)
        ),
    )
    record = await outcome(db, await ask(db, redis, command, station_id="CP-16"))
    assert (record.state, record.error_code) == (CommandState.FAILED, "CannotBeSaid")
    assert (await old_station.call("Heartbeat", {}))[0] == 3


async def test_what_a_pod_of_before_has_shared_is_read_from_postgres(
    db: Database, redis: Redis, station: StationClient
) -> None:
    known = await add(db, CARD)
    before = SharedCache(redis, Kind.ID_TOKEN, IdToken, ttl_s=60)
    await before.add([("abc", known)])
    assert await shown(station, CARD) == "Accepted"
    # And what is shared now does not mislead it.
    await redis.delete("token:{abc}")
    await ChangePublisher(redis, tombstone_s=0.01).publish([Change(Kind.ID_TOKEN, "abc")])
    now = SharedCache(redis, Kind.ID_TOKEN, tuple[IdToken, ...], ttl_s=60)
    await redis.delete("token:{abc}")
    await now.add([("abc", (known,))])
    assert await now.get(["abc"]) == [((known,),)]
    assert await before.get(["abc"]) == [None]
