"""The Smart Charging profile of OCPP 1.6 (§3.13): profiles set, cleared, and worked out."""

import httpx

from tests.conformance.ocpp16.coverage import Row, covers, from_station, to_station
from tests.integration.control.players import Api
from tests.support.transcript import Play

PROFILES = "/v1/stations/CP-1/charging-profiles"
# OCPP 1.6 §3.13.7: 11 kW, but 6 kW from 08:00 to 20:00.
DAILY = """{"charging_profile_id": 100, "stack_level": 0, "purpose": "TxDefaultProfile",
    "kind": "Recurring", "recurrency_kind": "Daily", "charging_schedule": {
    "charging_rate_unit": "W", "start_schedule": "2013-01-01T00:00:00Z", "duration_s": 86400,
    "periods": [{"start_period_s": 0, "limit": 11000, "number_phases": 3},
     {"start_period_s": 28800, "limit": 6000, "number_phases": 3},
     {"start_period_s": 72000, "limit": 11000, "number_phases": 3}]}}"""
DAILY_ON_THE_WIRE = """{"chargingProfileId": 100, "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Recurring",
    "recurrencyKind": "Daily", "chargingSchedule": {"duration": 86400,
     "startSchedule": "2013-01-01T00:00:00.000Z", "chargingRateUnit": "W",
     "chargingSchedulePeriod": [
      {"startPeriod": 0, "limit": 11000.0, "numberPhases": 3},
      {"startPeriod": 28800, "limit": 6000.0, "numberPhases": 3},
      {"startPeriod": 72000, "limit": 11000.0, "numberPhases": 3}]}}"""


async def profile_ids(client: httpx.AsyncClient) -> list[int]:
    items = (await client.get(PROFILES)).json()["items"]
    return [item["profile"]["charging_profile_id"] for item in items]


def setting(evse_id: int, **changes: str) -> str:
    """Return a SetChargingProfile of DAILY with other members."""
    document = DAILY
    for name, value in changes.items():
        was = {"charging_profile_id": "100", "stack_level": "0", "purpose": '"TxDefaultProfile"'}
        document = document.replace(f'"{name}": {was[name]}', f'"{name}": {value}')
    return f'! SetChargingProfile {{"evse_id": {evse_id}, "charging_profile": {document}}}'


@covers(to_station("SetChargingProfile"), to_station("ClearChargingProfile"))
async def test_the_specifications_daily_profile_is_set_kept_and_cleared(
    play: Play, api: Api
) -> None:
    await play(f"""
        {setting(0)}
        < SetChargingProfile {{"connectorId": 0, "csChargingProfiles": {DAILY_ON_THE_WIRE}}}
        > {{"status": "Accepted"}}
        = accepted
    """)
    (kept,) = (await api.client.get(PROFILES)).json()["items"]
    assert (kept["evse_id"], kept["profile"]["charging_profile_id"]) == (0, 100)
    await play("""
        ! ClearChargingProfile {"charging_profile_id": 100}
        < ClearChargingProfile {"id": 100}
        > {"status": "Accepted"}
        = accepted
    """)
    assert await profile_ids(api.client) == []


@covers(to_station("SetChargingProfile"))
async def test_a_profile_that_the_station_refuses_is_not_kept(play: Play, api: Api) -> None:
    await play(f"""
        {setting(1)}
        < SetChargingProfile {{"connectorId": 1, "csChargingProfiles": {DAILY_ON_THE_WIRE}}}
        > {{"status": "NotSupported"}}
        = rejected {{"status": "NotSupported"}}
        {setting(1)}
        < SetChargingProfile {{"connectorId": 1, "csChargingProfiles": {DAILY_ON_THE_WIRE}}}
        > CALLERROR ["PropertyConstraintViolation", "no such connector", {{}}]
        = failed {{"error_code": "PropertyConstraintViolation"}}
    """)
    assert await profile_ids(api.client) == []


@covers(to_station("SetChargingProfile"))
async def test_a_level_of_a_purpose_holds_one_profile_per_connector(play: Play, api: Api) -> None:
    for evse_id, charging_profile_id, level in ((0, 1, 0), (1, 2, 0), (1, 3, 1), (1, 4, 0)):
        changed = setting(
            evse_id, charging_profile_id=str(charging_profile_id), stack_level=str(level)
        )
        await play(f"""
            {changed}
            < SetChargingProfile {{"connectorId": {evse_id}, "csChargingProfiles": "$"}}
            > {{"status": "Accepted"}}
            = accepted
        """)
    assert await profile_ids(api.client) == [1, 3, 4]  # 4 in place of 2 (§3.13.2)


