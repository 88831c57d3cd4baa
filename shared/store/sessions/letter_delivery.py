"""What operators have done about dead letters: they are delivered again, or given to a session."""

from typing import Any

import asyncpg
import msgspec

from shared.domain.error_codes import ConflictCode, NotFoundCode
from shared.domain.errors import ConflictError, NotFoundError
from shared.domain.sessions import (
    HistoryKind,
    TransactionEnded,
    TransactionEventReported,
    TransactionEventType,
    TransactionStarted,
)
from shared.domain.sessions.dead_letters import DeadLetter, DeadLetterStatus
from shared.domain.sessions.meter_values import MeterValue, MeterValuesReported
from shared.store.pool import Connection, Database
from shared.store.sessions import history, meter_values, refused_calls
from shared.store.sessions.dead_letters import (
    Redelivery,
    decide,
    lock_undecided,
    show,
    transaction_end_of,
)

_START = TransactionStarted.__name__
_END = TransactionEnded.__name__
_EVENT = TransactionEventReported.__name__
_READINGS = MeterValuesReported.__name__


async def replay(
    db: Database,
    dead_letter_id: str,
    *,
    payload: dict[str, Any] | None,
    decided_by: str,
    note: str | None,
) -> DeadLetter:
    """Have what a letter says written where it belongs, by the same writes as if it came now.

    A fact is written by the worker. A refused CALL is handled by a gateway, which may have learned
    to read it. If it is refused again, the letter stays open and its reason says why.

    Args:
        db: the pool.
        dead_letter_id: the letter.
        payload: of a refused CALL, if its own is to be corrected.
        decided_by: who asks for it.
        note: why.

    Raises:
        NotFoundError: there is no such dead letter.
        ConflictError: it has been decided upon, or cannot be delivered.
    """
    async with db.acquire() as connection, connection.transaction():
        letter = await lock_undecided(connection, dead_letter_id)
        if letter["status"] == DeadLetterStatus.MATCHED:
            raise ConflictError(
                f"dead letter {dead_letter_id} is matched with session {letter['session_id']}: "
                "assign it to one, or dismiss it",
                code=ConflictCode.DEAD_LETTER_NOT_REPLAYABLE,
            )
        if letter["kind"] == refused_calls.KIND and letter["action"] is not None:
            await _replay_call(connection, dead_letter_id, payload=payload)
        elif payload is not None:
            raise ConflictError(
                f"dead letter {dead_letter_id} is a {letter['kind']} that was understood: only a "
                "refused message can be given another payload",
                code=ConflictCode.DEAD_LETTER_NOT_REPLAYABLE,
            )
        else:
            _document_of(letter, dead_letter_id)
            await connection.execute(
                "UPDATE dead_letters SET redelivery = document WHERE dead_letter_id = $1",
                dead_letter_id,
            )
        return await _note(connection, dead_letter_id, decided_by=decided_by, note=note)


async def assign(
    db: Database, dead_letter_id: str, *, session_id: str, decided_by: str, note: str | None
) -> DeadLetter:
    """Give an end, readings, or a refused message about a transaction to a session of its station.

    An end stands beside the session's others as the operator's. Readings are written as those of
    the session's transaction. A refused CALL is handled once more under the session's transaction
    id, whatever it named itself.

    Raises:
        NotFoundError: there is no such dead letter or session.
        ConflictError: it cannot be a session's, has been decided upon, or the session is another
            station's.
    """
    async with db.acquire() as connection, connection.transaction():
        letter = await lock_undecided(connection, dead_letter_id)
        session = await connection.fetchrow(
            """
            UPDATE sessions SET settle_at = now(), settled_at = NULL, updated_at = now()
            WHERE session_id = $1 RETURNING station_id, transaction_id, evse_id, ocpp_version
            """,
            session_id,
        )
        if session is None:
            raise NotFoundError(f"there is no session {session_id}", code=NotFoundCode.SESSION)
        if session["station_id"] != letter["station_id"]:
            raise ConflictError(
                f"dead letter {dead_letter_id} is of station {letter['station_id']!r}, and session "
                f"{session_id} of {session['station_id']!r}: it can only be given to a session of "
                "its own station",
                code=ConflictCode.SESSION_OF_ANOTHER_STATION,
            )
        if letter["kind"] == refused_calls.KIND and letter["action"] is not None:
            if letter["action"] == "StartTransaction":
                raise _makes_a_session(dead_letter_id)
            if letter["ocpp_version"] != session["ocpp_version"]:
                raise ConflictError(
                    f"dead letter {dead_letter_id} is of OCPP {letter['ocpp_version']}, and "
                    f"session {session_id} of OCPP {session['ocpp_version']}: it can only be given "
                    "to a session of its own version",
                    code=ConflictCode.DEAD_LETTER_NOT_ASSIGNABLE,
                )
            await _replay_call(connection, dead_letter_id, session_id=session_id)
            return await _note(connection, dead_letter_id, decided_by=decided_by, note=note)
        end = await _give(connection, dead_letter_id, letter, session)
        if end is not None:
            await connection.execute(
                "UPDATE dead_letters SET transaction_end = $2 WHERE dead_letter_id = $1",
                dead_letter_id,
                end,
            )
            await history.insert(
                connection,
                [(session_id, HistoryKind.END_ASSIGNED, {"dead_letter_id": dead_letter_id})],
            )
        return await decide(
            connection,
            dead_letter_id,
            status=DeadLetterStatus.DELIVERED if end is None else DeadLetterStatus.ASSIGNED,
            session_id=session_id,
            decided_by=decided_by,
            note=note,
        )


