"""Structured logs on stderr, those of libraries included."""

import logging
import sys
from decimal import Decimal
from typing import Any, TextIO

import structlog
from rich.console import Console
from rich.traceback import Trace, Traceback

from shared.domain.decimals import json_number
from shared.settings import LogFormat, LoggingSettings
from shared.telemetry.errors import without_secrets


def configure_logging(settings: LoggingSettings, **context: str) -> None:
    """Set up structlog and the standard library's logging alike.

    Args:
        settings: level and format.
        context: fields that every line of this process carries, such as `service` and `pod_id`.
    """
    shared_processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _hide_secrets,
        _write_decimals,
    ]
    renderer: list[structlog.typing.Processor]
    if settings.log_format is LogFormat.JSON:
        renderer = [
            structlog.processors.ExceptionRenderer(_SafeTracebacks(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ]
    else:
        renderer = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=_print_safe_traceback
            )
        ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared_processors,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared_processors,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    # One line per request or handshake says nothing that the metrics do not.
    for noisy in ("uvicorn.access", "websockets", "alembic", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # Its lines hold what jobs were asked with; what there is to say of them control/jobs says.
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
    structlog.contextvars.bind_contextvars(**context)


def _hide_secrets(
    _: object, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Hide what looks like a secret, also in the words of libraries."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = without_secrets(value)
    return event


def _write_decimals(
    _: object, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Write decimals as numbers, as everywhere; a renderer would write their `repr`."""
    for name, value in event.items():
        if isinstance(value, Decimal):
            event[name] = json_number(value)
    return event


class _SafeTracebacks(structlog.tracebacks.ExceptionDictTransformer):
    """Tracebacks for machines, whose messages hold no secrets."""

    def __call__(self, exc_info: structlog.typing.ExcInfo) -> list[dict[str, Any]]:
        return [_safe(stack) for stack in super().__call__(exc_info)]


def _safe(stack: dict[str, Any]) -> dict[str, Any]:
    return {
        **stack,
        "exc_value": without_secrets(stack["exc_value"]),
        "exc_notes": [without_secrets(note) for note in stack.get("exc_notes", ())],
        "exceptions": [[_safe(each) for each in group] for group in stack.get("exceptions", ())],
    }


def _print_safe_traceback(file: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    """Print a traceback for people; local variables would show passwords."""
    traceback = Traceback.from_exception(*exc_info, show_locals=False, word_wrap=True)
    _make_safe(traceback.trace)
    file.write("\n")
    Console(file=file, color_system="truecolor" if sys.stderr.isatty() else None).print(traceback)


def _make_safe(trace: Trace) -> None:
    for stack in trace.stacks:
        stack.exc_value = without_secrets(stack.exc_value)
        stack.notes = [without_secrets(note) for note in stack.notes]
        for group in stack.exceptions:
            _make_safe(group)
