"""The reads that API and dashboard need most, as they come over HTTP."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import httpx

from control.paging import encode_cursor
from loadtest.data.fill import DAYS, read_sql
from shared.store.pool import Database

# A page as the dashboard asks for it, and the longest that there is.
_LIMIT = 100
_PICKS = 500

Query: TypeAlias = dict[str, str | int | bool]
Request: TypeAlias = tuple[str, Query]


class ReadFailedError(Exception):
    """A read was not answered with 200; the message says what with."""


@dataclass(frozen=True)
class Picks:
    """What of a filled database is asked for.

    Attributes:
        stations: ids.
        locations: ids.
        models: each with its vendor.
        sessions: ids, each with its token.
        chance: the same in every run.
    """

    stations: list[str]
    locations: list[str]
    models: list[Mapping[str, str]]
    sessions: list[Mapping[str, str]]
    chance: random.Random

    @classmethod
    async def of(cls, db: Database) -> "Picks":
        """Pick from a database that has been filled."""
        found = await db.fetchval(read_sql("picks"), _PICKS)
        return cls(**found, chance=random.Random(1))  # noqa: S311 - noise, no secret

    def station(self) -> str:
        """Return any station."""
        return self.chance.choice(self.stations)

    def session(self) -> Mapping[str, str]:
        """Return any session."""
        return self.chance.choice(self.sessions)

    def day(self) -> Query:
        """Return any day within what was filled, as a list of sessions is asked for it."""
        since = datetime.now(UTC) - timedelta(days=DAYS * self.chance.uniform(0.02, 0.95))
        return {
            "started_since": since.isoformat(),
            "started_until": (since + timedelta(days=1)).isoformat(),
        }


@dataclass(frozen=True)
class Read:
    """A read.

    Attributes:
        name: for people.
        request: makes one: a path and its query.
    """

    name: str
    request: Callable[[Picks], Request]

    async def ask(self, api: httpx.AsyncClient, picks: Picks) -> float:
        """Ask once, and return how long the whole answer took in seconds.

        Raises:
            ReadFailedError: the answer is no 200.
        """
        path, query = self.request(picks)
        began_s = time.perf_counter()
        answer = await api.get(path, params=query)
        took_s = time.perf_counter() - began_s
        if answer.status_code != httpx.codes.OK:
            raise ReadFailedError(f"{self.name}: GET {answer.url} gave {answer.status_code}")
        return took_s


def _list(path: str, **asked: Any) -> Request:  # noqa: ANN401 - the values of a query
    return path, {"limit": _LIMIT, **asked}


def _stations(**asked: Any) -> Request:  # noqa: ANN401 - likewise
    return _list("/v1/stations", **asked)


def _sessions(**asked: Any) -> Request:  # noqa: ANN401 - likewise
    return _list("/v1/sessions", **asked)


READS = (
    Read("stations: any page", lambda p: _stations(cursor=encode_cursor("stations", p.station()))),
    Read("stations: of a location", lambda p: _stations(location_id=p.chance.choice(p.locations))),
    Read(
        "stations: of a model, offline",
        lambda p: _stations(online=False, **p.chance.choice(p.models)),
    ),
    Read("stations: of a version that few have", lambda _: _stations(firmware_version="9.0.0-rc1")),
    Read("station with its connectors", lambda p: (f"/v1/stations/{p.station()}", {})),
    Read("sessions: the newest", lambda _: _sessions()),
    Read("sessions: those that go on", lambda _: _sessions(active=True)),
    Read("sessions: of a station", lambda p: _sessions(station_id=p.station())),
    Read("sessions: of a token", lambda p: _sessions(id_token=p.session()["id_token"])),
    Read("sessions: of a day", lambda p: _sessions(**p.day())),
    Read(
        "sessions: of a station and a day", lambda p: _sessions(station_id=p.station(), **p.day())
    ),
    Read("sessions: to be reviewed", lambda _: _sessions(needs_review=True)),
    Read("session in detail", lambda p: (f"/v1/sessions/{p.session()['session_id']}", {})),
    Read(
        "meter values of a session",
        lambda p: _list(f"/v1/sessions/{p.session()['session_id']}/meter-values"),
    ),
    Read("OCPP log of a station", lambda p: _list("/v1/ocpp-log", station_id=p.station())),
    Read("OCPP log: errors of all", lambda _: _list("/v1/ocpp-log", outcome="error")),
    Read("dead letters: open ones", lambda _: _list("/v1/dead-letters", status="open")),
    Read("commands of a station", lambda p: _list(f"/v1/stations/{p.station()}/commands")),
    Read("id tokens: any page", lambda _: _list("/v1/id-tokens")),
    Read(
        "availability of a station in this month",
        lambda p: (
            f"/v1/stations/{p.station()}/availability",
            {"month": datetime.now(UTC).strftime("%Y-%m")},
        ),
    ),
)
"""Twelve kinds of reads, some of them in several ways."""
