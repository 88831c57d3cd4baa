"""Operators ask stations for what makes sense, and tell an answer from none."""

import random
from typing import Any

import httpx
import pytest

from loadtest.locust.commands import choose, problem_of
from tests.unit.simulator.bench import Bench


def bodies(bench: Bench) -> list[dict[str, Any]]:
    rng = random.Random(1)  # noqa: S311
    commands = [choose(rng, [bench.station], "TOKEN") for _ in range(100)]
    assert {command.station_id for command in commands if command} <= {"SIM-1"}
    return [command.body for command in commands if command]


def of_type(found: list[dict[str, Any]], type_: str) -> list[dict[str, Any]]:
    return [body for body in found if body["type"] == type_]


def test_a_free_connector_is_asked_to_start_and_never_to_stop() -> None:
    found = bodies(Bench().booted())
    assert of_type(found, "RemoteStart")[0] == {
        "type": "RemoteStart",
        "id_token": "TOKEN",
        "evse_id": 1,
    }
    assert {body["type"] for body in found} == {"RemoteStart", "GetConfiguration", "TriggerMessage"}


def test_a_running_charge_is_asked_to_stop_and_never_to_start() -> None:
    bench = Bench().booted()
    bench.charge(transaction_id=7)
    found = bodies(bench)
    assert of_type(found, "RemoteStop")[0] == {"type": "RemoteStop", "transaction_id": "7"}
    assert not of_type(found, "RemoteStart")


def test_stations_that_are_not_in_service_are_left_alone() -> None:
    assert bodies(Bench().power_on()) == []
    assert bodies(Bench().power_on().connect()) == []
    assert choose(random.Random(1), [], "TOKEN") is None  # noqa: S311


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (200, {"state": "accepted", "error_code": None}, None),
        (200, {"state": "rejected", "error_code": None}, None),
        (200, {"state": "failed", "error_code": "NotSupported"}, "failed (NotSupported)"),
        (200, {"state": "unknown", "error_code": None}, "unknown (no error code)"),
        (202, {}, "no outcome in time"),
        (409, {}, "the station is offline"),
        (503, {}, "HTTP 503"),
    ],
)
def test_what_counts_as_a_problem(status: int, body: dict[str, Any], problem: str | None) -> None:
    assert problem_of(httpx.Response(status, json=body)) == problem
