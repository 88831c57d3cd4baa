"""Who is told of alerts, when, and how often: through a real SMTP server on this machine."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs

from control.jobs.notices.alert_mails import AlertMailer
from control.jobs.notices.alerts import AlertKeeper
from shared.domain.notices.alerts import AlertKind, EscalationStep, QuietHours
from shared.store.notices import alerts
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
from tests.support.mail_server import MailServer, mail_server, text_of

IDS = [f"{each.kind}-{next(iter(each.parameters))}" for each in PLAYS]
DASHBOARD = "https://voltaro.example.com"
BERLIN = ZoneInfo("Europe/Berlin")

Make = Callable[..., tuple[AlertKeeper, AlertMailer]]


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(
    db: Database, database_url: str, redis_url: str, mail: MailServer, clock: Clock
) -> Callable[..., tuple[AlertKeeper, AlertMailer]]:
    def made(**changes: Any) -> tuple[AlertKeeper, AlertMailer]:
        settings = worker_settings(
            database_url,
            redis_url,
            **{
                "smtp_host": "127.0.0.1",
                "smtp_port": mail.port,
                "smtp_security": "none",
                "smtp_timeout_s": 5,
                "mail_from": "Voltaro <voltaro@example.com>",
                "dashboard_url": DASHBOARD,
                **changes,
            },
        )
        return AlertKeeper(db, settings, clock=clock), AlertMailer(db, settings, clock=clock)

    return made


def quiet(*, minutes: int) -> QuietHours:
    """Quiet hours that have begun a minute ago, by the clock of Berlin."""
    begin, end = NOW - timedelta(minutes=1), NOW + timedelta(minutes=minutes)
    return QuietHours(
        time_zone="Europe/Berlin",
        begin=begin.astimezone(BERLIN).time(),
        end=end.astimezone(BERLIN).time(),
    )


async def acknowledge_all(db: Database) -> None:
    for record in await db.fetch("SELECT alert_id::text FROM alerts WHERE resolved_at IS NULL"):
        await alerts.acknowledge(db, record["alert_id"], by="Ada", note=None)


def of_the_other(statements: str) -> str:
    for one, other in (("CS-1", "CS-2"), ("000000000001", "000000000002"), ("009'", "008'")):
        statements = statements.replace(one, other)
    return statements


async def everything_amiss(db: Database, played: Play) -> int:
    """Have it be amiss with both stations; return how many alerts that makes."""
    await play(db, played.begins, NOW)
    if played.is_of_installation:
        return 1
    await play(db, of_the_other(played.begins), NOW)
    return 2


@pytest.mark.parametrize("played", PLAYS, ids=IDS)
async def test_an_alert_is_kept_quiet_grouped_escalated_acknowledged_and_over(
    db: Database, make: Make, mail: MailServer, clock: Clock, played: Play
) -> None:
    keeper, mailer = make()
    await make_stations(db)
    await make_rule(
        db,
        played.kind,
        played.parameters,
        name="What <we> watch",
        severity="critical",
        emails=["ops@example.com", "night@example.com"],
        quiet_hours=quiet(minutes=10),
        escalation=[
            EscalationStep(after_s=900, emails=("boss@example.com",)),
            EscalationStep(after_s=1800, emails=("owner@example.com",)),
        ],
        resolve_after_s=0.0,
    )
    count = await everything_amiss(db, played)
    assert await keeper.run() == count

    # Kept quiet, and told afterwards: all of it in one mail to each.
    assert await mailer.run() == 0
    clock.move(minutes=10)
    assert await mailer.run() == 2
    assert {each["To"] for each in mail.mails} == {"ops@example.com", "night@example.com"}
    first = mail.mails[0]
    text, html = text_of(first), text_of(first, "html")
    assert first["Subject"].startswith("[critical] What <we> watch: ")
    if count == 2:
        assert first["Subject"].endswith(": 2 new")
        assert text.count("\n- ") == 2
        assert "CS-1" in text
        assert "CS-2" in text
        assert "Location: Depot north" in text
    assert "What &lt;we&gt; watch" in html
    assert DASHBOARD in html
    assert f"{clock.now.astimezone(BERLIN):%Y-%m-%d %H:%M %Z}" in text or count != 2
    assert await mailer.run() == 0

    # Nobody answers: others are told, and nobody else once somebody has.
    clock.move(minutes=14)
    assert await mailer.run() == 0
    clock.move(minutes=1)
    assert await mailer.run() == 1
    assert mail.mails[-1]["To"] == "boss@example.com"
    assert "not acknowledged for 15 minutes" in mail.mails[-1]["Subject"]
    await acknowledge_all(db)
    clock.move(minutes=30)
    assert await mailer.run() == 0

    # It is over: whoever was told of it is told.
    await play(db, played.ends, clock.now)
    if count == 2:
        await play(db, of_the_other(played.ends), clock.now)
    assert await keeper.run() == count
    assert await mailer.run() == 3
    assert {each["To"] for each in mail.mails[3:]} == {
        *("ops@example.com", "night@example.com", "boss@example.com")
    }
    assert "over" in mail.mails[-1]["Subject"]
    assert "Acknowledged by: Ada" in text_of(mail.mails[-1])
    assert await mailer.run() == 0
    told = await db.fetch(
        "SELECT type FROM event_outbox WHERE starts_with(type, 'alert.') ORDER BY outbox_id"
    )
    assert [each["type"] for each in told] == [
        event
        for event in ("alert.fired", "alert.acknowledged", "alert.resolved")
        for _ in range(count)
    ]


async def test_what_comes_later_waits_for_the_next_mail(
    db: Database, make: Make, mail: MailServer, clock: Clock
) -> None:
    keeper, mailer = make(alerts_group_wait_s=20)
    played = PLAYS[0]
    await make_stations(db)
    await make_rule(db, played.kind, played.parameters, emails=["ops@example.com"])
    await play(db, played.begins, NOW)
    await keeper.run()
    assert await mailer.run() == 0  # others may come together with it
    clock.move(seconds=20)
    assert await mailer.run() == 1
    await play(db, of_the_other(played.begins), clock.now)
    await keeper.run()
    clock.move(seconds=299)
    assert await mailer.run() == 0
    clock.move(seconds=1)
    assert await mailer.run() == 1
    assert [each["Subject"] for each in mail.mails] == [
        "[warning] Rule of station_offline: CS-1",
        "[warning] Rule of station_offline: CS-2",
    ]


async def test_ten_thousand_stations_at_once_are_one_mail_that_can_be_read(
    db: Database, make: Make, mail: MailServer
) -> None:
    keeper, mailer = make()
    await make_stations(db)
    await make_rule(
        db, AlertKind.STATION_OFFLINE, {"longer_than_s": 60}, emails=["ops@example.com"]
    )
    await db.execute(
        """
        INSERT INTO stations (station_id, security_profile, online, disconnected_at)
        SELECT 'X-' || n, 0, false, $1 FROM generate_series(1, 900) AS n
        """,
        NOW - timedelta(hours=1),
    )
    assert await keeper.run() == 900
    assert await mailer.run() == 1
    (sent,) = mail.mails
    assert sent["Subject"] == "[warning] Rule of station_offline: 900 new"
    assert text_of(sent).count("\n- ") == 50
    assert "And 850 more." in text_of(sent)
    assert len(sent.as_bytes()) < 100_000


async def test_what_comes_and_goes_in_quiet_hours_is_told_afterwards(
    db: Database, make: Make, mail: MailServer, clock: Clock
) -> None:
    keeper, mailer = make()
    played = PLAYS[0]
    await make_stations(db)
    await make_rule(
        db,
        played.kind,
        played.parameters,
        emails=["ops@example.com"],
        quiet_hours=quiet(minutes=30),
        resolve_after_s=0.0,
    )
    await play(db, played.begins, NOW)
    await keeper.run()
    await play(db, played.ends, NOW)
    await keeper.run()
    clock.move(minutes=29)
    assert await mailer.run() == 0
    clock.move(minutes=1)
    assert await mailer.run() == 1
    assert mail.mails[0]["Subject"].endswith("CS-1 (came and went meanwhile)")


@pytest.mark.parametrize("silenced", ["alert", "rule"])
async def test_what_is_silenced_is_told_when_that_ends(
    db: Database, make: Make, clock: Clock, silenced: str
) -> None:
    keeper, mailer = make()
    played = PLAYS[0]
    await make_stations(db)
    await make_rule(db, played.kind, played.parameters, emails=["ops@example.com"])
    await play(db, played.begins, NOW)
    await keeper.run()
    table = {"alert": "alerts", "rule": "alert_rules"}[silenced]
    await db.execute(f"UPDATE {table} SET silenced_until = $1", NOW + timedelta(hours=1))  # noqa: S608 - named above
    clock.move(minutes=59)
    assert await mailer.run() == 0
    clock.move(minutes=1)
    assert await mailer.run() == 1


async def test_a_mail_server_that_is_away_costs_a_while_and_one_recipient_harms_no_other(
    db: Database, make: Make, mail: MailServer, clock: Clock
) -> None:
    keeper, mailer = make()
    played = PLAYS[0]
    await make_stations(db)
    await make_rule(db, played.kind, played.parameters, emails=["a@example.com", "b@example.com"])
    await play(db, played.begins, NOW)
    await keeper.run()
    mail.answer = "451 later"
    with capture_logs() as logged:
        assert await mailer.run() == 0
    assert [each["again"] for each in logged] == [True, True]
    assert "a@example.com" not in repr(logged)
    assert await mailer.run() == 0
    clock.move(seconds=30)
    mail.answer = "250 OK"
    accept = mail.handle_RCPT

    async def refuse_a(*told: Any) -> str:
        return "550 no" if told[3].startswith("a@") else await accept(*told)

    mail.handle_RCPT = refuse_a  # type: ignore[method-assign]
    with capture_logs():
        assert await mailer.run() == 1
    states = await db.fetch("SELECT recipient, state, tries FROM alert_notifications ORDER BY 1")
    assert [tuple(each) for each in states] == [
        ("a@example.com", "failed", 2),
        ("b@example.com", "sent", 2),
    ]
    assert mail.mails[0]["Message-ID"].endswith("@example.com>")


async def test_a_mail_is_not_tried_for_ever(
    db: Database, make: Make, mail: MailServer, clock: Clock
) -> None:
    keeper, mailer = make(alert_mails_keep_trying_s=120)
    played = PLAYS[0]
    await make_stations(db)
    await make_rule(db, played.kind, played.parameters, emails=["a@example.com"])
    await play(db, played.begins, NOW)
    await keeper.run()
    mail.answer = "451 later"
    with capture_logs():
        for _ in range(10):
            await mailer.run()
            clock.move(minutes=5)
    (row,) = await db.fetch("SELECT state, tries FROM alert_notifications")
    assert tuple(row) == ("failed", 2)


async def test_one_worker_tells_at_a_time_and_none_twice(
    db: Database, make: Make, mail: MailServer
) -> None:
    keeper, mailer = make()
    played = PLAYS[0]
    await make_stations(db)
    await make_rule(db, played.kind, played.parameters, emails=["a@example.com"])
    await play(db, played.begins, NOW)
    await keeper.run()
    async with db.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(6801600242)")
        assert await mailer.run() == 0
    assert [await mailer.run(), await mailer.run()] == [1, 0]
    assert len(mail.mails) == 1
