"""What a station says of its transactions and is refused waits for an operator, and is not lost."""

import json
from typing import Any

import pytest

from shared.store import redelivery
from shared.store.pool import Database
from tests.conformance.conftest import Settle
from tests.conformance.ocpp16.charging import STARTED, the_session
from tests.conformance.ocpp16.coverage import Row, covers
from tests.integration.control.players import Api, assert_problem
from tests.support.eventually import eventually
from tests.support.transcript import Play

ENDED_AT = "2026-01-02T04:00:00Z"
LONGEST_ID = 10**35
REFUSED: list[tuple[str, Any]] = [
    ("StartTransaction", {"connectorId": 1, "idTag": "TAG", "meterStart": "much"}),
    ("StopTransaction", {"meterStop": 1, "timestamp": ENDED_AT}),
    ("StopTransaction", {"transactionId": LONGEST_ID * 10, "meterStop": 1, "timestamp": ENDED_AT}),
    ("StopTransaction", {"transactionId": 1, "meterStop": 1, "timestamp": "noon"}),
    ("StopTransaction", [7]),
    ("MeterValues", {"connectorId": 1, "meterValue": 7}),
    ("TransactionEvent", {"eventType": "Ended"}),
]


async def letters(api: Api, **params: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await api.client.get("/v1/dead-letters", params=params)).json()[
        "items"
    ]
    return items


async def the_letter(api: Api) -> dict[str, Any]:
    (letter,) = await letters(api)
    found: dict[str, Any] = (
        await api.client.get(f"/v1/dead-letters/{letter['dead_letter_id']}")
    ).json()
    return found


async def settled(api: Api) -> dict[str, Any]:
    """Return the only letter once nothing is to be done about it any more."""
    return await eventually(lambda: the_letter(api), lambda letter: not letter["to_be_delivered"])


async def post(api: Api, letter: dict[str, Any], verb: str, **body: Any) -> Any:
    url = f"/v1/dead-letters/{letter['dead_letter_id']}/{verb}"
    response = await api.client.post(url, json=body)
    assert response.is_success, response.text
    return response.json()


@covers(Row.REFUSED_KEPT)
@pytest.mark.parametrize(("action", "payload"), REFUSED)
async def test_what_is_said_of_a_transaction_and_refused_is_a_letter_with_its_frame(
    play: Play, api: Api, action: str, payload: Any
) -> None:
    frame = json.dumps([2, "1", action, payload])
    await play(f'>> {frame}\n<< [4, "1", "$code", "$", {{}}]')
    letter = await the_letter(api)
    assert (letter["kind"], letter["station_id"]) == ("CallRefused", "CP-1")
    assert (letter["action"], letter["ocpp_version"]) == (action, "1.6")
    assert json.loads(letter["frame"]) == json.loads(frame)
    assert letter["frame_bytes"] == len(letter["frame"])
    assert letter["reason"].startswith(f"{play.named['code']}: ")
    # Told again under another id, it is one letter, and the list shows no frames.
    again = json.dumps([2, "2", action, payload])
    await play(f'>> {again}\n<< [4, "2", "$code", "$", {{}}]')
    (listed,) = await letters(api, station_id="CP-1", status="open")
    assert "frame" not in listed
    station = (await api.client.get("/v1/stations/CP-1")).json()
    assert station["open_dead_letters"] == 1


@covers(Row.REFUSED_KEPT)
async def test_what_is_no_json_but_begins_like_the_end_of_a_charge_is_a_letter(
    play: Play, api: Api
) -> None:
    frame = '[2,"1","StopTransaction",{"transactionId":1,"meterStop":12,]'
    await play.station.send(frame)
    assert (await play.station.receive())[:3] == [4, "1", "FormationViolation"]
    assert (await the_letter(api))["frame"] == frame


async def test_what_tells_of_no_transaction_leaves_no_letter(play: Play, api: Api) -> None:
    await play("""
        > StatusNotification {"connectorId": 1, "errorCode": "NoError", "status": "Melting"}
        < PropertyConstraintViolation
        > DataTransfer {"vendorId": {}}
        < TypeConstraintViolation
    """)
    assert await letters(api) == []
    assert (await api.client.get("/v1/stations/CP-1")).json()["open_dead_letters"] == 0


