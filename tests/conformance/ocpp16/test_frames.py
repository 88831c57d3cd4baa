"""Frames that are not what they should be (OCPP-J 1.6 §4), and what they get."""

import asyncio
from typing import Any

import pytest

from shared.store.pool import Database
from shared.telemetry import metrics
from tests.conformance.ocpp16.coverage import TO_STATION, Row, covers
from tests.integration.control.players import Api
from tests.support.pods import Pod
from tests.support.stations import register, station_client
from tests.support.transcript import Play

_STILL_THERE = """
    > Heartbeat {}
    < {"currentTime": "$"}
"""


def _ignored(reason: str) -> float:
    return metrics.frames_ignored.labels(reason)._value.get()


@covers(Row.FRAME_NOT_JSON)
@pytest.mark.parametrize("frame", ["", "{", "null", "7", '"text"', "{}", "[]", "\\", "[2"])
async def test_what_is_no_array_is_dropped(play: Play, frame: str) -> None:
    before = _ignored("not a JSON array")
    await play.station.send(frame)
    await play(_STILL_THERE)
    assert _ignored("not a JSON array") == before + 1


@covers(Row.FRAME_UNKNOWN_TYPE)
@pytest.mark.parametrize("frame", [[5, "1", {}], [1, "1"], ["2", "1", "Heartbeat", {}], [[], {}]])
async def test_an_unknown_message_type_is_ignored(play: Play, frame: list[Any]) -> None:
    before = _ignored("unknown message type")
    await play.station.send(frame)
    await play(_STILL_THERE)
    assert _ignored("unknown message type") == before + 1


@covers(Row.ACTION_UNKNOWN, Row.ACTION_NOT_OURS)
async def test_actions_that_nobody_or_only_we_may_send(play: Play) -> None:
    await play("""
        > Nonsense {}
        < NotImplemented
        > TransactionEvent {}
        < NotImplemented
        > RemoteStartTransaction {"idTag": "TAG"}
        < NotSupported
    """)


@covers(Row.ACTION_NOT_OURS)
async def test_what_only_we_may_send_is_known_and_not_supported(play: Play) -> None:
    for action in {message.action for message in TO_STATION} - {"DataTransfer"}:
        await play(f"""
            > {action} {{}}
            < NotSupported
        """)


@covers(Row.PAYLOAD_VIOLATIONS)
async def test_violations_are_called_what_1_6_calls_them(play: Play) -> None:
    await play("""
        >> [2, "x"]
        << [4, "x", "FormationViolation", "$", {}]
        >> [2, "x", "Heartbeat", 7]
        << [4, "x", "FormationViolation", "$", {}]
        > Authorize {}
        < OccurenceConstraintViolation
        > MeterValues {"connectorId": true, "meterValue": []}
        < TypeConstraintViolation
        > StatusNotification {"connectorId": 1, "errorCode": "NoError", "status": "Melting"}
        < PropertyConstraintViolation
    """)


@covers(Row.MESSAGE_ID_LONG)
async def test_a_message_id_has_up_to_36_characters(play: Play) -> None:
    fits, too_long = "x" * 36, "x" * 37
    await play(f"""
        >> [2, "{fits}", "Heartbeat", {{}}]
        << [3, "{fits}", {{"currentTime": "$"}}]
        >> [2, "{too_long}", "Heartbeat", {{}}]
        << [4, "{fits}", "FormationViolation", "$", {{}}]
    """)


