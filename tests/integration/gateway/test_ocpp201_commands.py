"""Commands to stations of OCPP 2.0.1: what goes out, and what their answers come to."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.bus.client import open_redis
from shared.domain import commands
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.commands import CommandState
from shared.domain.stations.stations import RegistrationStatus
from shared.settings import ServiceSettings
from shared.store.access import id_tokens
from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod
from tests.support.asking import ask, outcome
from tests.support.ocpp201 import BOOT, NOW, booted_station, tell
from tests.support.stations import StationClient, register, station_client


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with booted_station(gateway.url) as client:
        yield client


def item_status(of: str, status: str) -> dict[str, Any]:
    item = {"attributeStatus": status, "component": {"name": "A"}, "variable": {"name": "B"}}
    return {of: [item]}


SET = commands.ChangeConfiguration(key="A.B", value="1")
GET = commands.GetConfiguration(keys=("A.B",))


@pytest.mark.parametrize(
    ("command", "action", "answer", "state", "status"),
    [
        (SET, "SetVariables", item_status("setVariableResult", "Accepted"), "accepted", "Accepted"),
        (
            SET,
            "SetVariables",
            item_status("setVariableResult", "RebootRequired"),
            "accepted",
            "RebootRequired",
        ),
        (SET, "SetVariables", item_status("setVariableResult", "Rejected"), "rejected", "Rejected"),
        (
            SET,
            "SetVariables",
            item_status("setVariableResult", "UnknownVariable"),
            "rejected",
            "UnknownVariable",
        ),
        (GET, "GetVariables", item_status("getVariableResult", "Accepted"), "answered", None),
        (
            GET,
            "GetVariables",
            item_status("getVariableResult", "UnknownComponent"),
            "answered",
            None,
        ),
        (
            commands.GetConfiguration(),
            "GetBaseReport",
            {"status": "Accepted"},
            "accepted",
            "Accepted",
        ),
        (
            commands.GetConfiguration(),
            "GetBaseReport",
            {"status": "NotSupported"},
            "rejected",
            "NotSupported",
        ),
        (commands.Reset(), "Reset", {"status": "Scheduled"}, "accepted", "Scheduled"),
        (
            commands.UnlockConnector(evse_id=1),
            "UnlockConnector",
            {"status": "OngoingAuthorizedTransaction"},
            "rejected",
            "OngoingAuthorizedTransaction",
        ),
        (
            commands.Call(action="GetTransactionStatus", payload={}),
            "GetTransactionStatus",
            {"messagesInQueue": False},
            "answered",
            None,
        ),
    ],
)
async def test_an_answer_comes_to_the_same_as_in_1_6(
    db: Database,
    redis: Redis,
    station: StationClient,
    command: commands.Command,
    action: str,
    answer: dict[str, Any],
    state: str,
    status: str | None,
) -> None:
    command_id = await ask(db, redis, command)
    assert (await station.receive())[:3] == [2, command_id, action]
    await station.send([3, command_id, answer])
    record = await outcome(db, command_id)
    assert (record.state, record.status, record.response) == (state, status, answer)
    assert record.error_code is None


async def test_an_answer_that_breaks_its_schema_is_kept_with_what_is_wrong(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command_id = await ask(db, redis, SET)
    await station.receive()
    await station.send([3, command_id, {"setVariableResult": []}])
    record = await outcome(db, command_id)
    assert (record.state, record.response) == (CommandState.ANSWERED, {"setVariableResult": []})
    assert record.error_code == "OccurrenceConstraintViolation"


async def test_a_key_without_component_fails_and_nothing_is_sent(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command_id = await ask(db, redis, commands.GetConfiguration(keys=("HeartbeatInterval",)))
    record = await outcome(db, command_id)
    assert (record.state, record.error_code) == (CommandState.FAILED, "CannotBeSaid")
    assert "write Component.Variable" in (record.error_description or "")
    assert (await station.call("Heartbeat", {}))[0] == 3


@pytest.mark.parametrize(
    ("id_token", "id_token_type", "told"),
    [
        ("DE-ABC-C12345678-9", None, "eMAID"),
        ("UNREGISTERED", None, "ISO14443"),
        ("DE-ABC-C12345678-9", IdTokenType.CENTRAL, "Central"),
    ],
)
async def test_a_start_tells_the_type_that_the_token_is_registered_with(
    db: Database,
    redis: Redis,
    station: StationClient,
    id_token: str,
    id_token_type: IdTokenType | None,
    told: str,
) -> None:
    await id_tokens.create(
        db,
        id_token="DE-ABC-C12345678-9",
        type=IdTokenType.EMAID,
        status=AuthorizationStatus.ACCEPTED,
        expires_at=None,
        group_id_token=None,
    )
    command = commands.RemoteStart(id_token=id_token, id_token_type=id_token_type)
    command_id = await ask(db, redis, command)
    _, _, action, payload = await station.receive()
    assert action == "RequestStartTransaction"
    assert payload["idToken"] == {"idToken": id_token, "type": told}
    await station.send([3, command_id, {"status": "Accepted", "transactionId": "tx-1"}])
    assert (await outcome(db, command_id)).state is CommandState.ACCEPTED


async def test_everything_is_reported_after_the_answer(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command_id = await ask(db, redis, commands.GetConfiguration())
    _, _, _, asked = await station.receive()
    await station.send([3, command_id, {"status": "Accepted"}])
    await tell(station, "NotifyReport", report(asked["requestId"]))
    kept = await db.fetchrow("SELECT component, variable, request_id FROM station_variables")
    assert tuple(kept) == ("A", "B", asked["requestId"])


async def test_a_pending_station_may_send_what_it_was_asked_for_and_nothing_else(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    await register(db, registration_status=RegistrationStatus.PENDING)
    async with station_client(gateway.url, subprotocol="ocpp2.0.1") as station:
        assert (await tell(station, "BootNotification", BOOT))["status"] == "Pending"
        assert (await station.call("NotifyReport", report(1)))[2] == "SecurityError"

        command_id = await ask(db, redis, commands.GetConfiguration())
        await station.receive()
        await station.send([3, command_id, {"status": "Accepted"}])
        await outcome(db, command_id)
        assert await tell(station, "NotifyReport", report(1)) == {}
        assert (await station.call("Heartbeat", {}))[2] == "SecurityError"

        trigger = commands.TriggerMessage(requested_message=commands.MessageTrigger.HEARTBEAT)
        command_id = await ask(db, redis, trigger)
        await station.receive()
        await station.send([3, command_id, {"status": "Accepted"}])
        assert "currentTime" in await tell(station, "Heartbeat", {})


def report(request_id: int) -> dict[str, Any]:
    data = {
        "component": {"name": "A"},
        "variable": {"name": "B"},
        "variableAttribute": [{"value": "1"}],
    }
    return {"requestId": request_id, "generatedAt": NOW, "seqNo": 0, "reportData": [data]}
