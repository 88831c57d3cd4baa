"""Fixtures that give a test real servers, or a whole cluster.

Every pytest process (under xdist: every worker) starts its own Postgres and Redis at the first test
that asks for one, on free ports and below pytest's temporary directory. So runs side by side do not
meet, a test may stop a server without disturbing other workers, and a killed pytest leaves no
process behind.
"""

import gc
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, settings
from xdist.scheduler import LoadScopeScheduling

from tests.faults.table import PROPERTY, Finding, render, write
from tests.support.lent_databases import LentDatabases
from tests.support.local_cluster import Cluster, RunningCluster, running_cluster
from tests.support.local_servers import PostgresServer, RedisServer, running_postgres, running_redis

# Whole clusters, in two rows that take alike long: more of them at once would starve each other.
_ROWS = {
    "tests/cluster/": "clusters",
    "tests/faults/test_a": "clusters",
    "tests/faults/test_co": "clusters",
    "tests/faults/test_d": "clusters",
    "tests/faults/test_ep": "clusters",
    "tests/faults/": "faults",
}

# How long an example takes says how busy the machine is.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")
# For `make mutants`: each mutant meets the same examples, and that one fails is all that is asked.
settings.register_profile(
    "mutants",
    parent=settings.get_profile("any-machine"),
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Postgres 18; ask for `database_url` unless the test is about the server itself."""
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Redis 8; ask for `redis_url` unless the test is about the server itself."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_template(postgres_server: PostgresServer) -> str:
    """Name of a database whose schema is current; never connect to it."""
    # Here, as loading it takes a second that most unit tests need not wait for.
    from shared.store.migrate import migrate  # noqa: PLC0415

    name = "template_voltaro"
    await postgres_server.create_database(name)
    await migrate(postgres_server.url(name), connect_timeout_s=5)
    return name


@pytest.fixture(scope="session")
def lent_databases(postgres_server: PostgresServer, migrated_template: str) -> LentDatabases:
    """Databases that the tests of one worker use one after another."""
    return LentDatabases(postgres_server, migrated_template)


@pytest.fixture
async def database_url(lent_databases: LentDatabases) -> AsyncIterator[str]:
    """URL of a database of this test's own, with the current schema and no rows."""
    async with lent_databases.lend() as url:
        yield url


@pytest.fixture
async def empty_database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """URL of a database of this test's own, without any table."""
    async with postgres_server.database() as url:
        yield url


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """URL of an empty Redis; the tests of one worker use it one after another."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """A new `voltaro up` without stations, for tests that break it beyond repair."""
    with running_cluster(tmp_path / "data") as running:
        async with _with_client(running) as cluster:
            yield cluster


@pytest.fixture(scope="session")
def kept_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """The cluster behind `shared_cluster`."""
    with running_cluster(tmp_path_factory.mktemp("cluster") / "data") as running:
        yield running


@pytest.fixture
async def shared_cluster(kept_cluster: RunningCluster) -> AsyncIterator[Cluster]:
    """A `voltaro up` without stations, for tests that leave it as well as they found it.

    Those of one worker share it: to start one is five seconds of processor time. Each makes
    stations of its own.
    """
    async with _with_client(kept_cluster) as cluster:
        yield cluster


@asynccontextmanager
async def _with_client(running: RunningCluster) -> AsyncIterator[Cluster]:
    async with running.client() as api:
        facts = {field.name: getattr(running, field.name) for field in fields(running)}
        yield Cluster(**facts, api=api)


class ClustersInRows(LoadScopeScheduling):
    """Gives a worker whole files, and all tests of a row of whole clusters to one worker.

    (xdist's own groups do nothing under pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return _row_of(nodeid) or nodeid.partition("::")[0]


def _row_of(nodeid: str) -> str | None:
    return next((row for start, row in _ROWS.items() if nodeid.startswith(start)), None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Have nobody look for garbage while tests are collected, nor afterwards in what stays."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the rows begin at once: they take longest."""
    items.sort(key=lambda item: _row_of(item.nodeid) is None)


@pytest.hookimpl(optionalhook=True)  # pytest also runs without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ClustersInRows:
    """Tell xdist how to share tests among its workers."""
    return ClustersInRows(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add where `make faults` writes what it found."""
    parser.addoption("--faults-report", type=Path, help="write the table of faults there as JSON")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print what tests have measured and told, and the table of faults."""
    properties = [
        each
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        for each in report.user_properties
    ]
    if measured := [f"{name}: {value}" for name, value in properties if name != PROPERTY]:
        terminalreporter.section("measured")
        for line in measured:
            terminalreporter.write_line(line)
    if findings := [
        Finding(**json.loads(str(value))) for name, value in properties if name == PROPERTY
    ]:
        terminalreporter.section("faults")
        for line in render(findings):
            terminalreporter.write_line(line)
        if path := config.getoption("--faults-report"):
            write(findings, path)
