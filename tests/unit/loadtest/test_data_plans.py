"""What a plan says of a read: how much it reads, and whether it scans a table."""

import json
from typing import Any

import pytest

from loadtest.data.fill import Amounts
from loadtest.data.plans import Plan, read_plan

ROWS_OF = {"sessions": 1_000_000, "meter_values_20250601": 300_000, "pods": 3}


def scan(kind: str, table: str, rows: int, *, removed: int = 0, loops: int = 1) -> dict[str, Any]:
    return {
        "Node Type": kind,
        "Relation Name": table,
        "Actual Rows": rows,
        "Rows Removed by Filter": removed,
        "Actual Loops": loops,
    }


def plan(*scans: dict[str, Any]) -> Plan:
    root = {"Node Type": "Limit", "Shared Hit Blocks": 7, "Shared Read Blocks": 2}
    below = {"Node Type": "Nested Loop", "Plans": list(scans)}
    return Plan.of({"Query Text": "SELECT 1", "Plan": {**root, "Plans": [below]}})


def test_what_was_read_is_counted_with_what_was_not_asked_for() -> None:
    read = plan(
        scan("Index Scan", "sessions", 100, removed=20),
        scan("Index Scan", "pods", 2, loops=3),
    )
    assert read.rows == 126
    assert read.buffers == 9


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (scan("Seq Scan", "sessions", 1), ["Seq Scan on sessions (1,000,000 rows)"]),
        (
            scan("Seq Scan", "meter_values_20250601", 0, removed=300_000),
            ["Seq Scan on meter_values_20250601 (300,000 rows)"],
        ),
        (
            scan("Index Scan", "sessions", 1, removed=999_999),
            ["Index Scan of 1,000,000 rows of sessions (1,000,000 rows)"],
        ),
        (
            scan("Index Only Scan", "sessions", 100, loops=1000),
            ["Index Only Scan of 100,000 rows of sessions (1,000,000 rows)"],
        ),
        (scan("Index Scan", "sessions", 1500), []),
        (scan("Seq Scan", "pods", 3), []),
        (scan("Seq Scan", "sessions", 0, loops=0), []),
    ],
    ids=["seq", "seq of a day", "by an index", "again and again", "a page", "small", "never run"],
)
def test_a_table_that_is_read_through_is_named(node: dict[str, Any], words: list[str]) -> None:
    assert list(plan(node).scanned(ROWS_OF)) == words


def test_plans_are_read_from_the_log_and_all_else_is_passed_over() -> None:
    node = scan("Index Scan", "sessions", 1)
    explained = json.dumps({"Query Text": "SELECT 1", "Plan": node}, indent=2)
    line = json.dumps({"message": f"duration: 0.1 ms  plan:\n{explained}"})
    found = read_plan(line)
    assert found is not None
    assert (found.statement, found.rows) == ("SELECT 1", 1)
    assert read_plan(json.dumps({"message": "checkpoint complete"})) is None


def test_every_scale_has_some_of_everything() -> None:
    assert Amounts.of(1) == Amounts(stations=100_000, sessions=10_000_000)
    assert Amounts.of(0.1) == Amounts(stations=10_000, sessions=1_000_000)
    smallest = Amounts.of(1e-9)
    assert smallest.stations > 0
    assert smallest.sessions > 0
