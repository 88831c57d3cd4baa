"""Is everything that was acknowledged in Postgres, and only once?

    python -m loadtest.locust.storage_check build/load-ledger.bin

It is a program of its own because it needs asyncio, which a process of locust should not mix with
gevent, and so that a run can be checked again later. It asks Postgres if VOLTARO_DATABASE_URL is
set, else the API at VOLTARO_LOAD_API_URL with VOLTARO_LOAD_API_KEY.
"""

import argparse
import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import httpx
import msgspec

from loadtest.locust.finding import Finding
from loadtest.locust.ledger import Ledger, Transaction, milliseconds, read
from shared.domain.errors import UnavailableError
from shared.domain.sessions import Session, SessionFilter
from shared.settings import DatabaseSettings
from shared.store.conditions import Position
from shared.store.pool import Database, open_database
from shared.store.sessions import sessions, transaction_events

_PAGE = 1000
_PARALLEL = 8
#: Clocks of generator and database may differ; sessions older than the run are not looked at.
_CLOCK_DIFFERENCE = timedelta(minutes=5)


class StoredSession(NamedTuple):
    """A session as it was found; `source` is what its store needs to find its meter values."""

    transaction_id: str
    started_ms: int | None
    ended_ms: int | None
    created_at: datetime
    source: Any


class Store(Protocol):
    """Where stored sessions are looked up."""

    async def newest_sessions(self, station_id: str, *, since: datetime) -> Sequence[StoredSession]:
        """Return a station's sessions created since then, perhaps some older ones."""

    async def sampled_ms(self, session: StoredSession) -> Sequence[int]:
        """Return when the meter values of a session were taken, milliseconds."""

    async def missing_events(self, session: StoredSession) -> Sequence[range] | None:
        """Return the gaps between the events of a session of OCPP 2.0.1; None if it cannot tell."""


async def check(ledger: Ledger, store: Store) -> Finding:
    """Look up everything a ledger holds."""
    finding = Finding(unchecked=ledger.unattributed)
    since = datetime.fromtimestamp(ledger.began_ms / 1000, UTC) - _CLOCK_DIFFERENCE
    waiting = iter(ledger.stations.items())

    async def work() -> None:
        for station_id, transactions in waiting:
            await _check_station(finding, store, station_id, transactions, since=since)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(_PARALLEL):
            tasks.create_task(work())
    return finding


async def _check_station(
    finding: Finding,
    store: Store,
    station_id: str,
    transactions: Mapping[str, Transaction],
    *,
    since: datetime,
) -> None:
    stored = await store.newest_sessions(station_id, since=since)
    by_id = {session.transaction_id: session for session in stored}
    # A start that was kept unanswered and told again would be a second session of that time.
    starts = Counter(session.started_ms for session in stored)
    for transaction_id, expected in transactions.items():
        session = by_id.get(transaction_id)
        what = f"of transaction {transaction_id} of {station_id}"
        if expected.started_ms is not None:
            finding.count(
                f"the start {what}",
                expected=1,
                found=session is not None and session.started_ms == expected.started_ms,
                twice=max(0, starts[expected.started_ms] - 1),
            )
        if expected.ended_ms is not None:
            finding.count(
                f"the end {what}",
                expected=1,
                found=session is not None and session.ended_ms == expected.ended_ms,
            )
        if expected.sampled_ms:
            rows = Counter(await store.sampled_ms(session) if session is not None else ())
            for sampled_ms, times in Counter(expected.sampled_ms).items():
                moment = datetime.fromtimestamp(sampled_ms / 1000, UTC).isoformat()
                finding.count(
                    f"the reading of {moment} {what}",
                    expected=times,
                    found=rows[sampled_ms] > 0,
                    twice=max(0, rows[sampled_ms] - times),
                )
        if expected.event_seq_nos:
            gaps = [range(2**31)] if session is None else await store.missing_events(session)
            for seq_no in expected.event_seq_nos if gaps is not None else ():
                finding.count(
                    f"event {seq_no} {what}",
                    expected=1,
                    found=not any(seq_no in gap for gap in gaps or ()),
                )
            finding.unchecked += len(expected.event_seq_nos) if gaps is None else 0


class SqlStore:
    """Looks into Postgres."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def newest_sessions(self, station_id: str, *, since: datetime) -> list[StoredSession]:
        """Return a station's sessions created since then, perhaps some older ones."""
        found: list[StoredSession] = []
        before: Position | None = None
        asked = SessionFilter(station_id=station_id)
        while True:
            page = await sessions.list_before(self._db, before=before, limit=_PAGE, found=asked)
            found += [_from_store(session) for session in page]
            if len(page) < _PAGE or page[-1].created_at < since:
                return found
            before = Position(page[-1].session_id)

    async def sampled_ms(self, session: StoredSession) -> list[int]:
        """Return when the meter values of a session were taken, milliseconds."""
        found: list[int] = []
        after = None
        while True:
            page = await sessions.list_meter_values_after(
                self._db, session.source, after=after, limit=_PAGE
            )
            found += [milliseconds(value.sampled_at) for _, value in page]
            if len(page) < _PAGE:
                return found
            after = page[-1][0]

    async def missing_events(self, session: StoredSession) -> list[range]:
        """Return the gaps between the events of a session of OCPP 2.0.1."""
        gaps = await transaction_events.list_gaps(
            self._db,
            station_id=session.source.station_id,
            transaction_id=session.transaction_id,
        )
        return [range(gap.first_seq_no, gap.last_seq_no + 1) for gap in gaps]


