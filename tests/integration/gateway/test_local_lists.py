"""Local authorization lists, from the tokens in the database to a station and back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

from control.jobs.access.local_lists import LocalListKeeper
from control.jobs.settings import WorkerSettings
from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender
from shared.domain import commands
from shared.domain.access.local_lists import LocalList, LocalListState, TokenSelection
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.commands import LocalListUpdateType
from shared.settings import ServiceSettings
from shared.store.access import id_token_groups, id_tokens, local_list_steps, local_lists, locations
from shared.store.commands import command_lists
from shared.store.pool import Database
from shared.store.stations import stations
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.asking import ask, outcome
from tests.support.eventually import eventually
from tests.support.local_lists import ListStation, playing
from tests.support.ocpp201 import booted_station
from tests.support.stations import register, station_client


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[ListStation]:
    await register(db)
    async with station_client(gateway.url) as client:
        await client.boot()
        async with playing(client) as played:
            yield played


@pytest.fixture
def keeper(db: Database, redis: Redis, database_url: str, redis_url: str) -> LocalListKeeper:
    settings = WorkerSettings(
        database_url=database_url, redis_url=redis_url, local_lists_claim_s=0.2
    )
    return LocalListKeeper(db, OwnershipRegistry(redis), PodRequestSender(redis), settings)


async def add_token(db: Database, id_token: str, **more: Any) -> None:
    await id_tokens.create(
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


async def enable(db: Database, *groups: str, station_id: str = "CP-1") -> None:
    await local_lists.set_wanted(
        db,
        station_id,
        enabled=True,
        tokens=TokenSelection.GROUPS if groups else TokenSelection.ALL,
        group_id_tokens=groups,
    )


async def kept(db: Database, station_id: str = "CP-1") -> LocalList:
    found = await local_lists.get(db, station_id)
    assert found is not None
    return found


async def until(
    db: Database,
    keeper: LocalListKeeper,
    state: LocalListState,
    *,
    station_id: str = "CP-1",
) -> LocalList:
    """Let the worker work until nothing is left to do, and check where that ended."""

    async def nothing_left() -> bool:
        worked = await keeper.run()
        return not worked and (await kept(db, station_id)).command_id is None

    await eventually(nothing_left, bool)
    found = await kept(db, station_id)
    assert found.state is state, found
    return found


async def test_a_list_is_brought_in_step_and_kept_there(
    db: Database, keeper: LocalListKeeper, station: ListStation
) -> None:
    for n in range(7):
        await add_token(db, f"TAG-{n}", group_id_token="FLEET-7" if n < 2 else None)
    await add_token(db, "T" * 21)  # no station of 1.6 can be told that one
    await enable(db)
    found = await until(db, keeper, LocalListState.IN_STEP)
    assert station.calls == [
        ("GetLocalListVersion", "", 0),
        ("GetConfiguration", "", 0),
        ("SendLocalList", "Full", 3),
        ("SendLocalList", "Differential", 3),
        ("SendLocalList", "Differential", 1),
    ]
    assert station.entries.keys() == {f"TAG-{n}" for n in range(7)}
    assert station.entries["TAG-1"] == {"status": "Accepted", "parentIdTag": "FLEET-7"}
    assert (found.accepted_version, found.left_out) == (station.version, 0)
    assert (found.max_entries, found.max_entries_per_message) == (100, 3)

    station.calls.clear()
    await until(db, keeper, LocalListState.IN_STEP)
    assert station.calls == []  # what is in step is left alone

    await id_tokens.update(db, "TAG-3", {"status": AuthorizationStatus.BLOCKED})
    await id_tokens.delete(db, "TAG-4")
    await add_token(db, "NEW")
    await until(db, keeper, LocalListState.IN_STEP)
    assert station.calls == [("SendLocalList", "Differential", 3)]
    assert station.entries["TAG-3"] == {"status": "Blocked"}
    assert "NEW" in station.entries
    assert "TAG-4" not in station.entries
    held = await local_lists.list_entries_after(db, "CP-1", after=None, limit=100)
    assert {entry.id_token for entry in held} == station.entries.keys()


async def test_a_list_of_groups_follows_their_rules_and_the_location(
    db: Database, keeper: LocalListKeeper, station: ListStation
) -> None:
    for id_token, group in (("A", "FLEET-7"), ("B", "fleet-7"), ("C", "FLEET-8"), ("D", None)):
        await add_token(db, id_token, group_id_token=group)
    await enable(db, "Fleet-7")
    await until(db, keeper, LocalListState.IN_STEP)
    assert station.entries.keys() == {"A", "B"}

    await id_token_groups.create(
        db,
        group_id_token="FLEET-7",
        name=None,
        status=AuthorizationStatus.BLOCKED,
        max_concurrent_sessions=None,
    )
    await until(db, keeper, LocalListState.IN_STEP)
    assert [info["status"] for info in station.entries.values()] == ["Blocked", "Blocked"]

    await locations.create(
        db, location_id="depot", name=None, allowed_id_tokens=["b"], allowed_group_id_tokens=[]
    )
    await stations.update(db, "CP-1", {"location_id": "depot"})
    await until(db, keeper, LocalListState.IN_STEP)
    assert station.entries.keys() == {"B"}

    await local_lists.set_wanted(
        db, "CP-1", enabled=True, tokens=TokenSelection.GROUPS, group_id_tokens=[]
    )
    await until(db, keeper, LocalListState.IN_STEP)
    assert station.entries == {}


async def test_a_list_that_has_no_room_for_all_takes_those_that_may_charge(
    db: Database, keeper: LocalListKeeper, station: ListStation
) -> None:
    station.max_entries = 2
    await add_token(db, "A", status=AuthorizationStatus.BLOCKED)
    for id_token in ("B", "C", "D"):
        await add_token(db, id_token)
    await enable(db)
    found = await until(db, keeper, LocalListState.IN_STEP)
    assert station.entries.keys() == {"B", "C"}
    assert found.left_out == 2
    await id_tokens.delete(db, "B")
    await until(db, keeper, LocalListState.IN_STEP)
    assert station.entries.keys() == {"C", "D"}


async def test_a_version_that_does_not_fit_is_asked_for_and_the_whole_list_sent(
    db: Database, keeper: LocalListKeeper, station: ListStation
) -> None:
    await add_token(db, "A")
    await enable(db)
    await until(db, keeper, LocalListState.IN_STEP)
    # Somebody else was there.
    station.version, station.entries = 90, {"X": {"status": "Accepted"}}
    station.calls.clear()
    await add_token(db, "B")
    found = await until(db, keeper, LocalListState.IN_STEP)
    assert station.calls == [
        ("SendLocalList", "Differential", 1),
        ("GetLocalListVersion", "", 0),
        ("SendLocalList", "Full", 2),
    ]
    assert station.entries.keys() == {"A", "B"}
    assert station.version == found.accepted_version == 91
    assert (found.failures, found.last_error) == (0, None)


async def test_a_station_that_boots_without_its_list_gets_it_again(
    db: Database, keeper: LocalListKeeper, gateway: Pod
) -> None:
    await register(db)
    await add_token(db, "A")
    await enable(db)
    for _ in range(2):
        async with AsyncExitStack() as connected:
            client = await connected.enter_async_context(station_client(gateway.url))
            await client.boot()
            station = await connected.enter_async_context(playing(client))
            await until(db, keeper, LocalListState.IN_STEP)
            assert station.entries.keys() == {"A"}
    found = await kept(db)
    # Offline, it is left alone.
    await add_token(db, "B")
    await eventually(lambda: stations.get(db, "CP-1"), lambda kept: not kept.online)
    assert await keeper.run() == 0
    assert (await kept(db)).command_id is None
    assert (await kept(db)).version == found.version


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"GetLocalListVersion": {"listVersion": -1}}, None),
        (
            {"GetLocalListVersion": ["NotImplemented", "what?"]},
            "GetLocalListVersion: what?",
        ),
        (
            {"SendLocalList": {"status": "NotSupported"}},
            "the station answered NotSupported to the Full update 1",
        ),
    ],
)
async def test_a_station_without_lists_is_left_alone(
    db: Database,
    keeper: LocalListKeeper,
    station: ListStation,
    answers: dict[str, Any],
    error: str | None,
) -> None:
    await add_token(db, "A")
    await enable(db)
    station.answers = answers
    found = await until(db, keeper, LocalListState.NOT_SUPPORTED)
    assert found.last_error == error
    calls = len(station.calls)
    await add_token(db, "B")
    await until(db, keeper, LocalListState.NOT_SUPPORTED)
    assert len(station.calls) == calls


async def test_an_empty_list_is_in_step_whatever_version_the_station_tells(
    db: Database, keeper: LocalListKeeper, gateway: Pod
) -> None:
    """It tells 0 for an empty one (§5.10), and empty is what is wanted."""
    await register(db)
    await local_lists.set_wanted(
        db, "CP-1", enabled=True, tokens=TokenSelection.GROUPS, group_id_tokens=[]
    )
    for _ in range(2):
        async with station_client(gateway.url) as client:
            await client.boot()
            async with playing(client) as station:
                await until(db, keeper, LocalListState.IN_STEP)
                assert [action for action, *_ in station.calls] == [
                    "GetLocalListVersion",
                    "GetConfiguration",
                ]
                await station.boot_again()
                await until(db, keeper, LocalListState.IN_STEP)
                assert "SendLocalList" not in {action for action, *_ in station.calls}
        await eventually(lambda: stations.get(db, "CP-1"), lambda kept: not kept.online)


async def test_a_list_that_is_emptied_is_emptied_once(
    db: Database, keeper: LocalListKeeper, station: ListStation
) -> None:
    await add_token(db, "A", group_id_token="FLEET-7")
    await enable(db, "FLEET-7")
    await until(db, keeper, LocalListState.IN_STEP)
    await id_tokens.update(db, "A", {"group_id_token": None})
    await until(db, keeper, LocalListState.IN_STEP)
    assert station.entries == {}
    station.calls.clear()
    await station.boot_again()
    await until(db, keeper, LocalListState.IN_STEP)
    assert "SendLocalList" not in {action for action, *_ in station.calls}
    # One that has lost a list that is to hold something gets the whole of it.
    await id_tokens.update(db, "A", {"group_id_token": "FLEET-7"})
    await until(db, keeper, LocalListState.IN_STEP)
    station.entries, station.version = {}, 0
    station.calls.clear()
    await station.boot_again()
    found = await until(db, keeper, LocalListState.IN_STEP)
    assert station.calls[-1] == ("SendLocalList", "Full", 1)
    assert station.entries.keys() == {"A"}
    assert found.accepted_version == station.version


async def test_a_list_that_is_not_in_use_is_sent_nothing_until_it_is(
    db: Database, redis: Redis, keeper: LocalListKeeper, station: ListStation
) -> None:
    station.enabled = False
    await add_token(db, "A")
    await enable(db)
    await until(db, keeper, LocalListState.UNVERIFIED)
    assert [action for action, *_ in station.calls] == ["GetLocalListVersion", "GetConfiguration"]
    assert await keeper.run() == 0  # and nobody asks again and again
    switch_on = commands.ChangeConfiguration(key="LocalAuthListEnabled", value="true")
    await outcome(db, await ask(db, redis, switch_on))
    await until(db, keeper, LocalListState.IN_STEP)
    assert station.entries.keys() == {"A"}


async def test_limits_that_have_shrunk_are_learned_and_kept_to(
    db: Database, redis: Redis, keeper: LocalListKeeper, station: ListStation
) -> None:
    for n in range(5):
        await add_token(db, f"TAG-{n}")
    await enable(db)
    await until(db, keeper, LocalListState.IN_STEP)
    station.max_entries, station.per_message = 2, 1
    keys = ("LocalAuthListMaxLength", "SendLocalListMaxLength")
    await outcome(db, await ask(db, redis, commands.GetConfiguration(keys=keys)))
    await id_tokens.delete(db, "TAG-0")
    station.calls.clear()
    found = await until(db, keeper, LocalListState.IN_STEP)
    assert station.entries.keys() == {"TAG-1", "TAG-2"}
    assert {(kind, count) for _, kind, count in station.calls} <= {("Full", 1), ("Differential", 1)}
    assert (found.failures, found.left_out) == (0, 2)


async def test_a_list_that_fails_again_and_again_is_tried_ever_more_slowly(
    db: Database, keeper: LocalListKeeper, station: ListStation
) -> None:
    await add_token(db, "A")
    await enable(db)
    await until(db, keeper, LocalListState.IN_STEP)
    station.calls.clear()
    station.answers = {"SendLocalList": {"status": "Failed"}}
    await add_token(db, "B")
    await until(db, keeper, LocalListState.OUTDATED)
    # A differential one, at once the whole list, and then it waits.
    assert [kind for _, kind, _ in station.calls] == ["Differential", "Full"]
    found = await kept(db)
    assert found.failures == 2
    assert (found.next_step_at - found.updated_at).total_seconds() == pytest.approx(60, abs=1)
    assert found.last_error == "the station answered Failed to the Full update 3"


async def test_after_a_missing_answer_the_version_tells_what_was_done(
    db: Database, keeper: LocalListKeeper, start_pod: StartPod
) -> None:
    await register(db)
    await add_token(db, "A")
    await enable(db)
    async with AsyncExitStack() as running:
        pod = await running.enter_async_context(start_pod(call_timeout_s=0.2))
        client = await running.enter_async_context(station_client(pod.url))
        await client.boot()
        station = await running.enter_async_context(playing(client))
        await until(db, keeper, LocalListState.IN_STEP)
        station.calls.clear()

        station.silent_about = {"SendLocalList"}
        await add_token(db, "B")
        await eventually(
            lambda: _worked(db, keeper), lambda found: found.state is LocalListState.UNVERIFIED
        )
        station.silent_about = set()
        await until(db, keeper, LocalListState.IN_STEP)
        assert [(action, kind) for action, kind, _ in station.calls] == [
            ("SendLocalList", "Differential"),
            ("GetLocalListVersion", ""),
            ("SendLocalList", "Full"),  # what the station holds under that version is not known
        ]
        assert station.entries.keys() == {"A", "B"}


async def _worked(db: Database, keeper: LocalListKeeper) -> LocalList:
    await keeper.run()
    return await kept(db)


@pytest.mark.usefixtures("station")
async def test_two_workers_do_not_ask_twice(db: Database, keeper: LocalListKeeper) -> None:
    await add_token(db, "A")
    await enable(db)
    assert sorted(await asyncio.gather(keeper.run(), keeper.run())) == [0, 1]
    assert (
        len(await command_lists.list_of_station(db, station_id="CP-1", before=None, limit=9)) == 1
    )


@pytest.mark.usefixtures("station")
async def test_a_step_that_was_planned_for_another_wish_is_not_kept(db: Database) -> None:
    await enable(db, "FLEET-7")
    (due,) = await local_list_steps.claim_due(db, limit=9, claim_s=30, verify_interval_s=99)
    await enable(db, "FLEET-8")
    assert not await local_list_steps.note_step(db, due.local_list, {"checked_revision": 1})
    found = await kept(db)
    assert (found.checked_revision, found.group_id_tokens) == (None, ("FLEET-8",))


async def test_what_an_operator_sends_is_kept_too(
    db: Database, redis: Redis, station: ListStation
) -> None:
    command = commands.SendLocalList(
        version=5,
        update_type=LocalListUpdateType.FULL,
        entries=(
            {"id_token": "A", "type": "ISO14443", "status": "Accepted", "group_id_token": "G"},
            {"id_token": "B", "status": "Blocked", "expires_at": "2030-01-01T00:00:00+00:00"},
        ),
    )
    record = await outcome(db, await ask(db, redis, command))
    assert (record.state, record.status) == (commands.CommandState.ACCEPTED, "Accepted")
    assert station.entries == {
        "A": {"status": "Accepted", "parentIdTag": "G"},
        "B": {"status": "Blocked", "expiryDate": "2030-01-01T00:00:00.000Z"},
    }
    removal = commands.SendLocalList(
        version=6, update_type=LocalListUpdateType.DIFFERENTIAL, entries=({"id_token": "A"},)
    )
    await outcome(db, await ask(db, redis, removal))
    assert station.entries.keys() == {"B"}
    entries = await local_lists.list_entries_after(db, "CP-1", after=None, limit=10)
    assert [(entry.id_token, entry.status) for entry in entries] == [("B", "Blocked")]
    record = await outcome(db, await ask(db, redis, commands.GetLocalListVersion()))
    assert record.response == {"listVersion": 6}
    found = await kept(db)
    assert (found.enabled, found.accepted_version, found.reported_version) == (False, 6, 6)

    too_long = commands.SendLocalList(
        version=7,
        update_type=LocalListUpdateType.DIFFERENTIAL,
        entries=({"id_token": "T" * 21, "status": "Accepted"},),
    )
    record = await outcome(db, await ask(db, redis, too_long))
    assert record.state is commands.CommandState.FAILED
    assert "20 characters" in (record.error_description or "")


async def test_a_station_of_2_0_1_is_kept_in_step_with_types(
    db: Database, keeper: LocalListKeeper, gateway: Pod
) -> None:
    await register(db)
    await add_token(db, "A", type=IdTokenType.EMAID, group_id_token="FLEET-7")
    await add_token(db, "B" * 36)
    await enable(db)
    async with booted_station(gateway.url) as client:
        sent: list[dict[str, Any]] = []

        async def answer() -> None:
            version = 0
            while True:
                _, message_id, action, payload = await client.receive()
                match action:
                    case "GetLocalListVersion":
                        reply: dict[str, Any] = {"versionNumber": version}
                    case "GetVariables":
                        reply = {
                            "getVariableResult": [
                                {**asked, "attributeStatus": "Accepted", "attributeValue": "1"}
                                for asked in payload["getVariableData"][:1]
                            ]
                            + [
                                {**asked, "attributeStatus": "UnknownVariable"}
                                for asked in payload["getVariableData"][1:]
                            ]
                        }
                    case _:
                        assert action == "SendLocalList"
                        sent.append(payload)
                        version = payload["versionNumber"]
                        reply = {"status": "Accepted"}
                await client.send([3, message_id, reply])

        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(answer())
            await until(db, keeper, LocalListState.IN_STEP)
            await id_tokens.delete(db, "A")
            found = await until(db, keeper, LocalListState.IN_STEP)
            answering.cancel()
    first = {"idToken": "A", "type": "eMAID"}
    assert sent == [
        {
            "versionNumber": 1,
            "updateType": "Full",
            "localAuthorizationList": [
                {
                    "idToken": first,
                    "idTokenInfo": {
                        "status": "Accepted",
                        "groupIdToken": {"idToken": "FLEET-7", "type": "Central"},
                    },
                }
            ],
        },
        {
            "versionNumber": 2,
            "updateType": "Differential",
            "localAuthorizationList": [
                {
                    "idToken": {"idToken": "B" * 36, "type": "ISO14443"},
                    "idTokenInfo": {"status": "Accepted"},
                }
            ],
        },
        {
            "versionNumber": 3,
            "updateType": "Differential",
            "localAuthorizationList": [{"idToken": first}],
        },
    ]
    assert found.max_entries_per_message == 1
