"""The Core profile of OCPP 1.6: what the station says (§4) and what it is asked (§5)."""

from datetime import UTC, datetime
from decimal import Decimal

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.store.access import id_tokens
from shared.store.pool import Database
from tests.conformance.ocpp16.coverage import Row, covers, from_station, to_station
from tests.integration.control.players import Api
from tests.support.transcript import Play

START = '{"connectorId": 1, "idTag": "TAG", "meterStart": 100, "timestamp": "2026-01-02T03:04:05Z"}'


@covers(from_station("BootNotification"))
async def test_a_boot_tells_who_the_station_is_and_when_to_call(play: Play, db: Database) -> None:
    await play("""
        > BootNotification {"chargePointVendor": "Vendor", "chargePointModel": "Model",
            "chargePointSerialNumber": "SN", "firmwareVersion": "1.2", "iccid": "1", "imsi": "2",
            "meterType": "Meter", "meterSerialNumber": "MN", "chargeBoxSerialNumber": "BN"}
        < {"status": "Accepted", "interval": 300, "currentTime": "$"}
    """)
    row = await db.fetchrow(
        "SELECT vendor, model, serial_number, firmware_version, iccid, imsi FROM stations"
    )
    assert tuple(row) == ("Vendor", "Model", "SN", "1.2", "1", "2")


@covers(from_station("Heartbeat"))
async def test_a_heartbeat_is_told_the_time(play: Play) -> None:
    before = datetime.now(UTC)
    await play("""
        > Heartbeat {}
        < {"currentTime": "$now"}
    """)
    assert abs((datetime.fromisoformat(play.named["now"]) - before).total_seconds()) < 10


@covers(from_station("StatusNotification"))
async def test_a_status_is_kept_with_the_stations_own_words(play: Play, db: Database) -> None:
    await play("""
        > StatusNotification {"connectorId": 2, "errorCode": "GroundFailure", "status": "Faulted",
            "info": "wet", "timestamp": "2026-01-02T03:04:05Z", "vendorId": "V",
            "vendorErrorCode": "E1"}
        < {}
    """)
    row = await db.fetchrow(
        "SELECT evse_id, connector_id, status, reported_status, error_code, info, vendor_id, "
        "vendor_error_code FROM connectors"
    )
    assert tuple(row) == (2, 1, "Faulted", "Faulted", "GroundFailure", "wet", "V", "E1")


@covers(from_station("Authorize"))
async def test_a_token_is_accepted_blocked_or_unknown(play: Play) -> None:
    await play("""
        > Authorize {"idTag": "TAG"}
        < {"idTagInfo": {"status": "Accepted"}}
        > Authorize {"idTag": "tag"}
        < {"idTagInfo": {"status": "Accepted"}}
        > Authorize {"idTag": "BLOCKED"}
        < {"idTagInfo": {"status": "Blocked"}}
        > Authorize {"idTag": "NOBODY"}
        < {"idTagInfo": {"status": "Invalid"}}
    """)


@covers(from_station("Authorize"))
async def test_the_answer_names_the_parent_and_the_expiry(play: Play, db: Database) -> None:
    """§7.27."""
    for id_token, year in (("FRIEND", 2100), ("EXPIRED", 2025)):
        await id_tokens.create(
            db,
            id_token=id_token,
            type=IdTokenType.ISO14443,
            status=AuthorizationStatus.ACCEPTED,
            expires_at=datetime(year, 1, 1, tzinfo=UTC),
            group_id_token="FLEET-7",
        )
    await play("""
        > Authorize {"idTag": "FRIEND"}
        < {"idTagInfo": {"status": "Accepted", "parentIdTag": "FLEET-7",
            "expiryDate": "2100-01-01T00:00:00.000Z"}}
        > Authorize {"idTag": "EXPIRED"}
        < {"idTagInfo": {"status": "Expired", "parentIdTag": "FLEET-7",
            "expiryDate": "2025-01-01T00:00:00.000Z"}}
    """)


