"""Whose tokens charge where, and whom a session belongs to: asked through a real pod."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.store.access import id_token_groups, id_tokens
from shared.store.access.local_list_steps import read_wanted
from shared.store.access.local_lists import get as get_local_list
from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod
from tests.support.ocpp16 import authorize, start
from tests.support.ocpp201 import booted_station, tell
from tests.support.stations import register, station_client

# Above and below each other, and one beside them.
OPERATOR, HOST, STRANGER = "operator", "host", "stranger"


@pytest.fixture(autouse=True)
async def organizations(db: Database) -> None:
    """Stations and tokens of each organization, called like it."""
    for organization_id, parent_id in (
        (OPERATOR, "default"),
        (HOST, OPERATOR),
        (STRANGER, "default"),
    ):
        await db.execute(
            "INSERT INTO organizations VALUES ($1, $2, $1)", organization_id, parent_id
        )
    for organization_id in ("default", OPERATOR, HOST, STRANGER):
        await add_token(db, organization_id)
        await register(db, f"CP-{organization_id}")
        await db.execute(
            "UPDATE stations SET organization_id = $1 WHERE station_id = 'CP-' || $1",
            organization_id,
        )


async def add_token(db: Database, organization_id: str, **more: Any) -> None:
    token = {"id_token": organization_id, "group_id_token": None, **more}
    await id_tokens.create(
        db,
        type=IdTokenType.ISO14443,
        status=AuthorizationStatus.ACCEPTED,
        expires_at=None,
        **token,
    )
    await db.execute(
        "UPDATE id_tokens SET organization_id = $1 WHERE id_token = $2",
        organization_id,
        token["id_token"],
    )


@pytest.mark.parametrize(
    ("at", "accepted"),
    [
        ("default", {"default"}),
        (OPERATOR, {"default", OPERATOR}),
        (HOST, {"default", OPERATOR, HOST}),
        (STRANGER, {"default", STRANGER}),
    ],
)
async def test_tokens_charge_at_stations_of_their_organization_and_those_below(
    gateway: Pod, at: str, accepted: set[str]
) -> None:
    async with station_client(gateway.url, f"CP-{at}") as station:
        await station.boot()
        answers = {
            id_token: await authorize(station, id_token)
            for id_token in ("default", OPERATOR, HOST, STRANGER)
        }
    assert {name for name, told in answers.items() if told["status"] == "Accepted"} == accepted
    # Nothing of a stranger's token is told, not even that there is one.
    assert all(
        told == {"status": "Invalid"} for name, told in answers.items() if name not in accepted
    )


async def test_a_group_of_a_stranger_blocks_nobody_elses_tokens(db: Database, gateway: Pod) -> None:
    await id_token_groups.create(
        db,
        group_id_token="fleet",
        name=None,
        status=AuthorizationStatus.BLOCKED,
        max_concurrent_sessions=None,
    )
    await db.execute("UPDATE id_token_groups SET organization_id = $1", STRANGER)
    await add_token(db, OPERATOR, id_token="GROUPED", group_id_token="fleet")
    async with station_client(gateway.url, "CP-operator") as station:
        await station.boot()
        assert (await authorize(station, "GROUPED"))["status"] == "Accepted"


async def test_a_local_list_holds_no_tokens_of_strangers(db: Database) -> None:
    await db.execute(
        "INSERT INTO local_lists (station_id, enabled) SELECT station_id, true FROM stations"
    )
    found = {}
    for organization_id in (OPERATOR, HOST, STRANGER):
        local_list = await get_local_list(db, f"CP-{organization_id}")
        assert local_list is not None
        wanted = await read_wanted(db, local_list, ocpp_version="1.6", max_entries=100)
        found[organization_id] = {entry.id_token for entry in wanted.entries}
    assert found == {
        OPERATOR: {"default", OPERATOR},
        HOST: {"default", OPERATOR, HOST},
        STRANGER: {"default", STRANGER},
    }


async def test_a_session_belongs_to_whom_its_station_belonged_to_when_it_began(
    db: Database, gateway: Pod
) -> None:
    async with station_client(gateway.url, "CP-host") as station:
        await station.boot()
        await start(station, id_tag=HOST)
    async with booted_station(gateway.url, "CP-operator") as station:
        await tell(
            station,
            "TransactionEvent",
            {
                "eventType": "Started",
                "timestamp": datetime.now(UTC).isoformat(),
                "triggerReason": "Authorized",
                "seqNo": 0,
                "transactionInfo": {"transactionId": "tx-1"},
                "evse": {"id": 1},
                "idToken": {"idToken": OPERATOR, "type": "ISO14443"},
            },
        )
    await db.execute("UPDATE stations SET organization_id = $1", STRANGER)
    async with booted_station(gateway.url, "CP-operator") as station:
        await tell(
            station,
            "TransactionEvent",
            {
                "eventType": "Ended",
                "timestamp": datetime.now(UTC).isoformat(),
                "triggerReason": "EVDeparted",
                "seqNo": 1,
                "transactionInfo": {"transactionId": "tx-1", "stoppedReason": "EVDisconnected"},
            },
        )

    sessions = await db.fetch(
        "SELECT station_id, organization_id, ended_at FROM sessions ORDER BY 1"
    )
    assert [(each["station_id"], each["organization_id"]) for each in sessions] == [
        ("CP-host", HOST),
        ("CP-operator", OPERATOR),
    ]
    assert sessions[1]["ended_at"] is not None
