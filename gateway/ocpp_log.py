"""Writes the OCPP log: every frame both ways, without anybody waiting for it.

What a message costs here is a tuple in a list. Now and then the list becomes rows, in bulk. A
group commit as facts have it writes as soon as something is there: at a small load that would be
one more transaction per message, for a log that nobody is waiting for.

A Postgres that is slow or away costs entries and never memory: what waits is bounded, and what is
beyond that is dropped and counted.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import NamedTuple, TypeAlias

import msgspec
import structlog

from gateway.decoding import decode
from gateway.settings import GatewaySettings
from shared.domain.redaction import REDACTED, Secrets, find_secrets, hide, redact
from shared.domain.secret_names import mentions_a_secret
from shared.domain.stations.ocpp_log import (
    CALL_RESULT,
    MAY_HOLD_SECRETS,
    PERIODIC_ACTIONS,
    Direction,
    LogLevel,
)
from shared.store.judgement import is_away
from shared.store.pool import Pool
from shared.store.retrying import try_again
from shared.store.stations import ocpp_log as store
from shared.telemetry import metrics
from shared.telemetry.errors import describe_error
from shared.telemetry.tracing import current_trace_id

log = structlog.get_logger()

_WRITE_TIMEOUT_S = 5.0
# Rows of one COPY: to make them takes the event loop some 2 ms.
_MAX_ROWS = 1000
# What an exchange takes beside its frames.
_EXCHANGE_BYTES = 500
# Of what is no message of OCPP: a station that sends garbage must not fill the log with it.
_EXCERPT_BYTES = 1024
# What may hold secrets is read and written anew to find them, which takes up to 0.4 µs per byte. Of
# a longer frame nothing is kept.
_MAX_MASKED_BYTES = 64 * 1024


class Exchange(NamedTuple):
    """A CALL and what became of it; times are those of `time.monotonic`.

    `action` is "" where no version knows it. `outcome` is "CallResult", the code of a CALLERROR,
    "MalformedAnswer", or one of `NoAnswer`; `detail` says more where the frames do not.
    """

    station_id: str
    ocpp_version: str
    direction: Direction
    action: str
    message_id: str | None
    outcome: str
    request: bytes
    response: bytes | None
    called_at_s: float
    answered_at_s: float | None
    detail: str | None = None


# A number stays one.
_encode = msgspec.json.Encoder(decimal_format="number").encode

_Waiting: TypeAlias = tuple[Exchange, int, bool, str | None]
"""An exchange, the bytes it takes, whether it was cut, and the trace that it belongs to."""


class OcppLog:
    """The log of one pod.

    Args:
        db: where it is kept.
        settings: how much is logged, and how much may wait.
        pod_id: who we are.
        grant_kib: says of a station how many of so many KiB are to be kept.
    """

    __slots__ = (
        "_anything",
        "_db",
        "_flushing",
        "_grant_kib",
        "_interval_s",
        "_left_out",
        "_max_frame_bytes",
        "_max_waiting_bytes",
        "_only_errors",
        "_pod_id",
        "_waiting",
        "_waiting_bytes",
    )

    def __init__(
        self,
        db: Pool,
        settings: GatewaySettings,
        *,
        pod_id: str,
        grant_kib: Callable[[str, int], int],
    ) -> None:
        level = settings.ocpp_log_level
        self._db = db
        self._pod_id = pod_id
        self._grant_kib = grant_kib
        self._anything = level is not LogLevel.OFF
        self._only_errors = level in {LogLevel.OFF, LogLevel.ERRORS}
        self._left_out = frozenset[str]() if level is LogLevel.ALL else PERIODIC_ACTIONS
        self._interval_s = settings.ocpp_log_interval_s
        self._max_frame_bytes = settings.ocpp_log_max_frame_bytes
        self._max_waiting_bytes = settings.ocpp_log_max_waiting_bytes
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._flushing = asyncio.Lock()

    def wants(self, action: str, outcome: str) -> bool:
        """Tell whether an exchange belongs into the log, at the level that it has."""
        if outcome == CALL_RESULT:
            return not self._only_errors and action not in self._left_out
        return self._anything

    def add(self, exchange: Exchange, told: Secrets = frozenset()) -> None:
        """Take an exchange that the log wants: to be written later, or dropped and counted.

        Args:
            exchange: what went over the wire.
            told: secrets that the station was told before, if they may come back in this.
        """
        if told or not exchange.action or exchange.action in MAY_HOLD_SECRETS:
            exchange = _mask(exchange, told)
        response = exchange.response
        size = len(exchange.request) + (0 if response is None else len(response))
        truncated = size > self._max_frame_bytes or not exchange.action
        if truncated:
            exchange, size, truncated = self._cut(exchange)
        if self._waiting_bytes + size > self._max_waiting_bytes:
            metrics.ocpp_log_dropped.labels("too many wait").inc()
            return
        size += _EXCHANGE_BYTES
        self._waiting_bytes += size
        self._waiting.append((exchange, size, truncated, current_trace_id()))

    async def run(self) -> None:
        """Write again and again until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits, and what is being written, or drop and count it."""
        async with self._flushing:
            waiting, self._waiting = self._waiting, []
            waiting = self._within_quotas(waiting)
            for start in range(0, len(waiting), _MAX_ROWS):
                chunk = waiting[start : start + _MAX_ROWS]
                await self._write(chunk)
                self._waiting_bytes -= sum(each[1] for each in chunk)

    def _within_quotas(self, waiting: list[_Waiting]) -> list[_Waiting]:
        """Leave out what stations say beyond their quotas, from the first that does not fit."""
        said: dict[str, int] = {}
        for exchange, size, _, _ in waiting:
            said[exchange.station_id] = said.get(exchange.station_id, 0) + size
        room = {
            station_id: granted
            for station_id, size in said.items()
            if (granted := self._grant_kib(station_id, ceil(size / 1024)) * 1024) < size
        }
        if not room:
            return waiting
        kept = []
        for each in waiting:
            exchange, size, _, _ = each
            if exchange.station_id in room:
                room[exchange.station_id] -= size
                if room[exchange.station_id] < 0:
                    self._waiting_bytes -= size
                    metrics.ocpp_log_dropped.labels("quota").inc()
                    continue
            kept.append(each)
        return kept

    async def _write(self, chunk: Sequence[_Waiting]) -> None:
        try:
            await try_again(
                lambda: store.write(
                    self._db, _rows(chunk, self._pod_id), timeout_s=_WRITE_TIMEOUT_S
                )
            )
        except Exception as error:  # the log must not cost the pod
            metrics.ocpp_log_dropped.labels("not written").inc(len(chunk))
            if is_away(error):
                log.warning(
                    "a part of the OCPP log is lost", rows=len(chunk), error=describe_error(error)
                )
            else:
                log.exception("a part of the OCPP log was refused by Postgres", rows=len(chunk))
        else:
            metrics.ocpp_log_written.inc(len(chunk))

    def _cut(self, exchange: Exchange) -> tuple[Exchange, int, bool]:
        limit = self._max_frame_bytes if exchange.action else _EXCERPT_BYTES
        request, response = exchange.request[:limit], (exchange.response or b"")[:limit]
        size = len(request) + len(response)
        truncated = size < len(exchange.request) + len(exchange.response or b"")
        if truncated:
            kept = None if exchange.response is None else response
            exchange = exchange._replace(request=request, response=kept)
        return exchange, size, truncated


def _rows(chunk: Sequence[_Waiting], pod_id: str) -> Iterator[tuple[object, ...]]:
    """Give the rows of `store.write`; on the way of every message, hence in one piece."""
    # Found anew for each chunk, as the machine's clock may have been set meanwhile.
    clock_s = time.time() - time.monotonic()
    to_time = datetime.fromtimestamp
    for exchange, _, truncated, trace_id in chunk:
        (
            station_id, ocpp_version, direction, action, message_id, outcome, request, response,
            called_at_s, answered_at_s, detail,
        ) = exchange  # fmt: skip
        yield (
            to_time(called_at_s + clock_s, UTC),
            station_id,
            ocpp_version,
            direction,
            action or None,
            message_id and _without_nul(message_id),
            outcome,
            detail,
            answered_at_s and int((answered_at_s - called_at_s) * 1e6),
            _text(request),
            None if response is None else _text(response),
            truncated,
            pod_id,
            trace_id,
        )


def _text(frame: bytes) -> str:
    """Return a frame as Postgres can keep it: what was cut may end within a character."""
    return _without_nul(frame.decode(errors="replace"))


def _without_nul(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in text else text


def secrets_in(frame: bytes) -> Secrets:
    """Return the secrets of a frame that is JSON."""
    try:
        return find_secrets(decode(frame)) if len(frame) <= _MAX_MASKED_BYTES else frozenset()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return frozenset()


def _mask(exchange: Exchange, told: Secrets) -> Exchange:
    secrets = told | secrets_in(exchange.request)
    response = exchange.response
    if len(exchange.request) > _MAX_MASKED_BYTES:
        # Of what nobody has looked through the answer may repeat something.
        return exchange._replace(
            outcome=hide(exchange.outcome, secrets),
            request=_unread(exchange.request, exchange.action, told),
            response=None if response is None else REDACTED.encode(),
        )
    return exchange._replace(
        outcome=hide(exchange.outcome, secrets),  # the station's own word, in a CALLERROR
        request=_mask_frame(exchange.request, told),
        response=None if response is None else _mask_frame(response, secrets),
    )


def _unread(frame: bytes, action: str, secrets: Secrets) -> bytes:
    """Return what may be kept of a frame that is not looked through."""
    if action:
        return f"(not kept: {len(frame)} bytes are too long to look for secrets in)".encode()
    excerpt = frame[:_EXCERPT_BYTES]
    return REDACTED.encode() if b"://" in excerpt else _mask_text(frame, secrets)


def _mask_frame(frame: bytes, secrets: Secrets) -> bytes:
    """Return a frame without secrets; one that has none stays as it is."""
    if len(frame) > _MAX_MASKED_BYTES:
        return _unread(frame, "an answer", secrets)
    try:
        content = decode(frame)
        masked = hide(redact(content), secrets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Nobody can tell what is what in it; no more than this is kept of it.
        return _mask_text(frame, secrets)
    return frame if masked == content else _encode(masked)


def _mask_text(frame: bytes, secrets: Secrets) -> bytes:
    excerpt = frame[:_EXCERPT_BYTES].decode(errors="replace")
    shows = mentions_a_secret(excerpt) or hide(excerpt, secrets) != excerpt
    return REDACTED.encode() if shows else frame
