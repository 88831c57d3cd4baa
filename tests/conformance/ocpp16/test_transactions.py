"""Transactions of OCPP 1.6 that are told twice or wrongly (§4.8, §4.10), and their sessions."""

from datetime import UTC, datetime

import pytest

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.store.access import id_tokens
from shared.store.pool import Database
from tests.conformance.conftest import Settle
from tests.conformance.ocpp16.charging import (
    START,
    STARTED,
    STOPPED,
    STOPPED_AT,
    dead_letters,
    details,
    sessions,
    shown,
    the_session,
)
from tests.conformance.ocpp16.coverage import Row, covers, from_station
from tests.integration.control.players import Api
from tests.support.pods import Pod
from tests.support.stations import register, station_client
from tests.support.transcript import Play


@covers(from_station("StartTransaction"), from_station("StopTransaction"))
async def test_a_charge_may_be_billed_when_it_is_over(play: Play, api: Api, settle: Settle) -> None:
    await play(STARTED)
    assert (await the_session(api))["active"] is True
    await play(STOPPED)
    await settle()
    session = await the_session(api)
    assert (session["energy_wh"], session["energy_method"]) == (2000, "registers")
    assert (session["active"], session["ended_by"], session["billable"]) == (False, "station", True)


@covers(Row.START_RETRIED)
async def test_a_start_told_again_is_the_same_transaction(
    play: Play, api: Api, gateway: Pod
) -> None:
    same_in_another_zone = START.replace("03:00:00Z", "05:00:00+02:00")
    await play(f"""
        >> [2, "same", "StartTransaction", {START}]
        << [3, "same", {{"transactionId": "$id", "idTagInfo": {{"status": "Accepted"}}}}]
        >> [2, "same", "StartTransaction", {START}]
        << [3, "same", {{"transactionId": "$id", "idTagInfo": {{"status": "Accepted"}}}}]
        > StartTransaction {START}
        < {{"transactionId": "$id", "idTagInfo": {{"status": "Accepted"}}}}
        > StartTransaction {same_in_another_zone}
        < {{"transactionId": "$id", "idTagInfo": {{"status": "Accepted"}}}}
    """)
    async with station_client(gateway.url) as again:
        play.station = again
        await play(STARTED)
    assert (await the_session(api))["transaction_id"] == str(play.named["id"])


UNTIMED = START.replace(', "timestamp": "2026-01-02T03:00:00Z"', "")


@covers(Row.START_RETRIED)
@pytest.mark.parametrize("again", [UNTIMED, UNTIMED.replace("}", ', "timestamp": ""}')])
async def test_a_start_without_a_time_that_is_told_again_is_the_same_transaction(
    play: Play, api: Api, db: Database, again: str
) -> None:
    """Our time stands for it, and would be another one each time. Also under a limit of one."""
    await db.execute("UPDATE id_tokens SET max_concurrent_sessions = 1")
    await play(f"""
        > StartTransaction {UNTIMED}
        < {{"transactionId": "$id", "idTagInfo": {{"status": "Accepted"}}}}
        > StartTransaction {again}
        < {{"transactionId": "$id", "idTagInfo": {{"status": "Accepted"}}}}
    """)
    started_at = datetime.fromisoformat((await the_session(api))["started_at"])
    assert abs((datetime.now(UTC) - started_at).total_seconds()) < 60


@covers(Row.START_RETRIED)
async def test_it_is_another_one_when_the_first_has_ended_or_is_long_over(
    play: Play, api: Api, db: Database
) -> None:
    untimed = f"""
        > StartTransaction {UNTIMED}
        < {{"transactionId": "$%s", "idTagInfo": "$"}}
    """
    await play(untimed % "id")
    await play("""
        > StopTransaction {"transactionId": "$id", "meterStop": 1000,
            "timestamp": "2026-01-02T04:00:00Z"}
        < {}
    """)
    await play(untimed % "second")
    await db.execute("UPDATE sessions SET created_at = created_at - interval '16 minutes'")
    await play(untimed % "third")
    await play(f"""
        > StartTransaction {UNTIMED.replace("1000", "1001")}
        < {{"transactionId": "$fourth", "idTagInfo": "$"}}
    """)
    assert len({play.named[name] for name in ("id", "second", "third", "fourth")}) == 4
    assert len(await sessions(api)) == 4


