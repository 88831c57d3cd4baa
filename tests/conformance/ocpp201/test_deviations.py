"""What stations of OCPP 2.0.1 say a little otherwise: the charge comes out right all the same."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.store.access import id_tokens
from shared.store.pool import Database
from shared.store.stations import quirks
from tests.conformance.conftest import Settle
from tests.integration.control.players import Api
from tests.support.eventually import eventually
from tests.support.ocpp201 import NOW, booted_station, meter_value, tell
from tests.support.pods import Pod
from tests.support.stations import StationClient, register
from tests.support.transcript import Play

STARTED_AT, ENDED_AT = "2026-01-02T03:00:00Z", "2026-01-02T04:00:00Z"
TAG = {"idToken": "TAG", "type": "ISO14443"}
SIGNED = {
    "signedMeterData": "A" * 2772,
    "signingMethod": "",
    "encodingMethod": "OCMF",
    "publicKey": "",
}
WH = {"measurand": "Energy.Active.Import.Register", "unitOfMeasure": {"unit": "Wh"}}


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    await id_tokens.create(
        db,
        id_token="TAG",
        type=IdTokenType.ISO14443,
        status=AuthorizationStatus.ACCEPTED,
        expires_at=None,
        group_id_token=None,
    )
    async with booted_station(gateway.url) as client:
        yield client


def register_value(at: str, value: Any, context: str, **words: Any) -> dict[str, Any]:
    return meter_value(value, timestamp=at, context=context, **WH, **words)


def end(*samples: dict[str, Any], **words: Any) -> dict[str, Any]:
    """Return how an Ended with its register deviates, in words or by samples beside it."""
    value = register_value(ENDED_AT, 4000, "Transaction.End")
    value["sampledValue"] += samples
    return {"meterValue": [value], **words}


def signed(**changes: Any) -> dict[str, Any]:
    """Return an Ended whose register is signed like this; what is None is left out."""
    words = {name: value for name, value in {**SIGNED, **changes}.items() if value is not None}
    value = register_value(ENDED_AT, 4000, "Transaction.End", signedMeterValue=words)
    return {"meterValue": [value]}


_SIGNED_DATA = "meterValue.sampledValue.signedMeterValue"
ENDS: dict[str, tuple[dict[str, Any], set[tuple[str, str]]]] = {
    "signed data of the length of 2.1": (
        signed(),
        {("too_long", f"{_SIGNED_DATA}.signedMeterData")},
    ),
    "signed data of all that 2.1 allows": (
        signed(signedMeterData="A" * 32_768),
        {("too_long", f"{_SIGNED_DATA}.signedMeterData")},
    ),
    "a public key that is too long": (
        signed(signedMeterData="A", publicKey="K" * 3_000),
        {("too_long", f"{_SIGNED_DATA}.publicKey")},
    ),
    "signed data without what 2.1 lets it leave out": (
        signed(signedMeterData="A", signingMethod=None, publicKey=None),
        {
            ("missing_member", f"{_SIGNED_DATA}.signingMethod"),
            ("missing_member", f"{_SIGNED_DATA}.publicKey"),
        },
    ),
    "signed data beyond all versions": (
        signed(signedMeterData="A" * 40_000),
        {("member_dropped", f"{_SIGNED_DATA}.signedMeterData")},
    ),
    "signed data that is none": (
        signed(signedMeterData={}),
        {("member_dropped", f"{_SIGNED_DATA}.signedMeterData")},
    ),
    "a reason of 2.1 why it was told": (
        end(triggerReason="SoCLimitReached"),
        {("unknown_word", "triggerReason")},
    ),
    "a reason of the vendor's why it was told": (
        end(triggerReason="BecauseOfRain"),
        {("unknown_word", "triggerReason")},
    ),
    "no reason why it was told": (
        end(triggerReason=None),
        {("missing_member", "triggerReason"), ("null_member", "triggerReason")},
    ),
    "a measurand and a location of 2.1": (
        end(
            {"value": 80, "measurand": "Display.PresentSOC"},
            {"value": 5, "measurand": "Current.Import", "location": "Upstream"},
        ),
        {
            ("unknown_word", "meterValue.sampledValue.measurand"),
            ("unknown_word", "meterValue.sampledValue.location"),
        },
    ),
    "a measurand of the vendor's": (
        end({"value": 80, "measurand": "Fan.Speed"}),
        {("sample_dropped", "meterValue.sampledValue.measurand")},
    ),
    "a sample whose unit is no unit": (
        end({"value": 80, "unitOfMeasure": 5}),
        {("sample_dropped", "meterValue.sampledValue.unitOfMeasure")},
    ),
    "a sample that is none": (
        end(5),  # type: ignore[arg-type]  # as the station says it
        {("sample_dropped", "meterValue.sampledValue")},
    ),
    "a charging state that there is not, and phases that are no number": (
        end(
            transactionInfo={"transactionId": "$", "chargingState": "Dreaming"},
            numberOfPhasesUsed="all",
        ),
        {
            ("unknown_word", "transactionInfo.chargingState"),
            ("member_dropped", "numberOfPhasesUsed"),
        },
    ),
    "data of the vendor's that is no object": (
        end(customData=7),
        {("member_dropped", "customData")},
    ),
}


async def test_ends_of_charges_are_kept_with_their_registers(
    db: Database, station: StationClient, api: Api, settle: Settle
) -> None:
    expected = {}
    for number, (name, (ended, _)) in enumerate(ENDS.items(), start=1):
        info = {"transactionId": f"{name[:30]} {number}"}
        started = {
            "eventType": "Started",
            "timestamp": STARTED_AT,
            "triggerReason": "Authorized",
            "seqNo": 0,
            "transactionInfo": info,
            "evse": {"id": number, "connectorId": 1},
            "idToken": TAG,
            "meterValue": [register_value(STARTED_AT, 0, "Transaction.Begin")],
        }
        await tell(station, "TransactionEvent", started)
        info |= {**ended.get("transactionInfo", {}), **info, "stoppedReason": "EVDisconnected"}
        words = {"eventType": "Ended", "timestamp": ENDED_AT, "triggerReason": "EVDeparted"}
        words |= {"seqNo": 1, **ended, "transactionInfo": info}
        await tell(station, "TransactionEvent", words)
        expected[info["transactionId"]] = (ENDED_AT, "EVDisconnected", 4000, True)
    await settle()
    items = (await api.client.get("/v1/sessions")).json()["items"]
    assert {
        item["transaction_id"]: (
            item["ended_at"],
            item["stopped_reason"],
            Decimal(str(item["energy_wh"])),
            item["billable"],
        )
        for item in items
    } == expected
    deviations = {deviation for _, each in ENDS.values() for deviation in each}
    found = await eventually(
        lambda: quirks.list_after(db, after=None, limit=100),
        lambda found: len(found) >= len(deviations),
    )
    assert {(quirk.kind, quirk.member) for quirk in found} == deviations


async def test_a_signed_value_of_2_1_is_kept_to_the_letter(
    db: Database, station: StationClient
) -> None:
    payload = {"evseId": 1, "meterValue": [meter_value(1, signedMeterValue=SIGNED)]}
    await tell(station, "MeterValues", payload)
    (sample,) = json.loads(await db.fetchval("SELECT samples::text FROM meter_values"))
    assert sample["signed_meter_value"] == SIGNED


@pytest.mark.parametrize("word", ["ReqEnergyTransferRejected", "UnlockCommand"])
async def test_a_charge_ends_for_whatever_reason(
    db: Database, station: StationClient, api: Api, word: str
) -> None:
    """A word of 2.1 says what it says there; one of nobody's is another reason."""
    event = {"eventType": "Ended", "timestamp": ENDED_AT, "triggerReason": "EVDeparted", "seqNo": 1}
    info = {"transactionId": "tx", "stoppedReason": word}
    await tell(station, "TransactionEvent", {**event, "transactionInfo": info})
    (session,) = (await api.client.get("/v1/sessions")).json()["items"]
    assert session["stopped_reason"] == (word if word.startswith("Req") else "Other")
    (quirk,) = await eventually(lambda: quirks.list_after(db, after=None, limit=9), bool)
    assert (quirk.kind, quirk.member, quirk.example) == (
        "unknown_word",
        "transactionInfo.stoppedReason",
        word,
    )


