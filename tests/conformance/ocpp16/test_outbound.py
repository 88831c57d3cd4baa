"""What leaves us: one CALL at a time, URLs from an allow-list, and no secret but to the station."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from shared.store.pool import Database
from tests.conformance.ocpp16.coverage import Row, covers, to_station
from tests.integration.control.players import Api
from tests.support.eventually import eventually
from tests.support.transcript import Play

SECRET = "0123456789ABCDEF0123"
COMMANDS = "/v1/stations/CP-1/commands"


async def log(api: Api, count: int, **filters: str) -> list[dict[str, Any]]:
    """Return the OCPP log, the newest first, when it has so many entries."""
    answer = await eventually(
        lambda: api.client.get("/v1/ocpp-log", params=filters),
        lambda answer: len(answer.json()["items"]) >= count,
    )
    items: list[dict[str, Any]] = answer.json()["items"]
    assert len(items) == count
    return items


async def nobody_is_told(api: Api) -> None:
    """Look for the secret in every answer of the API that could hold it."""
    for path in (COMMANDS, "/v1/stations/CP-1/configuration", "/v1/ocpp-log/export"):
        answer = await api.client.get(path)
        assert answer.status_code == httpx.codes.OK, answer.text
        assert SECRET not in answer.text, path


@covers(Row.SECRETS, to_station("ChangeConfiguration"), to_station("GetConfiguration"))
async def test_a_stations_password_is_told_to_the_station_and_to_nobody_else(
    play: Play, api: Api, db: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    await play(f"""
        ! ChangeConfiguration {{"key": "AuthorizationKey", "value": "{SECRET}"}}
        < ChangeConfiguration {{"key": "AuthorizationKey", "value": "{SECRET}"}}
        > {{"status": "Accepted"}}
        = accepted {{"params": {{"key": "AuthorizationKey", "value": "(redacted)"}}}}
        ! GetConfiguration
        < GetConfiguration {{}}
        > {{"configurationKey": [
            {{"key": "AuthorizationKey", "readonly": false, "value": "{SECRET}"}},
            {{"key": "CpoName", "readonly": false, "value": "Operator"}}]}}
        = answered {{"response": {{"configurationKey": [
            {{"key": "AuthorizationKey", "readonly": false, "value": "(redacted)"}},
            {{"key": "CpoName", "readonly": false, "value": "Operator"}}]}}}}
        ! Call {{"action": "ChangeConfiguration",
            "payload": {{"key": "AuthorizationKey", "value": "{SECRET}"}}}}
        < ChangeConfiguration {{"key": "AuthorizationKey", "value": "{SECRET}"}}
        > CALLERROR ["InternalError", "cannot be kept", {{}}]
        = failed
    """)
    entries = await log(api, 3, direction="to_station")
    assert "(redacted)" in entries[0]["request"]
    await nobody_is_told(api)
    kept = await db.fetch("SELECT row_to_json(kept)::text FROM configuration_keys AS kept")
    assert SECRET not in str(kept)
    out, err = capfd.readouterr()
    assert SECRET not in out + err


@covers(Row.SECRETS, to_station("ChangeConfiguration"))
async def test_a_station_that_repeats_its_password_in_an_answer_tells_nobody(
    play: Play, api: Api, db: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also not the database, nor whoever reads which quirks it has."""
    set_password = f"""
        ! ChangeConfiguration {{"key": "AuthorizationKey", "value": "{SECRET}"}}
        < ChangeConfiguration {{"key": "AuthorizationKey", "value": "{SECRET}"}}
    """
    await play(f"""
        {set_password}
        > CALLERROR ["PropertyConstraintViolation", "{SECRET} is too short",
            {{"value": "{SECRET}"}}]
        = failed {{"error_code": "PropertyConstraintViolation",
            "error_description": "(redacted) is too short", "response": {{"value": "(redacted)"}}}}
        {set_password}
        > CALLERROR ["{SECRET}", "", {{}}]
        = failed {{"error_code": "(redacted)"}}
        {set_password}
        > {{"status": "Rejected", "value": "{SECRET}", "{SECRET}": "no"}}
        = rejected {{"response": {{"status": "Rejected", "value": "(redacted)",
            "(redacted)": "no"}}}}
        {set_password}
        > {{"status": "{SECRET}"}}
        = rejected {{"status": "(redacted)"}}
    """)
    await log(api, 4, direction="to_station")
    await nobody_is_told(api)
    for query in (
        "SELECT to_jsonb(quirks)::text FROM quirks",
        "SELECT to_jsonb(ocpp_log)::text FROM ocpp_log",
        "SELECT (to_jsonb(commands) - 'params')::text FROM commands",
    ):
        assert SECRET not in str(await db.fetch(query))
    out, err = capfd.readouterr()
    assert SECRET not in out + err


@covers(Row.SECRETS, to_station("ChangeConfiguration"))
@pytest.mark.usefixtures("play")
async def test_a_password_that_cannot_be_sent_is_not_told_either(api: Api) -> None:
    """The violation of a schema quotes the value, of which only the beginning may be left."""
    answer = await api.client.post(
        COMMANDS,
        json={"type": "ChangeConfiguration", "key": "AuthorizationKey", "value": SECRET * 30},
    )
    assert answer.json()["error_code"] == "CannotBeSaid"
    assert SECRET not in answer.text
    await nobody_is_told(api)


