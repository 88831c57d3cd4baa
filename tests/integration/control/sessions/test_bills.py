"""What may be billed: nothing that is uncertain, and nothing else than could be billed before."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from control.jobs.sessions import settling as jobs
from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.commands import RemoteStart, remote_start_id_of
from shared.domain.sessions import (
    HistoryKind,
    ReviewDecision,
    Seen,
    Session,
    TransactionEnded,
    TransactionEventReported,
)
from shared.store import facts
from shared.store.commands import commands
from shared.store.pool import Database
from shared.store.sessions import facts as session_facts
from shared.store.sessions import history as session_history
from shared.store.sessions import reviews, sessions, settling
from shared.store.sessions.facts import ClaimedSession
from shared.store.sessions.settling import Result
from tests.integration.control import charges
from tests.support.stations import register as register_station
from tests.support.transaction_events import BEGIN, END, event, minute, register, started

CHANGED = "changed_after_settlement"
Event = TransactionEventReported


@pytest.fixture
def worker(database_url: str, redis_url: str) -> WorkerSettings:
    return WorkerSettings(database_url=database_url, redis_url=redis_url)


async def settled(db: Database, worker: WorkerSettings, *told: Any) -> Session:
    """Tell facts, have the only session worked out, and return it."""
    for fact in told:
        await facts.write(db, [fact])
    await db.execute("UPDATE sessions SET settle_at = now()")
    await settle_due(db, worker)
    (session,) = await sessions.list_before(db, before=None, limit=10)
    return session


async def history(db: Database, session: Session) -> list[tuple[str, dict[str, Any]]]:
    entries = await session_history.list_after(db, session.session_id, after=None, limit=50)
    return [
        (
            entry.kind,
            {name: int(told) if "energy" in name else told for name, told in entry.detail.items()},
        )
        for entry in entries
    ]


def energy(session: Session) -> tuple[Any, ...]:
    return session.energy_wh, session.energy_method, session.review_reasons


WITH_BEGIN = started(register(0, 1000, BEGIN))
MIDDLE = event("Updated", 1, 30, register(30, 3000))
WITH_END = event("Ended", 2, 60, register(60, 5000, END))
ENDED = event("Ended", 2, 60)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([WITH_BEGIN, MIDDLE, WITH_END], (4000, "registers", ())),
        ([started(), MIDDLE, WITH_END], (2000, "sampled_registers", ("start_uncovered",))),
        ([WITH_BEGIN, MIDDLE, ENDED], (2000, "sampled_registers", ("end_uncovered",))),
        (
            [started(), event("Updated", 1, 30, register(30, 1000)),
             event("Updated", 2, 90, register(90, 5000)), event("Ended", 3, 120)],
            (4000, "sampled_registers", ("end_uncovered", "start_uncovered")),
        ),
        (
            [started(), event("Updated", 1, 4, register(4, 1000)),
             event("Updated", 2, 57, register(57, 5000)), event("Ended", 3, 60)],
            (4000, "sampled_registers", ()),
        ),
        # E01.FR.17: where the EVSE is not known yet, the register at the start comes with a later
        # event.
        (
            [started(), event("Updated", 1, 20, register(20, 1000, BEGIN)),
             event("Ended", 2, 60, register(60, 5000, END))],
            (4000, "registers", ()),
        ),
        # Both with the end, and what was sampled in between (SampledDataTxEndedInterval).
        (
            [started(), event("Ended", 1, 60, register(0, 1000, BEGIN), register(30, 3000),
                              register(60, 5000, END))],
            (4000, "registers", ()),
        ),
        # A make that calls every sample the one at the end.
        (
            [WITH_BEGIN, event("Updated", 1, 30, register(30, 3000, END)), WITH_END],
            (4000, "registers", ()),
        ),
        (
            [WITH_BEGIN, event("Updated", 1, 30, register(30, 3000, END)), ENDED],
            (2000, "sampled_registers", ("end_uncovered",)),
        ),
    ],
    ids=["both", "no register at the start", "no register at the end", "neither, and far away",
         "neither, but near", "the start's later", "both with the end", "every one the last",
         "called the last, but long before"],
)  # fmt: skip
async def test_registers_are_those_of_start_and_end_and_samples_have_to_be_near(
    db: Database, worker: WorkerSettings, told: list[Event], expected: tuple[Any, ...]
) -> None:
    session = await settled(db, worker, *told)
    assert energy(session) == expected
    assert session.billable is not bool(expected[2])


@pytest.mark.parametrize("context", ["Sample.Periodic", END, BEGIN])
@pytest.mark.parametrize("ended", [WITH_END, ENDED], ids=["with a register", "without"])
async def test_what_was_taken_after_the_end_is_kept_and_changes_nothing(
    db: Database, worker: WorkerSettings, ended: Event, context: str
) -> None:
    before = await settled(
        db, worker, WITH_BEGIN, event("Updated", 1, 58, register(58, 4900)), ended
    )
    assert before.billable
    late = event("Updated", 3, 180, register(180, 30_000, context))
    after = await settled(db, worker, late)
    assert replace(after, settled_at=None, updated_at=before.updated_at) == replace(
        before, settled_at=None
    )
    assert (await db.fetchval("SELECT count(*) FROM meter_values")) in {3, 4}
    assert await history(db, after) == []


async def test_an_end_that_brings_a_register_of_much_later_does_not_bill_it(
    db: Database, worker: WorkerSettings
) -> None:
    late = event("Ended", 1, 60, register(240, 30_000, END))
    session = await settled(db, worker, WITH_BEGIN, late)
    assert energy(session) == (None, None, ("energy_unknown",))
    assert session.meter_stop_wh is None


async def test_events_that_are_missing_between_two_registers_are_noted_only(
    db: Database, worker: WorkerSettings
) -> None:
    session = await settled(db, worker, WITH_BEGIN, replace(WITH_END, seq_no=9))
    assert energy(session) == (4000, "registers", ())
    assert session.billable


@pytest.mark.parametrize(
    ("told", "reasons"),
    [
        ([WITH_BEGIN, MIDDLE, replace(ENDED, seq_no=9)], ("end_uncovered", "events_missing")),
        (
            [WITH_BEGIN, event("Updated", 1, 58, register(58, 4000)), replace(ENDED, seq_no=9)],
            ("events_missing",),
        ),
        (
            [started(), event("Updated", 4, 3, register(3, 1000)),
             event("Ended", 5, 60, register(60, 5000, END))],
            ("events_missing",),
        ),
        # Numbers that go on from one transaction to the next (part 2 §1.3.2.1).
        (
            [replace(WITH_BEGIN, seq_no=70), event("Updated", 71, 58, register(58, 4000)),
             replace(ENDED, seq_no=72)],
            (),
        ),
        # What is told of later is none of its events.
        (
            [WITH_BEGIN, event("Updated", 1, 58, register(58, 4000)), ENDED,
             event("Updated", 9, 180)],
            (),
        ),
    ],
    ids=["before the end", "before an end that is near", "behind the start", "counted on",
         "after the end"],
)  # fmt: skip
async def test_without_both_registers_missing_events_are_looked_at(
    db: Database, worker: WorkerSettings, told: list[Event], reasons: tuple[str, ...]
) -> None:
    session = await settled(db, worker, *told)
    assert session.review_reasons == reasons
    assert session.billable is not bool(reasons)


async def test_what_was_missing_and_comes_late_counts_without_anybody(
    db: Database, worker: WorkerSettings
) -> None:
    session = await settled(db, worker, WITH_BEGIN, replace(ENDED, seq_no=3))
    assert not session.billable
    rest = [MIDDLE, event("Updated", 2, 59, register(59, 4800), offline=True)]
    session = await settled(db, worker, *rest)
    assert energy(session) == (3800, "sampled_registers", ())
    assert session.billable


async def test_a_bill_of_2_0_1_does_not_change_in_silence(
    db: Database, worker: WorkerSettings
) -> None:
    before = await settled(db, worker, WITH_BEGIN, MIDDLE, WITH_END)
    assert before.billable
    earlier = event("Ended", 0, 50, register(50, 4200, END), offline=True)
    after = await settled(db, worker, earlier)
    assert CHANGED in after.review_reasons
    assert not after.billable
    (changed, needs_review) = await history(db, after)
    assert changed == (
        HistoryKind.CHANGED_AFTER_SETTLEMENT,
        {
            "energy_wh_before": 4000,
            "energy_wh": 3200,
            "ended_at_before": minute(60).isoformat(),
            "ended_at": minute(50).isoformat(),
        },
    )
    assert needs_review == (HistoryKind.NEEDS_REVIEW, {"reasons": [CHANGED, "ends_differ"]})
    again = await settled(db, worker)
    assert (again.updated_at, len(await history(db, again))) == (after.updated_at, 2)


async def test_another_payer_is_a_change_as_well(db: Database, worker: WorkerSettings) -> None:
    ended = event("Ended", 3, 60, register(60, 5000, END))
    friend = replace(WITH_BEGIN, seq_no=2, event_type=MIDDLE.event_type, id_token="FRIEND")
    before = await settled(
        db, worker, replace(WITH_BEGIN, id_token=None, id_token_type=None), friend, ended
    )
    assert (before.id_token, before.billable) == ("FRIEND", True)
    after = await settled(db, worker, replace(friend, seq_no=1, id_token="OWNER"))
    assert (after.id_token, after.review_reasons) == ("OWNER", (CHANGED,))
    assert (await history(db, after))[0][1] == {
        "id_token_before": "FRIEND", "id_token": "OWNER"
    }  # fmt: skip


async def changed_bill_of_1_6(db: Database, worker: WorkerSettings) -> Session:
    """Bill a session by an end that was matched, and then tell the real one."""
    transaction_id = await charges.begin(db)
    stray = TransactionEnded(
        station_id="CS-1",
        transaction_id="-1",
        ended_at=charges.START + timedelta(hours=1),
        meter_stop_wh=Decimal(2500),
        stopped_reason="Local",
        id_token="04A2B3C4",
    )
    before = await settled(db, worker, stray)
    assert (before.ended_by, before.energy_wh, before.billable) == ("matched", 1500, True)
    await charges.end(db, transaction_id, "3000")
    return await settled(db, worker)


async def test_a_bill_of_1_6_does_not_change_in_silence(
    db: Database, worker: WorkerSettings
) -> None:
    after = await changed_bill_of_1_6(db, worker)
    assert (after.energy_wh, after.review_reasons, after.billable) == (2000, (CHANGED,), False)
    entries = dict(await history(db, after))
    assert entries[HistoryKind.CHANGED_AFTER_SETTLEMENT] == {
        "energy_wh_before": 1500,
        "energy_wh": 2000,
    }


async def decide(db: Database, session: Session, decision: ReviewDecision, **words: Any) -> None:
    given = {"energy_wh": None, "ended_at": None, "note": None, "reviewed_by": "test", **words}
    seen = Seen(
        energy_wh=session.energy_wh,
        ended_at=session.ended_at,
        reasons=frozenset(session.review_reasons),
        decision=session.review_decision,
    )
    await reviews.review(db, session.session_id, seen=seen, decision=decision, **given)


async def test_a_decision_about_a_changed_bill_holds_until_it_changes_again(
    db: Database, worker: WorkerSettings
) -> None:
    session = await changed_bill_of_1_6(db, worker)
    await decide(db, session, ReviewDecision.ACCEPT)
    accepted = await settled(db, worker)
    assert (accepted.energy_wh, accepted.billable) == (2000, True)
    again = await settled(db, worker)
    assert (again.billable, again.updated_at) == (True, accepted.updated_at)


async def test_a_decision_itself_is_no_change_in_silence(
    db: Database, worker: WorkerSettings
) -> None:
    await charges.end(db, await charges.begin(db), "3000")
    session = await settled(db, worker)
    await decide(db, session, ReviewDecision.CORRECT, energy_wh=Decimal(1200))
    session = await settled(db, worker)
    assert (session.energy_wh, session.review_reasons, session.billable) == (1200, (), True)
    await decide(db, session, ReviewDecision.VOID)
    session = await settled(db, worker)
    assert (session.review_reasons, session.billable) == ((), False)


async def test_a_bill_from_before_bills_were_kept_does_not_change_in_silence(
    db: Database, worker: WorkerSettings
) -> None:
    await settled(db, worker, WITH_BEGIN, MIDDLE, WITH_END)
    await db.execute("UPDATE sessions SET bill_at = NULL, bill_energy_wh = NULL")
    earlier = event("Ended", 0, 50, register(50, 4200, END), offline=True)
    session = await settled(db, worker, earlier)
    assert CHANGED in session.review_reasons


ANONYMOUS = {"id_token": None, "id_token_type": None, "authorization_status": None}


async def test_nobody_is_billed_for_a_charge_that_nobody_was_authorized_for(
    db: Database, worker: WorkerSettings
) -> None:
    session = await settled(db, worker, replace(WITH_BEGIN, **ANONYMOUS), MIDDLE, WITH_END)
    assert energy(session) == (4000, "registers", ("no_token",))
    assert (session.needs_review, session.billable) == (True, False)
    await decide(db, session, ReviewDecision.ACCEPT)
    assert not (await settled(db, worker)).needs_review


async def test_a_car_that_was_only_plugged_in_waits_for_nobody_and_is_nobodys_bill(
    db: Database, worker: WorkerSettings
) -> None:
    ended = event("Ended", 1, 60, register(60, 1003, END))
    session = await settled(db, worker, replace(WITH_BEGIN, **ANONYMOUS), ended)
    assert (session.energy_wh, session.needs_review, session.billable) == (3, False, False)


async def test_where_nobody_has_to_be_authorized_nobody_is_asked_for(
    db: Database, worker: WorkerSettings
) -> None:
    button = {**ANONYMOUS, "id_token_type": IdTokenType.NO_AUTHORIZATION,
              "authorization_status": AuthorizationStatus.ACCEPTED}  # fmt: skip
    session = await settled(db, worker, replace(WITH_BEGIN, **button), MIDDLE, WITH_END)
    assert (session.id_token, session.review_reasons, session.billable) == (None, (), True)


async def claim(db: Database, worker: WorkerSettings) -> tuple[ClaimedSession, Result]:
    """Take the only session, and work it out, as a worker that then is slow to write."""
    await db.execute("UPDATE sessions SET settle_at = now()")
    (claimed,) = await settling.claim(db, limit=9, lease_s=60)
    due = await session_facts.load(db, [claimed], max_samples=99, max_age=timedelta(days=1))
    (result,) = jobs._results(due, worker)
    return claimed, result


async def test_what_was_worked_out_before_a_fact_came_is_not_written(
    db: Database, worker: WorkerSettings
) -> None:
    transaction_id = await charges.begin(db)
    await charges.end(db, transaction_id, "900")
    _, result = await claim(db, worker)
    assert result.settlement.needs_review
    await charges.end(db, transaction_id, "3000")
    before = await db.fetchrow("SELECT * FROM sessions")
    assert await settling.store(db, [result], max_quirks_per_station=9) == []
    assert await db.fetchrow("SELECT * FROM sessions") == before
    assert await db.fetchval("SELECT count(*) FROM session_history") == 0
    assert await settle_due(db, worker) == 1


async def test_what_was_worked_out_after_all_facts_is_written_once(
    db: Database, worker: WorkerSettings
) -> None:
    await charges.end(db, await charges.begin(db), "900")
    _, result = await claim(db, worker)
    assert await settling.store(db, [result], max_quirks_per_station=9) == [result]
    assert await settling.store(db, [result], max_quirks_per_station=9) == []
    assert await db.fetchval("SELECT count(*) FROM session_history") == 1


async def test_a_failure_before_a_fact_came_does_not_put_the_session_off(
    db: Database, worker: WorkerSettings
) -> None:
    transaction_id = await charges.begin(db)
    claimed, _ = await claim(db, worker)
    await charges.end(db, transaction_id, "3000")
    await settling.put_back(db, claimed, delay_s=1000)
    assert not await settling.give_up(db, claimed, delay_s=1000)
    row = await db.fetchrow(
        "SELECT settle_failures, needs_review, settle_at <= now() FROM sessions"
    )
    assert tuple(row) == (0, False, True)
    assert await settle_due(db, worker) == 1


async def remote_start(db: Database, station_id: str = "CS-1", *, sent: bool = True) -> int:
    """Have a remote start for OWNER sent to a station; return its remoteStartId."""
    await register_station(db, station_id)
    record, _ = await commands.create(
        db, station_id=station_id, command=RemoteStart(id_token="OWNER"), timeout_s=60
    )
    if sent:
        await db.execute("UPDATE commands SET state = 'unknown', sent_at = now()")
    return remote_start_id_of(record.command_id)


async def test_a_remote_start_tells_whose_charge_it_is(
    db: Database, worker: WorkerSettings
) -> None:
    number = await remote_start(db)
    begun = replace(WITH_BEGIN, **ANONYMOUS)
    named = replace(MIDDLE, remote_start_id=number)
    going_on = await settled(db, worker, begun, named)
    assert (going_on.id_token, going_on.ended_at) == ("OWNER", None)
    session = await settled(db, worker, WITH_END)
    assert (session.id_token, session.review_reasons, session.billable) == ("OWNER", (), True)


async def test_the_stations_own_word_of_the_token_replaces_that_of_the_remote_start(
    db: Database, worker: WorkerSettings
) -> None:
    number = await remote_start(db)
    await settled(db, worker, replace(WITH_BEGIN, **ANONYMOUS, remote_start_id=number))
    told = replace(MIDDLE, id_token="TAG", id_token_type=IdTokenType.ISO14443)
    session = await settled(db, worker, told, WITH_END)
    assert (session.id_token, session.billable) == ("TAG", True)


@pytest.mark.parametrize("which", ["another station's", "refused", "never sent", "made up"])
async def test_only_a_remote_start_that_the_station_got_tells_it(
    db: Database, worker: WorkerSettings, which: str
) -> None:
    other = which == "another station's"
    number = await remote_start(db, "CS-2" if other else "CS-1", sent=which != "never sent")
    if which == "refused":
        await db.execute("UPDATE commands SET state = 'rejected'")
    if which == "made up":
        number ^= 1
    begun = replace(WITH_BEGIN, **ANONYMOUS, remote_start_id=number)
    session = await settled(db, worker, begun, MIDDLE, WITH_END)
    assert (session.id_token, session.review_reasons) == (None, ("no_token",))
