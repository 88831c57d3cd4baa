"""Carries out what this pod is asked to do through its stream."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Protocol

import structlog
from websockets.frames import CloseCode

from gateway import rpc
from gateway.answer_frames import CallError, CallResult, MalformedAnswer
from gateway.connection import StationConnection
from gateway.decoding import without_decimals
from gateway.errors import (
    CallRefusedError,
    CannotBeSaidError,
    ConnectionLostError,
    StoreAwayError,
    TooLateError,
)
from gateway.ingest import Ingest
from gateway.liveness import Liveness
from gateway.quotas import Quota, StationQuotas
from gateway.routing import AnsweredCall
from gateway.settings import GatewaySettings
from shared.bus.streams import (
    CloseConnection,
    ConnectionPinged,
    OutcomeAnnouncer,
    PingConnection,
    PodRequest,
    PodRequestReader,
    RunCommand,
)
from shared.domain.commands import (
    CommandRecord,
    CommandState,
    Outcome,
    RemoteStart,
    outcome_of_malformed_answer,
    outcome_without_answer,
    parse_command,
    remote_start_id_of,
)
from shared.domain.errors import InvalidInputError, UnavailableError
from shared.domain.redaction import Secrets, find_secrets, hide
from shared.domain.stations.ocpp_log import MALFORMED_ANSWER
from shared.domain.stations.stations import RegistrationStatus
from shared.store.commands import commands as store
from shared.store.judgement import is_away, is_refused
from shared.store.pool import Database
from shared.store.retrying import try_again
from shared.telemetry import metrics

log = structlog.get_logger()

_RETRY_INTERVAL_S = 1.0
_FINISH_ATTEMPTS = 5
# A page of the API has up to 1000 commands, so that a station's refusals must not be long ones.
_CALL_ERROR_KEPT_BYTES = 8192
# The words for yes in the `status` of an answer. Any other word is a no.
_ACCEPTED = frozenset({"Accepted", "AcceptedCanceled", "Scheduled", "Unlocked", "RebootRequired"})
# What starts or stops a charge, as 1.6 and 2.0.1 call it.
_CHARGES = frozenset(
    {
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "RequestStartTransaction",
        "RequestStopTransaction",
    }
)


class Connections(Protocol):
    """Where the runner finds a station's connection."""

    def get(self, station_id: str) -> StationConnection | None:
        """Return the connection this pod holds of a station."""


