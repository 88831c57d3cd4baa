"""`voltaro control` and `voltaro worker` as processes."""

import asyncio
import os
import signal
import sys

import httpx
import pytest

from cli.up.ports import free_ports
from tests.integration.control.players import API_KEY, PodPlayer
from tests.support.eventually import eventually
from tests.support.http import http_client

MODULES = ["control", "control.jobs"]


async def start(
    module: str, port: int, *, http_port: int = 0, **environment: str
) -> asyncio.subprocess.Process:
    """Start a process with its management port at `port`."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        env={
            "PATH": os.environ["PATH"],
            "VOLTARO_API_KEYS": API_KEY,
            "VOLTARO_HTTP_HOST": "127.0.0.1",
            "VOLTARO_HTTP_PORT": str(http_port),
            "VOLTARO_MANAGEMENT_HOST": "127.0.0.1",
            "VOLTARO_MANAGEMENT_PORT": str(port),
            **environment,
        },
        stderr=asyncio.subprocess.PIPE,
    )


async def ready(port: int) -> bool:
    async with http_client() as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        except httpx.TransportError:
            return False


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_ends_in_order_when_it_is_told_to(
    database_url: str, redis_url: str, module: str, number: signal.Signals
) -> None:
    (port,) = free_ports(1)
    process = await start(
        module, port, VOLTARO_DATABASE_URL=database_url, VOLTARO_REDIS_URL=redis_url
    )
    await eventually(lambda: ready(port), bool, timeout_s=30)
    process.send_signal(number)
    _, log = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0
    assert b"has stopped" in log
    assert b"Traceback" not in log


async def test_a_call_that_waits_for_a_station_does_not_hold_up_the_end(
    database_url: str, redis_url: str, pod: PodPlayer
) -> None:
    await pod.hold("CS-1")
    port, http_port = free_ports(2)
    process = await start(
        "control",
        port,
        http_port=http_port,
        VOLTARO_DATABASE_URL=database_url,
        VOLTARO_REDIS_URL=redis_url,
    )
    await eventually(lambda: ready(port), bool, timeout_s=30)
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with http_client(headers=headers, timeout=20) as client:
        url = f"http://127.0.0.1:{http_port}/v1/stations/CS-1/commands"
        asking = asyncio.create_task(client.post(url, json={"type": "Reset"}))
        await pod.next_command()
        process.terminate()
        assert (await asking).status_code == 202
    await asyncio.wait_for(process.communicate(), 5)
    assert process.returncode == 0


@pytest.mark.parametrize("module", MODULES)
async def test_a_process_that_cannot_reach_postgres_says_so_in_one_line_and_fails(
    redis_url: str, module: str
) -> None:
    ports = free_ports(2)
    process = await start(
        module,
        ports[0],
        VOLTARO_DATABASE_URL=f"postgresql://voltaro@127.0.0.1:{ports[1]}/voltaro",
        VOLTARO_REDIS_URL=redis_url,
    )
    _, log = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    (line,) = log.decode().splitlines()
    assert "Postgres at VOLTARO_DATABASE_URL does not answer" in line


@pytest.mark.parametrize("management", [True, False])
async def test_a_port_that_is_taken_is_said_in_one_line(
    database_url: str, redis_url: str, *, management: bool
) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await start(
        "control",
        port if management else 0,
        http_port=0 if management else port,
        VOLTARO_DATABASE_URL=database_url,
        VOLTARO_REDIS_URL=redis_url,
    )
    _, log = await asyncio.wait_for(process.communicate(), 30)
    server.close()
    assert process.returncode == 1
    (line,) = log.decode().splitlines()
    assert f"cannot listen on 127.0.0.1:{port}" in line
