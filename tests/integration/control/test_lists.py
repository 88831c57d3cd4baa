"""Lists by what is asked for: what is listed, page by page, and what that reads."""

from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from typing import Any

import httpx
import pytest

from control import paging
from shared.domain.sessions import SessionFilter, SessionOrder
from shared.domain.stations.stations import StationFilter
from shared.store.pool import Database
from shared.store.sessions import dead_letters, sessions
from shared.store.stations import stations
from shared.store.trust import security_events
from tests.integration.control.players import assert_problem, register
from tests.support.plans import Asked

START = datetime(2025, 6, 1, tzinfo=UTC)
COUNT = 4000
PAGE = 50


async def make_sessions(db: Database, count: int = COUNT) -> None:
    """Make sessions one minute apart, the oldest first, of 200 stations.

    They are over and billable but every 100th: goes on, waits for a review, is void, or has no
    energy. Tokens and transactions are of one session in 100 and of one each.
    """
    await db.execute(
        """
        INSERT INTO sessions (station_id, evse_id, connector_id, transaction_id,
                              transaction_id_issuer, ocpp_version, id_token, started_at,
                              meter_start_wh, ended_at, meter_stop_wh, ended_by, settled_at,
                              energy_wh, needs_review, review_decision, updated_at)
        SELECT 'CS-' || n % 200, 1, 1, 'T' || n, 'csms', '1.6', 'Token' || n % 100,
               $1::timestamptz + n * interval '1 minute', 0,
               CASE WHEN n % 400 <> 0 THEN $1::timestamptz + (n + 30) * interval '1 minute' END,
               1000, CASE WHEN n % 400 <> 0 THEN 'station' END,
               CASE WHEN n % 400 <> 0 THEN $1::timestamptz END,
               CASE WHEN n % 400 <> 300 THEN 1000 END, n % 400 = 100,
               CASE WHEN n % 400 = 200 THEN 'void' END,
               $1::timestamptz + (n + 31) * interval '1 minute'
        FROM generate_series(0, $2 - 1) AS n
        """,
        START,
        count,
    )
    await db.execute("ANALYZE sessions")


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


@pytest.fixture
async def full(db: Database) -> Database:
    await make_sessions(db)
    return db


FILTERS = {
    "nothing": SessionFilter(),
    "station": SessionFilter(station_id="CS-7"),
    "no such station": SessionFilter(station_id="GONE"),
    "token": SessionFilter(id_token="tOKEN42"),
    "no such token": SessionFilter(id_token="gone"),
    "transaction": SessionFilter(transaction_id="T17"),
    "no such transaction": SessionFilter(transaction_id="gone"),
    "active": SessionFilter(active=True),
    "ended": SessionFilter(active=False),
    "billable": SessionFilter(billable=True),
    "not billable": SessionFilter(billable=False),
    "to review": SessionFilter(needs_review=True),
    "not to review": SessionFilter(needs_review=False),
    # The oldest are at the end of the newest, and the newest at its start.
    "started first": SessionFilter(started_until=at(200)),
    "started last": SessionFilter(started_since=at(COUNT - 200)),
    "started between": SessionFilter(started_since=at(200), started_until=at(300)),
    "started never": SessionFilter(started_since=at(2 * COUNT)),
    "ended first": SessionFilter(ended_until=at(200)),
    "ended last": SessionFilter(ended_since=at(COUNT - 200)),
    "ended between": SessionFilter(ended_since=at(200), ended_until=at(300)),
    "changed": SessionFilter(updated_since=at(COUNT - 100)),
    "changed ever": SessionFilter(updated_since=at(-1)),
    "changed never": SessionFilter(updated_since=at(2 * COUNT)),
}


