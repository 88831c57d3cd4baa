"""What a station of OCPP 2.0.1 has told that it cannot take is not sent."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.bus.client import open_redis
from shared.domain import commands
from shared.domain.charging.charging_profiles import to_document
from shared.domain.commands import CommandRecord, CommandState, LocalListUpdateType
from shared.settings import ServiceSettings
from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod
from tests.support.asking import ask, outcome
from tests.support.charging_profiles import profile
from tests.support.ocpp201 import NOW, booted_station, tell
from tests.support.stations import StationClient, register

FULL = LocalListUpdateType.FULL
DIFFERENTIAL = LocalListUpdateType.DIFFERENTIAL


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with booted_station(gateway.url) as client:
        yield client


def update(version: int, kind: LocalListUpdateType, *tokens: str) -> commands.SendLocalList:
    return commands.SendLocalList(
        version=version,
        update_type=kind,
        entries=tuple(
            {"id_token": token, "type": "ISO14443", "status": "Accepted"} for token in tokens
        ),
    )


class Asking:
    """Asks the station for something, and answers for it if it is asked."""

    def __init__(self, db: Database, redis: Redis, station: StationClient) -> None:
        self._db, self._redis, self._station = db, redis, station

    async def __call__(
        self, command: commands.Command, answer: dict[str, Any] | None
    ) -> CommandRecord:
        command_id = await ask(self._db, self._redis, command)
        if answer is not None:
            _, message_id, *_ = await self._station.receive()
            await self._station.send([3, message_id, answer])
        return await outcome(self._db, command_id)

    async def taken(self, command: commands.Command) -> None:
        record = await self(command, {"status": "Accepted"})
        assert record.state is CommandState.ACCEPTED, record

    async def refused(self, command: commands.Command) -> str:
        record = await self(command, None)
        assert (record.state, record.error_code) == (CommandState.FAILED, "CannotBeSaid")
        return record.error_description or ""


@pytest.fixture
def asking(db: Database, redis: Redis, station: StationClient) -> Asking:
    return Asking(db, redis, station)


def variable(
    name: str, value: str, *, component: str = "LocalAuthListCtrlr", **instance: str
) -> dict[str, Any]:
    return {
        "attributeStatus": "Accepted",
        "attributeValue": value,
        "component": {"name": component},
        "variable": {"name": name, **instance},
    }


def reported(name: str, value: str, **characteristics: Any) -> dict[str, Any]:
    return {
        "component": {"name": "LocalAuthListCtrlr"},
        "variable": {"name": name},
        "variableAttribute": [{"value": value, "mutability": "ReadOnly"}],
        "variableCharacteristics": {
            "dataType": "integer",
            "supportsMonitoring": False,
            **characteristics,
        },
    }


async def test_what_it_has_reported_binds_whoever_asks(
    asking: Asking, station: StationClient
) -> None:
    report = {
        "requestId": 1,
        "generatedAt": NOW,
        "seqNo": 0,
        "reportData": [
            reported("Entries", "0", maxLimit=3),
            reported("ItemsPerMessage", "2"),
            reported("BytesPerMessage", "300"),
        ],
    }
    await tell(station, "NotifyReport", report)
    assert "ItemsPerMessage" in await asking.refused(update(1, FULL, "A", "B", "C"))
    await asking.taken(update(1, FULL, "A", "B"))
    assert "BytesPerMessage" in await asking.refused(update(2, DIFFERENTIAL, "C" * 36, "D" * 36))
    await asking.taken(update(2, DIFFERENTIAL, "C"))
    assert "room for 3 entries" in await asking.refused(update(3, DIFFERENTIAL, "D"))


async def test_what_it_answered_to_a_question_binds_too(asking: Asking, db: Database) -> None:
    question = commands.GetConfiguration(keys=("LocalAuthListCtrlr.ItemsPerMessage",))
    await asking(question, {"getVariableResult": [variable("ItemsPerMessage", "1")]})
    assert "at most 1 entries" in await asking.refused(update(1, FULL, "A", "B"))
    await asking(question, {"getVariableResult": [variable("ItemsPerMessage", "2")]})
    await asking.taken(update(1, FULL, "A", "B"))
    row = await db.fetchrow("SELECT value, mutability FROM station_variables")
    assert tuple(row) == ("2", None)  # what it did not say is not made up


async def test_what_it_took_is_what_it_has(
    asking: Asking, station: StationClient, db: Database
) -> None:
    change = commands.ChangeConfiguration(key="LocalAuthListCtrlr.Enabled", value="false")

    async def answered(status: str) -> str | None:
        result = {**variable("Enabled", ""), "attributeStatus": status}
        del result["attributeValue"]
        await asking(change, {"setVariableResult": [result]})
        value: str | None = await db.fetchval("SELECT value FROM station_variables")
        return value

    assert await answered("Accepted") is None  # of one that was never told, nothing is known
    report = {"requestId": 1, "generatedAt": NOW, "seqNo": 0}
    await tell(station, "NotifyReport", {**report, "reportData": [reported("Enabled", "true")]})
    assert await answered("Rejected") == "true"
    assert await answered("RebootRequired") == "true"
    assert await answered("Accepted") == "false"


async def test_a_value_that_may_only_be_written_is_not_kept(
    asking: Asking, station: StationClient, db: Database
) -> None:
    data = reported("VendorSetting", "")
    data["variableAttribute"] = [{"mutability": "WriteOnly"}]
    report = {"requestId": 1, "generatedAt": NOW, "seqNo": 0, "reportData": [data]}
    await tell(station, "NotifyReport", report)
    change = commands.ChangeConfiguration(key="LocalAuthListCtrlr.VendorSetting", value="hunter2")
    result = {**variable("VendorSetting", ""), "attributeStatus": "Accepted"}
    del result["attributeValue"]
    await asking(change, {"setVariableResult": [result]})
    assert await db.fetchval("SELECT value FROM station_variables") is None


async def test_profiles_and_questions_are_kept_within_limits_too(asking: Asking) -> None:
    smart, data = "SmartChargingCtrlr", "DeviceDataCtrlr"
    told = [
        variable("PeriodsPerSchedule", "1", component=smart),
        variable("RateUnit", "A", component=smart),
        variable("ItemsPerMessage", "2", component=data, instance="GetVariables"),
        variable("ItemsPerMessage", "1", component=data, instance="SetVariables"),
    ]
    await asking(commands.GetConfiguration(keys=("A.B",)), {"getVariableResult": told})
    fits, too_long, watts = (
        to_document(profile("TxProfile", *periods, id=5, kind="Relative", unit=unit))
        for periods, unit in ((((0, 6),), "A"), (((0, 6), (60, 8)), "A"), (((0, 6000),), "W"))
    )
    start = commands.RemoteStart(id_token="TAG", evse_id=1)
    assert "PeriodsPerSchedule" in await asking.refused(replace(start, charging_profile=too_long))
    assert "RateUnit" in await asking.refused(replace(start, charging_profile=watts))
    await asking.taken(replace(start, charging_profile=fits))
    setting = commands.SetChargingProfile(
        evse_id=1, charging_profile={**too_long, "transaction_id": "T-1"}
    )
    assert "PeriodsPerSchedule" in await asking.refused(setting)
    await asking.taken(replace(setting, charging_profile={**fits, "transaction_id": "T-1"}))
    question = commands.GetConfiguration(keys=("A.B", "A.C", "A.D"))
    assert "at most 2 variables" in await asking.refused(question)
