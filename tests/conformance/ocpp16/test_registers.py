"""Registers that makes tell otherwise than others, and that are right all the same (§7.31, §7.35).

Each make charges 4000 Wh in an hour on a connector of its own.
"""

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from tests.conformance.conftest import Settle
from tests.conformance.ocpp16.charging import sessions
from tests.conformance.ocpp16.coverage import Row, covers
from tests.integration.control.players import Api
from tests.support.transcript import Play

BEGIN, BREAK = "Transaction.Begin", "Interruption.Begin"
STEPS = ((10, 660), (20, 1320), (30, 1980), (40, 2640), (50, 3300))

Samples: TypeAlias = Callable[[int], list[dict[str, Any]]]


def total(wh: int, context: str = "Sample.Periodic", **words: Any) -> dict[str, Any]:
    return {"value": str(wh), "context": context, "unit": "Wh", **words}


def kilo(wh: int, context: str = "Sample.Periodic") -> dict[str, Any]:
    return {"value": f"{wh / 1000:.3f}", "context": context, "unit": "kWh"}


def phases(wh: int, context: str = "Sample.Periodic") -> list[dict[str, Any]]:
    return [total(wh // 3, context, phase=f"L{number}") for number in (1, 2, 3)]


# What the register is at the start, and what each sample shows of a charge that has got so far.
MAKES: dict[str, tuple[int, Samples, set[str]]] = {
    "honest": (100_000, lambda wh: [total(100_000 + wh)], set()),
    "begin repeated": (
        100_000, lambda wh: [total(100_000 + wh), total(100_000, BEGIN)], {"begin_repeated"},
    ),
    "begin repeated, from 0": (0, lambda wh: [total(wh), total(0, BEGIN)], {"begin_repeated"}),
    "begin in front, in kWh": (
        100_000, lambda wh: [kilo(100_000, BEGIN), kilo(100_000 + wh)], {"begin_repeated"},
    ),
    "interruption repeated": (
        100_000, lambda wh: [total(100_000 + wh), total(100_300, BREAK)], {"begin_repeated"},
    ),
    "begin of phases repeated": (
        100_000,
        lambda wh: [total(100_000 + wh), *phases(100_000 + wh), *phases(100_000, BEGIN)],
        {"begin_repeated"},
    ),
    "samples from 0": (100_000, lambda wh: [total(wh)], {"other_counter"}),
    "samples from 0, in kWh": (100_000, lambda wh: [kilo(wh)], {"other_counter"}),
    "samples from 0, with their begin": (
        100_000, lambda wh: [total(wh), total(0, BEGIN)], {"begin_repeated", "other_counter"},
    ),
    "samples from 0, with phases": (
        100_000, lambda wh: [total(wh), *phases(wh)], {"other_counter"},
    ),
    "samples of the lifetime, start from 0": (
        0, lambda wh: [total(7_000_000 + wh)], {"other_counter"},
    ),
}  # fmt: skip


def message(action: str, payload: dict[str, Any], answer: str) -> str:
    return f"> {action} {json.dumps(payload)}\n< {answer}\n"


def started(connector: int, register: int) -> str:
    payload = {
        "connectorId": connector, "idTag": "TAG", "meterStart": register,
        "timestamp": "2026-01-02T03:00:00Z",
    }  # fmt: skip
    answer = f'{{"transactionId": "$id{connector}", "idTagInfo": {{"status": "Accepted"}}}}'
    return message("StartTransaction", payload, answer)


def stopped(connector: int, register: int) -> str:
    payload = {
        "transactionId": f"$id{connector}", "meterStop": register,
        "timestamp": "2026-01-02T04:00:00Z",
    }  # fmt: skip
    return message("StopTransaction", payload, "{}")


def sampled(connector: int, minute: int, samples: list[dict[str, Any]]) -> str:
    value = {"timestamp": f"2026-01-02T03:{minute:02}:00Z", "sampledValue": samples}
    payload = {"connectorId": connector, "transactionId": f"$id{connector}", "meterValue": [value]}
    return message("MeterValues", payload, "{}")


async def by_connector(api: Api) -> dict[int, dict[str, Any]]:
    return {session["evse_id"]: session for session in await sessions(api)}


async def counted(api: Api) -> dict[str, int]:
    found = (await api.client.get("/v1/quirks")).json()["items"]
    return {each["kind"]: each["count"] for each in found}


@covers(Row.REAL_WORLD, Row.QUIRKS)
async def test_what_makes_tell_otherwise_is_billed_and_counted_as_a_quirk(
    play: Play, api: Api, settle: Settle
) -> None:
    for connector, (start, samples, _) in enumerate(MAKES.values(), 1):
        await play(started(connector, start))
        for minute, wh in STEPS:
            await play(sampled(connector, minute, samples(wh)))
        await play(stopped(connector, start + 4000))
    await settle()
    found = await by_connector(api)
    for connector, make in enumerate(MAKES, 1):
        session = found[connector]
        shown = session["energy_wh"], session["energy_method"], session["review_reasons"]
        assert (make, *shown) == (make, 4000, "registers", [])
        assert session["billable"], make
    kinds = [kind for _, _, kinds in MAKES.values() for kind in kinds]
    expected = {kind: kinds.count(kind) for kind in set(kinds)}
    assert await counted(api) == expected
    await settle()
    assert await counted(api) == expected  # once per session, however often it is worked out


@covers(Row.REGISTER_IMPOSSIBLE)
async def test_what_may_be_one_thing_or_another_is_for_a_person(
    play: Play, api: Api, settle: Settle
) -> None:
    odd: dict[str, Samples] = {
        "always 0": lambda _: [total(0)],
        "from 0, and anew from 0": lambda wh: [total(wh % 1500)],
        "from 0, less than was charged": lambda wh: [total(wh // 100)],
        "from 0, more than was charged": lambda wh: [total(wh * 2)],
        "a begin that is not the start": lambda wh: [total(100_000 + wh), total(90_000, BEGIN)],
    }
    for connector, samples in enumerate(odd.values(), 1):
        await play(started(connector, 100_000))
        for minute, wh in STEPS:
            await play(sampled(connector, minute, samples(wh)))
        await play(stopped(connector, 104_000))
    await settle()
    found = await by_connector(api)
    for connector, name in enumerate(odd, 1):
        assert (name, found[connector]["needs_review"]) == (name, True)
        assert not found[connector]["billable"]
    assert "other_counter" not in await counted(api)


@covers(Row.REGISTER_IMPOSSIBLE)
@pytest.mark.parametrize(("fall", "reasons"), [(1, []), (60, ["meter_stop_below_start"])])
async def test_an_end_a_little_below_its_start_is_a_charge_of_nothing(
    play: Play, api: Api, settle: Settle, fall: int, reasons: list[str]
) -> None:
    await play(started(1, 1000) + stopped(1, 1000 - fall))
    await settle()
    (session,) = await sessions(api)
    assert session["energy_wh"] == (None if reasons else 0)
    assert session["review_reasons"] == [*(["energy_unknown"] if reasons else []), *reasons]
    assert session["billable"] is not bool(reasons)


@covers(Row.REAL_WORLD)
async def test_while_it_goes_on_a_charge_shows_what_its_register_shows_now(
    play: Play, api: Api
) -> None:
    for connector, first in ((1, [total(1000, BEGIN), total(1660)]), (2, [total(660)])):
        await play(started(connector, 1000) + sampled(connector, 10, first))
    found = await by_connector(api)
    # A register below the start is of another counter; how much was charged is not known yet.
    assert [found[connector]["energy_wh"] for connector in (1, 2)] == [660, None]
