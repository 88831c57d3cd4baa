"""How long a command takes from the API to the station and back."""

import time

import msgspec

from loadtest.bench.context import PASSWORD, Bench
from loadtest.bench.figures import Figure, Goal, Judged, compare, quantile
from loadtest.bench.fleet import fleet
from loadtest.bench.load import LoadError
from loadtest.bench.websocket import StationSocket

_MS = 1e3
_STATIONS = 50


async def measure(bench: Bench) -> list[Figure]:
    """p50 and p99 of RemoteStart over the time of the station's own answer.

    One command at a time, each to the next station. The yardstick is a single commit, of which a
    command needs three: it is kept before it is sent, when it is sent, and when it has ended.
    """
    plan = bench.plan
    ids = await bench.register("BENCH-", _STATIONS, secured=True)
    values: list[list[float]] = []
    commits: list[list[float]] = []
    async with fleet(bench.cluster.gateway_url, ids, PASSWORD) as stations:
        answerer = _Answerer()
        for station in stations:
            station.on_message = answerer.answer
        await _send(bench, ids, answerer, len(ids))  # the first ones open connections
        for _ in range(plan.rounds):
            commits.append(await bench.postgres.commit(plan.commits))
            values.append(await _send(bench, ids, answerer, plan.commands // plan.rounds))
    return [
        compare(
            f"remote command p{share * 100:.0f}",
            [quantile(took, share) * _MS for took in values],
            [quantile(commit, share) * _MS for commit in commits],
            unit="ms",
            yardstick_name="one commit",
            goal=goal,
            note="API to station and back, one at a time",
        )
        for share, goal in (
            (0.5, Goal(bound=8.0, stretch=4.0, of=Judged.VALUE)),
            (0.99, Goal(bound=40.0, stretch=15.0, of=Judged.VALUE)),
        )
    ]


async def _send(
    bench: Bench, station_ids: list[str], answerer: "_Answerer", count: int
) -> list[float]:
    """Send commands one after another; return what each took beside the station's own time."""
    took_s = []
    for number in range(count):
        station_id = station_ids[number % len(station_ids)]
        began_s = time.perf_counter()
        response = await bench.api.post(
            f"/v1/stations/{station_id}/commands",
            json={"type": "RemoteStart", "id_token": "BENCH", "evse_id": 1},
        )
        took_s.append(time.perf_counter() - began_s - answerer.own_s)
        if response.is_error or response.json()["state"] != "accepted":
            raise LoadError(f"a command to {station_id} came to nothing: {response.text}")
    return took_s


class _Answerer:
    """Accepts every CALL. `own_s` is the time that the last answer took here."""

    def __init__(self) -> None:
        self.own_s = 0.0

    def answer(self, station: StationSocket, message: bytes) -> None:
        """Answer at once."""
        began_s = time.perf_counter()
        message_id = msgspec.json.decode(message)[1]
        station.send(msgspec.json.encode([3, message_id, {"status": "Accepted"}]))
        self.own_s = time.perf_counter() - began_s
