"""Refused CALLs that an operator wants handled once more, perhaps with another payload.

They wait in Postgres, whichever pod takes them: the station need not be online, and is told nothing
of it. What a CALL says is written by the same handlers and the same writes as if it came now, so
that what was kept of it already is kept once.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import structlog

from gateway import rpc
from gateway.decoding import decode
from gateway.errors import CallRefusedError, ErrorCode, StoreAwayError
from gateway.handlers import ConnectedStation, Services
from gateway.quirks import QuirkCounter, current
from gateway.routing import Protocol
from shared.domain.stations.stations import Ownership
from shared.store.judgement import is_away
from shared.store.pool import Database
from shared.store.sessions import refused_calls as store
from shared.store.sessions.refused_calls import Replay
from shared.store.stations import stations
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

# A pod that dies with one leaves it to another after so long; none takes longer, as answers are
# held no longer than ingest_hold_s either.
_LEASE_S = 120.0
# Of a connection that is none: it speaks for nobody, so that no status is written in its name.
_NO_EPOCH = 0


class Replayer:
    """Handles refused CALLs once more, one at a time.

    Args:
        db: where they are kept.
        protocols: every version.
        services: what handlers may use.
        quirks: counts how they deviate.
    """

    def __init__(
        self,
        db: Database,
        protocols: Iterable[Protocol],
        services: Services,
        quirks: QuirkCounter,
    ) -> None:
        self._db = db
        self._protocols = {protocol.version: protocol for protocol in protocols}
        self._services = replace(services, quotas=services.quotas.without_rates())
        self._quirks = quirks
        self._interval_s = services.settings.replay_interval_s

    async def run(self) -> None:
        """Look for them again and again until cancelled."""
        away = False
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                while (replay := await store.claim(self._db, lease_s=_LEASE_S)) is not None:
                    await self._replay(replay)
                away = False
            except Exception as error:
                if is_away(error) or isinstance(error, StoreAwayError):
                    if not away:  # once for each outage
                        log.warning(
                            "refused messages are replayed later", error=describe_error(error)
                        )
                    away = True
                else:  # it is claimed, and comes again when that is over
                    log.exception("a refused message could not be replayed")

    async def _replay(self, replay: Replay) -> None:
        try:
            await self._handle(replay)
        except CallRefusedError as error:
            await store.set_refused(self._db, replay, reason=f"{error.code}: {error}")
        except StoreAwayError:
            raise
        except Exception as error:
            if is_away(error):
                raise
            log.exception("a refused message failed", dead_letter_id=replay.dead_letter_id)
            await store.set_refused(
                self._db,
                replay,
                reason=f"{ErrorCode.INTERNAL_ERROR}: our fault; it has been logged",
            )
        else:
            await store.set_delivered(self._db, replay)

    async def _handle(self, replay: Replay) -> None:
        """Handle a CALL as its connection would have.

        Raises:
            CallRefusedError: it is refused again.
            StoreAwayError: nobody can tell yet.
        """
        protocol = self._protocols[replay.ocpp_version]
        (credentials,) = await stations.get_credentials(self._db, [replay.station_id])
        if credentials is None:
            raise CallRefusedError(
                ErrorCode.GENERIC_ERROR, f"station {replay.station_id!r} is not registered any more"
            )
        ownership = Ownership(
            station_id=replay.station_id, epoch=_NO_EPOCH, pod_id="", connection_id=""
        )
        quirks = self._quirks.of_connection(ownership, protocol.version)
        current.set(quirks)
        settings = self._services.settings
        peer = rpc.Peer(protocol, quirks.note if settings.tolerate_deviations else None)
        event = peer.receive(_frame_of(replay))
        if isinstance(event, rpc.Heavy):
            event = await _in_turns(event)
        match event:
            case rpc.Call():
                pass
            case rpc.Refusal(frame, _, code):
                raise CallRefusedError(code, decode(frame)[3])
            case _:
                raise CallRefusedError(ErrorCode.FORMAT_VIOLATION, "this is no CALL")
        handlers = protocol.handlers(
            ConnectedStation(credentials, ownership, accepted=True), self._services
        )
        handled = event.route.handler(handlers, **event.kwargs)
        if event.route.waits:
            await handled


async def _in_turns(heavy: rpc.Heavy) -> rpc.Call | rpc.Refusal:
    while True:
        try:
            next(heavy.steps)
        except StopIteration as end:
            event: rpc.Call | rpc.Refusal = end.value
            return event
        await asyncio.sleep(0)


def _frame_of(replay: Replay) -> bytes:
    """Return the frame that is handled: as it came, or with what an operator put in its place.

    Raises:
        CallRefusedError: it is no JSON, so that nothing can be put in its place.
    """
    payload = replay.payload
    if payload is None and replay.transaction_id is None:
        return replay.frame.encode()
    if payload is None:
        try:
            payload = decode(replay.frame.encode())[3]
        except (msgspec.DecodeError, IndexError, KeyError, TypeError, RecursionError):
            payload = None
    if not isinstance(payload, dict):
        raise CallRefusedError(
            ErrorCode.FORMAT_VIOLATION,
            "its frame cannot be read, so that it can only be replayed with a payload",
        )
    if replay.transaction_id is not None:
        _set_transaction(replay, payload)
    return rpc.encode_call(replay.dead_letter_id, replay.action, payload)


def _set_transaction(replay: Replay, payload: dict[str, Any]) -> None:
    if replay.action == "TransactionEvent":
        info = payload.get("transactionInfo")
        payload["transactionInfo"] = {
            **(info if isinstance(info, dict) else {}),
            "transactionId": replay.transaction_id,
        }
    else:
        payload["transactionId"] = int(replay.transaction_id or 0)
