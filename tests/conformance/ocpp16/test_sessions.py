"""Sessions whose messages come late, in another order, or never (§3.7.1, §4.7)."""

import pytest

from shared.store.pool import Database
from tests.conformance.conftest import Settle
from tests.conformance.ocpp16.charging import (
    START,
    STARTED,
    STOPPED,
    details,
    sessions,
    shown,
    the_session,
)
from tests.conformance.ocpp16.coverage import Row, covers
from tests.integration.control.players import Api
from tests.support.pods import Pod
from tests.support.stations import station_client
from tests.support.transcript import Play


@covers(Row.LATE_VALUES)
async def test_values_after_the_end_are_kept_and_reopen_nothing(
    play: Play, api: Api, settle: Settle
) -> None:
    await play(STARTED + STOPPED)
    await settle()
    await play(shown('"$id"', ("03:30:00", 2000), ("04:30:00", 3100)))
    await settle()
    session = await the_session(api)
    assert (session["active"], session["ended_at"]) == (False, "2026-01-02T04:00:00Z")
    assert (session["energy_wh"], session["billable"]) == (2000, True)
    assert len((await details(api, "/meter-values"))["items"]) == 2


_SIGNS = {
    "next_start": f"""
        > StartTransaction {START.replace("T03:", "T05:")}
        < {{"transactionId": "$", "idTagInfo": {{"status": "Accepted"}}}}
    """,
    "station_rebooted": """
        > BootNotification {"chargePointVendor": "Vendor", "chargePointModel": "Model"}
        < {"status": "Accepted", "interval": 300, "currentTime": "$"}
    """,
    "connector_available": """
        > StatusNotification {"connectorId": 1, "errorCode": "NoError", "status": "Available",
            "timestamp": "2026-01-02T03:30:00Z"}
        < {}
    """,
}


@covers(Row.STOP_MISSING)
@pytest.mark.parametrize("rule", _SIGNS)
async def test_an_end_that_never_comes_is_concluded_and_a_late_one_replaces_that(
    play: Play, api: Api, settle: Settle, rule: str
) -> None:
    at_once = {
        "session_next_start_grace_s": 0,
        "session_rebooted_grace_s": 0,
        "session_available_grace_s": 0,
    }
    await play(STARTED + shown('"$id"', ("03:20:00", 1800)))
    await settle(**at_once)
    assert (await the_session(api))["active"] is True
    await play(_SIGNS[rule])
    await settle(**at_once)
    session = (await sessions(api))[-1]
    assert (session["ended_by"], session["end_rule"]) == ("rule", rule)
    assert (session["ended_at"], session["energy_wh"]) == ("2026-01-02T03:20:00Z", 800)
    assert (session["review_reasons"], session["billable"]) == (["end_missing"], False)
    await play(STOPPED)
    await settle(**at_once)
    session = (await sessions(api))[-1]
    assert (session["ended_by"], session["end_rule"], session["billable"]) == (
        "station",
        None,
        True,
    )
    assert session["energy_wh"] == 2000
    history = (await api.client.get(f"/v1/sessions/{session['session_id']}/history")).json()
    assert [entry["kind"] for entry in history["items"]] == [
        "closed_by_rule",
        "needs_review",
        "rule_end_replaced",
    ]


@covers(Row.STOP_MISSING)
async def test_a_session_of_a_silent_station_is_closed_when_it_has_been_silent_for_long(
    play: Play, api: Api, db: Database, settle: Settle
) -> None:
    await play(STARTED)
    await play.station.websocket.close()
    await db.execute("UPDATE stations SET online = false, disconnected_at = now()")
    await settle()
    assert (await the_session(api))["active"] is True
    await settle(session_silent_grace_s=0)
    session = await the_session(api)
    assert (session["end_rule"], session["billable"]) == ("station_silent", False)


@covers(Row.OFFLINE_REPLAY)
async def test_what_was_kept_offline_may_come_in_any_order_and_twice(
    play: Play, api: Api, gateway: Pod, settle: Settle
) -> None:
    """The answer to the start was lost: what follows names -1, and the start is told once more."""
    values = shown("-1", ("03:20:00", 1800))
    end = """
        > StopTransaction {"transactionId": -1, "meterStop": 3000, "idTag": "TAG",
            "timestamp": "2026-01-02T04:00:00Z"}
        < {"idTagInfo": {"status": "Accepted"}}
    """
    await play(end + values)
    async with station_client(gateway.url) as again:
        play.station = again
        await play(values + STARTED + end + STARTED)
    await settle()
    session = await details(api)
    assert (session["started_at"], session["ended_at"]) == (
        "2026-01-02T03:00:00Z",
        "2026-01-02T04:00:00Z",
    )
    assert (session["energy_wh"], session["review_reasons"]) == (2000, [])
    assert len((await details(api, "/meter-values"))["items"]) == 1
