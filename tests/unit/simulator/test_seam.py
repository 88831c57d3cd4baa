"""The protocol core does no I/O, and each version of OCPP is known to its own package only."""

import ast
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import simulator
from simulator.profile import OcppVersion, StationProfile
from simulator.station import Station
from simulator.versions import DIALECTS

FOLDER = Path(simulator.__file__).parent

#: Modules that own a socket, a clock or an event loop.
DRIVERS = {"driver", "eventlog", "fleet", "http_files", "running"}

#: Knows every version, so that nothing else has to.
REGISTRY = "versions"

MODULES = sorted(path for path in FOLDER.rglob("*.py") if path.stem not in DRIVERS)
NEUTRAL = [path for path in MODULES if path.parent == FOLDER and path.stem != REGISTRY]

IO = {"asyncio", "gevent", "httpx", "selectors", "socket", "ssl", "threading", "time", "websockets"}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_the_drivers_are_those_that_exist() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} >= DRIVERS


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_the_core_does_no_io_and_reads_no_clock(path: Path) -> None:
    assert not {name.partition(".")[0] for name in _imports(path)} & IO
    called = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    forbidden = {"datetime.now", "datetime.utcnow", "datetime.today", "random.Random"}
    assert not called & forbidden
    assert not {name for name in called if name in {f"random.{each}" for each in dir(random)}}


@pytest.mark.parametrize("path", NEUTRAL, ids=lambda path: path.stem)
def test_what_is_neutral_knows_no_version(path: Path) -> None:
    assert not [name for name in _imports(path) if name.startswith("simulator.ocpp")]
    words = {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert not words & {
        *("StartTransaction", "StopTransaction", "MeterValues", "idTag", "idTagInfo"),
        *("TransactionEvent", "StatusNotification", "idToken", "transactionInfo", "evseId"),
    }


@pytest.mark.parametrize("version", sorted(path.name for path in FOLDER.glob("ocpp*")))
def test_versions_do_not_know_each_other(version: str) -> None:
    known = {
        name.split(".")[1]
        for path in (FOLDER / version).glob("*.py")
        for name in _imports(path)
        if name.startswith("simulator.ocpp")
    }
    assert known == {version}


def test_every_version_can_be_spoken_and_has_its_own_subprotocol() -> None:
    assert set(DIALECTS) == set(OcppVersion)
    now = 0.0
    spoken = {
        Station(
            StationProfile(station_id="SIM-1", version=version),
            make_dialect=make_dialect,
            rng=random.Random(1),  # noqa: S311  # noise, no secret
            now=now,
        ).dialect.subprotocol
        for version, make_dialect in DIALECTS.items()
    }
    assert spoken == {f"ocpp{version}" for version in OcppVersion}