async def _give(
    connection: Connection, dead_letter_id: str, letter: asyncpg.Record, session: asyncpg.Record
) -> dict[str, Any] | None:
    """Write the readings of a letter as the session's; return the end that it tells, if any."""
    kind: str = letter["kind"]
    end: dict[str, Any] | None = letter["transaction_end"]
    if kind == _START:
        raise _makes_a_session(dead_letter_id)
    if kind not in {_END, _EVENT, _READINGS}:
        raise ConflictError(
            f"dead letter {dead_letter_id} is a {kind}, which belongs to no session: replay it, or "
            "dismiss it once it has been looked at",
            code=ConflictCode.DEAD_LETTER_NOT_ASSIGNABLE,
        )
    if letter["document"] is None and end is not None:
        return end  # kept by a version that kept nothing else of it
    fact = _document_of(letter, dead_letter_id).fact
    values: list[MeterValue]
    match kind:
        case "TransactionEnded":
            ended = msgspec.json.decode(fact, type=TransactionEnded)
            end, values = transaction_end_of(ended), ended.meter_values
        case "TransactionEventReported":
            event = msgspec.json.decode(fact, type=TransactionEventReported)
            end, values = _end_of(event, dead_letter_id), event.meter_values
        case _:
            values = msgspec.json.decode(fact, type=MeterValuesReported).meter_values
    if values:
        await meter_values.write(
            connection,
            [
                MeterValuesReported(
                    letter["station_id"], session["evse_id"] or 0, session["transaction_id"], values
                )
            ],
        )
    return end


def _end_of(event: TransactionEventReported, dead_letter_id: str) -> dict[str, Any] | None:
    if event.event_type is not TransactionEventType.ENDED:
        return None
    _, last = event.registers()
    if last is None:
        raise ConflictError(
            f"dead letter {dead_letter_id} is the end of a charge without a register: end the "
            "session by a review, with the energy that it had, and dismiss the letter",
            code=ConflictCode.DEAD_LETTER_NOT_ASSIGNABLE,
        )
    return transaction_end_of(
        TransactionEnded(
            station_id=event.station_id,
            transaction_id=event.transaction_id,
            ended_at=event.occurred_at,
            meter_stop_wh=last.energy_wh,
            stopped_reason=event.stopped_reason or "Local",
            id_token=event.id_token,
        )
    )


def _makes_a_session(dead_letter_id: str) -> ConflictError:
    return ConflictError(
        f"dead letter {dead_letter_id} is a start, which makes a session of its own: replay it",
        code=ConflictCode.DEAD_LETTER_NOT_ASSIGNABLE,
    )


def _document_of(letter: asyncpg.Record, dead_letter_id: str) -> Redelivery:
    if letter["document"] is None:
        raise ConflictError(
            f"dead letter {dead_letter_id} cannot be read again: it was kept by a version that "
            "kept it for people only, or holds what no text can hold. Dismiss it, and correct the "
            "session by a review if it concerns one",
            code=ConflictCode.DEAD_LETTER_UNREADABLE,
        )
    return msgspec.json.decode(letter["document"], type=Redelivery)


async def _replay_call(
    connection: Connection,
    dead_letter_id: str,
    *,
    payload: dict[str, Any] | None = None,
    session_id: str | None = None,
) -> None:
    await connection.execute(
        """
        UPDATE dead_letters SET replay_at = now(), replay_payload = $2, session_id = $3
        WHERE dead_letter_id = $1
        """,
        dead_letter_id,
        payload,
        session_id,
    )


async def _note(
    connection: Connection, dead_letter_id: str, *, decided_by: str, note: str | None
) -> DeadLetter:
    await connection.execute(
        "UPDATE dead_letters SET decided_by = $2, note = $3 WHERE dead_letter_id = $1",
        dead_letter_id,
        decided_by,
        note,
    )
    return await show(connection, dead_letter_id)
