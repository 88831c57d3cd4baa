from loadtest.bench.figures import Figure, Goal, Judged, compare
from loadtest.bench.plan import QUICK
from loadtest.bench.report import number, to_dict, to_markdown
from loadtest.bench.run import Run


def run(*figures: Figure) -> Run:
    return Run(
        plan=QUICK,
        figures=list(figures),
        seconds=100.0,
        others_share=0.25,
        servers={"Postgres": "18.6"},
        left_out=["a fleet of 10,000: too few files"],
    )


CPU = compare(
    "CPU per message",
    [30.0, 36.0],
    [15.0, 15.0],
    unit="µs",
    yardstick_name="raw echo",
    goal=Goal(bound=2.0, stretch=2.5),
    note="50 in flight",
    generator_shares=[0.2],
)
LATENCY = compare(
    "p99",
    [30.0],
    [1.0],
    unit="ms",
    yardstick_name="one commit",
    goal=Goal(bound=25.0, of=Judged.VALUE),
)


def test_the_table_says_which_goals_were_met() -> None:
    table = to_markdown(run(CPU), to_dict(run(CPU)))
    assert (
        "| CPU per message | 33.0 µs | 15.0 µs (raw echo) | 2.20 | 2.00 to 2.40 "
        "| ≤ 2.00 x: **missed** | ≤ 2.50 x: met |"
    ) in table


def test_a_goal_of_the_value_stands_in_its_unit() -> None:
    table = to_markdown(run(LATENCY), to_dict(run(LATENCY)))
    assert "| one round | ≤ 25.0 ms: **missed** |  |" in table


def test_the_conditions_are_told() -> None:
    table = to_markdown(run(CPU), to_dict(run(CPU)))
    assert "Other programs used 25% of all processors meanwhile." in table
    assert "Left out: a fleet of 10,000: too few files" in table
    assert "| CPU per message | 50 in flight | 20% |" in table


def test_a_baseline_adds_a_column_and_leaves_it_empty_for_what_is_new() -> None:
    lines = to_markdown(
        run(CPU, LATENCY), to_dict(run(CPU, LATENCY)), {"CPU per message": 1.1}
    ).splitlines()
    (cpu,) = (line for line in lines if line.startswith("| CPU per message | 33"))
    (latency,) = (line for line in lines if line.startswith("| p99 | 30"))
    assert cpu.endswith("| 1.10 |")
    assert latency.endswith("|  |")


def test_the_json_names_machine_versions_and_commit() -> None:
    report = to_dict(run(CPU))
    assert report["plan"] == "quick"
    assert report["versions"]["Postgres"] == "18.6"
    assert report["versions"].keys() >= {"python", "websockets", "uvloop", "ocpp", "asyncpg"}
    assert report["machine"]["processors"] > 0
    assert report["commit"]
    assert [figure["name"] for figure in report["figures"]] == ["CPU per message"]


def test_numbers_keep_the_digits_that_count() -> None:
    values = (12345.6, 123.4, 12.34, 1.234, 0.1234, 0.0001, 0.0, -12.34)
    assert [number(value) for value in values] == [
        *("12,346", "123", "12.3", "1.23", "0.123", "< 0.001", "0", "-12.3")
    ]
