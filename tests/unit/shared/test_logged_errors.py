"""What logs say of errors: enough to act on, and no secret."""

import json
import logging
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
import structlog

from shared.settings import LogFormat, LoggingSettings
from shared.telemetry.errors import describe_error, without_secrets
from shared.telemetry.logging import configure_logging

HASH = "$argon2id$v=19$m=4096,t=2,p=1$c2FsdHNhbHRzYWx0$ZGlnZXN0ZGlnZXN0ZGlnZXN0"
SECRET = "marked-0123456789"


def test_an_error_that_holds_a_password_does_not_show_it() -> None:
    with pytest.raises(UnicodeEncodeError) as raised:
        f"{SECRET}\udcff".encode()
    assert SECRET in repr(raised.value)
    assert SECRET not in describe_error(raised.value)
    assert describe_error(raised.value).startswith("UnicodeEncodeError: 'utf-8' codec can't")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (f"cannot verify {HASH}", "cannot verify (redacted)"),
        (f"no route to redis://user:{SECRET}@host:1/0", "no route to redis://user:(redacted)@host"),
        (f"no route to redis://:{SECRET}@host:1/0", "no route to redis://:(redacted)@host"),
        (f"sent Authorization: Basic {SECRET}", "sent Authorization: Basic (redacted)"),
        (f"bad header 'bearer {SECRET}'", "bad header 'bearer (redacted)'"),
        (f"GET /v1/files/1?expires=5&signature={SECRET}", "GET /v1/files/1?expires=5&signature=("),
        (f"null value\nDETAIL:  Failing row contains ({SECRET})", "null value"),
        (f"wrong [type=x, input_value='{SECRET}', input_type=str]", "wrong [type=x, input_value=("),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, seen: str) -> None:
    assert without_secrets(text).startswith(seen)
    assert SECRET not in without_secrets(text)
    assert "ZGlnZXN0" not in without_secrets(text)


@pytest.mark.parametrize(
    "text",
    ["", "deadlock detected", "what? that", "costs $5", "http://host/path?page=2", "a\nb"],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.parametrize("text", ["\n  " * 660, "?" + "sig" * 660, "?a&" * 660, "://a:" * 400])
def test_no_text_takes_long(text: str) -> None:
    def takes_s() -> float:
        began = time.process_time()
        without_secrets(text)
        return time.process_time() - began

    assert min(takes_s() for _ in range(5)) < 0.003


def test_an_error_without_words_is_its_type() -> None:
    assert describe_error(TimeoutError()) == "TimeoutError"


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def fail() -> None:
    try:
        int(HASH)
    except ValueError as error:
        error.add_note(f"postgresql://user:{SECRET}@host")
        raise ExceptionGroup("all", [error]) from error


@pytest.mark.usefixtures("_logging_as_before")
@pytest.mark.parametrize("log_format", list(LogFormat))
def test_tracebacks_and_the_words_of_libraries_hold_no_secret(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    configure_logging(LoggingSettings(log_format=log_format), service="test")
    try:
        fail()
    except ExceptionGroup:
        structlog.get_logger().exception("it failed", address=f"redis://:{SECRET}@host")
    logging.getLogger("library").warning("connecting to %s", f"redis://:{SECRET}@host")
    text = capsys.readouterr().err
    assert "invalid literal for int" in text
    assert "connecting to" in text
    assert SECRET not in text
    assert "ZGlnZXN0" not in text
    if log_format is LogFormat.JSON:
        assert [json.loads(line)["level"] for line in text.splitlines()] == ["error", "warning"]


@pytest.mark.usefixtures("_logging_as_before")
def test_a_decimal_is_logged_as_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LoggingSettings(log_format=LogFormat.JSON), service="test")
    structlog.get_logger().warning("energy", energy_wh=Decimal("5E+4"), limit_a=Decimal("8.1"))
    line = capsys.readouterr().err
    assert '"energy_wh": 50000,' in line
    assert json.loads(line)["limit_a"] == 8.1