@covers(Row.EVSE_IMPOSSIBLE)
@pytest.mark.parametrize("connector_id", [0, -1])
async def test_a_charge_on_a_connector_that_cannot_be_is_kept_and_not_billed(
    play: Play, api: Api, settle: Settle, connector_id: int
) -> None:
    """§6.45: greater than 0. What was charged must not be lost."""
    await play(f"""
        > StartTransaction {START.replace('"connectorId": 1', f'"connectorId": {connector_id}')}
        < {{"transactionId": "$id", "idTagInfo": {{"status": "Accepted"}}}}
        {STOPPED}
    """)
    await settle()
    session = await the_session(api)
    assert (session["evse_id"], session["energy_wh"]) == (connector_id, 2000)
    assert session["review_reasons"] == ["evse_implausible"]
    assert session["billable"] is False


@covers(Row.START_RETRIED)
@pytest.mark.parametrize(
    ("was", "other"),
    [
        ('"connectorId": 1', '"connectorId": 2'),
        ('"idTag": "TAG"', '"idTag": "OTHER"'),
        ('"meterStart": 1000', '"meterStart": 1001'),
        ("03:00:00Z", "03:00:01Z"),
    ],
)
async def test_another_start_is_another_transaction(
    play: Play, api: Api, was: str, other: str
) -> None:
    await play(f"""
        {STARTED}
        > StartTransaction {START.replace(was, other)}
        < {{"transactionId": "$other", "idTagInfo": "$"}}
    """)
    assert play.named["id"] != play.named["other"]
    assert len(await sessions(api)) == 2


@covers(Row.START_REFUSED)
@pytest.mark.parametrize(
    ("id_tag", "status"),
    [
        ("NOBODY", "Invalid"),
        ("BLOCKED", "Blocked"),
        ("EXPIRED", "Expired"),
        ("BUSY", "ConcurrentTx"),
    ],
)
async def test_a_start_of_a_refused_token_gets_an_id_and_is_not_billed(
    play: Play, api: Api, db: Database, settle: Settle, id_tag: str, status: str
) -> None:
    for name, expires_at, most in (
        ("EXPIRED", datetime(2026, 1, 1, tzinfo=UTC), None),
        ("BUSY", None, 1),
    ):
        await id_tokens.create(
            db,
            id_token=name,
            type=IdTokenType.ISO14443,
            status=AuthorizationStatus.ACCEPTED,
            expires_at=expires_at,
            group_id_token=None,
            max_concurrent_sessions=most,
        )
    await play(f"""
        > StartTransaction {{"connectorId": 2, "idTag": "BUSY", "meterStart": 0,
            "timestamp": "2026-01-02T02:00:00Z"}}
        < {{"transactionId": "$busy", "idTagInfo": {{"status": "Accepted"}}}}
        > StartTransaction {START.replace("TAG", id_tag)}
        < {{"transactionId": "$id", "idTagInfo": "$info"}}
        {STOPPED}
    """)
    assert play.named["info"]["status"] == status
    assert play.named["id"] > 0
    assert play.named["id"] != play.named["busy"]
    await settle()
    session = (await sessions(api))[0]
    assert (session["authorization_status"], session["transaction_id"]) == (
        status,
        str(play.named["id"]),
    )
    assert session["review_reasons"] == ["token_refused"]
    assert (session["energy_wh"], session["billable"]) == (2000, False)