@covers(from_station("StatusNotification"))
async def test_connector_0_is_the_station_itself(play: Play, api: Api) -> None:
    """§4.9."""
    await play("""
        > StatusNotification {"connectorId": 0, "errorCode": "NoError", "status": "Unavailable"}
        < {}
        > StatusNotification {"connectorId": 1, "errorCode": "NoError", "status": "SuspendedEV"}
        < {}
    """)
    found = (await api.client.get("/v1/stations/CP-1")).json()["connectors"]
    assert [(each["evse_id"], each["connector_id"], each["status"]) for each in found] == [
        (0, 0, "Unavailable"),
        (1, 1, "Occupied"),
    ]


@covers(
    from_station("StartTransaction"), from_station("MeterValues"), from_station("StopTransaction")
)
async def test_a_charge_becomes_a_session_with_its_values(play: Play, db: Database) -> None:
    await play(f"""
        > StartTransaction {START}
        < {{"transactionId": "$id", "idTagInfo": {{"status": "Accepted"}}}}
        > MeterValues {{"connectorId": 1, "transactionId": "$id", "meterValue": [
            {{"timestamp": "2026-01-02T03:05:05Z",
              "sampledValue": [{{"value": "0.6", "unit": "kWh"}}]}}]}}
        < {{}}
        > StopTransaction {{"transactionId": "$id", "meterStop": 1100, "idTag": "TAG",
            "reason": "EVDisconnected", "timestamp": "2026-01-02T04:04:05Z",
            "transactionData": [{{"timestamp": "2026-01-02T04:04:05Z", "sampledValue":
              [{{"value": "1100", "context": "Transaction.End"}}]}}]}}
        < {{"idTagInfo": {{"status": "Accepted"}}}}
    """)
    row = await db.fetchrow(
        "SELECT transaction_id, evse_id, id_token, meter_start_wh, meter_stop_wh, stopped_reason "
        "FROM sessions"
    )
    assert tuple(row) == (str(play.named["id"]), 1, "TAG", 100, 1100, "EVDisconnected")
    values = await db.fetch("SELECT transaction_id, energy_wh FROM meter_values ORDER BY energy_wh")
    assert [tuple(value) for value in values] == [
        (str(play.named["id"]), Decimal(600)),
        (str(play.named["id"]), Decimal(1100)),
    ]


@covers(Row.STOP_WITHOUT_REASON)
async def test_a_stop_without_a_reason_is_local(play: Play, db: Database) -> None:
    await play(f"""
        > StartTransaction {START}
        < {{"transactionId": "$id", "idTagInfo": {{"status": "Accepted"}}}}
        > StopTransaction {{"transactionId": "$id", "meterStop": 1100,
            "timestamp": "2026-01-02T04:04:05Z"}}
        < {{}}
    """)
    assert await db.fetchval("SELECT stopped_reason FROM sessions") == "Local"


@covers(from_station("DataTransfer"), Row.UNKNOWN_VENDOR)
async def test_a_vendors_own_words_are_not_known_and_do_no_harm(play: Play) -> None:
    await play("""
        > DataTransfer {"vendorId": "'; DROP TABLE sessions; --", "messageId": "<script>",
            "data": "<img src=x onerror=alert(1)>"}
        < {"status": "UnknownVendorId"}
    """)


@covers(to_station("RemoteStartTransaction"), to_station("RemoteStopTransaction"))
async def test_an_operator_starts_and_stops_a_charge(play: Play) -> None:
    await play("""
        ! RemoteStart {"id_token": "TAG", "evse_id": 1}
        < RemoteStartTransaction {"idTag": "TAG", "connectorId": 1}
        > {"status": "Accepted"}
        = accepted {"status": "Accepted", "response": {"status": "Accepted"}}
        ! RemoteStop {"transaction_id": "4711"}
        < RemoteStopTransaction {"transactionId": 4711}
        > {"status": "Rejected"}
        = rejected {"status": "Rejected"}
    """)