async def test_bad_items_cost_no_others_in_what_a_station_reports(
    db: Database, station: StationClient, api: Api
) -> None:
    """In NotifyReport, NotifyEvent and MeterValues, and none of that is silent."""
    component, attribute = {"name": "Ctrlr"}, {"value": "1"}
    report = [
        {"component": component, "variable": {"name": "A"}, "variableAttribute": [attribute]},
        {"component": component, "variable": {}, "variableAttribute": [attribute]},
        {
            "component": component,
            "variable": {"name": "B"},
            "variableAttribute": [{"value": "x" * 9_000}, {"value": "2", "type": "Target"}],
            "variableCharacteristics": {"dataType": "integer"},
        },
        {
            "component": component,
            "variable": {"name": "C"},
            "variableAttribute": [{"value": "x" * 2_600, "mutability": "Sometimes"}],
            "variableCharacteristics": 5,
        },
    ]
    words = {"requestId": 1, "generatedAt": "today", "seqNo": 0, "tbc": False}
    await tell(station, "NotifyReport", {**words, "reportData": report})
    await tell(station, "NotifyReport", {**words, "reportData": []})
    url = "/v1/stations/CP-1/configuration"
    items = (await api.client.get(url)).json()["items"]
    assert {item["name"]: len(item["value"]) for item in items} == {
        "Ctrlr.A": 1,
        "Ctrlr.B/Target": 1,
        "Ctrlr.C": 2_600,
    }
    assert {item["name"]: item["mutability"] for item in items}["Ctrlr.C"] == "ReadWrite"

    event = {
        "timestamp": NOW,
        "trigger": "Alerting",
        "actualValue": "1",
        "eventNotificationType": "HardWiredNotification",
        "component": component,
        "variable": {"name": "A"},
    }
    events = [
        {**event, "eventId": 1},
        {**event, "eventId": "first"},
        {**event, "eventId": 2, "timestamp": "now"},
        {**event, "eventId": 3, "trigger": "Sometimes", "techInfo": "x" * 5_000, "cause": "rain"},
        {**event, "eventId": 4.0},
    ]
    words = {"generatedAt": NOW, "seqNo": 0, "tbc": False}
    await tell(station, "NotifyEvent", {**words, "eventData": events})
    await tell(station, "NotifyEvent", {**words, "eventData": []})
    rows = await db.fetch("SELECT event_id, trigger FROM station_events ORDER BY event_id")
    assert [tuple(row) for row in rows] == [(1, "Alerting"), (3, "Sometimes"), (4, "Alerting")]

    values = [meter_value(1), meter_value(2, timestamp="noon"), {"timestamp": NOW}, "odd"]
    await tell(station, "MeterValues", {"evseId": 1, "meterValue": [*values, meter_value(3)]})
    assert sorted(await db.fetch("SELECT energy_wh FROM meter_values")) == [(1,), (3,)]

    expected = {
        ("NotifyReport", "item_dropped", "reportData.variable"),
        ("NotifyReport", "item_dropped", "reportData.variableAttribute.value"),
        ("NotifyReport", "missing_member", "reportData.variableCharacteristics.supportsMonitoring"),
        ("NotifyReport", "unknown_word", "reportData.variableAttribute.mutability"),
        ("NotifyReport", "member_dropped", "reportData.variableCharacteristics"),
        ("NotifyReport", "too_long", "reportData.variableAttribute.value"),
        ("NotifyReport", "too_few", "reportData"),
        ("", "unreadable_time", "generatedAt"),
        ("NotifyEvent", "item_dropped", "eventData.eventId"),
        ("", "item_dropped", "eventData.timestamp"),
        ("NotifyEvent", "unknown_word", "eventData.trigger"),
        ("NotifyEvent", "too_long", "eventData.techInfo"),
        ("NotifyEvent", "member_dropped", "eventData.cause"),
        ("NotifyEvent", "fraction", "eventData.eventId"),
        ("NotifyEvent", "too_few", "eventData"),
        ("", "item_dropped", "meterValue.timestamp"),
        ("MeterValues", "missing_member", "meterValue.sampledValue"),
        ("MeterValues", "too_few", "meterValue.sampledValue"),
        ("MeterValues", "item_dropped", "meterValue"),
    }
    found = await eventually(
        lambda: quirks.list_after(db, after=None, limit=100),
        lambda found: len(found) >= len(expected),
    )
    assert {(quirk.action, quirk.kind, quirk.member) for quirk in found} == expected


