"""What stations tell of their secrets stands in no table and in no log, whatever it is called."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from shared.bus.client import open_redis
from shared.domain.commands import (
    Call,
    ChangeConfiguration,
    Command,
    DataTransfer,
    GetConfiguration,
)
from shared.settings import ServiceSettings
from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod
from tests.support.asking import ask, outcome
from tests.support.eventually import eventually
from tests.support.ocpp201 import NOW, booted_station, tell
from tests.support.stations import StationClient, register, station_client

SECRET = "Gu3ss-me-n0t"
NAMES = ["WiFiPSK", "ApnPwd", "FtpPass", "ModemPin", "ApiToken", "MqttPass", "AuthKey", "Passcode",
         "PUK"]  # fmt: skip
URLS = [f"ftp://me:{SECRET}@files.example/a", f"wss://csms.example/ocpp?token={SECRET}"]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


async def tables_that_hold(db: Database, text: str) -> list[str]:
    """Return the tables in which a text stands; commands hold what is to be sent."""
    tables = await db.fetch(
        """
        SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'commands'
        """
    )
    return [
        table
        for (table,) in tables
        if await db.fetchval(
            f'SELECT EXISTS (SELECT FROM "{table}" AS row WHERE strpos(row::text, $1) > 0)',  # noqa: S608 - its own name
            text,
        )
    ]


async def logged(db: Database, action: str) -> str:
    entries = await eventually(
        lambda: db.fetch("SELECT * FROM ocpp_log WHERE action = $1", action), bool
    )
    return str(entries)


async def answer(
    db: Database, redis: Redis, station: StationClient, command: Command, answer: dict[str, Any]
) -> None:
    command_id = await ask(db, redis, command)
    _, message_id, *_ = await station.receive()
    await station.send([3, message_id, answer])
    await outcome(db, command_id)


async def test_a_station_of_1_6_tells_its_secrets_in_vain(
    db: Database, redis: Redis, gateway: Pod, capfd: pytest.CaptureFixture[str]
) -> None:
    await register(db)
    keys = [
        *({"key": name, "readonly": False, "value": SECRET} for name in NAMES),
        *({"key": f"Url{n}", "readonly": False, "value": url} for n, url in enumerate(URLS)),
        {"key": "PinCodeLength", "readonly": True, "value": "4"},
    ]
    async with station_client(gateway.url) as station:
        await station.boot()
        await answer(db, redis, station, GetConfiguration(), {"configurationKey": keys})
        for name in NAMES:
            change = ChangeConfiguration(key=name, value=SECRET)
            await answer(db, redis, station, change, {"status": "Accepted"})
            read_back = {"configurationKey": [{"key": name, "readonly": False, "value": SECRET}]}
            await answer(db, redis, station, GetConfiguration(keys=(name,)), read_back)
        data = msgspec.json.encode({"wifiPassword": SECRET, "ssid": "home"}).decode()
        transfer = DataTransfer(vendor_id="V", message_id="M", data=data)
        await answer(db, redis, station, transfer, {"status": "Accepted", "data": data})
        for each in (data, f"psk={SECRET}", URLS[0]):
            await station.call("DataTransfer", {"vendorId": "V", "data": each})
        await station.send(f'[2,"x","DataTransfer",{{"data":"psk={SECRET}')  # cut off
        assert "home" in await logged(db, "DataTransfer")
        assert "PinCodeLength" in await logged(db, "GetConfiguration")
        await logged(db, "ChangeConfiguration")
    kept = {row["key"]: row["value"] for row in await db.fetch("SELECT * FROM configuration_keys")}
    assert {kept[name] for name in NAMES} == {None}
    assert kept["Url0"] == "ftp://me:(redacted)@files.example/a"
    assert kept["PinCodeLength"] == "4"
    assert await tables_that_hold(db, "PinCodeLength") != []
    assert await tables_that_hold(db, SECRET) == []
    assert SECRET not in "".join(capfd.readouterr())


async def test_a_station_of_2_0_1_tells_its_secrets_in_vain(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    await register(db)
    items = [("ModemCtrlr", {"name": name}, SECRET) for name in NAMES]
    items += [("Custom", {"name": "Value", "instance": name}, SECRET) for name in NAMES]
    items += [("Custom", {"name": f"Url{n}"}, url) for n, url in enumerate(URLS)]
    items += [("TokenReader", {"name": "TokenType"}, "ISO14443")]
    async with booted_station(gateway.url) as station:
        report = [
            {
                "component": {"name": component},
                "variable": variable,
                "variableAttribute": [{"value": value}],
            }
            for component, variable, value in items
        ]
        page = {"requestId": 1, "generatedAt": NOW, "seqNo": 0}
        await tell(station, "NotifyReport", page | {"reportData": report})
        event = [
            {
                "eventId": number,
                "timestamp": NOW,
                "trigger": "Delta",
                "actualValue": value,
                "techInfo": value,
                "eventNotificationType": "CustomMonitor",
                "component": {"name": component},
                "variable": variable,
            }
            for number, (component, variable, value) in enumerate(items)
        ]
        await tell(station, "NotifyEvent", {"generatedAt": NOW, "seqNo": 0, "eventData": event})
        values = [
            {
                "attributeStatus": "Accepted",
                "attributeValue": value,
                "component": {"name": component},
                "variable": variable,
            }
            for component, variable, value in items
        ]
        keys = tuple(f"ModemCtrlr.{name}" for name in NAMES)
        await answer(db, redis, station, GetConfiguration(keys=keys), {"getVariableResult": values})
        change = ChangeConfiguration(key="ModemCtrlr.ApnPwd", value=SECRET)
        result = {"attributeStatus": "Accepted", "component": {"name": "ModemCtrlr"},
                  "variable": {"name": "ApnPwd"}}  # fmt: skip
        await answer(db, redis, station, change, {"setVariableResult": [result]})
        profile = Call(
            action="SetNetworkProfile",
            payload={
                "configurationSlot": 1,
                "connectionData": {
                    "ocppVersion": "OCPP20",
                    "ocppTransport": "JSON",
                    "ocppCsmsUrl": URLS[1],
                    "messageTimeout": 30,
                    "securityProfile": 1,
                    "ocppInterface": "Wired0",
                    "apn": {"apn": "net", "apnPassword": SECRET, "apnAuthentication": "CHAP"},
                },
            },
        )
        await answer(db, redis, station, profile, {"status": "Accepted"})
        for action in ("NotifyReport", "NotifyEvent", "SetVariables", "SetNetworkProfile"):
            await logged(db, action)
    assert await tables_that_hold(db, "ISO14443") != []
    assert await tables_that_hold(db, SECRET) == []
