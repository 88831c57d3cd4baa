"""The report of `make bench-data`."""

import json
from dataclasses import replace

from loadtest.data.fill import Amounts
from loadtest.data.measure import ReadFigure, Result, TableSize
from loadtest.data.report import failures, missed, to_dict, to_markdown

READ = ReadFigure(
    name="sessions: the newest",
    p50_ms=12.0,
    p95_ms=30.0,
    api_cpu_ms=8.5,
    postgres_cpu_ms=1.25,
    statements=1,
    rows=101,
    buffers=1234,
    scanned=[],
)
RESULT = Result(
    amounts=Amounts(stations=100_000, sessions=10_000_000),
    filled_in_s={"meter values": 200.0, "indexes": 100.0},
    reads=[READ],
    sizes=[
        TableSize(name="sessions", rows=1000, heap_bytes=400_000, index_bytes=50_000, toast_bytes=0)
    ],
    days_ms={"drop a full day of meter_values": 20.0},
    requests=200,
    server={"version": "18.6", "fsync": "on"},
    others_share={"filling": 0.1, "reading": 0.25},
)


def test_the_report_says_what_each_read_took_and_under_which_load() -> None:
    text = to_markdown(RESULT, to_dict(RESULT))
    assert (
        "| sessions: the newest | 12.0 ms | 30.0 ms | met | missed | 8.50 ms | 1.25 ms "
        "| 1 | 101 | 1,234 | no |"
    ) in text
    assert "| sessions | 1,000 | 0 MiB | 400 | 50 | 0 |" in text
    assert "Other programs used of all processors: 10% while filling, 25% while reading." in text
    assert "| all of it | 300 s |" in text


def test_a_scan_fails_and_a_missed_goal_is_told() -> None:
    scanned = replace(READ, scanned=["Seq Scan on sessions (10 rows)"], p95_ms=50.1)
    result = replace(RESULT, reads=[READ, scanned])
    assert list(failures(result)) == ["sessions: the newest: Seq Scan on sessions (10 rows)"]
    assert missed(result) == ["sessions: the newest"]
    assert list(failures(RESULT)) == missed(RESULT) == []


def test_programs_can_read_it() -> None:
    report = json.loads(json.dumps(to_dict(RESULT)))
    assert report["reads"][0]["p95_ms"] == 30.0
    assert report["amounts"]["stations"] == 100_000
    assert len(report["load_average"]) == 3
