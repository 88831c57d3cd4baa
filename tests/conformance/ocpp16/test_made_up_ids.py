"""Ends and values of charges that name no transaction of ours (§3.7, §4.7, §4.10)."""

from collections.abc import Sequence
from typing import Any

import pytest

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.store.access import id_tokens
from shared.store.pool import Database
from tests.conformance.conftest import Settle
from tests.conformance.ocpp16.charging import dead_letters, sessions
from tests.conformance.ocpp16.coverage import Row, covers
from tests.integration.control.players import Api
from tests.support.transcript import Play

HUGE = 18446744073709551615
AT_ONCE = {"session_next_start_grace_s": 0}


def connectors(*numbers: int) -> str:
    return "".join(
        f"""
        > StatusNotification {{"connectorId": {number}, "errorCode": "NoError",
            "status": "Available", "timestamp": "2026-01-02T07:00:00Z"}}
        < {{}}
        """
        for number in numbers
    )


def started(hour: int, register: int, *, connector: int = 1, tag: str = "TAG") -> str:
    return f"""
    > StartTransaction {{"connectorId": {connector}, "idTag": "{tag}", "meterStart": {register},
        "timestamp": "2026-01-02T{hour:02}:00:00Z"}}
    < {{"transactionId": "$", "idTagInfo": {{"status": "Accepted"}}}}
    """


def stopped(hour: int, register: int, told: int = 0, *, tag: str | None = None) -> str:
    shown = "" if tag is None else f'"idTag": "{tag}", '
    return f"""
    > StopTransaction {{"transactionId": {told}, {shown}"meterStop": {register},
        "timestamp": "2026-01-02T{hour:02}:00:00Z"}}
    < {{{"" if tag is None else '"idTagInfo": {"status": "Accepted"}'}}}
    """


def sampled(time: str, register: int, told: int = 0, *, connector: int = 1) -> str:
    return f"""
    > MeterValues {{"connectorId": {connector}, "transactionId": {told}, "meterValue": [
        {{"timestamp": "2026-01-02T{time}:00Z", "sampledValue": [{{"value": "{register}"}}]}}]}}
    < {{}}
    """


async def shown(api: Api) -> list[tuple[Any, ...]]:
    """Return what became of each session, the one that began first in front."""
    found = sorted(await sessions(api), key=lambda session: session["started_at"])
    return [
        (each["ended_at"] and int(each["ended_at"][11:13]), each["energy_wh"], each["billable"])
        for each in found
    ]


THREE = [(9, 900, True), (11, 900, True), (13, 900, True)]


@covers(Row.TRANSACTION_UNKNOWN)
@pytest.mark.parametrize(
    ("told", "tag"), [(0, None), (-1, "TAG"), (-2, None), (2**31, "TAG"), (HUGE, None)]
)
async def test_a_station_that_names_no_transaction_gets_every_charge_ended(
    play: Play, api: Api, settle: Settle, told: int, tag: str | None
) -> None:
    await play(connectors(0, 1))
    for number, hour in enumerate((8, 10, 12), 1):
        await play(started(hour, 1000 * number))
        await settle(**AT_ONCE)
        await play(sampled(f"{hour:02}:30", 1000 * number + 400, told))
        await play(stopped(hour + 1, 1000 * number + 900, told, tag=tag))
        await settle(**AT_ONCE)
    assert await shown(api) == THREE
    assert {session["ended_by"] for session in await sessions(api)} == {"matched"}
    assert [letter["status"] for letter in await dead_letters(api)] == ["matched"] * 3


@covers(Row.TRANSACTION_UNKNOWN, Row.OFFLINE_REPLAY)
@pytest.mark.parametrize(
    "order",
    [(0, 2, 4, 1, 3, 5), (5, 3, 1, 4, 2, 0), (2, 3, 0, 1, 4, 5), (1, 0, 3, 2, 5, 4)],
    ids=["starts first", "backwards", "an old charge late", "each end before its start"],
)
async def test_the_ends_are_matched_in_their_order_whatever_order_they_come_in(
    play: Play, api: Api, settle: Settle, order: Sequence[int]
) -> None:
    words = [
        started(8, 1000), stopped(9, 1900), started(10, 2000),
        stopped(11, 2900), started(12, 3000), stopped(13, 3900),
    ]  # fmt: skip
    await play(connectors(0, 1))
    for place in order:
        await play(words[place])
        await settle(**AT_ONCE)
    assert await shown(api) == THREE