@covers(Row.SECRETS, to_station("UpdateFirmware"), to_station("GetDiagnostics"))
async def test_passwords_and_signatures_in_urls_are_told_to_the_station_only(
    play: Play, api: Api
) -> None:
    of_server = f"https://operator:{SECRET}@vendor.example/1.bin"
    signed = f"https://vendor.example/log?expires=1767323045&signature={SECRET}"
    await play(f"""
        ! UpdateFirmware {{"location": "{of_server}", "retrieve_at": "2026-01-02T03:04:05Z"}}
        < UpdateFirmware {{"location": "{of_server}", "retrieveDate": "2026-01-02T03:04:05Z"}}
        > {{}}
        = answered {{"params": "$"}}
        ! GetLog {{"location": "{signed}", "log_type": "DiagnosticsLog"}}
        < GetDiagnostics {{"location": "{signed}"}}
        > CALLERROR ["GenericError", "cannot reach {signed}", {{}}]
        = failed
        ! GetLog {{"location": "{signed}", "log_type": "DiagnosticsLog"}}
        < GetDiagnostics {{"location": "{signed}"}}
        > {{"fileName": "log-{SECRET}.zip"}}
        = answered {{"response": {{"fileName": "log-(redacted).zip"}}}}
    """)
    await log(api, 3, direction="to_station")
    await nobody_is_told(api)
    for resource in ("firmware-updates", "logs"):
        (item,) = (await api.client.get(f"/v1/stations/CP-1/{resource}")).json()["items"]
        assert "(redacted)" in item["location"]
        assert SECRET not in str(item)


@covers(Row.URLS, to_station("UpdateFirmware"), to_station("GetDiagnostics"), to_station("GetLog"))
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x",
        "https://vendor.example.evil.example/x",
        "https://vendor.example@evil.example/x",
        "ftp://vendor.example/x",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
    ],
)
async def test_no_station_is_sent_to_a_url_that_is_not_allowed(
    play: Play, api: Api, url: str
) -> None:
    """Neither by a command, nor by a CALL as it stands, nor by what makes such commands."""
    at = "2026-01-02T03:04:05Z"
    signed = {"location": url, "retrieveDateTime": at, "signingCertificate": "C", "signature": "S"}
    calls = {
        "UpdateFirmware": {"location": url, "retrieveDate": at},
        "SignedUpdateFirmware": {"requestId": 1, "firmware": signed},
        "GetDiagnostics": {"location": url},
        "GetLog": {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": url}},
    }
    bodies: list[dict[str, Any]] = [
        {"type": "UpdateFirmware", "location": url, "retrieve_at": at},
        {"type": "GetLog", "location": url, "log_type": "DiagnosticsLog"},
        {"type": "GetLog", "location": url, "log_type": "SecurityLog"},
        *({"type": "Call", "action": name, "payload": body} for name, body in calls.items()),
    ]
    refusals = [await api.client.post(COMMANDS, json=body) for body in bodies]
    for resource in ("firmware-updates", "logs"):
        body = {"location": url}
        refusals.append(await api.client.post(f"/v1/stations/CP-1/{resource}", json=body))
    for answer in refusals:
        assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
        assert answer.json()["type"] == "urn:voltaro:problem:invalid-input"
    assert (await api.client.get(COMMANDS)).json()["items"] == []
    await play("""
        > Heartbeat {}
        < {"currentTime": "$"}
    """)


@covers(Row.ONE_CALL_OPEN)
async def test_one_call_at_a_time_goes_out_and_the_stations_own_are_answered_meanwhile(
    play: Play, api: Api
) -> None:
    """§4.1.1."""
    await play("""
        ! Reset
        < Reset {"type": "Soft"}
    """)
    second = asyncio.create_task(api.client.post(COMMANDS, json={"type": "ClearCache"}))
    await play("""
        > Heartbeat {}
        < {"currentTime": "$"}
    """)
    await asyncio.sleep(0.1)
    await play("""
        > Authorize {"idTag": "TAG"}
        < {"idTagInfo": {"status": "Accepted"}}
    """)
    await play("""
        > {"status": "Accepted"}
        = accepted
        < ClearCache {}
        > {"status": "Accepted"}
    """)
    assert (await second).json()["state"] == "accepted"


@covers(Row.OCPP_LOG)
async def test_every_frame_is_in_the_log_as_it_was(play: Play, api: Api) -> None:
    await play("""
        >> [2, "a", "Heartbeat", {}]
        << [3, "a", {"currentTime": "$now"}]
        >> [2, "b", "Teleport", {"to": "moon"}]
        << [4, "b", "NotImplemented", "$", {}]
        >> ["no OCPP"]
        ! ClearCache
        < ClearCache {}
        > {"status": "Accepted"}
        = accepted
    """)
    ours, ignored, refused, heartbeat, boot = await log(api, 5, station_id="CP-1")
    assert (boot["action"], boot["outcome"]) == ("BootNotification", "CallResult")
    assert (heartbeat["message_id"], heartbeat["request"]) == ("a", '[2,"a","Heartbeat",{}]')
    assert json.loads(heartbeat["response"]) == [3, "a", {"currentTime": play.named["now"]}]
    assert heartbeat["latency_ms"] is not None
    assert (refused["outcome"], refused["request"]) == (
        "NotImplemented",
        '[2,"b","Teleport",{"to":"moon"}]',
    )
    assert (ignored["outcome"], ignored["request"]) == ("Ignored", '["no OCPP"]')
    assert (ours["direction"], ours["action"]) == ("to_station", "ClearCache")
    assert json.loads(ours["response"]) == [3, ours["message_id"], {"status": "Accepted"}]
    (found,) = await log(api, 1, action="Heartbeat")
    assert found == heartbeat
    export = await api.client.get("/v1/ocpp-log/export", params={"format": "csv"})
    assert len(export.text.splitlines()) == 6
