"""The door (OCPP-J 1.6 §3): who may come in, speaking what, and what the others get."""

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from shared.store.pool import Database
from tests.conformance.ocpp16.coverage import Row, covers, from_station, to_station
from tests.integration.control.players import Api
from tests.support.eventually import eventually
from tests.support.pods import Pod
from tests.support.stations import PASSWORD, basic_auth, register, station_client
from tests.support.transcript import Play


async def refused(url: str, headers: dict[str, str]) -> int:
    """Return the status of the answer to a handshake that is refused."""
    with pytest.raises(InvalidStatus) as refusal:
        await connect(url, subprotocols=["ocpp1.6"], additional_headers=headers)
    return refusal.value.response.status_code


@pytest.fixture
async def url(db: Database, gateway: Pod) -> str:
    """Where station CP-1, which is registered and not connected, has its place."""
    await register(db)
    return f"{gateway.url}/CP-1"


@covers(Row.SUBPROTOCOL_NONE)
@pytest.mark.parametrize("offered", [["ocpp0.9"], ["OCPP1.6"], ["xmpp", "soap"]])
async def test_without_a_common_subprotocol_the_connection_is_closed(
    url: str, offered: list[str]
) -> None:
    """§3.2: the handshake itself succeeds, without the header."""
    async with connect(url, subprotocols=offered, additional_headers=basic_auth("CP-1")) as socket:
        assert socket.subprotocol is None
        with pytest.raises(ConnectionClosed):
            await socket.recv()


@covers(Row.SUBPROTOCOL_BEST)
@pytest.mark.parametrize(
    ("offered", "picked"),
    [
        (["ocpp1.6"], "ocpp1.6"),
        (["ocpp1.5", "ocpp1.6"], "ocpp1.6"),
        (["ocpp1.6", "ocpp2.0.1"], "ocpp2.0.1"),
    ],
)
async def test_the_best_version_that_a_station_offers_is_spoken(
    url: str, offered: list[str], picked: str
) -> None:
    async with connect(url, subprotocols=offered, additional_headers=basic_auth("CP-1")) as socket:
        assert socket.subprotocol == picked


@covers(Row.UNAUTHORIZED)
@pytest.mark.parametrize(
    ("station_id", "user_name", "password"),
    [("CP-1", "CP-1", "wrong"), ("NOBODY", "NOBODY", PASSWORD), ("CP-1", "CP-2", PASSWORD)],
    ids=["wrong password", "unknown station", "another user name"],
)
async def test_who_may_not_come_in_is_not_told_why(
    url: str, station_id: str, user_name: str, password: str
) -> None:
    place = url.replace("CP-1", station_id)
    assert await refused(place, basic_auth(user_name, password)) == 401


@covers(Row.UNKNOWN_STATION, from_station("BootNotification"))
async def test_an_unknown_station_is_listed_and_accepted_by_an_operator(
    gateway: Pod, api: Api
) -> None:
    place = f"{gateway.url}/CP-NEW"
    assert await refused(place, basic_auth("CP-NEW")) == 401
    listed = await eventually(
        lambda: api.client.get("/v1/unknown-stations"), lambda answer: answer.json()["items"]
    )
    (station,) = listed.json()["items"]
    assert (station["station_id"], station["subprotocols"]) == ("CP-NEW", ["ocpp1.6"])
    accepted = await api.client.post("/v1/unknown-stations/CP-NEW/accept", json={})
    assert accepted.status_code == 201, accepted.text
    password = accepted.json()["password"]
    async with station_client(gateway.url, "CP-NEW", password=password) as client:
        await Play(client, "CP-NEW", api.client)("""
            > BootNotification {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
            < {"status": "Accepted", "interval": 300, "currentTime": "$"}
        """)
    assert (await api.client.get("/v1/unknown-stations")).json()["items"] == []


@covers(Row.STATION_ID_BAD)
@pytest.mark.parametrize(
    "station_id", ["a%2Fb", "..", "a:b", "a%00b", "a%0Ab", "x" * 49, "%F0%9F%94%8C"]
)
async def test_an_id_that_cannot_be_is_refused_and_never_stored(
    gateway: Pod, db: Database, station_id: str
) -> None:
    assert await refused(f"{gateway.url}/{station_id}", basic_auth("x")) == 400
    assert await refused(f"{gateway.url}/NOBODY", basic_auth("x")) == 401

    async def noted() -> list[str]:
        return [row[0] for row in await db.fetch("SELECT station_id FROM unknown_stations")]

    assert await eventually(noted, bool) == ["NOBODY"]  # and what came before is not there


@covers(Row.MESSAGE_TOO_LONG)
async def test_a_message_over_the_limit_closes_with_1009(url: str) -> None:
    async with connect(
        url, subprotocols=["ocpp1.6"], additional_headers=basic_auth("CP-1")
    ) as socket:
        await socket.send(f'[2, "1", "DataTransfer", {{"vendorId": "{"x" * 2_200_000}"}}]')
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


@covers(Row.PENDING, from_station("BootNotification"), to_station("GetConfiguration"))
async def test_a_pending_station_is_worked_on_and_accepted_later(
    db: Database, gateway: Pod, api: Api
) -> None:
    """§4.2."""
    await register(db)
    await patch(api, "Pending")
    async with station_client(gateway.url) as client:
        play = Play(client, "CP-1", api.client)
        await play("""
            > BootNotification {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
            < {"status": "Pending", "interval": 60, "currentTime": "$"}
            > StatusNotification {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
            < SecurityError
            ! GetConfiguration {"keys": ["HeartbeatInterval"]}
            < GetConfiguration {"key": ["HeartbeatInterval"]}
            > {"configurationKey": [{"key": "HeartbeatInterval", "readonly": false,
                "value": "300"}]}
            = answered
            ! RemoteStart {"id_token": "TAG"}
            = failed {"error_code": "StationNotAccepted"}
        """)
        await patch(api, "Accepted")
        await play("""
            < TriggerMessage {"requestedMessage": "BootNotification"}
            > {"status": "Accepted"}
            > BootNotification {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
            < {"status": "Accepted", "interval": 300, "currentTime": "$"}
            > StatusNotification {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
            < {}
        """)


@covers(Row.REJECTED, from_station("BootNotification"))
async def test_a_rejected_station_is_asked_for_nothing(
    db: Database, gateway: Pod, api: Api
) -> None:
    """§4.2."""
    await register(db)
    await patch(api, "Rejected")
    async with station_client(gateway.url) as client:
        await Play(client, "CP-1", api.client)("""
            > BootNotification {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
            < {"status": "Rejected", "interval": 60, "currentTime": "$"}
            > Heartbeat {}
            < SecurityError
            ! TriggerMessage {"requested_message": "Heartbeat"}
            = failed {"error_code": "StationNotAccepted"}
        """)


async def patch(api: Api, registration_status: str) -> None:
    changes = {"registration_status": registration_status}
    response = await api.client.patch("/v1/stations/CP-1", json=changes)
    assert response.status_code == 200, response.text
