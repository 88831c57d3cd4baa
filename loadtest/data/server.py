"""The Postgres that is filled and read: as fast as can be while filling, then as in production."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from loadtest.bench.servers import Cluster, cluster

_MIB = 2**20
_OURS = "bench.conf"
_SHARED_BUFFERS_MAX_BYTES = 4096 * _MIB

# What is lost by a crash is filled again. The rest of a fill is no load that anybody would have.
FILLING: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "30min",
    "autovacuum": "off",
    "maintenance_work_mem": "512MB",
    "work_mem": "256MB",
    "max_parallel_maintenance_workers": "0",  # two connections build an index each
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}

# What the documentation of PostgreSQL advises for a server of its own with an SSD (section 19.4 and
# `random_page_cost`); what makes a commit durable is as it always is.
_PRODUCTION: Mapping[str, str] = {
    "random_page_cost": "1.1",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    # Loaded, and silent until `log_plans`: it costs a look at one variable per statement.
    "shared_preload_libraries": "auto_explain",
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_directory": "plans",
    "log_filename": "plans",
    "log_rotation_size": "0",
    "log_rotation_age": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "auto_explain.log_parameter_max_length": "0",
}


def production() -> dict[str, str]:
    """Return the settings of a server that has a quarter of this machine's memory for its cache."""
    memory_bytes = psutil.virtual_memory().total
    return {
        **_PRODUCTION,
        "shared_buffers": _mib(min(memory_bytes // 4, _SHARED_BUFFERS_MAX_BYTES)),
        "effective_cache_size": _mib(memory_bytes // 2),
    }


def configure(data: Path, settings: Mapping[str, str]) -> None:
    """Write the settings of the Postgres of a data directory, in place of those of before."""
    directory = data / "postgres"
    lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
    (directory / _OURS).write_text("".join(lines), encoding="utf-8")
    main = directory / "postgresql.conf"
    include = f"include '{_OURS}'\n"
    text = main.read_text(encoding="utf-8")
    if include not in text:
        main.write_text(text + include, encoding="utf-8")


@contextmanager
def postgres_alone(data: Path) -> Iterator[Cluster]:
    """Run a cluster of which nobody but Postgres does anything."""
    with cluster(data) as running, everybody_else_stopped(running, but=("postgres",)):
        yield running


@contextmanager
def everybody_else_stopped(running: Cluster, *, but: tuple[str, ...]) -> Iterator[None]:
    """Hold the other programs of a cluster still for as long as the context lasts."""
    others = [
        psutil.Process(running.pid(name)) for name in running.report["pids"] if name not in but
    ]
    try:
        for each in others:
            each.suspend()
        yield
    finally:
        for each in others:
            each.resume()


@contextmanager
def plans_logged(data: Path, running: Cluster) -> Iterator[Path]:
    """Have Postgres log the plan of every statement, with what it read; yields the log."""
    settings = production()
    configure(data, {**settings, "auto_explain.log_min_duration": "0"})
    _reload(running)
    try:
        yield data / "postgres" / "plans" / "plans.json"
    finally:
        configure(data, settings)
        _reload(running)


def _reload(running: Cluster) -> None:
    os.kill(running.pid("postgres"), signal.SIGHUP)


def _mib(count_bytes: int) -> str:
    return f"{count_bytes // _MIB}MB"