@covers(Row.MESSAGE_ID_IN_WORK)
async def test_a_message_id_that_is_in_work_is_refused_and_done_once(
    play: Play, db: Database
) -> None:
    start = [
        2,
        "same",
        "StartTransaction",
        {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": "2026-01-02T03:04:05Z"},
    ]
    await asyncio.gather(play.station.send(start), play.station.send(start))
    answers = [await play.station.receive(), await play.station.receive()]
    assert sorted(answer[0] for answer in answers) == [3, 4]
    assert await db.fetchval("SELECT count(*) FROM sessions") == 1


@covers(Row.MESSAGE_ID_SHARED)
async def test_a_message_id_says_nothing_beyond_its_connection(
    play: Play, api: Api, db: Database, gateway: Pod
) -> None:
    start = {"connectorId": 1, "idTag": "TAG", "meterStart": 0}
    frames = [
        [2, "1", "StartTransaction", {**start, "timestamp": f"2026-01-02T0{hour}:00:00Z"}]
        for hour in range(3)
    ]
    await register(db, "CP-2")
    async with station_client(gateway.url, "CP-2") as other:
        await other.boot()
        await asyncio.gather(play.station.send(frames[0]), other.send(frames[0]))
        answers = [await play.station.receive(), await other.receive()]
    await play.station.send(frames[1])
    answers.append(await play.station.receive())
    async with station_client(gateway.url) as again:
        await again.send(frames[2])
        answers.append(await again.receive())
    assert [answer[:2] for answer in answers] == [[3, "1"]] * 4
    assert len((await api.client.get("/v1/sessions")).json()["items"]) == 4


@covers(Row.ANSWER_UNASKED)
@pytest.mark.parametrize("frame", [[3, "nobody-asked", {}], [4, "nobody-asked", "X", "", {}]])
async def test_an_answer_to_nothing_is_ignored(play: Play, frame: list[Any]) -> None:
    before = _ignored("answer to nothing that is open")
    await play.station.send(frame)
    await play(_STILL_THERE)
    assert _ignored("answer to nothing that is open") == before + 1


@covers(Row.ANSWER_UNASKED)
async def test_an_answer_told_twice_is_not_taken_for_the_next_one(play: Play) -> None:
    await play("""
        ! Reset {}
        < Reset {"type": "Soft"}
        > {"status": "Accepted"}
        > {"status": "Accepted"}
        = accepted
        ! ClearCache
        < ClearCache {}
        > {"status": "Rejected"}
        = rejected
    """)


@covers(Row.FRAME_HOSTILE)
@pytest.mark.parametrize(
    ("vendor_id", "code"),
    [
        (r'"\u0000"', "PropertyConstraintViolation"),
        (r'"\ud800"', "FormationViolation"),
        ("NaN", "FormationViolation"),
        ("Infinity", "FormationViolation"),
        ("1e999", "TypeConstraintViolation"),
        ("[" * 120_000 + "]" * 120_000, "FormationViolation"),
    ],
    ids=["nul", "surrogate", "nan", "infinity", "overflow", "nested"],
)
async def test_hostile_json_is_refused_and_the_connection_lives(
    play: Play, vendor_id: str, code: str
) -> None:
    await play.station.send(f'[2, "x", "DataTransfer", {{"vendorId": {vendor_id}}}]')
    # Not every one can be read far enough to refuse more than the whole message.
    frame = await play.station.receive()
    assert frame[:3] == [4, "x", code], frame
    await play(_STILL_THERE)


@covers(Row.FRAME_HOSTILE)
async def test_an_integer_wider_than_32_bits_is_refused(play: Play) -> None:
    await play("""
        > StatusNotification {"connectorId": 99999999999, "errorCode": "NoError",
            "status": "Available"}
        < PropertyConstraintViolation
    """)


@covers(Row.CALLS_QUEUED)
async def test_calls_before_their_answers_are_answered_in_order(play: Play) -> None:
    calls = [[2, f"c{number}", "Authorize", {"idTag": "TAG"}] for number in range(10)]
    for call in calls:
        await play.station.send(call)
    answers = [await play.station.receive() for _ in calls]
    assert [answer[1] for answer in answers] == [call[1] for call in calls]


@covers(Row.BEFORE_ACCEPTED)
async def test_before_its_acceptance_a_station_may_only_boot(db: Database, gateway: Pod) -> None:
    await register(db, "NEW")
    async with station_client(gateway.url, "NEW") as station:
        assert (await station.call("Heartbeat", {}))[2] == "SecurityError"
        # And it is asked to, as some do after a power cycle only.
        _, message_id, *asked = await station.receive()
        assert asked == ["TriggerMessage", {"requestedMessage": "BootNotification"}]
        await station.send([3, message_id, {"status": "Accepted"}])
        assert (await station.boot())["status"] == "Accepted"
        assert (await station.call("Heartbeat", {}))[0] == 3


@covers(Row.NO_BOOT)
@pytest.mark.usefixtures("play")  # which has booted
async def test_a_station_that_comes_back_need_not_boot(gateway: Pod) -> None:
    async with station_client(gateway.url) as station:
        assert (await station.call("Heartbeat", {}))[0] == 3