@pytest.mark.timeout(120)
async def test_no_filter_of_sessions_reads_much_more_than_it_lists(full: Database) -> None:
    read = {}
    for name, found in FILTERS.items():
        asked = Asked(full)
        page = await sessions.list_before(asked.db, before=None, limit=PAGE, found=found)
        read[name] = (await asked.rows_read("sessions"), len(page))
        if page:  # the page behind it costs no more
            behind = sessions.position_of(page[-1], found.order)
            await sessions.list_before(asked.db, before=behind, limit=PAGE, found=found)
            read[f"{name}, page 2"] = (await asked.rows_read("sessions"), PAGE)
    # What is skipped are the few that go on, or wait for somebody.
    assert {name: rows for name, (rows, _) in read.items() if rows > PAGE + 60} == {}
    assert [name for name, (_, listed) in read.items() if not listed] == [
        "no such station",
        "no such token",
        "no such transaction",
        "started never",
        "changed never",
    ]


@pytest.mark.timeout(120)
async def test_two_filters_together_read_what_the_narrower_one_finds(full: Database) -> None:
    for words, at_most in (
        ({"station_id": "GONE", "started_since": at(0)}, 0),
        ({"station_id": "CS-7", "started_until": at(40)}, COUNT // 200),
        ({"id_token": "Token42", "ended_until": at(COUNT)}, COUNT // 100),
        ({"billable": False, "started_since": at(0)}, COUNT // 100),
        ({"needs_review": True, "updated_since": at(0)}, COUNT // 400),
        ({"station_id": "CS-7", "id_token": "Token7"}, COUNT // 200),
        ({"active": True, "updated_since": at(0)}, COUNT // 400),
    ):
        asked = Asked(full)
        await sessions.list_before(asked.db, before=None, limit=PAGE, found=SessionFilter(**words))
        assert await asked.rows_read("sessions") <= at_most + PAGE, words


async def test_sessions_are_shown_without_planning_a_look_into_every_day(full: Database) -> None:
    """With 90 days that would take longer than all the rest of it."""
    asked = Asked(full)
    await sessions.list_before(asked.db, before=None, limit=PAGE)
    assert await asked.tables_planned() == {"sessions", "transaction_events"}


@pytest.mark.parametrize(
    ("found", "at_most"),
    [
        (StationFilter(firmware_version="trial"), 5),
        (StationFilter(vendor="V7", model="M7"), COUNT // 100),
        (StationFilter(vendor="V7", model="M7", online=False), COUNT // 100),
        (StationFilter(firmware_version="trial", ocpp_version="2.0.1"), 5),
        (StationFilter(vendor="V7", firmware_version="gone"), 0),
    ],
    ids=["version", "model", "model, offline", "version, OCPP", "no such version"],
)
async def test_stations_are_found_by_what_few_of_them_have(
    db: Database, found: StationFilter, at_most: int
) -> None:
    await db.execute(
        """
        INSERT INTO stations (station_id, vendor, model, firmware_version, ocpp_version, online)
        SELECT 'CS-' || n, 'V' || n % 100, 'M' || n % 100,
               CASE WHEN n % 1000 = 7 THEN 'trial' ELSE '1.0' END, '1.6', n % 20 <> 0
        FROM generate_series(1, $1::integer) AS n
        """,
        COUNT,
    )
    await db.execute("ANALYZE stations")
    asked = Asked(db)
    await stations.list_after(asked.db, after=None, limit=PAGE, found=found)
    assert await asked.rows_read("stations") <= at_most


async def listed(client: httpx.AsyncClient, path: str, **params: Any) -> list[dict[str, Any]]:
    """Return all that a list has, asked for page by page."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = {**params, "limit": 16, **({} if cursor is None else {"cursor": cursor})}
        answer = await client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return items


async def test_what_is_listed_is_what_was_asked_for_page_by_page(
    client: httpx.AsyncClient, db: Database
) -> None:
    await make_sessions(db, 120)
    # Many at one instant, so that pages end among them.
    await db.execute(
        "UPDATE sessions SET started_at = $1, ended_at = $1, updated_at = $1 "
        "WHERE transaction_id IN (SELECT 'T' || n FROM generate_series(40, 60) AS n)",
        at(50),
    )
    everything = await listed(client, "/v1/sessions")
    assert len(everything) == 120

    def names(items: list[dict[str, Any]]) -> set[str]:
        return {item["transaction_id"] for item in items}

    def expected(**words: Any) -> set[str]:
        chosen = everything
        for name, value in words.items():
            member, _, bound = name.rpartition("_")
            if bound in {"since", "until"}:
                member = f"{member}_at"
                chosen = [
                    each
                    for each in chosen
                    if each[member] is not None
                    and (datetime.fromisoformat(each[member]) >= value) is (bound == "since")
                ]
            elif name == "id_token":
                chosen = [each for each in chosen if each[name].lower() == value.lower()]
            else:
                chosen = [each for each in chosen if each[name] == value]
        return names(chosen)

    times = {
        "started_since": at(45),
        "started_until": at(51),
        "ended_since": at(50),
        "ended_until": at(120),
        "updated_since": at(50),
    }
    asked: list[dict[str, Any]] = [
        *({name: value} for name, value in times.items()),
        *(dict(pair) for pair in combinations(times.items(), 2)),
        *(
            {name: value}
            for name in ("active", "billable", "needs_review")
            for value in (True, False)
        ),
        {"id_token": "TOKEN7"},
        {"transaction_id": "T7"},
        {"station_id": "CS-7", "billable": True, "started_since": at(0)},
        times,
    ]
    for words in asked:
        params = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in words.items()
        }
        found = await listed(client, "/v1/sessions", **params)
        assert len(found) == len(names(found)), words
        assert names(found) == expected(**words), words


async def test_a_session_that_changes_while_it_is_listed_comes_once_more(
    client: httpx.AsyncClient, db: Database
) -> None:
    await make_sessions(db, 20)
    params = {"updated_since": at(0).isoformat(), "limit": 5}
    first = (await client.get("/v1/sessions", params=params)).json()
    assert [item["transaction_id"] for item in first["items"]] == [f"T{n}" for n in range(5)]
    await db.execute("UPDATE sessions SET updated_at = now() WHERE transaction_id IN ('T2', 'T9')")
    rest = await listed(client, "/v1/sessions", updated_since=at(0).isoformat())
    assert [item["transaction_id"] for item in rest][-2:] == ["T2", "T9"] or [
        item["transaction_id"] for item in rest
    ][-2:] == ["T9", "T2"]
    behind = await client.get(
        "/v1/sessions", params={**params, "cursor": first["next_cursor"], "limit": 100}
    )
    assert {item["transaction_id"] for item in behind.json()["items"]} == {
        "T2",
        *(f"T{n}" for n in range(5, 20)),
    }


async def test_a_cursor_is_of_one_order(client: httpx.AsyncClient, db: Database) -> None:
    await make_sessions(db, 20)
    newest = (await client.get("/v1/sessions", params={"limit": 5})).json()["next_cursor"]
    for words in ({"started_since": at(0)}, {"ended_until": at(9)}, {"updated_since": at(0)}):
        params = {name: time.isoformat() for name, time in words.items()}
        answer = await client.get("/v1/sessions", params={**params, "cursor": newest})
        assert_problem(answer, 422, "invalid-input")
        (error,) = answer.json()["errors"]
        assert error["field"] == "cursor"
        mine = (await client.get("/v1/sessions", params={**params, "limit": 5})).json()
        if mine["next_cursor"]:
            wrong = await client.get("/v1/sessions", params={"cursor": mine["next_cursor"]})
            assert_problem(wrong, 422, "invalid-input")


@pytest.mark.parametrize("member", ["session_id", "started_at", "ended_at", "updated_at"])
async def test_sessions_are_sorted_as_asked_both_ways_page_by_page(
    client: httpx.AsyncClient, db: Database, member: str
) -> None:
    await make_sessions(db, 60)
    # Many at one instant, so that pages end among them; one that goes on; one without a start.
    await db.execute("UPDATE sessions SET started_at = $1 WHERE transaction_id LIKE 'T3_'", at(30))
    await db.execute("UPDATE sessions SET ended_at = NULL WHERE transaction_id = 'T7'")
    await db.execute("UPDATE sessions SET started_at = NULL WHERE transaction_id = 'T9'")
    everything = await listed(client, "/v1/sessions")
    there = [each for each in everything if each[member] is not None]
    up = await listed(client, "/v1/sessions", sort=member)
    down = await listed(client, "/v1/sessions", sort=f"-{member}")
    keys = [(each[member], each["session_id"]) for each in up]
    assert keys == sorted((each[member], each["session_id"]) for each in there)
    assert down == up[::-1]


async def test_a_list_by_one_time_is_not_sorted_by_another(client: httpx.AsyncClient) -> None:
    words = {"started_since": at(0).isoformat()}
    for sort in ("ended_at", "-updated_at", "session_id"):
        answer = await client.get("/v1/sessions", params={**words, "sort": sort})
        assert "started_at" in assert_problem(answer, 422, "invalid-input")["detail"]
    for sort in ("started_at", "-started_at"):
        answer = await client.get("/v1/sessions", params={**words, "sort": sort})
        assert answer.status_code == 200


@pytest.mark.timeout(120)
async def test_no_order_of_sessions_reads_much_more_than_it_lists(full: Database) -> None:
    for order in SessionOrder:
        for goes_down in (True, False):
            asked = Asked(full)
            page = await sessions.list_before(
                asked.db, before=None, limit=PAGE, order=order, goes_down=goes_down
            )
            assert len(page) == PAGE
            assert await asked.rows_read("sessions") <= PAGE + 60, (order, goes_down)
            behind = sessions.position_of(page[-1], order)
            await sessions.list_before(
                asked.db, before=behind, limit=PAGE, order=order, goes_down=goes_down
            )
            assert await asked.rows_read("sessions") <= PAGE + 60, (order, goes_down, "page 2")


async def test_a_list_is_counted_if_that_is_asked_for(
    client: httpx.AsyncClient, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_sessions(db, 40)
    await make_letters(db, 30)
    for number in range(3):
        await register(db, f"CS-{number}")
    for path, words, count in (
        ("/v1/sessions", {}, 40),
        ("/v1/sessions", {"transaction_id": "T7"}, 1),
        ("/v1/dead-letters", {"station_id": "CS-1"}, 15),
        ("/v1/dead-letters", {"status": "dismissed"}, 0),
        ("/v1/security-events", {"since": at(20).isoformat()}, 10),
        ("/v1/stations", {}, 3),
        ("/v1/stations", {"online": "true"}, 0),
    ):
        asked = {**words, "limit": "2", "total": "true"}
        page = (await client.get(path, params=asked)).json()
        assert page["total"] == {"count": count, "at_least": False}, (path, words)
        if page["next_cursor"]:  # of the whole list, on every page
            behind = {**asked, "cursor": page["next_cursor"]}
            assert (await client.get(path, params=behind)).json()["total"] == page["total"]
        assert (await client.get(path, params={**words, "limit": "2"})).json()["total"] is None
    monkeypatch.setattr(paging, "TOTAL_MAX", 25)
    page = (await client.get("/v1/sessions", params={"total": "true"})).json()
    assert page["total"] == {"count": 25, "at_least": True}


@pytest.mark.parametrize("resource", ["security-events", "dead-letters"])
async def test_events_and_letters_are_sorted_by_receipt_both_ways(
    client: httpx.AsyncClient, db: Database, resource: str
) -> None:
    await make_letters(db, 40)
    for sort, minutes in (("received_at", range(40)), ("-received_at", range(39, -1, -1))):
        found = await listed(client, f"/v1/{resource}", sort=sort)
        times = [datetime.fromisoformat(each["received_at"]) for each in found]
        assert times == [at(minute) for minute in minutes]


@pytest.mark.parametrize(
    ("path", "member"),
    [
        ("/v1/stations", "station_id"),
        ("/v1/locations", "location_id"),
        ("/v1/id-tokens", "id_token"),
        ("/v1/id-token-groups", "group_id_token"),
    ],
)
async def test_a_list_by_name_goes_both_ways_and_is_counted(
    client: httpx.AsyncClient, path: str, member: str
) -> None:
    for number in range(40):
        body = {member: f"X-{number:02}"} | ({"type": "Central"} if member == "id_token" else {})
        assert (await client.post(path, json=body)).status_code == 201
    up = await listed(client, path)
    assert [each[member] for each in up] == [f"X-{number:02}" for number in range(40)]
    assert await listed(client, path, sort=f"-{member}") == up[::-1]
    assert await listed(client, path, sort=member) == up
    page = (await client.get(path, params={"limit": 3, "total": True})).json()
    assert page["total"] == {"count": 40, "at_least": False}
    wrong = {"sort": f"-{member}", "cursor": page["next_cursor"]}
    assert_problem(await client.get(path, params=wrong), 422, "invalid-input")


async def test_billable_in_a_list_is_billable_in_the_session(db: Database) -> None:
    """Every way in which a session can stand in the database is listed as it shows itself."""
    yes_and_no = (True, False)
    ways = [
        (
            str(number),
            START,
            at(9) if ended else None,
            at(9) if settled else None,
            100 if energy else None,
            review,
            decision,
            corrects == "energy",
            200 if corrects == "energy" else None,
            corrects == "end",
            at(5) if corrects == "end" else None,
            *payer,
        )
        for number, (ended, settled, energy, review, decision, corrects, payer) in enumerate(
            product(
                yes_and_no,
                yes_and_no,
                yes_and_no,
                yes_and_no,
                (None, "accept", "void"),
                ("", "energy", "end"),
                ((None, None), ("04A2", None), (None, "Accepted")),
            )
        )
        if ended or corrects != "end"  # an operator's end is written beside the session's own
    ]
    await db.executemany(
        """
        INSERT INTO sessions (station_id, evse_id, transaction_id, transaction_id_issuer,
                              ocpp_version, started_at, ended_at, settled_at, energy_wh,
                              needs_review, review_decision, corrects_energy,
                              reviewed_energy_wh, corrects_end, reviewed_ended_at, id_token,
                              authorization_status)
        VALUES ('CS-1', 1, $1, 'csms', '1.6', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """,
        ways,
    )
    counts = []
    for billable in yes_and_no:
        found = await sessions.list_before(
            db, before=None, limit=1000, found=SessionFilter(billable=billable)
        )
        assert {session.billable for session in found} == {billable}
        counts.append(len(found))
    assert min(counts) > 0
    assert sum(counts) == len(ways)


@pytest.mark.parametrize("resource", ["security-events", "dead-letters"])
async def test_events_and_letters_are_listed_by_time(
    client: httpx.AsyncClient, db: Database, resource: str
) -> None:
    await make_letters(db, 60)
    for words, minutes in (
        ({"since": at(50)}, range(50, 60)),
        ({"until": at(10)}, range(10)),
        ({"since": at(20), "until": at(40)}, range(20, 40)),
        ({"since": at(20), "until": at(40), "station_id": "CS-1"}, range(21, 40, 2)),
        ({}, range(60)),
    ):
        params = {name: str(value.isoformat() if isinstance(value, datetime) else value)
                  for name, value in words.items()}  # fmt: skip
        found = await listed(client, f"/v1/{resource}", **params)
        times = [datetime.fromisoformat(each["received_at"]) for each in found]
        assert times == [at(minute) for minute in reversed(minutes)], words


@pytest.mark.timeout(120)
async def test_no_filter_of_events_or_letters_reads_much_more_than_it_lists(db: Database) -> None:
    await make_letters(db, COUNT)
    for words in (
        {},
        {"until": at(200)},
        {"since": at(COUNT - 200)},
        {"since": at(200), "until": at(300)},
        {"since": at(2 * COUNT)},
        {"station_id": "GONE"},
        {"station_id": "CS-1", "since": at(0)},
    ):
        for store, table in ((dead_letters, "dead_letters"), (security_events, "security_events")):
            asked = Asked(db)
            await store.list_before(asked.db, before=None, limit=PAGE, **words)
            assert await asked.rows_read(table) <= 2 * PAGE + 10, words
    for store, table in ((dead_letters, "dead_letters"), (security_events, "security_events")):
        for goes_down in (True, False):
            asked = Asked(db)
            await store.list_before(
                asked.db, before=None, limit=PAGE, by_time=True, goes_down=goes_down
            )
            assert await asked.rows_read(table) <= PAGE + 10
    asked = Asked(db)
    await dead_letters.list_before(
        asked.db, before=None, limit=PAGE,
        status=dead_letters.DeadLetterStatus.ASSIGNED,
    )  # fmt: skip
    assert await asked.rows_read("dead_letters") <= PAGE


async def make_letters(db: Database, count: int) -> None:
    """Make letters and security events one minute apart, of two stations."""
    await db.execute(
        """
        INSERT INTO dead_letters (station_id, kind, reason, fact, fingerprint, received_at)
        SELECT 'CS-' || n % 2, 'Fact', 'reason', 'fact', n, $1::timestamptz + n * interval '1 min'
        FROM generate_series(0, $2 - 1) AS n
        """,
        START,
        count,
    )
    await db.execute(
        """
        INSERT INTO security_events (station_id, type, occurred_at, fingerprint, received_at)
        SELECT 'CS-' || n % 2, 'StartupOfTheDevice', $1::timestamptz, n,
               $1::timestamptz + n * interval '1 min'
        FROM generate_series(0, $2 - 1) AS n
        """,
        START,
        count,
    )
    await db.execute("ANALYZE dead_letters")
    await db.execute("ANALYZE security_events")


async def test_stations_are_listed_by_all_that_a_batch_goes_by(
    client: httpx.AsyncClient, db: Database
) -> None:
    await client.post("/v1/locations", json={"location_id": "depot"})
    words = {
        "vendor": ("Example", "Other"),
        "model": ("Duo", "Uno"),
        "firmware_version": ("2.4.0", "2.4.1"),
        "ocpp_version": ("1.6", "2.0.1"),
        "location_id": ("depot", None),
        "online": (True, False),
    }
    for number in range(32):
        station_id = f"CS-{number:02}"
        await register(db, station_id)
        chosen = [values[number >> place & 1] for place, values in enumerate(words.values())]
        await db.execute(
            """
            UPDATE stations SET vendor = $2, model = $3, firmware_version = $4, ocpp_version = $5,
                                location_id = $6, online = $7
            WHERE station_id = $1
            """,
            station_id,
            *chosen,
        )
    everything = await listed(client, "/v1/stations")
    assert len(everything) == 32
    asked: list[dict[str, Any]] = [
        *({name: value} for name, values in words.items() for value in values if value is not None),
        {"vendor": "Example", "firmware_version": "2.4.1", "online": True},
        {name: values[0] for name, values in words.items()},
        {"vendor": "example"},  # to the letter
    ]
    for filters in asked:
        found = await listed(client, "/v1/stations", **filters)
        expected = [
            each
            for each in everything
            if all(each[name] == value for name, value in filters.items())
        ]
        assert [each["station_id"] for each in found] == [
            each["station_id"] for each in expected
        ], filters
        batch = await client.post(
            "/v1/command-batches", json={"command": {"type": "ClearCache"}, "filter": filters}
        )
        assert (batch.json().get("total", 0)) == len(found), batch.text
