"""Stations at a location that is free for all are set to let everybody charge, and set back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from control.jobs.stations.wanted_settings import SettingKeeper
from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender
from shared.domain.access.locations import LocationAuthorization
from shared.domain.commands import ChangeConfiguration
from shared.domain.stations.wanted_settings import WantedSetting
from shared.settings import ServiceSettings
from shared.store.access import locations
from shared.store.pool import Database
from shared.store.sessions import sessions
from shared.store.stations import stations, wanted_settings
from simulator.events import Acknowledged, Disconnected, Registered
from simulator.profile import OcppVersion, StationProfile
from simulator.running import run_station
from tests.integration.gateway.conftest import Pod
from tests.support.asking import ask, outcome
from tests.support.eventually import eventually
from tests.support.ocpp201 import booted_station
from tests.support.relay import relay
from tests.support.stations import PASSWORD, StationClient, register, station_client

CALL = 2
UNKNOWN, OFFLINE = "AllowOfflineTxForUnknownId", "LocalAuthorizeOffline"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


@pytest.fixture
def keeper(db: Database, redis: Redis, database_url: str, redis_url: str) -> SettingKeeper:
    settings = WorkerSettings(
        database_url=database_url, redis_url=redis_url, wanted_settings_claim_s=0.1
    )
    return SettingKeeper(db, OwnershipRegistry(redis), PodRequestSender(redis), settings)


@pytest.fixture(autouse=True)
async def location(db: Database) -> None:
    await register(db)
    await locations.create(
        db,
        location_id="lake",
        name=None,
        allowed_id_tokens=[],
        allowed_group_id_tokens=[],
        authorization=LocationAuthorization.FREE,
    )
    await stations.update(db, "CP-1", {"location_id": "lake"})


class Station:
    """A station of either version with settings, which notes what it is asked."""

    def __init__(self, client: StationClient, settings: dict[str, str]) -> None:
        self.client = client
        self.settings = settings
        self.answers: dict[str, str] = {}
        """What to say instead to a new value, by name."""
        self.read_only: set[str] = set()
        self.calls: list[tuple[str, str]] = []

    async def run(self) -> None:
        while True:
            frame = await self.client.receive()
            if frame[0] == CALL:
                await self.client.send([3, frame[1], self._answer(frame[2], frame[3])])

    def _set(self, name: str, value: str) -> str:
        self.calls.append((name, value))
        answer = self.answers.get(name, "Accepted")
        if answer == "Accepted":
            self.settings[name] = value
        return answer

    def _answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        match action:
            case "GetConfiguration":
                (name,) = payload["key"]
                self.calls.append((name, "?"))
                if name not in self.settings:
                    return {"unknownKey": [name]}
                key = {"key": name, "value": self.settings[name]}
                return {"configurationKey": [{**key, "readonly": name in self.read_only}]}
            case "ChangeConfiguration":
                return {"status": self._set(payload["key"], payload["value"])}
            case "GetVariables":
                (data,) = payload["getVariableData"]
                name = f"{data['component']['name']}.{data['variable']['name']}"
                self.calls.append((name, "?"))
                if name not in self.settings:
                    return {"getVariableResult": [{**data, "attributeStatus": "UnknownVariable"}]}
                told = {"attributeStatus": "Accepted", "attributeValue": self.settings[name]}
                return {"getVariableResult": [{**data, **told}]}
            case "SetVariables":
                (data,) = payload["setVariableData"]
                name = f"{data['component']['name']}.{data['variable']['name']}"
                status = self._set(name, data.pop("attributeValue"))
                return {"setVariableResult": [{**data, "attributeStatus": status}]}
        raise AssertionError(action)


@asynccontextmanager
async def playing(client: StationClient, settings: dict[str, str]) -> AsyncIterator[Station]:
    station = Station(client, settings)
    task = asyncio.create_task(station.run())
    try:
        yield station
    finally:
        task.cancel()


async def run_until(
    db: Database, keeper: SettingKeeper, states: dict[str, str]
) -> dict[str, WantedSetting]:
    """Let the worker run until the settings are in these states."""

    async def look() -> dict[str, WantedSetting]:
        await keeper.run()
        return {each.name: each for each in await wanted_settings.list_of(db, "CP-1")}

    def reached(found: dict[str, WantedSetting]) -> bool:
        idle = all(each.command_id is None for each in found.values())
        return idle and {name: each.state.value for name, each in found.items()} == states

    return await eventually(look, reached)


async def test_a_station_is_set_and_set_back(
    db: Database, gateway: Pod, keeper: SettingKeeper
) -> None:
    async with station_client(gateway.url) as client:
        await client.boot()
        async with playing(client, {UNKNOWN: "false", OFFLINE: "True"}) as station:
            await run_until(db, keeper, {UNKNOWN: "in_step", OFFLINE: "in_step"})
            # What it was set to already is not told, and will not be set back.
            assert sorted(station.calls) == [
                (UNKNOWN, "?"), (UNKNOWN, "true"), (OFFLINE, "?"),
            ]  # fmt: skip
            assert station.settings[UNKNOWN] == "true"
            for _ in range(3):
                await keeper.run()
            assert len(station.calls) == 3  # nobody asks again without a reason
            required = {"authorization": LocationAuthorization.REQUIRED}
            await locations.update(db, "lake", required)
            await run_until(db, keeper, {})
            assert station.settings == {UNKNOWN: "false", OFFLINE: "True"}
            assert station.calls[3:] == [(UNKNOWN, "false")]


async def test_after_a_boot_it_is_asked_again_and_set_again(
    db: Database, gateway: Pod, keeper: SettingKeeper
) -> None:
    async with station_client(gateway.url) as client:
        await client.boot()
        async with playing(client, {UNKNOWN: "false", OFFLINE: "true"}) as station:
            await run_until(db, keeper, {UNKNOWN: "in_step", OFFLINE: "in_step"})
            station.settings[UNKNOWN] = "false"  # as after a reset to the factory's settings
    async with station_client(gateway.url) as client:
        await client.boot()
        async with playing(client, station.settings) as again:
            await eventually(keeper.run, lambda _: again.settings[UNKNOWN] == "true")
            assert again.calls.count((UNKNOWN, "?")) == 1


async def test_a_refusal_shows_and_is_not_repeated_before_the_next_boot(
    db: Database, gateway: Pod, keeper: SettingKeeper
) -> None:
    async with station_client(gateway.url) as client:
        await client.boot()
        async with playing(client, {OFFLINE: "false"}) as station:
            station.answers[OFFLINE] = "Rejected"
            found = await run_until(db, keeper, {UNKNOWN: "not_supported", OFFLINE: "refused"})
            assert found[OFFLINE].last_error == "the station answered Rejected"
            assert found[UNKNOWN].last_error == "the station does not know it"
            count = len(station.calls)
            await asyncio.sleep(0.15)
            await keeper.run()
            assert len(station.calls) == count
            # Nothing was changed, so nothing is set back.
            await stations.update(db, "CP-1", {"location_id": None})
            await run_until(db, keeper, {})
            assert len(station.calls) == count


async def test_what_is_read_only_is_refused_without_trying(
    db: Database, gateway: Pod, keeper: SettingKeeper
) -> None:
    async with station_client(gateway.url) as client:
        await client.boot()
        async with playing(client, {UNKNOWN: "false", OFFLINE: "true"}) as station:
            station.read_only.add(UNKNOWN)
            found = await run_until(db, keeper, {UNKNOWN: "refused", OFFLINE: "in_step"})
            assert found[UNKNOWN].last_error == "the station has it read-only, set to false"
            assert {value for _, value in station.calls} == {"?"}


async def test_a_value_that_holds_from_the_next_boot_says_so(
    db: Database, gateway: Pod, keeper: SettingKeeper
) -> None:
    async with station_client(gateway.url) as client:
        await client.boot()
        async with playing(client, {UNKNOWN: "false", OFFLINE: "true"}) as station:
            station.answers[UNKNOWN] = "RebootRequired"
            await run_until(db, keeper, {UNKNOWN: "reboot_required", OFFLINE: "in_step"})


async def test_2_0_1_is_set_by_its_variables(
    db: Database, gateway: Pod, keeper: SettingKeeper
) -> None:
    enabled, unknown, offline = (
        f"AuthCtrlr.{name}"
        for name in ("Enabled", "OfflineTxForUnknownIdEnabled", "LocalAuthorizeOffline")
    )
    before = {enabled: "true", offline: "true"}
    async with booted_station(gateway.url) as client, playing(client, dict(before)) as station:
        await run_until(
            db, keeper, {enabled: "in_step", offline: "in_step", unknown: "not_supported"}
        )
        assert station.settings == {**before, enabled: "false"}
        await stations.update(db, "CP-1", {"location_id": None})
        await run_until(db, keeper, {})
        assert station.settings == before


async def test_a_station_that_is_offline_is_waited_for(
    db: Database, gateway: Pod, keeper: SettingKeeper
) -> None:
    async with station_client(gateway.url) as client:
        await client.boot()
    await eventually(lambda: stations.get(db, "CP-1"), lambda station: not station.online)
    assert await keeper.run() == 0
    found = await wanted_settings.list_of(db, "CP-1")
    assert {each.state.value for each in found} == {"unread"}
    async with station_client(gateway.url) as client:
        await client.boot()
        async with playing(client, {UNKNOWN: "false", OFFLINE: "true"}):
            await run_until(db, keeper, {UNKNOWN: "in_step", OFFLINE: "in_step"})


IN_STEP = {
    OcppVersion.V1_6: {UNKNOWN: "in_step", OFFLINE: "in_step"},
    OcppVersion.V2_0_1: {
        "AuthCtrlr.OfflineTxForUnknownIdEnabled": "in_step",
        "AuthCtrlr.LocalAuthorizeOffline": "in_step",
        "AuthCtrlr.Enabled": "refused",  # the simulated station asks everybody for a token
    },
}


@pytest.mark.parametrize("version", list(OcppVersion), ids=str)
async def test_a_stranger_charges_while_the_station_is_offline(
    db: Database,
    gateway: Pod,
    keeper: SettingKeeper,
    redis: Redis,
    database_url: str,
    version: OcppVersion,
) -> None:
    profile = StationProfile(station_id="CP-1", version=version)
    async with (
        relay(gateway.url) as wire,
        run_station(profile, url=wire.url, password=PASSWORD, seed=1) as station,
    ):
        await station.wait_for(Registered)
        unknown = next(name for name in IN_STEP[version] if "Unknown" in name)
        told = await ask(db, redis, ChangeConfiguration(key=unknown, value="false"))
        assert (await outcome(db, told)).status == "Accepted"
        await run_until(db, keeper, IN_STEP[version])
        await wire.cut()
        await station.wait_for(Disconnected)
        assert (await station.start_charging(id_token="STRANGER")).offline
        await station.stop_charging(delivered=False)
        await wire.mend()
        await station.wait_for(Acknowledged, lambda event: event.kind == "ended")
        await settle_due(db, WorkerSettings(database_url=database_url, redis_url=""))
        (session_id,) = await db.fetchrow("SELECT session_id::text FROM sessions")
        session = await sessions.get(db, session_id)
        assert (session.at_free_location, session.id_token) == (True, "STRANGER")
        assert not {"token_refused", "no_token"} & set(session.review_reasons)
        await stations.update(db, "CP-1", {"location_id": None})
        await run_until(db, keeper, {})
        assert not station.station.context.settings.starts_offline_if_unknown
