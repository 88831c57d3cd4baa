"""Every message of OCPP 1.6 when it goes wrong: what the station gets, and what the operator."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from shared.store.pool import Database
from tests.conformance.ocpp16.coverage import FROM_STATION, TO_STATION, Row, covers, to_station
from tests.integration.control.players import Api
from tests.support.pods import running_pod
from tests.support.signing import root
from tests.support.stations import register, station_client
from tests.support.transcript import Play

WRONG: list[tuple[str, Any, str]] = [
    ("Authorize", {}, "OccurenceConstraintViolation"),
    ("Authorize", {"idTag": ["TAG"]}, "TypeConstraintViolation"),
    ("Authorize", {"idTag": "x" * 501}, "PropertyConstraintViolation"),
    ("BootNotification", {"chargePointModel": []}, "TypeConstraintViolation"),
    ("DataTransfer", {"vendorId": {}}, "TypeConstraintViolation"),
    ("DiagnosticsStatusNotification", {"status": "Lost"}, "PropertyConstraintViolation"),
    ("DiagnosticsStatusNotification", {}, "OccurenceConstraintViolation"),
    ("FirmwareStatusNotification", {"status": "Lost"}, "PropertyConstraintViolation"),
    ("FirmwareStatusNotification", {}, "OccurenceConstraintViolation"),
    ("Heartbeat", 7, "FormationViolation"),
    ("MeterValues", {"meterValue": []}, "OccurenceConstraintViolation"),
    ("MeterValues", {"connectorId": 1, "meterValue": 7}, "TypeConstraintViolation"),
    ("StartTransaction", {"connectorId": 1, "idTag": "TAG", "timestamp": "2026-01-02T03:04:05Z"},
     "OccurenceConstraintViolation"),
    ("StartTransaction", {"connectorId": 1, "idTag": "TAG", "meterStart": "much",
     "timestamp": "2026-01-02T03:04:05Z"}, "TypeConstraintViolation"),
    ("StartTransaction", {"connectorId": 1, "idTag": "TAG", "meterStart": 0,
     "timestamp": "yesterday"}, "TypeConstraintViolation"),
    ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Melting"},
     "PropertyConstraintViolation"),
    ("StopTransaction", {"meterStop": 1, "timestamp": "2026-01-02T03:04:05Z"},
     "OccurenceConstraintViolation"),
    ("StopTransaction", {"transactionId": 1, "meterStop": 1, "timestamp": "222222017-01-02"},
     "TypeConstraintViolation"),
    ("LogStatusNotification", {"status": "Lost", "requestId": 1}, "PropertyConstraintViolation"),
    ("SecurityEventNotification", {"timestamp": "2026-01-02T03:04:05Z"},
     "OccurenceConstraintViolation"),
    ("SecurityEventNotification", {"type": "Reboot", "timestamp": "noon"},
     "TypeConstraintViolation"),
    ("SignCertificate", {}, "OccurenceConstraintViolation"),
    ("SignedFirmwareStatusNotification", {"status": "Lost", "requestId": 1},
     "PropertyConstraintViolation"),
    ("SignedFirmwareStatusNotification", {"status": "Idle", "requestId": "first"},
     "TypeConstraintViolation"),
]  # fmt: skip
"""Action, payload that leaves doubt about what is meant, and the error that it gets."""

_KEPT = (
    "sessions",
    "meter_values",
    "connectors",
    "firmware_updates",
    "log_requests",
    "security_events",
    "certificate_signing_requests",
    "dead_letters",
)


@dataclass(frozen=True)
class Asked:
    """A command, the message that it becomes, and the answers to it that are a no.

    `repeatable` says that no answer is a time-out; else nobody knows whether it was carried out.
    """

    action: str
    command: str
    fields: dict[str, Any]
    noes: tuple[str, ...] = ()
    repeatable: bool = True


_URL = "https://vendor.example/x"
_TIME = "2026-01-02T03:04:05Z"
_PROFILE = {
    "charging_profile_id": 1,
    "stack_level": 0,
    "purpose": "TxDefaultProfile",
    "kind": "Relative",
    "charging_schedule": {
        "charging_rate_unit": "A",
        "periods": [{"start_period_s": 0, "limit": 6}],
    },
}
_CERTIFICATE = root().pem
_HASH = {
    "hash_algorithm": "SHA256",
    "issuer_name_hash": "ab" * 32,
    "issuer_key_hash": "cd" * 32,
    "serial_number": "1",
}

ASKED = [
    Asked("CancelReservation", "CancelReservation", {"reservation_id": 1}, ("Rejected",)),
    Asked("ChangeAvailability", "ChangeAvailability", {"operational_status": "Operative"},
          ("Rejected",)),
    Asked("ChangeConfiguration", "ChangeConfiguration", {"key": "K", "value": "V"},
          ("Rejected", "NotSupported")),
    Asked("ClearCache", "ClearCache", {}, ("Rejected",)),
    Asked("ClearChargingProfile", "ClearChargingProfile", {}, ("Unknown",)),
    Asked("DataTransfer", "DataTransfer", {"vendor_id": "com.example"},
          ("Rejected", "UnknownMessageId", "UnknownVendorId"), repeatable=False),
    Asked("GetCompositeSchedule", "GetCompositeSchedule", {"evse_id": 1, "duration_s": 60},
          ("Rejected",)),
    Asked("GetConfiguration", "GetConfiguration", {}),
    Asked("GetDiagnostics", "GetLog", {"log_type": "DiagnosticsLog", "location": _URL}),
    Asked("GetLocalListVersion", "GetLocalListVersion", {}),
    Asked("RemoteStartTransaction", "RemoteStart", {"id_token": "TAG"}, ("Rejected",),
          repeatable=False),
    Asked("RemoteStopTransaction", "RemoteStop", {"transaction_id": "1"}, ("Rejected",),
          repeatable=False),
    Asked("ReserveNow", "ReserveNow", {"reservation_id": 1, "id_token": "TAG", "evse_id": 1,
          "expiry_date_time": "2099-01-01T00:00:00Z"},
          ("Faulted", "Occupied", "Rejected", "Unavailable")),
    Asked("Reset", "Reset", {}, ("Rejected",), repeatable=False),
    Asked("SendLocalList", "SendLocalList", {"version": 1, "update_type": "Full"},
          ("Failed", "NotSupported", "VersionMismatch")),
    Asked("SetChargingProfile", "SetChargingProfile", {"evse_id": 1, "charging_profile": _PROFILE},
          ("Rejected", "NotSupported")),
    Asked("TriggerMessage", "TriggerMessage", {"requested_message": "Heartbeat"},
          ("Rejected", "NotImplemented")),
    Asked("UnlockConnector", "UnlockConnector", {"evse_id": 1}, ("UnlockFailed", "NotSupported"),
          repeatable=False),
    Asked("UpdateFirmware", "UpdateFirmware", {"location": _URL, "retrieve_at": _TIME},
          repeatable=False),
    Asked("CertificateSigned", "CertificateSigned", {"certificate_chain": _CERTIFICATE},
          ("Rejected",)),
    Asked("DeleteCertificate", "DeleteCertificate", _HASH, ("Failed", "NotFound")),
    Asked("ExtendedTriggerMessage", "TriggerMessage",
          {"requested_message": "LogStatusNotification"}, ("Rejected", "NotImplemented")),
    Asked("GetInstalledCertificateIds", "GetInstalledCertificateIds",
          {"certificate_types": ["CSMSRootCertificate"]}, ("NotFound",)),
    Asked("GetLog", "GetLog", {"log_type": "SecurityLog", "location": _URL}, ("Rejected",)),
    Asked("InstallCertificate", "InstallCertificate",
          {"certificate_type": "CSMSRootCertificate", "certificate": _CERTIFICATE},
          ("Rejected", "Failed")),
    Asked("SignedUpdateFirmware", "UpdateFirmware", {"location": _URL, "retrieve_at": _TIME,
          "signing_certificate": "C", "signature": "S"},
          ("Rejected", "InvalidCertificate", "RevokedCertificate"), repeatable=False),
]  # fmt: skip


NOT_SAID: list[tuple[str, dict[str, Any]]] = [
    ("RemoteStart", {"id_token": "x" * 21}),
    ("RemoteStop", {"transaction_id": "0197278e"}),
    ("Reset", {"evse_id": 1}),
    ("ChangeConfiguration", {"key": "k" * 51, "value": ""}),
    ("ChangeConfiguration", {"key": "k", "value": "v" * 501}),
    ("ReserveNow", {"reservation_id": 1, "id_token": "x" * 21,
     "expiry_date_time": "2099-01-01T00:00:00Z"}),
    ("SendLocalList", {"version": 1, "update_type": "Full",
     "entries": [{"id_token": "x" * 21, "status": "Accepted"}]}),
    ("GetInstalledCertificateIds", {}),
    ("InstallCertificate", {"certificate_type": "V2GRootCertificate",
     "certificate": _CERTIFICATE}),
    ("CertificateSigned", {"certificate_chain": _CERTIFICATE,
     "certificate_type": "V2GCertificate"}),
    ("UpdateFirmware", {"location": _URL, "retrieve_at": _TIME, "install_at": _TIME}),
    ("Call", {"action": "Reset", "payload": {"type": "Gentle"}}),
    ("Call", {"action": "Teleport", "payload": {}}),
    ("Call", {"action": "BootNotification", "payload": {}}),
]  # fmt: skip
"""Commands that stations of OCPP 1.6 cannot be asked, though others can, or nobody."""

_WITH_A_NO = [to_station(asked.action) for asked in ASKED if asked.noes]


def asking(asked: Asked) -> str:
    """Return the lines in which an operator asks, and the station is asked."""
    return f"""
        ! {asked.command} {json.dumps(asked.fields)}
        < {asked.action} "$"
    """


def test_no_message_is_left_out() -> None:
    assert {action for action, *_ in WRONG} == {message.action for message in FROM_STATION}
    assert [asked.action for asked in ASKED] == [message.action for message in TO_STATION]


async def kept(db: Database) -> dict[str, int]:
    return {
        table: await db.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - our own words
        for table in _KEPT
    }


@covers(Row.REFUSED_BY_US, *FROM_STATION)
async def test_a_message_that_leaves_doubt_is_refused_and_leaves_only_letters_of_transactions(
    play: Play, db: Database
) -> None:
    for number, (action, payload, code) in enumerate(WRONG):
        await play(f"""
            >> {json.dumps([2, f"m{number}", action, payload])}
            << [4, "m{number}", "{code}", "$", {{}}]
        """)
    left = await kept(db)
    assert left.pop("dead_letters") == sum(
        action in {"StartTransaction", "StopTransaction", "MeterValues"} for action, _, _ in WRONG
    )
    assert set(left.values()) == {0}
    assert await db.fetchval("SELECT count(*) FROM stations WHERE model = 'Model'") == 1


@covers(Row.CANNOT_BE_SAID)
async def test_what_1_6_cannot_say_is_refused_in_words_and_not_sent(play: Play) -> None:
    for command, fields in NOT_SAID:
        await play(f"""
            ! {command} {json.dumps(fields)}
            = failed {{"error_code": "CannotBeSaid", "error_description": "$"}}
            > Heartbeat {{}}
            < {{"currentTime": "$"}}
        """)


@covers(Row.REFUSED_BY_STATION, *_WITH_A_NO)
async def test_every_no_is_told_in_the_stations_own_word(play: Play) -> None:
    for asked in ASKED:
        for word in asked.noes:
            await play(f"""
                {asking(asked)}
                > {{"status": "{word}"}}
                = rejected {{"status": "{word}", "error_code": null}}
            """)


@covers(Row.CALLERROR, *TO_STATION)
async def test_every_callerror_is_told_with_its_code(play: Play) -> None:
    codes = codes_of_1_6()
    for asked in ASKED:
        code = next(codes)
        await play(f"""
            {asking(asked)}
            > CALLERROR ["{code}", "because of {code}", {{}}]
            = failed {{"error_code": "{code}", "error_description": "because of {code}",
                "status": null}}
        """)


def codes_of_1_6() -> Iterator[str]:
    """Give the error codes of OCPP-J 1.6 §4.2.3 in turn, and one that does not exist."""
    while True:
        yield from (
            "NotImplemented",
            "NotSupported",
            "InternalError",
            "ProtocolError",
            "SecurityError",
            "FormationViolation",
            "PropertyConstraintViolation",
            "OccurenceConstraintViolation",
            "TypeConstraintViolation",
            "GenericError",
            "OutOfCoffee",
        )


@covers(Row.ANSWER_AGAINST_SCHEMA, *_WITH_A_NO)
async def test_a_word_that_nobody_knows_is_no_yes_and_kept(play: Play) -> None:
    for asked in filter(lambda asked: asked.noes, ASKED):
        await play(f"""
            {asking(asked)}
            > {{"status": "Perhaps"}}
            = rejected {{"status": "Perhaps", "response": {{"status": "Perhaps"}},
                "error_code": "PropertyConstraintViolation"}}
        """)


@pytest.fixture
async def impatient(
    db: Database, api: Api, database_url: str, redis_url: str
) -> AsyncIterator[Play]:
    """A station at a pod that waits for its answers for 50 ms."""
    await register(db)
    async with (
        running_pod(database_url, redis_url, call_timeout_s=0.05) as pod,
        station_client(pod.url) as station,
    ):
        await station.boot()
        yield Play(station, "CP-1", api.client)


@covers(Row.NO_ANSWER, *TO_STATION)
async def test_what_is_not_answered_is_not_taken_for_a_no(impatient: Play) -> None:
    for asked in ASKED:
        state = "timed_out" if asked.repeatable else "unknown"
        await impatient(f"""
            {asking(asked)}
            = {state} {{"error_code": "NoAnswer", "response": null}}
        """)
