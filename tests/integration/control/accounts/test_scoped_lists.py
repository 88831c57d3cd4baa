"""What the lists of an organization read, which is small beside the rest of the installation."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.access.decisions import ANY_REFUSAL, DecisionFilter
from shared.domain.accounts.permissions import EVERYTHING
from shared.domain.accounts.principals import Principal, PrincipalKind
from shared.domain.sessions import SessionFilter
from shared.domain.sessions.meter_values import ReadingContext
from shared.domain.stations.ocpp_log import ANY_ERROR, LogFilter
from shared.domain.stations.stations import StationFilter
from shared.store.access import decisions, id_tokens
from shared.store.commands import command_lists
from shared.store.pool import Database
from shared.store.request_database import RequestDatabases, Scope
from shared.store.sessions import sessions
from shared.store.stations import ocpp_log, stations
from tests.integration.control.test_lists import FILTERS, make_sessions
from tests.support.plans import Asked

COUNT, SHARE, PAGE = 4_000, 20, 50
NOW = datetime.now(UTC)
SMALL = "small"
_STATIONS = """
    INSERT INTO stations (station_id, organization_id, organization_since, vendor, model,
                          firmware_version, ocpp_version, online)
    SELECT 'CS-' || n, CASE WHEN n % $2 = 7 THEN 'small' ELSE 'default' END, '2020-01-01',
           'V' || n % 50, 'M' || n % 50, CASE WHEN n % 100 = 7 THEN 'trial' ELSE '1.0' END, '1.6',
           n % 3 <> 0
    FROM generate_series(0, $1 - 1) AS n
"""
# Each is told at a second of its own, the newest first.
_LOG = """
    INSERT INTO ocpp_log (called_at, station_id, ocpp_version, direction, message_id, action,
                          outcome, pod_id)
    SELECT now() - n * interval '1 second', 'CS-' || n % 200, '1.6', 'from_station', 'm' || n,
           CASE WHEN n % 200 = 107 THEN 'Authorize' ELSE 'Heartbeat' END,
           CASE WHEN n % 400 = 7 THEN 'InternalError' ELSE 'CallResult' END, 'pod'
    FROM generate_series(0, $1 - 1) AS n
"""
_DECISIONS = """
    INSERT INTO authorizations (decided_at, station_id, id_token, purpose, status, reason,
                                explanation, source, latency_us, pod_id, transaction_id)
    SELECT now() - n * interval '1 second', 'CS-' || n % 200, 'Token' || n % 400, 'authorize',
           CASE WHEN n % 400 = 7 THEN 'Blocked' ELSE 'Accepted' END, 'allowed', 'why', 'memory', 1,
           'pod', 'T' || n
    FROM generate_series(0, $1 - 1) AS n
"""
_METER_VALUES = """
    INSERT INTO meter_values (station_id, evse_id, transaction_id, sampled_at, fingerprint, samples)
    SELECT station_id, 1, transaction_id, started_at + n * interval '1 minute', n, '[]'
    FROM sessions CROSS JOIN generate_series(1, 2) AS n
