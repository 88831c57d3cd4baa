"""A command whose pod dies before it was sent."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.cluster import wait_until_ready
from tests.faults.commanded import commanded
from tests.support.local_cluster import Cluster


@pytest.mark.timeout(180)
async def test_a_queued_command_follows_its_station_to_another_pod(
    shared_cluster: Cluster, record_property: Callable[[str, object], None]
) -> None:
    """The pod is stopped, so that it does not take what is on its stream, and then killed."""
    api = shared_cluster.api
    waited_s = []
    async with commanded(shared_cluster, ["MOVES"]) as (station,):
        for _ in range(3):
            owner = (await api.get("/v1/stations/MOVES")).json()["owner"]["pod_id"]
            name = owner.rpartition("-")[0]
            pid = shared_cluster.pids[name]
            os.kill(pid, signal.SIGSTOP)
            asked = await api.post(
                "/v1/stations/MOVES/commands",
                json={"type": "DataTransfer", "vendor_id": "V", "wait_s": 0},
            )
            assert asked.status_code == 202, asked.text
            began = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            command = (await api.get(asked.headers["location"], params={"wait_s": 20})).json()
            waited_s.append(round(time.monotonic() - began, 2))
            assert command["state"] == "accepted"
            assert command["pod_id"] != owner
            await wait_until_ready(shared_cluster, name, not_pid=pid)
    assert station.sent_more_than_once() == 0
    record_property("a queued command waits after its pod's death s", waited_s)
    assert max(waited_s) < 5