@covers(Row.STOP_TWICE)
async def test_of_two_ends_the_first_stands_and_the_other_is_kept(
    play: Play, api: Api, settle: Settle
) -> None:
    other = STOPPED.replace("3000", "9000").replace("04:00", "05:00")
    await play(STARTED + STOPPED + STOPPED + other)
    await settle()
    session = await details(api)
    assert (session["meter_stop_wh"], session["ended_at"]) == (3000, "2026-01-02T04:00:00Z")
    assert [(end["meter_stop_wh"], end["stands"]) for end in session["ends"]] == [
        (3000, True),
        (9000, False),
    ]
    assert session["review_reasons"] == ["ends_differ"]


@covers(Row.TRANSACTION_UNKNOWN)
@pytest.mark.parametrize("told", [0, -1, 424242])
async def test_an_end_without_its_transaction_goes_to_the_only_one_that_is_meant(
    play: Play, api: Api, settle: Settle, told: int
) -> None:
    await play(f"""
        {STARTED}
        {shown(str(told), ("03:20:00", 1800))}
        > StopTransaction {{"transactionId": {told}, "meterStop": 3000, "idTag": "TAG",
            "timestamp": "2026-01-02T04:00:00Z"}}
        < {{"idTagInfo": {{"status": "Accepted"}}}}
    """)
    await settle()
    session = await details(api)
    assert (session["ended_by"], session["energy_wh"], session["billable"]) == (
        "matched",
        2000,
        True,
    )
    (value,) = (await details(api, "/meter-values"))["items"]
    assert value["energy_wh"] == 1800
    (letter,) = await dead_letters(api)
    assert (letter["status"], letter["session_id"]) == ("matched", session["session_id"])


@covers(Row.TRANSACTION_UNKNOWN)
@pytest.mark.parametrize("id_tag", ["", "  "])
async def test_an_empty_id_tag_at_the_end_is_none(
    play: Play, api: Api, settle: Settle, id_tag: str
) -> None:
    """As stations send it when a charge is stopped without a card (§6.49: it may be left out)."""
    await play(f"""
        > StatusNotification {{"connectorId": 1, "errorCode": "NoError", "status": "Charging"}}
        < {{}}
        {STARTED}
        > StopTransaction {{"transactionId": -1, "meterStop": 3000, "idTag": "{id_tag}",
            "timestamp": "2026-01-02T04:00:00Z"}}
        < {{}}
    """)
    await settle()
    session = await the_session(api)
    assert (session["ended_by"], session["energy_wh"]) == ("matched", 2000)


@covers(Row.TRANSACTION_UNKNOWN)
@pytest.mark.parametrize("told", [0, -1, 424242])
async def test_an_end_that_nothing_fits_is_kept_for_an_operator(
    play: Play, api: Api, settle: Settle, told: int
) -> None:
    await play(f"""
        {STARTED}
        > StopTransaction {{"transactionId": {told}, "meterStop": 3000, "idTag": "OTHER",
            "timestamp": "2026-01-02T04:00:00Z"}}
        < {{"idTagInfo": {{"status": "Invalid"}}}}
    """)
    await settle()
    assert (await the_session(api))["active"] is True
    (letter,) = await dead_letters(api)
    assert (letter["status"], letter["transaction_end"]["transaction_id"]) == ("open", str(told))


@covers(Row.TRANSACTION_UNKNOWN)
async def test_an_end_that_two_transactions_may_mean_is_given_to_one_by_an_operator(
    play: Play, api: Api, settle: Settle
) -> None:
    on_another_connector = START.replace('"connectorId": 1', '"connectorId": 2')
    await play(f"""
        {STARTED}
        > StartTransaction {on_another_connector}
        < {{"transactionId": "$other", "idTagInfo": {{"status": "Accepted"}}}}
        > StopTransaction {{"transactionId": -1, "meterStop": 3000, "idTag": "TAG",
            "timestamp": "2026-01-02T04:00:00Z"}}
        < {{"idTagInfo": {{"status": "Accepted"}}}}
    """)
    await settle()
    assert [session["active"] for session in await sessions(api)] == [True, True]
    (letter,) = await dead_letters(api)
    assert letter["status"] == "open"
    meant = (await sessions(api))[0]["session_id"]
    assigned = await api.client.post(
        f"/v1/dead-letters/{letter['dead_letter_id']}/assign", json={"session_id": meant}
    )
    assert assigned.status_code == 200, assigned.text
    await settle()
    session, other = await sessions(api)
    assert (session["ended_by"], session["energy_wh"]) == ("operator", 2000)
    assert session["billable"] is True
    assert other["active"] is True


