"""Each kind of alert: when it fires, that it goes on, and when it is over."""

from collections.abc import Mapping

import pytest

from control.jobs.notices.alerts import AlertKeeper
from shared.domain.notices.alerts import AlertKind
from shared.domain.notices.catalogue import CATALOGUE
from shared.domain.notices.events import EventType
from shared.store.notices import alert_evaluation
from shared.store.pool import Database
from tests.integration.control.notices.alert_plays import (
    NOW,
    PLAYS,
    Clock,
    Play,
    make_rule,
    make_stations,
    play,
    worker_settings,
)

IDS = [f"{each.kind}-{next(iter(each.parameters))}" for each in PLAYS]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keeper(db: Database, database_url: str, redis_url: str, clock: Clock) -> AlertKeeper:
    return AlertKeeper(db, worker_settings(database_url, redis_url), clock=clock)


async def alerts(db: Database) -> list[Mapping[str, object]]:
    return list(await db.fetch("SELECT * FROM alerts ORDER BY alert_id"))


async def told(db: Database) -> list[str]:
    records = await db.fetch(
        "SELECT type, data FROM event_outbox WHERE type LIKE 'alert.%' ORDER BY outbox_id"
    )
    for record in records:
        assert set(record["data"]) == set(CATALOGUE[EventType(record["type"])].data)
    return [record["type"] for record in records]


def test_every_kind_is_played() -> None:
    assert {each.kind for each in PLAYS} == set(AlertKind)


@pytest.mark.parametrize("played", PLAYS, ids=IDS)
async def test_an_alert_fires_once_stays_and_resolves_by_itself(
    db: Database, keeper: AlertKeeper, clock: Clock, played: Play
) -> None:
    await make_stations(db)
    await play(db, played.nearly, NOW)
    await make_rule(db, played.kind, played.parameters, resolve_after_s=60.0)
    assert await keeper.run() == 0

    await play(db, played.begins, NOW)
    assert await keeper.run() == 1
    clock.move(seconds=20)
    assert await keeper.run() == 0
    (alert,) = await alerts(db)
    assert str(alert["subject"]).startswith(played.subject)
    assert (alert["occurrences"], alert["resolved_at"]) == (1, None)
    if not played.is_of_installation:
        assert (alert["station_id"], alert["location_id"]) == ("CS-1", "depot")
    assert await told(db) == ["alert.fired"]

    # Not before it has been over for as long as the rule says.
    await play(db, played.ends, clock.now)
    assert await keeper.run() == 0
    clock.move(seconds=59)
    assert await keeper.run() == 0
    clock.move(seconds=2)
    assert await keeper.run() == 1
    (alert,) = await alerts(db)
    assert alert["resolved_at"] == clock.now
    assert await told(db) == ["alert.fired", "alert.resolved"]
    assert await keeper.run() == 0


async def test_a_condition_that_comes_back_soon_is_the_same_alert(
    db: Database, keeper: AlertKeeper, clock: Clock
) -> None:
    played = PLAYS[0]
    await make_stations(db)
    await make_rule(db, played.kind, played.parameters, resolve_after_s=60.0)
    for _ in range(3):
        await play(db, played.begins, clock.now)
        await keeper.run()
        await play(db, played.ends, clock.now)
        await keeper.run()
        clock.move(seconds=30)
    (alert,) = await alerts(db)
    assert (alert["occurrences"], alert["resolved_at"]) == (3, None)
    assert await told(db) == ["alert.fired"]


async def test_what_no_rule_asks_for_any_more_is_over(
    db: Database, keeper: AlertKeeper, clock: Clock
) -> None:
    played = PLAYS[0]
    await make_stations(db)
    rules = [await make_rule(db, played.kind, played.parameters) for _ in range(3)]
    await play(db, played.begins, NOW)
    assert await keeper.run() == 3
    await db.execute("DELETE FROM alert_rules WHERE rule_id = $1", rules[0].rule_id)
    await db.execute("UPDATE alert_rules SET enabled = false WHERE rule_id = $1", rules[1].rule_id)
    await keeper.run()
    clock.move(seconds=61)
    assert await keeper.run() == 2
    await db.execute("DELETE FROM alert_rules")
    await keeper.run()
    clock.move(seconds=61)
    assert await keeper.run() == 1
    assert await told(db) == ["alert.fired"] * 3 + ["alert.resolved"] * 3


