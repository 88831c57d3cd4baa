"""Lists that stations of OCPP 1.6 send: one bad item costs itself, in CALLs and in answers."""

import json

from shared.store.pool import Database
from shared.store.stations import quirks
from tests.conformance.ocpp16.charging import STARTED
from tests.integration.control.players import Api
from tests.support.eventually import eventually
from tests.support.transcript import Play

MEASURANDS = ",".join(["Energy.Active.Import.Register"] * 19)
LEVEL = {"key": "ChargeProfileMaxStackLevel", "readonly": True, "value": "1"}
INTERVAL = {"key": "HeartbeatInterval", "readonly": False, "value": "60"}
SAMPLED = {"key": "MeterValuesSampledData", "readonly": False, "value": MEASURANDS}
TOO_HIGH = """
    ! SetChargingProfile {"evse_id": 0, "charging_profile": {"charging_profile_id": 1,
        "stack_level": 2, "purpose": "TxDefaultProfile", "kind": "Relative", "charging_schedule": {
         "charging_rate_unit": "A", "periods": [{"start_period_s": 0, "limit": 6}]}}}
    = failed {"error_code": "CannotBeSaid"}
"""
"""A profile above the station's highest stack level, which is therefore not sent."""


async def deviations(db: Database, count: int) -> set[tuple[str, str, str]]:
    found = await eventually(
        lambda: quirks.list_after(db, after=None, limit=100), lambda found: len(found) >= count
    )
    return {(quirk.action, quirk.kind, quirk.member) for quirk in found}


async def test_odd_keys_cost_no_others(play: Play, api: Api, db: Database) -> None:
    """And what the others tell of limits counts: no stack level beyond it is sent."""
    odd = [
        {"key": "Untold", "value": "1"},
        {"key": "Texts", "readonly": "false", "value": 5},
        {"key": "NoBoolean", "readonly": [], "value": "1"},
        {"readonly": True, "value": "of what?"},
        {"key": "Pages", "readonly": True, "value": "x" * 9_000},
        None,
    ]
    keys = [LEVEL, *odd, SAMPLED, INTERVAL]
    await play(f"""
        ! GetConfiguration
        < GetConfiguration {{}}
        > {json.dumps({"configurationKey": keys, "unknownKey": ["Nonsense", {}]})}
        = answered
        {TOO_HIGH}
    """)
    found = (await api.client.get("/v1/stations/CP-1/configuration")).json()["items"]
    assert {item["name"]: (item["value"], item["mutability"]) for item in found} == {
        "ChargeProfileMaxStackLevel": ("1", "ReadOnly"),
        "HeartbeatInterval": ("60", "ReadWrite"),
        "MeterValuesSampledData": (MEASURANDS, "ReadWrite"),
        "Untold": ("1", None),
        "Texts": ("5", "ReadWrite"),
        "Nonsense": (None, None),
    }
    expected = {
        ("too_long", "configurationKey.value"),
        ("missing_member", "configurationKey.readonly"),
        ("number_as_text", "configurationKey.readonly"),
        ("text_as_number", "configurationKey.value"),
        ("item_dropped", "configurationKey.readonly"),
        ("item_dropped", "configurationKey.value"),
        ("item_dropped", "configurationKey"),
        ("item_dropped", "unknownKey"),
    }
    named = {("GetConfigurationResponse", *each) for each in expected}
    assert await deviations(db, len(named)) == named


async def test_bad_values_of_a_charge_cost_neither_its_end_nor_the_others(
    play: Play, db: Database
) -> None:
    right = {"timestamp": "2026-01-02T03:30:00Z", "sampledValue": [{"value": "1750"}]}
    odd = [
        {**right, "timestamp": "half past three"},
        {**right, "timestamp": {}},
        {"timestamp": "2026-01-02T03:40:00Z", "sampledValue": [{"value": []}, {"value": "2000"}]},
        {"timestamp": "2026-01-02T03:45:00Z", "sampledValue": "2250"},
        5,
    ]
    await play(f"""
        {STARTED}
        > MeterValues {json.dumps({"connectorId": 1, "meterValue": [*odd, right]})}
        < {{}}
    """)
    stop = {"transactionId": "$id", "meterStop": 3000, "timestamp": "2026-01-02T04:00:00Z"}
    stop["transactionData"] = [*odd, right]
    await play(f"""
        > StopTransaction {json.dumps(stop)}
        < {{}}
    """)
    rows = await db.fetch(
        "SELECT transaction_id, energy_wh FROM meter_values ORDER BY transaction_id, energy_wh"
    )
    assert [row["energy_wh"] for row in rows] == [1750, 2000] * 2
    for action, member in (("MeterValues", "meterValue"), ("StopTransaction", "transactionData")):
        assert {
            (action, "item_dropped", member),
            (action, "item_dropped", f"{member}.timestamp"),
            (action, "sample_dropped", f"{member}.sampledValue.value"),
        } <= await deviations(db, 8)
    assert ("", "item_dropped", "meterValue.timestamp") in await deviations(db, 8)