@covers(Row.TRANSACTION_UNKNOWN)
async def test_another_stations_transaction_is_never_touched(
    play: Play, api: Api, db: Database, gateway: Pod, settle: Settle
) -> None:
    await play(STARTED)
    await register(db, "CP-2")
    async with station_client(gateway.url, "CP-2") as station:
        await station.boot()
        thief = Play(station, "CP-2", api.client)
        thief.named["id"] = play.named["id"]
        await thief(shown('"$id"', ("03:20:00", 9_000_000)))
        await thief("""
            > StopTransaction {"transactionId": "$id", "meterStop": 1, "idTag": "TAG",
                "timestamp": "2026-01-02T03:30:00Z"}
            < {"idTagInfo": {"status": "Accepted"}}
        """)
    await settle()
    session = await the_session(api)
    assert (session["active"], session["needs_review"]) == (True, False)
    assert (await details(api, "/meter-values"))["items"] == []
    (letter,) = await dead_letters(api)
    assert (letter["station_id"], letter["status"]) == ("CP-2", "open")


@covers(Row.REGISTER_IMPOSSIBLE)
@pytest.mark.parametrize(
    ("registers", "meter_stop", "stopped_at", "reason"),
    [
        ([], 900, STOPPED_AT, "meter_stop_below_start"),
        ([], 3000, "1970-01-01T00:00:12Z", "clock_implausible"),
        ([], 3000, "2099-01-01T00:00:00Z", "clock_implausible"),
        ([], 3000, "2026-01-02T02:59:00Z", "ended_before_started"),
        ([("03:20:00", 9_000_000)], 9_000_100, STOPPED_AT, "register_jumped"),
        ([("03:20:00", 1800), ("03:40:00", 20)], 3000, STOPPED_AT, "register_decreased"),
        ([("03:00:10", 0), ("03:20:00", 1800)], 3000, STOPPED_AT, "placeholder_register"),
    ],
    ids=["below start", "1970", "2099", "backwards", "jump", "reset", "placeholder"],
)
async def test_what_cannot_be_is_kept_as_told_and_looked_at_by_a_person(
    *,
    play: Play,
    api: Api,
    settle: Settle,
    registers: list[tuple[str, int]],
    meter_stop: int,
    stopped_at: str,
    reason: str,
) -> None:
    await play(STARTED)
    if registers:
        await play(shown('"$id"', *registers))
    await play(STOPPED.replace("3000", str(meter_stop)).replace(STOPPED_AT, stopped_at))
    await settle()
    session = await the_session(api)
    assert reason in session["review_reasons"]
    assert (session["needs_review"], session["billable"]) == (True, False)
    assert (session["meter_start_wh"], session["meter_stop_wh"]) == (1000, meter_stop)
    (listed,) = (await api.client.get("/v1/sessions?needs_review=true")).json()["items"]
    seen = {name: listed[name] for name in ("energy_wh", "ended_at", "review_reasons")}
    decided = await api.client.post(
        f"/v1/sessions/{listed['session_id']}/review",
        json={
            "seen": seen,
            "decision": "correct",
            "energy_wh": 1500,
            "ended_at": "2026-01-02T04:00:00Z",
        },
    )
    assert decided.status_code == 200, decided.text
    assert (decided.json()["energy_wh"], decided.json()["billable"]) == (1500, True)
