"""Every OCPP Action has one home, and no version reaches into another or into the domain."""

import ast
import inspect
import pkgutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import pytest

import gateway.ocpp16
import gateway.ocpp201
from gateway.routing import Protocol
from shared.domain.commands import COMMANDS, Call
from tests.conformance.ocpp16.coverage import FROM_STATION, TO_STATION

ROOT = Path(__file__).parents[2]
DOMAIN = sorted((ROOT / "shared" / "domain").rglob("*.py"))

VERSIONS = pytest.mark.parametrize(
    ("package", "words"),
    [(gateway.ocpp16, "ocpp.v16"), (gateway.ocpp201, "ocpp.v201")],
    ids=["1.6", "2.0.1"],
)


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield import_module(info.name)


def methods(package: ModuleType) -> Iterator[tuple[str, Any]]:
    """Give every method that is written in a package, with its module."""
    for module in modules(package):
        for _, class_ in inspect.getmembers(module, inspect.isclass):
            if class_.__module__ == module.__name__:
                for method in vars(class_).values():
                    if inspect.isfunction(method):
                        yield module.__name__, method


def messages_sent(method: Any) -> tuple[type, ...]:
    """Return the `call` dataclasses that a `@sends` method may return."""
    returned = get_type_hints(method)["return"]
    return get_args(returned) or (returned,)


def actions_of(method: Any) -> list[str]:
    if hasattr(method, "_on_action"):
        return [str(method._on_action)]
    if hasattr(method, "_sends"):
        return [message.__name__ for message in messages_sent(method)]
    return []


@VERSIONS
def test_every_action_has_one_home(package: ModuleType, words: str) -> None:
    del words
    homes: dict[str, list[str]] = defaultdict(list)
    for module, method in methods(package):
        for action in actions_of(method):
            homes[action].append(module)
    assert homes
    for module, method in methods(package):
        if hasattr(method, "_answered"):  # beside the method that sends it
            assert homes[str(method._answered)] == [module]
    # DataTransfer goes both ways: two methods, one file.
    assert {action: files for action, files in homes.items() if len(set(files)) > 1} == {}
    twice = {action for action, files in homes.items() if len(files) > 1}
    assert twice <= {"DataTransfer"}


def test_every_message_of_1_6_has_its_home_and_none_is_unknown() -> None:
    written = [method for _, method in methods(gateway.ocpp16)]
    received = {str(method._on_action) for method in written if hasattr(method, "_on_action")}
    sent = {
        message.__name__
        for method in written
        if hasattr(method, "_sends")
        for message in messages_sent(method)
    }
    assert received == {message.action for message in FROM_STATION}
    assert sent == {message.action for message in TO_STATION}
    assert received | sent == gateway.ocpp16.PROTOCOL.actions


@VERSIONS
def test_a_version_routes_and_sends_what_is_written_in_its_package(
    package: ModuleType, words: str
) -> None:
    del words
    protocol = package.PROTOCOL
    assert isinstance(protocol, Protocol)
    written = [method for _, method in methods(package)]
    routed = {str(m._on_action) for m in written if hasattr(m, "_on_action")}
    assert protocol.routes.keys() == routed
    assert set(protocol.senders.values()) == {m for m in written if hasattr(m, "_sends")}
    readers = {m for m in written if hasattr(m, "_answered")}
    assert set(protocol.answer_readers.values()) == readers
    assert {action for m in written for action in actions_of(m)} <= protocol.actions


@VERSIONS
def test_a_version_speaks_in_its_own_words(package: ModuleType, words: str) -> None:
    for _, method in methods(package):
        if hasattr(method, "_on_action"):
            assert type(method._on_action).__module__ == f"{words}.enums"
        if hasattr(method, "_answered"):
            assert type(method._answered).__module__ == f"{words}.enums"
        if hasattr(method, "_sends"):
            assert {m.__module__ for m in messages_sent(method)} == {f"{words}.call"}


@VERSIONS
def test_a_version_can_say_every_command(package: ModuleType, words: str) -> None:
    del words
    assert package.PROTOCOL.senders.keys() == set(COMMANDS.values()) - {Call}


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: path.name)
def test_the_domain_stands_on_the_standard_library_alone(path: Path) -> None:
    foreign = {
        name
        for name in imports(path)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not name.startswith("shared.domain.")
    }
    assert foreign == set()


@VERSIONS
def test_versions_do_not_know_each_other(package: ModuleType, words: str) -> None:
    others = {"gateway.ocpp16", "gateway.ocpp201"} - {package.__name__}
    other_words = {"ocpp.v16", "ocpp.v201"} - {words}
    (folder,) = package.__path__
    for path in Path(folder).glob("*.py"):
        for name in imports(path):
            assert not name.startswith((*others, *other_words)), f"{path.name} imports {name}"
