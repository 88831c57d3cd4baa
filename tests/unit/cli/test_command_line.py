import os
import subprocess
import sys

import pytest

COMMANDS = ("up", "gateway", "control", "worker", "migrate", "sim")


def voltaro(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-P", "-m", "cli", *arguments),
        env={"PATH": os.defpath, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_lists_every_command() -> None:
    result = voltaro("--help")
    assert result.returncode == 0
    for command in COMMANDS:
        assert f" {command} " in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = voltaro(command, "--help")
    assert result.returncode == 0, result.stderr
    assert f"Usage: voltaro {command}" in result.stdout


def test_garbage_is_looked_for_again_once_a_service_is_loaded() -> None:
    script = (
        "import gc; from cli.services import _loading\n"
        "with _loading(): from control.jobs.__main__ import main; print(gc.isenabled())\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 10_000)"
    )
    printed = subprocess.run(
        (sys.executable, "-P", "-c", script), capture_output=True, text=True, check=True
    ).stdout.split()
    assert printed == ["False", "True", "True"]


def test_the_command_line_alone_loads_no_service() -> None:
    script = "import cli.__main__, sys; print(*sys.modules)"
    loaded = subprocess.run(
        (sys.executable, "-P", "-c", script), capture_output=True, text=True, check=True
    ).stdout.split()
    for module in ("asyncpg", "redis", "websockets", "fastapi", "pydantic", "gateway", "simulator"):
        assert module not in loaded


@pytest.mark.parametrize("command", ["gateway", "control", "worker", "migrate"])
def test_missing_settings_are_sentences(command: str) -> None:
    result = voltaro(command)
    assert result.returncode == 2
    assert "VOLTARO_DATABASE_URL is not set" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_database_that_is_away_is_one_sentence() -> None:
    result = voltaro("migrate", VOLTARO_DATABASE_URL="postgresql://voltaro:x@127.0.0.1:1/voltaro")
    assert result.returncode == 1
    assert result.stderr.startswith(
        "voltaro migrate: Postgres at VOLTARO_DATABASE_URL does not answer"
    )
    assert result.stderr.count("\n") == 1


def test_a_wrong_option_is_refused() -> None:
    result = voltaro("up", "--gateways", "0")
    assert result.returncode == 2
    assert "--gateways" in result.stderr