def _from_store(session: Session) -> StoredSession:
    return StoredSession(
        session.transaction_id,
        None if session.started_at is None else milliseconds(session.started_at),
        None if session.ended_at is None else milliseconds(session.ended_at),
        session.created_at,
        session,
    )


class ApiStore:
    """Asks the control plane."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def newest_sessions(self, station_id: str, *, since: datetime) -> list[StoredSession]:
        """Return a station's sessions created since then, perhaps some older ones."""
        found: list[StoredSession] = []
        async for page in self._pages("/v1/sessions", station_id=station_id):
            found += [_from_api(session) for session in page]
            if page and found[-1].created_at < since:
                break
        return found

    async def sampled_ms(self, session: StoredSession) -> list[int]:
        """Return when the meter values of a session were taken, milliseconds."""
        return [
            milliseconds(datetime.fromisoformat(value["sampled_at"]))
            async for page in self._pages(f"/v1/sessions/{session.source}/meter-values")
            for value in page
        ]

    async def missing_events(self, session: StoredSession) -> None:
        """Return None: the API does not tell single events."""
        del session

    async def _pages(self, path: str, **query: str) -> AsyncIterator[list[dict[str, Any]]]:
        cursor: dict[str, str] = {}
        while True:
            answer = await self._client.get(path, params={**query, **cursor, "limit": str(_PAGE)})
            answer.raise_for_status()
            page = answer.json()
            yield page["items"]
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}


def _from_api(session: Mapping[str, Any]) -> StoredSession:
    started_at, ended_at = session["started_at"], session["ended_at"]
    return StoredSession(
        session["transaction_id"],
        started_at and milliseconds(datetime.fromisoformat(started_at)),
        ended_at and milliseconds(datetime.fromisoformat(ended_at)),
        datetime.fromisoformat(session["created_at"]),
        session["session_id"],
    )


class CannotCheckError(Exception):
    """The check could not be made; the message says why, and what to do."""


@asynccontextmanager
async def open_store(environment: Mapping[str, str]) -> AsyncIterator[Store]:
    """Hold a connection to the database or the API, as the environment says.

    Raises:
        CannotCheckError: Neither is named.
    """
    if environment.get("VOLTARO_DATABASE_URL"):
        # The values come from the environment, which mypy cannot know.
        async with open_database(DatabaseSettings()) as db:  # type: ignore[call-arg]
            yield SqlStore(db)
    elif "VOLTARO_LOAD_API_KEY" in environment and "VOLTARO_LOAD_API_URL" in environment:
        headers = {"Authorization": f"Bearer {environment['VOLTARO_LOAD_API_KEY']}"}
        async with httpx.AsyncClient(
            base_url=environment["VOLTARO_LOAD_API_URL"],
            headers=headers,
            timeout=60,
            trust_env=False,
        ) as client:
            yield ApiStore(client)
    else:
        raise CannotCheckError(
            "set VOLTARO_DATABASE_URL, or VOLTARO_LOAD_API_URL and VOLTARO_LOAD_API_KEY, to say "
            "where to look"
        )


async def _run(ledger: Ledger) -> Finding:
    try:
        async with open_store(os.environ) as store:
            return await check(ledger, store)
    except* UnavailableError as group:
        raise CannotCheckError(str(group.exceptions[0])) from group
    except* httpx.HTTPError as group:
        raise CannotCheckError(
            f"the API does not answer as it should: {group.exceptions[0]}"
        ) from group


def main() -> int:
    """Check a ledger; return 0 if everything is there once, 1 if not, 2 if nobody can tell."""
    parser = argparse.ArgumentParser(prog="storage_check", description=__doc__.split("\n", 1)[0])
    parser.add_argument("ledger", type=Path, help="written by a load test with --ledger-file")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    arguments = parser.parse_args()
    try:
        finding = asyncio.run(_run(read(arguments.ledger.read_bytes())))
    except (CannotCheckError, OSError, msgspec.MsgspecError) as error:
        print(f"Nobody can tell what is stored: {error}.", file=sys.stderr)
        return 2
    if arguments.json:
        print(msgspec.json.encode(finding).decode())
    else:
        print("\n".join([finding.sentence, *finding.examples]))
    return 0 if finding.good else 1


if __name__ == "__main__":
    sys.exit(main())
