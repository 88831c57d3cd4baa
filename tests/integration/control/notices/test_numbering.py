"""Events get numbers in an order in which nobody who reads them misses any."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from prometheus_client import REGISTRY

from control.jobs.notices.numbering import EventNumberer
from control.jobs.retention import keep_events
from shared.bus.event_words import EventWords
from shared.domain.notices.events import EVERY_EVENT, EventFilter, EventType
from shared.store.notices import events, numbering, outbox
from shared.store.pool import Database, open_database
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.notices.conftest import happening, put, told
from tests.support.plans import Asked


async def test_what_is_put_is_told_once_in_order_and_as_it_was_put(db: Database) -> None:
    at = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    await put(
        db,
        happening("CS-1", location_id="L-1", energy_wh=5.5, words=["a", None]),
        happening("CS-2", EventType.STATION_OFFLINE, organization_id="acme"),
    )
    async with db.acquire() as connection, connection.transaction():
        await outbox.put(connection, [])
        await outbox.put(connection, [happening(None, EventType.ALERT_FIRED)])
    first, second, third = await told(db)
    assert [first.number, second.number, third.number] == [1, 2, 3]
    assert first.data == {"energy_wh": 5.5, "words": ["a", None]}
    assert (first.station_id, first.location_id) == ("CS-1", "L-1")
    assert first.organization_id == "default"
    assert (second.type, second.organization_id) == (EventType.STATION_OFFLINE, "acme")
    assert third.station_id is None
    assert at < first.occurred_at <= first.recorded_at <= datetime.now(UTC) + timedelta(minutes=1)
    assert await told(db) == [first, second, third]
    assert await events.newest_number(db) == 3
    assert await events.oldest_number(db) == 1


async def test_what_is_about_a_station_is_of_its_organization_and_place(db: Database) -> None:
    await db.execute(
        """
        WITH acme AS (
            INSERT INTO organizations (organization_id, parent_id, name)
            VALUES ('acme', 'default', 'Acme')
        ), place AS (
            INSERT INTO locations (location_id, organization_id) VALUES ('L-1', 'acme')
        )
        INSERT INTO stations (station_id, organization_id, location_id)
        VALUES ('CS-1', 'acme', 'L-1')
        """
    )
    await put(db, happening("CS-1"), happening("CS-1", organization_id="default"))
    own, other = await told(db)
    assert (own.organization_id, own.location_id) == ("acme", "L-1")
    assert (other.organization_id, other.location_id) == ("default", "L-1")


async def test_what_was_rolled_back_did_not_happen(db: Database) -> None:
    async with db.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await outbox.put(connection, [happening("CS-1")])
        await transaction.rollback()
    await put(db, happening("CS-2"))
    (event,) = await told(db)
    assert (event.station_id, event.number) == ("CS-2", 1)


async def test_before_anything_happened_there_is_no_number(db: Database) -> None:
    assert await events.newest_number(db) == 0
    assert await events.oldest_number(db) is None
    assert await told(db) == []
    assert await numbering.number(db, limit=10) is None


async def test_what_was_put_earlier_and_committed_later_gets_the_later_number(
    db: Database, make_settings: MakeSettings
) -> None:
    async with open_database(make_settings(database_pool_size=1)) as slow, slow.acquire() as late:
        transaction = late.transaction()
        await transaction.start()
        await outbox.put(late, [happening("late")])
        await put(db, happening("early"))
        (seen,) = await told(db)
        assert seen.station_id == "early"
        await transaction.commit()
    (missed,) = await told(db, after=seen.number)
    assert missed.station_id == "late"


async def test_one_worker_at_a_time_numbers_and_the_others_do_not_wait(
    db: Database, make_settings: MakeSettings
) -> None:
    await put(db, happening())
    async with (
        open_database(make_settings(database_pool_size=1)) as other,
        other.acquire() as held,
        held.transaction(),
    ):
        await held.execute("SELECT pg_advisory_xact_lock($1)", numbering._LOCK)
        async with asyncio.timeout(0.5):
            assert await numbering.number(db, limit=10) is None
        assert await events.newest_number(db) == 0
    assert [event.number for event in await told(db)] == [1]


async def test_filters_find_what_they_name(db: Database) -> None:
    await put(
        db,
        happening("CS-1", location_id="L-1"),
        happening("CS-2", EventType.STATION_OFFLINE),
        happening("CS-3", organization_id="acme"),
    )
    await told(db)

    async def found(**criteria: frozenset[str]) -> list[str | None]:
        listed = await events.read_events(db, after=0, limit=10, filter=EventFilter(**criteria))
        return [event.station_id for event in listed]

    assert await found(types=frozenset({"station.online"})) == ["CS-1", "CS-3"]
    assert await found(station_ids=frozenset({"CS-2", "CS-3"})) == ["CS-2", "CS-3"]
    assert await found(location_ids=frozenset({"L-1"})) == ["CS-1"]
    assert await found(organization_ids=frozenset({"acme"})) == ["CS-3"]
    assert await found(organization_ids=frozenset()) == []


async def test_days_go_and_numbers_go_on(db: Database) -> None:
    today = datetime.now(UTC).date()
    old = today - timedelta(days=40)
    await db.fetchval("SELECT attach_daily_partition('events', $1)", old)
    await put(db, happening("old"), happening("old"))
    await told(db)
    # As if it had been forty days ago.
    await db.execute("UPDATE events SET recorded_at = recorded_at - interval '40 days'")
    await db.execute(
        """
        UPDATE event_days
        SET day = day - 40, last_recorded_at = last_recorded_at - interval '40 days'
        """
    )
    assert await keep_events(db, ahead_days=3, retention_days=30) == 1
    assert await events.oldest_number(db) is None
    assert await events.newest_number(db) == 2
    assert await keep_events(db, ahead_days=3, retention_days=30) == 0
    await put(db, happening("new"))
    (event,) = await told(db)
    assert (event.number, event.station_id) == (3, "new")
    assert await events.oldest_number(db) == 3
    assert await keep_events(db, ahead_days=3, retention_days=30) == 0
    assert await events.newest_number(db) == 3


async def test_numbers_stand_in_the_order_of_their_days_whatever_the_clock_does(
    db: Database,
) -> None:
    await put(db, happening("first"))
    await told(db)
    # As if the clock had been an hour ahead until now, over midnight.
    await db.execute(
        """
        UPDATE event_days SET day = day + 1, last_recorded_at = last_recorded_at + interval '1 day'
        """
    )
    await put(db, happening("second"))
    (event,) = await told(db, after=1)
    assert event.station_id == "second"
    assert event.recorded_at > datetime.now(UTC) + timedelta(hours=20)


async def test_a_worker_numbers_in_batches_and_says_what_is_newest(
    db: Database, words: EventWords
) -> None:
    await put(db, *(happening(f"CS-{number}") for number in range(25)))
    before = counted("voltaro_events_numbered_total", type="station.online")
    async with asyncio.timeout(5), words.listen() as numbers:
        assert await EventNumberer(db, words, batch=10).run() == 25
        assert [await anext(numbers) for _ in range(3)] == [10, 20, 25]
    assert counted("voltaro_events_numbered_total", type="station.online") == before + 25
    assert counted("voltaro_events_waiting") == 25
    assert counted("voltaro_events_waiting_seconds") > 0
    assert await EventNumberer(db, words, batch=10).run() == 0
    assert counted("voltaro_events_waiting") == counted("voltaro_events_waiting_seconds") == 0


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Following(Asked):
    """Asks for days, too."""

    async def fetchval(self, statement: str, *parameters: object) -> Any:
        return await self._db.fetchval(statement, *parameters)


async def test_what_follows_is_read_without_a_look_into_days_before(db: Database) -> None:
    today = datetime.now(UTC).date()
    for days in range(1, 6):
        day = today - timedelta(days=days)
        await db.fetchval("SELECT attach_daily_partition('events', $1)", day)
        await db.execute(
            """
            INSERT INTO event_days (day, first_number, last_number, last_recorded_at)
            VALUES ($1::date, 100 - 10 * $2::integer, 109 - 10 * $2::integer, now())
            """,
            day,
            days,
        )
    await put(db, happening())
    (event,) = await told(db, after=99)
    assert event.number == 100
    old = {f"events_{today - timedelta(days=days):%Y%m%d}" for days in range(1, 6)}
    for read in (
        lambda asked: events.read_events(asked, after=99, limit=10, filter=EVERY_EVENT),
        lambda asked: events.list_events(
            asked, EVERY_EVENT, behind=99, goes_down=False, limit=10, timeout_s=5
        ),
    ):
        asked = Following(db)
        assert await read(asked.db) == [event]
        assert not await asked.tables_planned() & old
    asked = Following(db)
    await events.read_events(asked.db, after=85, limit=10, filter=EVERY_EVENT)
    assert len(await asked.tables_planned() & old) == 2


async def test_without_redis_events_are_numbered_all_the_same(
    db: Database, make_settings: MakeSettings
) -> None:
    from shared.bus.client import open_redis  # noqa: PLC0415

    await put(db, happening())
    async with open_redis(make_settings(redis_url="redis://127.0.0.1:1/0")) as nobody:
        words = EventWords(nobody, timeout_s=0.2)
        assert await EventNumberer(db, words, batch=10).run() == 1
    assert [event.number for event in await told(db)] == [1]


async def test_a_worker_that_dies_before_its_commit_has_numbered_nothing(
    db: Database, words: EventWords, database_url: str
) -> None:
    await put(db, *(happening(f"CS-{number}") for number in range(1, 6)))
    dying = await asyncpg.connect(database_url)
    await dying.execute("BEGIN")
    assert await dying.fetchval("SELECT pg_try_advisory_xact_lock($1)", numbering._LOCK)
    await dying.fetch(numbering._NUMBER.replace("$1", "3"))
    assert await EventNumberer(db, words, batch=10).run() == 0
    await db.execute("SELECT pg_terminate_backend($1, 5000)", dying.get_server_pid())
    assert await EventNumberer(db, words, batch=10).run() == 5
    assert await numbers_and_stations(db) == [(number, f"CS-{number}") for number in range(1, 6)]
    await dying.close(timeout=1)


async def test_a_worker_that_dies_before_it_says_so_has_lost_and_doubled_nothing(
    db: Database, words: EventWords, make_settings: MakeSettings
) -> None:
    await put(db, *(happening(f"CS-{number}") for number in range(1, 6)))
    async with open_database(make_settings(database_pool_size=1)) as dying:
        numbered = await numbering.number(dying, limit=3)
    assert numbered is not None
    assert numbered.newest == 3
    assert await EventNumberer(db, words, batch=10).run() == 2
    assert await numbers_and_stations(db) == [(number, f"CS-{number}") for number in range(1, 6)]


async def numbers_and_stations(db: Database) -> list[tuple[int, str | None]]:
    listed = await events.read_events(db, after=0, limit=100, filter=EVERY_EVENT)
    return [(event.number, event.station_id) for event in listed]
