"""Lists that stations of OCPP 1.6 send: one bad item costs itself, in CALLs and in answers."""

import json
from typing import Any

import pytest

from shared.store import quirks
from shared.store.pool import Database
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


@pytest.mark.parametrize(
    ("odd", "kept", "quirk"),
    [
        (SAMPLED, (MEASURANDS, "ReadWrite"), ("too_long", "configurationKey.value")),
        (
            {"key": "Odd", "value": "1"},
            ("1", None),
            ("missing_member", "configurationKey.readonly"),
        ),
        (
            {"key": "Odd", "readonly": "false", "value": 5},
            ("5", "ReadWrite"),
            ("number_as_text", "configurationKey.readonly"),
        ),
        (
            {"key": "Odd", "readonly": [], "value": "1"},
            None,
            ("item_dropped", "configurationKey.readonly"),
        ),
        ({"readonly": True}, None, ("item_dropped", "configurationKey")),
        (
            {"key": "Odd", "readonly": True, "value": "x" * 9_000},
            None,
            ("item_dropped", "configurationKey.value"),
        ),
        (None, None, ("item_dropped", "configurationKey")),
    ],
    ids=[
        "too long",
        "without readonly",
        "other types",
        "no type at all",
        "without a key",
        "pages long",
        "null",
    ],
)
async def test_one_odd_key_costs_no_other(
    play: Play,
    api: Api,
    db: Database,
    odd: Any,
    kept: tuple[str, str] | None,
    quirk: tuple[str, str],
) -> None:
    """And what the others tell of limits counts: no stack level beyond it is sent."""
    answer = {"configurationKey": [LEVEL, odd, INTERVAL], "unknownKey": ["Nonsense", {}]}
    await play(f"""
        ! GetConfiguration
        < GetConfiguration {{}}
        > {json.dumps(answer)}
        = answered
    """)
    found = (await api.client.get("/v1/stations/CP-1/configuration")).json()["items"]
    told = {item["name"]: (item["value"], item["mutability"]) for item in found}
    expected = {
        "ChargeProfileMaxStackLevel": ("1", "ReadOnly"),
        "HeartbeatInterval": ("60", "ReadWrite"),
        "Nonsense": (None, None),
    }
    if kept:
        expected[odd["key"]] = kept
    assert told == expected
    named = await deviations(db, 2)
    action = "GetConfigurationResponse"
    assert {(action, *quirk), (action, "item_dropped", "unknownKey")} <= named
    await play(TOO_HIGH)


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