@covers(to_station("ClearChargingProfile"))
async def test_every_word_of_a_clearing_has_to_fit(play: Play, api: Api) -> None:
    # errata 3.25; what the station does not know, it does not have.
    for charging_profile_id, level in ((1, 0), (2, 1)):
        changed = setting(1, charging_profile_id=str(charging_profile_id), stack_level=str(level))
        await play(f"""
            {changed}
            < SetChargingProfile {{"connectorId": 1, "csChargingProfiles": "$"}}
            > {{"status": "Accepted"}}
            = accepted
        """)
    await play("""
        ! ClearChargingProfile {"evse_id": 1, "charging_profile_purpose": "TxDefaultProfile",
            "stack_level": 1}
        < ClearChargingProfile {"connectorId": 1, "chargingProfilePurpose": "TxDefaultProfile",
            "stackLevel": 1}
        > {"status": "Accepted"}
        = accepted
    """)
    assert await profile_ids(api.client) == [1]
    await play("""
        ! ClearChargingProfile {}
        < ClearChargingProfile {}
        > {"status": "Unknown"}
        = rejected {"status": "Unknown"}
    """)
    assert await profile_ids(api.client) == []


@covers(Row.ONE_DECIMAL, to_station("SetChargingProfile"))
async def test_8_1_amperes_go_out_as_8_1(play: Play, api: Api) -> None:
    schedule = '{"charging_rate_unit": "A", "periods": [{"start_period_s": 0, "limit": 8.1}]}'
    document = (
        '{"charging_profile_id": 1, "stack_level": 0, "purpose": "TxDefaultProfile", '
        f'"kind": "Relative", "charging_schedule": {schedule}}}'
    )
    await play(f'! SetChargingProfile {{"evse_id": 1, "charging_profile": {document}}}')
    frame = await play.station.websocket.recv()
    assert isinstance(frame, str)
    assert '"limit":8.1}' in frame
    body = {
        "type": "SetChargingProfile",
        "evse_id": 1,
        "charging_profile": {
            "charging_profile_id": 1,
            "stack_level": 0,
            "purpose": "TxDefaultProfile",
            "kind": "Relative",
            "charging_schedule": {
                "charging_rate_unit": "A",
                "periods": [{"start_period_s": 0, "limit": 8.15}],
            },
        },
    }
    response = await api.client.post("/v1/stations/CP-1/commands", json=body)
    assert response.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert "no more than 1 decimal place" in response.json()["detail"]


@covers(to_station("SetChargingProfile"), from_station("StartTransaction"))
async def test_a_tx_profile_lives_as_long_as_its_transaction(play: Play, api: Api) -> None:
    await play("""
        > StartTransaction {"connectorId": 1, "idTag": "TAG", "meterStart": 0,
            "timestamp": "2026-01-02T03:04:05Z"}
        < {"transactionId": "$id", "idTagInfo": {"status": "Accepted"}}
    """)
    document = DAILY.replace(
        '"purpose": "TxDefaultProfile"',
        f'"transaction_id": "{play.named["id"]}", "purpose": "TxProfile"',
    )
    await play(f"""
        ! SetChargingProfile {{"evse_id": 1, "charging_profile": {document}}}
        < SetChargingProfile {{"connectorId": 1, "csChargingProfiles": {{
            "chargingProfileId": 100, "transactionId": "$id", "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Recurring",
            "recurrencyKind": "Daily", "chargingSchedule": "$"}}}}
        > {{"status": "Accepted"}}
        = accepted
    """)
    assert await profile_ids(api.client) == [100]
    await play("""
        > StopTransaction {"transactionId": "$id", "meterStop": 10,
            "timestamp": "2026-01-02T04:04:05Z"}
        < {}
    """)
    assert await profile_ids(api.client) == []


@covers(to_station("RemoteStartTransaction"))
async def test_a_remote_start_carries_a_tx_profile(play: Play, api: Api) -> None:
    await play("""
        ! RemoteStart {"id_token": "TAG", "evse_id": 1, "charging_profile": {
            "charging_profile_id": 5, "stack_level": 0, "purpose": "TxProfile",
            "kind": "Relative", "charging_schedule": {"charging_rate_unit": "W",
             "min_charging_rate": 1380.5, "periods": [{"start_period_s": 0, "limit": 3680}]}}}
        < RemoteStartTransaction {"idTag": "TAG", "connectorId": 1, "chargingProfile": {
            "chargingProfileId": 5, "stackLevel": 0, "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative", "chargingSchedule": {"chargingRateUnit": "W",
             "minChargingRate": 1380.5,
             "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 3680.0}]}}}
        > {"status": "Accepted"}
        = accepted
    """)
    assert await profile_ids(api.client) == [5]