@covers(Row.TRANSACTION_UNKNOWN, Row.STOP_MISSING)
async def test_a_charge_whose_end_was_lost_gets_none_of_the_next(
    play: Play, api: Api, settle: Settle
) -> None:
    await play(connectors(0, 1) + started(8, 1000) + sampled("08:30", 1400))
    await play(started(10, 2000) + stopped(11, 2900))
    await settle(**AT_ONCE)
    assert await shown(api) == [(8, 400, False), (11, 900, True)]
    await play(stopped(9, 1900))
    await settle(**AT_ONCE)
    assert await shown(api) == [(9, 900, True), (11, 900, True)]


@covers(Row.TRANSACTION_UNKNOWN)
async def test_on_several_connectors_the_token_tells_which_charge_is_over(
    play: Play, api: Api, db: Database, settle: Settle
) -> None:
    await id_tokens.create(
        db,
        id_token="FRIEND",
        type=IdTokenType.ISO14443,
        status=AuthorizationStatus.ACCEPTED,
        expires_at=None,
        group_id_token=None,
    )
    await play(connectors(1, 2))
    await play(started(8, 1000) + started(8, 1100, connector=2, tag="FRIEND"))
    await play(stopped(9, 1900, tag="TAG") + stopped(10, 2000, tag="FRIEND"))
    await play(started(11, 2000) + stopped(12, 2900, -1, tag="TAG"))
    await settle(**AT_ONCE)
    assert sorted(await shown(api)) == [(9, 900, True), (10, 900, True), (12, 900, True)]


@covers(Row.TRANSACTION_UNKNOWN)
async def test_what_ended_on_one_connector_is_not_what_ends_on_the_other(
    play: Play, api: Api, settle: Settle
) -> None:
    """One token, one charge after the other, each on a connector of its own."""
    await play(connectors(1, 2))
    await play(started(8, 1000) + stopped(9, 1900, tag="TAG"))
    await play(started(10, 2000, connector=2) + stopped(11, 2900, tag="TAG"))
    await settle()
    assert await shown(api) == [(9, 900, True), (11, 900, True)]


@covers(Row.TRANSACTION_UNKNOWN)
async def test_of_two_charges_of_one_token_at_once_an_operator_says_which_has_ended(
    play: Play, api: Api, settle: Settle
) -> None:
    await play(connectors(1, 2))
    await play(started(8, 1000) + started(8, 1000, connector=2))
    await play(stopped(9, 1900, tag="TAG") + stopped(10, 2000))
    await settle()
    assert await shown(api) == [(None, None, False)] * 2
    assert {letter["status"] for letter in await dead_letters(api)} == {"open"}


@covers(Row.TRANSACTION_UNKNOWN)
async def test_an_end_of_a_charge_that_has_its_own_is_nobodys(
    play: Play, api: Api, settle: Settle
) -> None:
    await play(connectors(0, 1) + started(8, 1000))
    await play("""
        > StartTransaction {"connectorId": 1, "idTag": "TAG", "meterStart": 2000,
            "timestamp": "2026-01-02T10:00:00Z"}
        < {"transactionId": "$second", "idTagInfo": {"status": "Accepted"}}
        > StopTransaction {"transactionId": "$second", "meterStop": 2900,
            "timestamp": "2026-01-02T11:00:00Z"}
        < {}
    """)
    await play(stopped(12, 3900))
    await settle(**AT_ONCE)
    assert await shown(api) == [(8, None, False), (11, 900, True)]
    (letter,) = await dead_letters(api)
    assert letter["status"] == "open"


@covers(Row.TRANSACTION_UNKNOWN)
async def test_an_id_that_is_longer_than_any_is_refused(play: Play) -> None:
    await play(f"""
        > StopTransaction {{"transactionId": {10**36}, "meterStop": 1,
            "timestamp": "2026-01-02T12:00:00Z"}}
        < PropertyConstraintViolation
    """)