async def test_answers_are_mended_like_messages_and_kept_as_they_came(
    db: Database, station: StationClient, api: Api
) -> None:
    """Their integers with fractions, and their lists with bad items."""
    play = Play(station, "CP-1", api.client)
    await play("""
        ! GetCompositeSchedule {"evse_id": 1, "duration_s": 60}
        < GetCompositeSchedule {"evseId": 1, "duration": 60}
        > {"status": "accepted", "schedule": {"evseId": 1.0, "duration": 60.0,
            "scheduleStart": "2026-01-02T03:00:00Z", "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0e0, "limit": 16.50, "numberPhases": 3.0}]}}
        = accepted {"response": {"status": "accepted", "schedule": {"evseId": 1.0, "duration": 60.0,
            "scheduleStart": "2026-01-02T03:00:00Z", "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0.0, "limit": 16.5, "numberPhases": 3.0}]}}}
    """)
    (row,) = await db.fetch("SELECT evse_id, duration_s, periods::text FROM composite_schedules")
    (period,) = json.loads(row["periods"])
    assert (row["evse_id"], row["duration_s"], period["number_phases"]) == (1, 60, 3)
    assert Decimal(period["limit"]) == Decimal("16.5")


async def test_certificates_are_listed_beside_one_that_cannot_be_told(
    station: StationClient, api: Api
) -> None:
    hashes = {"hashAlgorithm": "SHA256", "issuerNameHash": "a", "issuerKeyHash": "b"}
    chains = [
        {"certificateType": use, "certificateHashData": {**hashes, "serialNumber": serial}}
        for use, serial in (
            ("CSMSRootCertificate", "1"),
            ("OEMRootCertificate", "2"),  # of 2.1
            ("CSMSRootCertificate", {}),
            ("V2GRootCertificate", "3"),
        )
    ]
    play = Play(station, "CP-1", api.client)
    await play(f"""
        ! GetInstalledCertificateIds
        < GetInstalledCertificateIds {{}}
        > {json.dumps({"status": "Accepted", "certificateHashDataChain": chains})}
        = accepted
    """)
    items = (await api.client.get("/v1/stations/CP-1/certificates")).json()["items"]
    assert sorted(item["serial_number"] for item in items) == ["1", "3"]