@covers(to_station("GetCompositeSchedule"))
async def test_what_the_station_works_out_is_compared_with_its_profiles(
    play: Play, api: Api
) -> None:
    await play(f"""
        {setting(1)}
        < SetChargingProfile {{"connectorId": 1, "csChargingProfiles": "$"}}
        > {{"status": "Accepted"}}
        = accepted
    """)
    await play("""
        ! GetCompositeSchedule {"evse_id": 1, "duration_s": 7200, "charging_rate_unit": "W"}
        < GetCompositeSchedule {"connectorId": 1, "duration": 7200, "chargingRateUnit": "W"}
        > {"status": "Accepted", "connectorId": 1, "scheduleStart": "2026-01-02T07:00:00Z",
            "chargingSchedule": {"duration": 7200, "chargingRateUnit": "W",
             "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 11000},
              {"startPeriod": 3600, "limit": 5000.5}]}}
        = accepted
        ! GetCompositeSchedule {"evse_id": 9, "duration_s": 7200}
        < GetCompositeSchedule {"connectorId": 9, "duration": 7200}
        > {"status": "Rejected"}
        = rejected
    """)
    url = "/v1/stations/CP-1/evses/1/composite-schedule"
    schedule = (await api.client.get(url, params={"source": "station", "unit": "W"})).json()
    assert [period["limit"] for period in schedule["periods"]] == [11000, 5000.5]
    (difference,) = schedule["differences"]
    assert (difference["csms_limit"], difference["station_limit"]) == (6000, 5000.5)
    assert difference["start"] == "2026-01-02T08:00:00Z"


@covers(Row.LIMITS, to_station("SetChargingProfile"), to_station("RemoteStartTransaction"))
async def test_a_profile_that_the_station_cannot_take_is_not_sent(play: Play) -> None:
    """§9.4; limits are known once the station was asked for its configuration."""

    async def told(key: str, value: str) -> None:
        await play(f"""
            ! GetConfiguration {{"keys": ["{key}"]}}
            < GetConfiguration {{"key": ["{key}"]}}
            > {{"configurationKey": [{{"key": "{key}", "readonly": true, "value": "{value}"}}]}}
            = answered
        """)

    async def refused(asked: str) -> None:
        await play(f"""
            {asked}
            = failed {{"error_code": "CannotBeSaid"}}
        """)

    async def taken(asked: str) -> None:
        await play(f"""
            {asked}
            < SetChargingProfile {{"connectorId": "$", "csChargingProfiles": "$"}}
            > {{"status": "Accepted"}}
            = accepted
        """)

    tx_profile = DAILY.replace("TxDefaultProfile", "TxProfile")
    remote_start = f'! RemoteStart {{"id_token": "TAG", "charging_profile": {tx_profile}}}'

    await told("ChargeProfileMaxStackLevel", "2")
    await refused(setting(0, stack_level="3"))
    await told("ChargingScheduleMaxPeriods", "2")
    await refused(setting(0))
    await refused(remote_start)
    await told("ChargingScheduleMaxPeriods", "3")
    await told("ChargingScheduleAllowedChargingRateUnit", "Current")
    await refused(setting(0))
    await told("ChargingScheduleAllowedChargingRateUnit", "Current,Power")
    await told("MaxChargingProfilesInstalled", "1")
    await taken(setting(0))
    await taken(setting(0, charging_profile_id="101"))  # in place of the first
    await refused(setting(1))
    await play("""
        ! ClearChargingProfile {"charging_profile_id": 101}
        < ClearChargingProfile {"id": 101}
        > {"status": "Accepted"}
        = accepted
    """)
    await taken(setting(1))


@covers(Row.LIMITS, to_station("GetConfiguration"))
async def test_no_more_keys_are_asked_for_than_the_station_tells_at_a_time(play: Play) -> None:
    """§5.8, §9.1.9."""
    await play("""
        ! GetConfiguration
        < GetConfiguration {}
        > {"configurationKey": [
            {"key": "GetConfigurationMaxKeys", "readonly": true, "value": "2"}]}
        = answered
        ! GetConfiguration {"keys": ["A", "B", "C"]}
        = failed {"error_code": "CannotBeSaid", "error_description": "$why"}
        ! GetConfiguration {"keys": ["A", "B"]}
        < GetConfiguration {"key": ["A", "B"]}
        > {"unknownKey": ["A", "B"]}
        = answered
    """)
    assert "at most 2 keys" in play.named["why"]
