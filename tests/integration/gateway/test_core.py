"""OCPP 1.6 Core through a real pod: frames in, frames out, and the rows that are there then."""

from decimal import Decimal

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.store.access import id_tokens
from shared.store.pool import Database
from shared.store.sessions import sessions
from shared.store.stations import stations
from tests.integration.gateway.conftest import Pod
from tests.support.stations import register, station_client

START = {"connectorId": 1, "idTag": "TAG", "meterStart": 100, "timestamp": "2026-01-02T03:04:05Z"}


async def _register_token(db: Database, status: AuthorizationStatus) -> None:
    await id_tokens.create(
        db,
        id_token="TAG",
        type=IdTokenType.ISO14443,
        status=status,
        expires_at=None,
        group_id_token=None,
    )


async def test_a_whole_charge_ends_in_rows(db: Database, gateway: Pod) -> None:
    await register(db)
    await _register_token(db, AuthorizationStatus.ACCEPTED)
    async with station_client(gateway.url) as station:
        assert (await station.boot())["status"] == "Accepted"
        assert await station.call(
            "StatusNotification",
            {"connectorId": 1, "errorCode": "NoError", "status": "Preparing"},
        ) == [3, "2", {}]
        assert (await station.call("Authorize", {"idTag": "tag"}))[2] == {
            "idTagInfo": {"status": "Accepted"}
        }
        started = (await station.call("StartTransaction", START))[2]
        assert started["idTagInfo"] == {"status": "Accepted"}
        transaction_id = started["transactionId"]
        values = {
            "connectorId": 1,
            "transactionId": transaction_id,
            "meterValue": [
                {
                    "timestamp": "2026-01-02T03:05:05Z",
                    "sampledValue": [{"value": "0.6", "unit": "kWh"}],
                }
            ],
        }
        assert (await station.call("MeterValues", values))[2] == {}
        (going_on,) = await sessions.list_before(db, before=None, limit=10)
        assert going_on.energy_wh == Decimal(500)
        stop = {
            "transactionId": transaction_id,
            "meterStop": 1100,
            "timestamp": "2026-01-02T04:04:05Z",
            "idTag": "TAG",
        }
        assert (await station.call("StopTransaction", stop))[2] == {
            "idTagInfo": {"status": "Accepted"}
        }
        assert (await station.call("Heartbeat", {}))[2]["currentTime"].endswith("Z")

    (session,) = await sessions.list_before(db, before=None, limit=10)
    assert session.transaction_id == str(transaction_id)
    assert session.energy_wh == Decimal(1000)
    assert session.stopped_reason == "Local"
    ((_, meter_value),) = await sessions.list_meter_values_after(db, session, after=None, limit=10)
    assert meter_value.energy_wh == Decimal(600)
    (connector,) = await stations.list_connectors(db, ["CP-1"])
    assert (connector.status, connector.reported_status) == ("Occupied", "Preparing")