class CommandRunner:
    """Reads the pod's stream and runs each command on its station's connection.

    Commands of one station run one after another, those of different stations side by side.

    Args:
        db: where commands are kept.
        ingest: commits what answers tell.
        reader: this pod's stream.
        announcer: wakes who waits for an outcome.
        connections: what this pod holds.
        withdraw: stops commands from coming here for a station that is not.
        liveness: answers other pods.
        quotas: bound what one station can make us keep.
        pod_id: who we are.
        settings: time-outs and limits.
    """

    def __init__(
        self,
        *,
        db: Database,
        ingest: Ingest,
        reader: PodRequestReader,
        announcer: OutcomeAnnouncer,
        connections: Connections,
        withdraw: Callable[[str], Coroutine[None, None, None]],
        liveness: Liveness,
        quotas: StationQuotas,
        pod_id: str,
        settings: GatewaySettings,
    ) -> None:
        self._db = db
        self._ingest = ingest
        self._reader = reader
        self._announcer = announcer
        self._connections = connections
        self._withdraw = withdraw
        self._liveness = liveness
        self._quotas = quotas
        self._pod_id = pod_id
        self._settings = settings
        self._accepting = True
        self._working: set[asyncio.Task[None]] = set()

    def stop_accepting(self) -> None:
        """Send no new CALL: this pod drains. What stays queued is routed again by the worker."""
        self._accepting = False

    async def drain(self, *, timeout_s: float) -> None:
        """Wait for the answers that are still to come and for their outcomes to be kept.

        Args:
            timeout_s: but not longer than this.
        """
        if self._working:
            await asyncio.wait(self._working, timeout=timeout_s)

    async def run(self) -> None:
        """Carry out requests until cancelled."""
        receiving = True
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    entries = await self._reader.read()
                except UnavailableError as error:
                    if receiving:  # once for each outage
                        log.warning("commands cannot be received", error=str(error))
                    receiving = False
                    await asyncio.sleep(_RETRY_INTERVAL_S)
                    continue
                receiving = True
                for _, request in entries:
                    self._take(tasks, request)
                if entries:
                    # Already now: what is asked stands in Postgres, and the worker routes again
                    # what this pod takes with it.
                    await self._acknowledge([entry_id for entry_id, _ in entries])

    def _take(self, tasks: asyncio.TaskGroup, request: PodRequest | None) -> None:
        match request:
            case RunCommand(station_id=station_id) if self._accepting:
                connection = self._connections.get(station_id)
                if connection is None:
                    tasks.create_task(self._withdraw(station_id))
                else:
                    self._enqueue(tasks, connection, request)
            case CloseConnection(station_id, epoch, reason):
                connection = self._connections.get(station_id)
                if connection is not None and connection.station.ownership.epoch <= epoch:
                    tasks.create_task(connection.close(CloseCode.POLICY_VIOLATION, reason))
            case PingConnection():
                tasks.create_task(self._liveness.answer(request))
            case ConnectionPinged():
                self._liveness.take_answer(request)

    async def _acknowledge(self, entry_ids: list[str]) -> None:
        try:
            await self._reader.acknowledge(entry_ids)
        except UnavailableError as error:
            log.warning("requests could not be acknowledged", error=str(error))

    def _enqueue(
        self, tasks: asyncio.TaskGroup, connection: StationConnection, request: RunCommand
    ) -> None:
        queue = connection.queued_commands
        if queue is None:
            queue = connection.queued_commands = deque([request])
            working = tasks.create_task(self._work_off(connection, queue))
            self._working.add(working)
            working.add_done_callback(self._working.discard)
        elif len(queue) >= self._settings.max_queued_commands:
            log.warning(
                "too many commands wait for one station: this one is routed again later",
                station_id=request.station_id,
                command_id=request.command_id,
            )
        elif all(request.command_id != queued.command_id for queued in queue):
            queue.append(request)

    async def _work_off(self, connection: StationConnection, queue: deque[RunCommand]) -> None:
        """Run a station's commands, one after another."""
        while queue and self._accepting:
            request = queue[0]
            try:
                await self._run(connection, request)
            except Exception as error:
                if not is_away(error):
                    log.exception("a command failed", command_id=request.command_id)
                # Else it is still queued, or the worker finds that it was not finished.
            queue.popleft()
        connection.queued_commands = None

    async def _run(self, connection: StationConnection, request: RunCommand) -> None:
        asked_at_s = time.monotonic()
        # One whose taking was kept, but not told, is not taken again: it never was on the wire.
        record = await try_again(
            lambda: store.take_for_sending(
                self._db,
                request.command_id,
                connection_id=connection.station.ownership.connection_id,
                pod_id=self._pod_id,
            )
        )
        if record is None:
            return
        # Both moments are Postgres' own, so that our clock may be off.
        left_s = (record.expires_at - (record.sent_at or record.created_at)).total_seconds()
        try:
            outcome = await self._send(connection, record, send_by_s=asked_at_s + left_s)
        except TooLateError:
            # This process stood still, or Postgres took long to answer.
            outcome = Outcome(
                state=CommandState.EXPIRED,
                error_code="Expired",
                error_description="it could not be sent before its deadline",
            )
        metrics.commands_finished.labels(record.type, outcome.state).inc()
        await self._finish(request, outcome)

    async def _send(
        self, connection: StationConnection, record: CommandRecord, *, send_by_s: float
    ) -> Outcome:
        try:
            command = parse_command(record.type, record.params)
            if isinstance(command, RemoteStart):
                number = remote_start_id_of(record.command_id)
                command = replace(command, remote_start_id=number)
            action, payload = await connection.encode_command(command)
        except (CannotBeSaidError, InvalidInputError) as error:
            return Outcome(
                state=CommandState.FAILED,
                error_code="CannotBeSaid",
                error_description=str(error),
            )
        if reason := _forbidden(connection, action):
            return Outcome(
                state=CommandState.FAILED,
                error_code="StationNotAccepted",
                error_description=reason,
            )
        try:
            answer = await connection.call(
                record.command_id,
                action,
                payload,
                send_by_s=send_by_s,
                timeout_s=self._settings.call_timeout_s,
            )
        except TimeoutError:
            return outcome_without_answer(
                command, f"the station did not answer within {self._settings.call_timeout_s:g} s"
            )
        except ConnectionLostError:
            return outcome_without_answer(
                command, "the connection was lost before the station answered"
            )
        # Before anybody reads it: a station may repeat a password that it was sent.
        secrets = find_secrets(payload)
        if isinstance(answer, CallResult):
            told = hide(without_decimals(answer.payload), secrets)
            answered = AnsweredCall(record.command_id, payload, told)
            return await self._read(connection, action, answered, fault=answer.fault)
        return _outcome_of(answer, secrets)

    async def _read(
        self, connection: StationConnection, action: str, call: AnsweredCall, *, fault: str
    ) -> Outcome:
        """Commit what an answer tells, and return it as the command's outcome."""
        error_code = error_description = None
        answer = call.answer
        try:
            answer = connection.validate_answer(action, answer)
            facts = connection.read_answer(action, replace(call, answer=answer))
            written = await asyncio.gather(*map(self._ingest.submit, facts))
            for fact, result in zip(facts, written, strict=True):
                self._quotas.heed(fact.station_id, Quota.CONFIGURATION_KEYS, result)
        except CallRefusedError as error:
            # Kept as it is: what the station does is known, only its words are off.
            error_code = error.code
            error_description = f"{error}; {fault}" if fault else str(error)
        except StoreAwayError:
            log.warning("what an answer told could not be kept", command_id=call.command_id)
        status = connection.protocol.find_status(action, answer)
        if status is None:
            state = CommandState.ANSWERED
        else:
            state = CommandState.ACCEPTED if status in _ACCEPTED else CommandState.REJECTED
        return Outcome(
            state=state,
            status=status,
            response=call.answer,
            error_code=error_code,
            error_description=error_description,
        )

    async def _finish(self, request: RunCommand, outcome: Outcome) -> None:
        for attempt in range(1, _FINISH_ATTEMPTS + 1):
            try:
                await store.finish(self._db, request.command_id, outcome)
                break
            except Exception as error:
                if is_refused(error) or attempt == _FINISH_ATTEMPTS:
                    raise
                await asyncio.sleep(_RETRY_INTERVAL_S)
        try:
            await self._announcer.announce(
                control_id=request.control_id, command_id=request.command_id
            )
        except UnavailableError as error:
            log.warning("an outcome could not be announced", error=str(error))