async def test_secrets_are_hidden_in_the_frame_of_a_letter(play: Play, api: Api) -> None:
    await play("""
        > StopTransaction {"meterStop": 1, "timestamp": "2026-01-02T04:00:00Z",
            "password": "hunter2hunter2"}
        < OccurenceConstraintViolation
        >> [2, "9", "StopTransaction", {"AuthorizationKey": "hunter2hunter2"}, 1, 2]
        << [4, "9", "FormationViolation", "$", {}]
    """)
    for letter in await letters(api):
        url = f"/v1/dead-letters/{letter['dead_letter_id']}"
        assert "hunter2" not in (await api.client.get(url)).text


@covers(Row.REFUSED_KEPT)
async def test_a_refused_end_is_replayed_with_a_corrected_payload(
    play: Play, api: Api, settle: Settle
) -> None:
    await play(STARTED)
    await play(f"""
        > StopTransaction {{"transactionId": "$id", "meterStop": "?", "timestamp": "{ENDED_AT}"}}
        < TypeConstraintViolation
    """)
    payload = {"transactionId": play.named["id"], "meterStop": 3000, "timestamp": ENDED_AT}
    # It is looked at like any payload.
    await post(api, await the_letter(api), "replay", payload={**payload, "meterStop": []})
    letter = await settled(api)
    assert letter["status"] == "open"
    assert letter["reason"].startswith("TypeConstraintViolation: meterStop")
    await post(api, letter, "replay", payload=payload, note="read at the site")
    letter = await settled(api)
    assert (letter["status"], letter["note"]) == ("delivered", "read at the site")
    await settle()
    session = await the_session(api)
    assert (session["energy_wh"], session["meter_stop_wh"]) == (2000, 3000)
    assert (session["ended_by"], session["billable"]) == ("station", True)
    url = f"/v1/dead-letters/{letter['dead_letter_id']}/replay"
    assert_problem(await api.client.post(url, json={}), 409, "conflict")


async def test_a_refused_end_is_given_to_a_session(play: Play, api: Api, settle: Settle) -> None:
    await play(STARTED)
    await play(f"""
        > StopTransaction {{"transactionId": {LONGEST_ID * 10}, "meterStop": 3000,
            "timestamp": "{ENDED_AT}"}}
        < PropertyConstraintViolation
    """)
    session_id = (await the_session(api))["session_id"]
    letter = await post(api, await the_letter(api), "assign", session_id=session_id)
    assert letter["to_be_delivered"] is True
    letter = await settled(api)
    assert (letter["status"], letter["session_id"]) == ("delivered", session_id)
    await settle()
    session = await the_session(api)
    assert (session["energy_wh"], session["billable"]) == (2000, True)


async def test_a_message_that_we_learn_to_read_is_replayed_as_it_came(
    play: Play, api: Api, db: Database
) -> None:
    """What a pod of an older version refused, and this one reads."""
    start = {"connectorId": 1, "idTag": "TAG", "meterStart": "much", "timestamp": ENDED_AT}
    await play(f"> StartTransaction {json.dumps(start)}\n< TypeConstraintViolation")
    letter = await the_letter(api)
    await db.execute("UPDATE dead_letters SET frame = replace(frame, 'much', '12.0')")
    await post(api, letter, "replay")
    assert (await settled(api))["status"] == "delivered"
    session = await the_session(api)
    assert session["meter_start_wh"] == 12
    # What is told twice is one session.
    await play(f"""
        > StartTransaction {json.dumps({**start, "meterStart": 12})}
        < {{"transactionId": "$", "idTagInfo": {{"status": "Accepted"}}}}
    """)
    assert (await the_session(api))["session_id"] == session["session_id"]


async def test_a_letter_of_what_was_understood_is_delivered_by_the_worker(
    play: Play, api: Api, db: Database, settle: Settle
) -> None:
    """A stray end whose transaction has come to be known."""
    await play(f"""
        > StopTransaction {{"transactionId": 4711, "meterStop": 3000, "timestamp": "{ENDED_AT}"}}
        < {{}}
    """)
    letter = await the_letter(api)
    await post(api, letter, "replay")
    await redelivery.deliver(db, limit=10)
    letter = await settled(api)
    assert (letter["status"], letter["reason"]) == (
        "open",
        "the station has no transaction with this id",
    )
    await play(STARTED)
    await db.execute("UPDATE sessions SET transaction_id = '4711'")
    await post(api, letter, "replay")
    await redelivery.deliver(db, limit=10)
    assert (await settled(api))["status"] == "delivered"
    assert (
        await letters(api, status="dismissed"),
        len(await letters(api, status="delivered")),
    ) == (
        [],
        1,
    )
    await settle()
    assert (await the_session(api))["energy_wh"] == 2000