@covers(to_station("Reset"))
async def test_a_station_is_reset_hard_or_soft(play: Play) -> None:
    await play("""
        ! Reset {"reset_type": "Immediate"}
        < Reset {"type": "Hard"}
        > {"status": "Accepted"}
        = accepted
        ! Reset {"reset_type": "OnIdle"}
        < Reset {"type": "Soft"}
        > {"status": "Rejected"}
        = rejected
    """)


@covers(to_station("ChangeAvailability"))
async def test_a_connector_goes_out_of_service_now_or_after_its_charge(play: Play) -> None:
    await play("""
        ! ChangeAvailability {"operational_status": "Inoperative", "evse_id": 2}
        < ChangeAvailability {"connectorId": 2, "type": "Inoperative"}
        > {"status": "Scheduled"}
        = accepted {"status": "Scheduled"}
        ! ChangeAvailability {"operational_status": "Operative"}
        < ChangeAvailability {"connectorId": 0, "type": "Operative"}
        > {"status": "Accepted"}
        = accepted
    """)


@covers(to_station("UnlockConnector"))
async def test_a_connector_is_unlocked_or_not(play: Play) -> None:
    await play("""
        ! UnlockConnector {"evse_id": 1}
        < UnlockConnector {"connectorId": 1}
        > {"status": "Unlocked"}
        = accepted {"status": "Unlocked"}
        ! UnlockConnector {"evse_id": 1}
        < UnlockConnector {"connectorId": 1}
        > {"status": "NotSupported"}
        = rejected {"status": "NotSupported"}
    """)


@covers(to_station("GetConfiguration"), to_station("ChangeConfiguration"))
async def test_configuration_is_read_written_and_kept(play: Play, api: Api) -> None:
    await play("""
        ! GetConfiguration {"keys": ["HeartbeatInterval", "Nonsense"]}
        < GetConfiguration {"key": ["HeartbeatInterval", "Nonsense"]}
        > {"configurationKey": [{"key": "HeartbeatInterval", "readonly": false, "value": "300"}],
            "unknownKey": ["Nonsense"]}
        = answered
        ! ChangeConfiguration {"key": "HeartbeatInterval", "value": "60"}
        < ChangeConfiguration {"key": "HeartbeatInterval", "value": "60"}
        > {"status": "RebootRequired"}
        = accepted {"status": "RebootRequired"}
        ! GetConfiguration
        < GetConfiguration {}
        > {"configurationKey": [{"key": "SupportedFeatureProfiles", "readonly": true,
            "value": "Core"}]}
        = answered
    """)
    found = (await api.client.get("/v1/stations/CP-1/configuration")).json()["items"]
    assert {item["name"]: (item["known"], item["value"], item["mutability"]) for item in found} == {
        "HeartbeatInterval": (True, "60", "ReadWrite"),
        "Nonsense": (False, None, None),
        "SupportedFeatureProfiles": (True, "Core", "ReadOnly"),
    }


@covers(to_station("ClearCache"))
async def test_the_authorization_cache_is_cleared(play: Play) -> None:
    await play("""
        ! ClearCache
        < ClearCache {}
        > {"status": "Accepted"}
        = accepted
    """)


@covers(to_station("DataTransfer"))
async def test_an_operator_speaks_in_a_vendors_words(play: Play) -> None:
    await play("""
        ! DataTransfer {"vendor_id": "com.example", "message_id": "Banner", "data": "Welcome"}
        < DataTransfer {"vendorId": "com.example", "messageId": "Banner", "data": "Welcome"}
        > {"status": "Accepted", "data": "shown"}
        = accepted {"response": {"status": "Accepted", "data": "shown"}}
    """)


@covers(to_station("RemoteStartTransaction"))
async def test_a_callerror_is_what_the_operator_is_told(play: Play) -> None:
    await play("""
        ! RemoteStart {"id_token": "TAG"}
        < RemoteStartTransaction {"idTag": "TAG"}
        > CALLERROR ["InternalError", "out of order", {}]
        = failed {"error_code": "InternalError", "error_description": "out of order"}
    """)
