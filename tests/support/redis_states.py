"""Setting a real Redis into each state in which it answers, but does not do what it is asked."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from cli.up.ports import free_ports

_TIMEOUT_S = 10.0
_POLL_INTERVAL_S = 0.01

State = Callable[[Redis], AbstractContextManager[None]]
"""Sets what a client is connected to into a state while the block runs."""


@contextmanager
def read_only(redis: Redis) -> Iterator[None]:
    """Make it a replica of a master that is not there: READONLY, as after a fail-over.

    Who waits for an entry of a stream is told UNBLOCKED at that moment.
    """
    (nobody,) = free_ports(1)
    redis.execute_command("REPLICAOF", "127.0.0.1", nobody)
    try:
        yield
    finally:
        redis.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def cut_off_from_its_master(redis: Redis) -> Iterator[None]:
    """Make it a replica that answers nothing without its master: MASTERDOWN."""
    with _configured(redis, "replica-serve-stale-data", "no"), read_only(redis):
        yield


@contextmanager
def out_of_memory(redis: Redis) -> Iterator[None]:
    """Let it hold no more than it has: OOM."""
    with _configured(redis, "maxmemory-policy", "noeviction"), _configured(redis, "maxmemory", "1"):
        yield


@contextmanager
def without_replicas(redis: Redis) -> Iterator[None]:
    """Have it take writes only with a replica, which it has not: NOREPLICAS."""
    with _configured(redis, "min-replicas-to-write", "1"):
        yield


@contextmanager
def unblocked(redis: Redis) -> Iterator[None]:
    """Tell whoever waits for something, again and again, that it is in vain: UNBLOCKED."""
    stop = threading.Event()

    def unblock() -> None:
        while not stop.wait(0.02):
            for client in redis.client_list():
                if "b" in client["flags"]:
                    redis.execute_command("CLIENT", "UNBLOCK", client["id"], "ERROR")

    thread = threading.Thread(target=unblock)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def unable_to_save(redis: Redis) -> Iterator[None]:
    """Have something stand where it is to save what it holds: MISCONF."""
    name = redis.config_get("dbfilename")["dbfilename"]
    obstacle = Path(redis.config_get("dir")["dir"]) / name
    with _configured(redis, "save", "3600 1000000"):
        (obstacle / "in-the-way").mkdir(parents=True)
        try:
            with suppress(RedisError):
                redis.bgsave()
            _wait_until(lambda: redis.info("persistence")["rdb_last_bgsave_status"] != "ok")
            yield
        finally:
            shutil.rmtree(obstacle)
            redis.bgsave()
            _wait_until(lambda: redis.info("persistence")["rdb_last_bgsave_status"] == "ok")


@contextmanager
def busy_with_a_script(redis: Redis) -> Iterator[None]:
    """Have it run a script without end: BUSY."""

    def run() -> None:
        known = redis.get_connection_kwargs()
        address = {name: known[name] for name in ("host", "port", "password")}
        with suppress(RedisError), Redis(**address) as other:
            other.eval("while true do end", 0)

    with _configured(redis, "busy-reply-threshold", "10"):
        thread = threading.Thread(target=run)
        thread.start()
        try:
            _wait_until(lambda: _refuses(redis))
            yield
        finally:
            redis.script_kill()
            thread.join()


@contextmanager
def forbidding_writes(redis: Redis) -> Iterator[None]:
    """Take from our user the right to write: NOPERM."""
    redis.execute_command("ACL", "SETUSER", "default", "-@write")
    try:
        yield
    finally:
        redis.execute_command("ACL", "SETUSER", "default", "+@all")


def _refuses(redis: Redis) -> bool:
    try:
        redis.dbsize()
    except RedisError:
        return True
    return False


def _wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while not happened():
        if time.monotonic() > deadline:
            raise RuntimeError("Redis does not come into the state that a test wants")
        time.sleep(_POLL_INTERVAL_S)


@contextmanager
def _configured(redis: Redis, name: str, value: str) -> Iterator[None]:
    before = redis.config_get(name)[name]
    redis.config_set(name, value)
    try:
        yield
    finally:
        redis.config_set(name, before)