def _forbidden(connection: StationConnection, action: str) -> str | None:
    """Return why a station of this registration status may not be asked this, if it may not.

    Of a Rejected one nothing may be asked (OCPP 2.0.1 B03.FR.03, OCPP 1.6 §4.2); a Pending one has
    to be accepted before it charges (B02.FR.05, §4.2). It goes by the Action, so that an operator's
    own `Call` is no way around it.
    """
    station_id = connection.station.station_id
    match connection.station.credentials.registration_status:
        case RegistrationStatus.REJECTED:
            return (
                f"station {station_id!r} is Rejected, so nothing may be asked of it: set its "
                "registration_status to Pending or Accepted first"
            )
        case RegistrationStatus.PENDING if action in _CHARGES:
            return (
                f"station {station_id!r} is Pending, so it may not start or stop a charge: set "
                "its registration_status to Accepted first"
            )
    return None


def _outcome_of(answer: CallError | MalformedAnswer, secrets: Secrets) -> Outcome:
    """Return the outcome of a command that was refused, or answered with what cannot be read."""
    if isinstance(answer, MalformedAnswer):
        return outcome_of_malformed_answer(answer.fault)
    description = hide(answer.description, secrets)[: rpc.ERROR_DESCRIPTION_MAX_LENGTH]
    if answer.fault:
        description = f"{description} ({answer.fault})" if description else answer.fault
    return Outcome(
        state=CommandState.FAILED,
        error_code=hide(answer.code, secrets)[: rpc.ERROR_CODE_MAX_LENGTH] or MALFORMED_ANSWER,
        error_description=description,
        response=hide(_kept_details(answer), secrets) or None,
    )


def _kept_details(error: CallError) -> dict[str, Any]:
    """Return a CALLERROR's details, which no clause bounds, unless they make it a long frame.

    The OCPP log has the whole.
    """
    return without_decimals(error.details) if len(error.frame) <= _CALL_ERROR_KEPT_BYTES else {}