"""


@pytest.fixture
async def scoped(db: Database) -> Database:
    """What a request of the small organization uses; one row in twenty is its own."""
    await db.execute(
        "INSERT INTO organizations (organization_id, parent_id, name)"
        " VALUES ('small', 'default', 'Small')"
    )
    await db.execute(_STATIONS, 2000, SHARE)
    await make_sessions(db, COUNT)
    await db.execute(
        "UPDATE sessions SET organization_id = 'small'"
        " WHERE station_id IN (SELECT station_id FROM stations WHERE organization_id = 'small')"
    )
    await db.execute(_METER_VALUES)
    await db.execute(_LOG, COUNT)
    await db.execute(_DECISIONS, COUNT)
    await db.execute(
        """
        INSERT INTO id_tokens (id_token, id_token_key, type, status, organization_id)
        SELECT 'Token' || n, 'token' || n, 'ISO14443', 'Accepted',
               CASE WHEN n % $2 = 7 THEN 'small' ELSE 'default' END
        FROM generate_series(0, $1 - 1) AS n
        """,
        COUNT,
        SHARE,
    )
    await db.execute(
        """
        INSERT INTO commands (command_id, station_id, type, params, state, expires_at)
        SELECT uuidv7(), 'CS-' || n % 200, 'Reset', '{}', 'accepted', now()
        FROM generate_series(0, $1 - 1) AS n
        """,
        COUNT,
    )
    for table in (
        "stations",
        "sessions",
        "ocpp_log",
        "authorizations",
        "id_tokens",
        "commands",
        "meter_values",
    ):
        await db.execute(f"VACUUM ANALYZE {table}")
    somebody = Principal(
        kind=PrincipalKind.USER,
        principal_id="u-1",
        name="Ada",
        organization_id=SMALL,
        permissions=EVERYTHING,
    )
    scope = Scope(principal=somebody, request_id="request-1", changes=False)
    return RequestDatabases(db).of(scope)


# What is the organization's own is found by an index, and nothing else is read.
NEAR = 2 * PAGE
# The newest of all, of which one in twenty is its own: those of others are met on the way.
MET = PAGE * SHARE + NEAR
# Of the log's and the decisions' filters those that are left out have no index for anybody: such a
# search is for a station or a time, or it ends by the time that it may take.

OF_SESSIONS = {
    **dict.fromkeys(FILTERS, NEAR),
    **dict.fromkeys(("nothing", "ended", "billable", "not to review"), MET),
    **dict.fromkeys(("started last", "ended last", "changed", "changed ever"), MET),
}
OF_LOG = (
    (LogFilter(), MET),
    (LogFilter(since=NOW - timedelta(hours=1)), MET),
    (LogFilter(until=NOW - timedelta(minutes=20)), MET),
    (LogFilter(station_id="CS-7"), NEAR),
    (LogFilter(station_id="CS-8"), NEAR),
    (LogFilter(station_id="CS-7", action="Authorize"), NEAR),
    (LogFilter(station_id="CS-7", message_id="m7"), NEAR),
    (LogFilter(station_id="CS-7", contains="gone"), NEAR),
    (LogFilter(outcome=ANY_ERROR), NEAR),
)
OF_DECISIONS = (
    (DecisionFilter(), MET),
    (DecisionFilter(since=NOW - timedelta(hours=1)), MET),
    (DecisionFilter(until=NOW - timedelta(minutes=20)), MET),
    (DecisionFilter(station_id="CS-7"), NEAR),
    (DecisionFilter(station_id="CS-8"), NEAR),
    (DecisionFilter(id_token="tOKEN7"), NEAR),
    (DecisionFilter(id_token="tOKEN8"), NEAR),
    (DecisionFilter(id_token="tOKEN7", station_id="CS-7"), NEAR),
    (DecisionFilter(status=ANY_REFUSAL), NEAR),
    (DecisionFilter(status="Blocked"), NEAR),
    (DecisionFilter(status="Accepted"), MET),
)
OF_STATIONS = (
    StationFilter(),
    StationFilter(vendor="V7"),
    StationFilter(vendor="V7", model="M7"),
    StationFilter(firmware_version="trial"),
    StationFilter(location_id="nowhere"),
    StationFilter(organization_id=SMALL),
    StationFilter(organization_id="default"),
    StationFilter(ocpp_version="1.6"),
    StationFilter(ocpp_version="2.0.1"),
    StationFilter(online=True),
    StationFilter(online=False),
)


def own(found: SessionFilter) -> SessionFilter:
    """Return a filter for a token of the organization, if it is for a token that there is."""
    return replace(found, id_token="tOKEN7") if found.id_token == "tOKEN42" else found


@pytest.mark.timeout(240)
async def test_what_an_organization_looks_for_is_found_without_reading_what_others_have(
    scoped: Database,
) -> None:
    asked, read = Asked(scoped), {}
    for name, found in FILTERS.items():
        await sessions.list_before(asked.db, before=None, limit=PAGE, found=own(found))
        read["sessions", name] = (await asked.rows_read("sessions"), OF_SESSIONS[name])
    for told, at_most in OF_LOG:
        await ocpp_log.list_before(asked.db, told, before=None, limit=PAGE, timeout_s=20)
        read["log", str(told)] = (await asked.rows_read("ocpp_log"), at_most)
    for decided, at_most in OF_DECISIONS:
        await decisions.list_before(asked.db, decided, before=None, limit=PAGE, timeout_s=20)
        read["decisions", str(decided)] = (await asked.rows_read("authorizations"), at_most)
    for wanted in OF_STATIONS:
        await stations.list_after(asked.db, after=None, limit=PAGE, found=wanted)
        read["stations", str(wanted)] = (await asked.rows_read("stations"), NEAR)
    for organization_id, at_most in ((None, MET), (SMALL, NEAR), ("default", NEAR)):
        await id_tokens.list_after(
            asked.db, after=None, limit=PAGE, organization_id=organization_id
        )
        read["tokens", str(organization_id)] = (await asked.rows_read("id_tokens"), at_most)
    for station_id in ("CS-7", "CS-8"):
        await command_lists.list_of_station(
            asked.db, station_id=station_id, before=None, limit=PAGE
        )
        read["commands", station_id] = (await asked.rows_read("commands"), NEAR)
    (session,) = await sessions.list_before(asked.db, before=None, limit=1)
    for context in (None, ReadingContext.TRANSACTION_BEGIN):
        await sessions.list_meter_values_after(
            asked.db, session, after=None, limit=PAGE, context=context
        )
        read["meter values", str(context)] = (await asked.rows_read("meter_values"), NEAR)
    assert {key: rows for key, rows in read.items() if rows[0] > rows[1]} == {}


@pytest.mark.parametrize(
    ("table", "view"),
    [("sessions", "searched_sessions"), ("authorizations", "searched_authorizations")],
)
async def test_what_is_searched_is_what_may_be_seen(
    scoped: Database, db: Database, table: str, view: str
) -> None:
    for who, rows in ((scoped, COUNT // SHARE), (db, COUNT)):
        found = [dict(each) for each in await who.fetch(f"TABLE {view}")]
        seen = [dict(each) for each in await who.fetch(f"TABLE {table}")]
        for each in found:
            assert each.pop("id_token_key") == each["id_token"].lower()
        assert len(found) == len(seen) == rows
        assert all(each in seen for each in found[:100])
    # What a station said before it belonged to whom it belongs to stays out of sight here as well.
    await db.execute("UPDATE stations SET organization_since = now() + interval '1 day'")
    assert await scoped.fetchval("SELECT count(*) FROM searched_authorizations") == 0