async def test_a_rule_concerns_its_organization_and_those_below_and_what_it_names(
    db: Database, keeper: AlertKeeper
) -> None:
    await db.execute(
        """
        INSERT INTO organizations (organization_id, parent_id, name)
        VALUES ('operator', 'default', 'one'), ('host', 'operator', 'two'),
               ('stranger', 'default', 'three')
        """
    )
    await make_stations(db, organization_id="host")
    played = PLAYS[0]
    for name, values in {
        "above": {"organization_id": "operator"},
        "own": {"organization_id": "host"},
        "stranger": {"organization_id": "stranger"},
        "location": {"organization_id": "host", "location_ids": ["depot"]},
        "elsewhere": {"organization_id": "host", "location_ids": ["elsewhere"]},
        "station": {"organization_id": "host", "station_ids": ["CS-1"]},
        "other": {"organization_id": "host", "station_ids": ["CS-2"]},
        "either": {"station_ids": ["CS-2"], "location_ids": ["depot"]},
    }.items():
        await make_rule(db, played.kind, played.parameters, name=name, **values)
    await play(db, played.begins, NOW)
    await keeper.run()
    fired = {(each["rule_name"], each["organization_id"]) for each in await alerts(db)}
    assert fired == {
        ("above", "operator"),
        ("own", "host"),
        ("location", "host"),
        ("station", "host"),
        ("either", "default"),
    }


async def test_planned_maintenance_is_no_alert(
    db: Database, keeper: AlertKeeper, clock: Clock
) -> None:
    played = PLAYS[0]
    await make_stations(db)
    await make_rule(db, played.kind, played.parameters)
    await db.execute(
        """
        INSERT INTO maintenance_windows (station_id, starts_at, ends_at)
        VALUES ('CS-1', $1::timestamptz, $1::timestamptz + interval '1 hour')
        """,
        NOW,
    )
    await play(db, played.begins, NOW)
    assert await keeper.run() == 0
    clock.move(hours=1)
    assert await keeper.run() == 1


async def test_one_worker_looks_at_a_time(db: Database, keeper: AlertKeeper) -> None:
    played = PLAYS[0]
    await make_stations(db)
    await make_rule(db, played.kind, played.parameters)
    await play(db, played.begins, NOW)
    async with db.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", alert_evaluation.LOCK)
        assert await keeper.run() == 0
    assert await keeper.run() == 1


async def test_an_outage_of_everything_fires_in_steps(
    db: Database, database_url: str, redis_url: str, clock: Clock
) -> None:
    await make_stations(db)
    await make_rule(db, AlertKind.STATION_OFFLINE, {"longer_than_s": 60})
    await db.execute("UPDATE stations SET online = false, disconnected_at = $1", NOW)
    clock.move(minutes=5)
    settings = worker_settings(database_url, redis_url, alerts_batch=1)
    keeper = AlertKeeper(db, settings, clock=clock)
    assert [await keeper.run() for _ in range(3)] == [1, 1, 0]


async def test_stations_are_looked_at_in_turns_for_charges_that_nobody_starts(
    db: Database, database_url: str, redis_url: str, clock: Clock
) -> None:
    await make_stations(db)
    await make_rule(db, AlertKind.NO_SUCCESSFUL_START, {"for_s": 60})
    clock.move(minutes=5)
    settings = worker_settings(database_url, redis_url, alerts_slice_stations=1)
    keeper = AlertKeeper(db, settings, clock=clock)
    assert [await keeper.run() for _ in range(4)] == [1, 1, 0, 0]
    assert {each["clear_since"] for each in await alerts(db)} == {None}
    # One that is gone is in nobody's turn.
    await db.execute("DELETE FROM stations WHERE station_id = 'CS-2'")
    await keeper.run()
    clock.move(minutes=2)
    assert await keeper.run() == 1
