"""How much is measured: everything about a run that costs time."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One kind of run.

    Attributes:
        name: what the report calls it.
        rounds: how often each figure and its yardstick are measured in turn.
        seconds: how long one measurement of them takes.
        starts: how often the cluster is started, beside the first time.
        idle_stations: who is connected at each step of the memory figure.
        idle_steps: how many steps.
        loaded_stations: who sends at full load, and at half of it.
        fleet_sizes: the sizes that are compared; the first is the yardstick.
        storm_stations: who comes at once.
        commands: how many are sent.
        row_batches: batches of meter values per round.
        listed_stations: registered when the list is read.
        pages: how many pages of it are read.
        commits: single commits per round.
        limit_s: a run that takes longer is given up.
        installs: whether the production packages are installed, to see what they weigh.
        in_flight: messages in flight where the cost of one is measured: a busy evening, not a
            flood.
    """

    name: str
    rounds: int
    seconds: float
    starts: int
    idle_stations: int
    idle_steps: int
    loaded_stations: int
    fleet_sizes: tuple[int, ...]
    storm_stations: int
    commands: int
    row_batches: int
    listed_stations: int
    pages: int
    commits: int
    limit_s: float
    installs: bool
    in_flight: int = 50


FULL = Plan(
    name="full",
    rounds=5,
    seconds=4.0,
    starts=3,
    idle_stations=500,
    idle_steps=4,
    loaded_stations=500,
    fleet_sizes=(100, 1_000, 10_000),
    storm_stations=5_000,
    commands=500,
    row_batches=20,
    listed_stations=100_000,
    pages=400,
    commits=300,
    limit_s=1_800.0,
    installs=True,
)
QUICK = Plan(
    name="quick",
    rounds=3,
    seconds=1.5,
    starts=1,
    idle_stations=400,
    idle_steps=3,
    loaded_stations=500,
    fleet_sizes=(100, 1_000),
    storm_stations=500,
    commands=200,
    row_batches=10,
    listed_stations=10_000,
    pages=100,
    commits=200,
    limit_s=300.0,
    installs=False,
)
