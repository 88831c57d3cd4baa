"""What an operator has decided to bill is no other bill later, however often it was decided."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from control.jobs.settings import WorkerSettings
from shared.domain.sessions import HistoryKind, ReviewDecision, Session
from shared.store.pool import Database
from shared.store.sessions import sessions
from tests.integration.control import charges
from tests.integration.control.sessions.test_bills import (
    MIDDLE,
    WITH_BEGIN,
    decide,
    history,
    settled,
)
from tests.support.transaction_events import END, event, register

CHANGED, QUESTIONED = "changed_after_settlement", "changed_after_review"
UNTOLD = {"id_token": None, "id_token_type": None}


@pytest.fixture
def worker(database_url: str, redis_url: str) -> WorkerSettings:
    return WorkerSettings(database_url=database_url, redis_url=redis_url)


async def test_a_decision_about_what_changed_after_another_one_is_questioned_as_well(
    db: Database, worker: WorkerSettings
) -> None:
    session = await settled(db, worker, WITH_BEGIN, MIDDLE, event("Ended", 9, 60))
    for number, (at, wh) in enumerate(((50, 4000), (56, 4400), (59, 4900))):
        await decide(db, session, ReviewDecision.ACCEPT)
        accepted = await settled(db, worker)
        assert (accepted.billable, accepted.energy_wh) == (True, session.energy_wh)
        session = await settled(db, worker, event("Updated", 2 + number, at, register(at, wh)))
        assert (session.energy_wh, session.billable) == (wh - 1000, False)
        assert QUESTIONED in session.review_reasons


async def accepted_after_a_change(db: Database, worker: WorkerSettings) -> Session:
    """Bill FRIEND, tell of an earlier end, and accept that."""
    ended = event("Ended", 7, 60, register(60, 5000, END))
    friend = replace(MIDDLE, seq_no=5, id_token="FRIEND", id_token_type="ISO14443")
    before = await settled(db, worker, replace(WITH_BEGIN, **UNTOLD), friend, ended)
    assert (before.id_token, before.billable) == ("FRIEND", True)
    earlier = event("Ended", 6, 50, register(50, 4200, END), offline=True)
    changed = await settled(db, worker, earlier)
    assert CHANGED in changed.review_reasons
    await decide(db, changed, ReviewDecision.ACCEPT)
    return changed


@pytest.mark.parametrize("settles", [True, False], ids=["worked out between", "at once"])
async def test_who_pays_does_not_change_after_a_decision_about_a_changed_bill(
    db: Database, worker: WorkerSettings, *, settles: bool
) -> None:
    await accepted_after_a_change(db, worker)
    if settles:
        assert (await settled(db, worker)).billable
    owner = replace(MIDDLE, seq_no=4, id_token="OWNER", id_token_type="ISO14443")
    after = await settled(db, worker, owner)
    assert (after.id_token, after.needs_review, after.billable) == ("OWNER", True, False)
    assert CHANGED in after.review_reasons
    assert (
        HistoryKind.CHANGED_AFTER_SETTLEMENT,
        {"id_token_before": "FRIEND", "id_token": "OWNER"},
    ) in await history(db, after)
    await decide(db, after, ReviewDecision.ACCEPT)
    assert (await settled(db, worker)).billable
    first = replace(MIDDLE, seq_no=3, id_token="FRIEND", id_token_type="ISO14443")
    assert not (await settled(db, worker, first)).billable


async def test_who_pays_does_not_change_after_a_decision_that_made_the_first_bill(
    db: Database, worker: WorkerSettings
) -> None:
    friend = replace(MIDDLE, seq_no=3, id_token="FRIEND", id_token_type="ISO14443")
    session = await settled(
        db, worker, replace(WITH_BEGIN, **UNTOLD), friend, event("Ended", 5, 60)
    )
    assert not session.billable
    await decide(db, session, ReviewDecision.CORRECT, energy_wh=Decimal(3500))
    assert (await sessions.get(db, session.session_id)).billable
    owner = replace(MIDDLE, seq_no=2, id_token="OWNER", id_token_type="ISO14443")
    after = await settled(db, worker, owner)
    assert (after.id_token, after.energy_wh, after.billable) == ("OWNER", 3500, False)


async def test_what_is_not_to_be_billed_makes_no_bill(db: Database, worker: WorkerSettings) -> None:
    await charges.end(db, await charges.begin(db), "900")
    session = await settled(db, worker)
    await decide(db, session, ReviewDecision.VOID)
    session = await settled(db, worker)
    assert not session.billable
    assert await db.fetchval("SELECT bill_at FROM sessions") is None
    await decide(db, session, ReviewDecision.CORRECT, energy_wh=Decimal(40))
    session = await settled(db, worker)
    assert (session.billable, session.energy_wh) == (True, 40)


async def test_an_operators_end_of_an_open_charge_makes_no_bill_without_energy(
    db: Database, worker: WorkerSettings
) -> None:
    await charges.begin(db)
    session = await settled(db, worker)
    ended_at = charges.START + timedelta(hours=1)
    await decide(db, session, ReviewDecision.CORRECT, ended_at=ended_at)
    assert await db.fetchval("SELECT bill_at FROM sessions") is None
