"""What is done about alerts without anybody: in order, within limits, and never to who charges."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from control.jobs.notices.alert_steps import AlertHealer
from control.jobs.notices.alerts import AlertKeeper
from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender
from shared.domain.commands import CommandRecord
from shared.domain.notices.alerts import AlertKind, AlertRule, HealingStep, SelfHealing
from shared.store.commands import command_lists
from shared.store.notices import alert_steps
from shared.store.pool import Database
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.notices.alert_plays import (
    NOW,
    PLAYS,
    Clock,
    make_rule,
    make_stations,
    play,
    worker_settings,
)
from tests.integration.control.players import PodPlayer

(FAULTED,) = (each for each in PLAYS if each.kind is AlertKind.CONNECTOR_FAULTED)


class Healing:
    """A connector that is faulted, and what is done about it."""

    def __init__(
        self, db: Database, keeper: AlertKeeper, healer: AlertHealer, clock: Clock
    ) -> None:
        self.db, self.keeper, self.healer, self.clock = db, keeper, healer, clock

    async def begin(self, *steps: HealingStep, resets: int = 1, rules: int = 1) -> AlertRule:
        await make_stations(self.db)
        healing = SelfHealing(
            steps=steps or tuple(HealingStep), wait_s=120, max_resets_per_day=resets
        )
        for _ in range(rules):
            rule = await make_rule(
                self.db, FAULTED.kind, FAULTED.parameters, self_healing=healing, resolve_after_s=0.0
            )
        await play(self.db, FAULTED.begins, NOW)
        assert await self.keeper.run() == rules
        return rule

    async def step(self, *, seconds: float = 120) -> int:
        self.clock.move(seconds=seconds)
        return await self.healer.run()

    async def log(self) -> list[tuple[str, str]]:
        records = await self.db.fetch("SELECT step, outcome FROM alert_steps ORDER BY step_id")
        return [(record["step"], record["outcome"]) for record in records]

    async def asked(self) -> Sequence[CommandRecord]:
        found = await command_lists.list_of_station(
            self.db, station_id="CS-1", before=None, limit=10
        )
        return found[::-1]

    async def told(self, type_: str) -> int:
        count: int = await self.db.fetchval(
            "SELECT count(*) FROM event_outbox WHERE type = $1", type_
        )
        return count


@pytest.fixture
async def healing(
    db: Database, database_url: str, redis_url: str, make_settings: MakeSettings
) -> AsyncIterator[Healing]:
    clock = Clock()
    settings = worker_settings(database_url, redis_url)
    async with open_redis(make_settings()) as redis:
        healer = AlertHealer(
            db, OwnershipRegistry(redis), PodRequestSender(redis), settings, clock=clock
        )
        yield Healing(db, AlertKeeper(db, settings, clock=clock), healer, clock)


async def test_a_fault_is_asked_for_restarted_and_then_a_ticket(
    healing: Healing, pod: PodPlayer
) -> None:
    await healing.begin()
    await pod.hold("CS-1")
    assert await healing.step(seconds=119) == 0
    assert await healing.step(seconds=1) == 1
    request = await pod.next_command()
    assert await healing.step(seconds=119) == 0
    assert await healing.step(seconds=1) == 1
    restart = await pod.next_command()
    assert [(each.command_id, each.type, each.params) for each in await healing.asked()] == [
        (
            request.command_id,
            "TriggerMessage",
            {"requested_message": "StatusNotification", "evse_id": 2},
        ),
        (restart.command_id, "Reset", {"reset_type": "OnIdle", "evse_id": None}),
    ]
    assert await healing.told("ticket.opened") == 0
    assert await healing.step() == 1
    assert await healing.told("ticket.opened") == 1
    assert [await healing.step() for _ in range(3)] == [0, 0, 0]
    (alert_id,) = await healing.db.fetchrow("SELECT alert_id::text FROM alerts") or ()
    steps = await alert_steps.list_of(healing.db, alert_id)
    assert [(each.step, each.outcome, each.command_id) for each in steps] == [
        ("trigger_status", "taken", request.command_id),
        ("reset_when_idle", "taken", restart.command_id),
        ("open_ticket", "taken", None),
    ]


async def test_nothing_is_done_unless_the_rule_says_so(healing: Healing, pod: PodPlayer) -> None:
    await make_stations(healing.db)
    await make_rule(healing.db, FAULTED.kind, FAULTED.parameters)
    await play(healing.db, FAULTED.begins, NOW)
    await healing.keeper.run()
    await pod.hold("CS-1")
    assert [await healing.step() for _ in range(3)] == [0, 0, 0]
    assert await healing.asked() == []


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        (
            """INSERT INTO sessions (station_id, evse_id, transaction_id, transaction_id_issuer,
                                     ocpp_version, started_at)
               VALUES ('CS-1', 1, '1', 'csms', '1.6', now())""",
            "UPDATE sessions SET ended_at = now(), ended_by = 'station'",
        ),
        (
            """INSERT INTO connectors (station_id, evse_id, connector_id, status, reported_status,
                                       epoch, reported_at)
               VALUES ('CS-1', 1, 1, 'Occupied', 'Preparing', 1, now())""",
            "UPDATE connectors SET status = 'Available' WHERE evse_id = 1",
        ),
    ],
    ids=["a session", "a cable"],
)
async def test_a_station_with_a_running_session_is_never_restarted(
    healing: Healing, pod: PodPlayer, begins: str, ends: str
) -> None:
    await healing.begin(HealingStep.RESET_WHEN_IDLE)
    await pod.hold("CS-1")
    await healing.db.execute(begins)
    assert [await healing.step() for _ in range(5)] == [0] * 5
    assert await healing.asked() == []
    assert await healing.log() == [("reset_when_idle", "waits")]
    await healing.db.execute(ends)
    assert await healing.step() == 1
    assert [each.type for each in await healing.asked()] == ["Reset"]


async def test_a_station_is_restarted_so_often_a_day_by_all_rules_together(
    healing: Healing, pod: PodPlayer
) -> None:
    await healing.begin(HealingStep.RESET_WHEN_IDLE, resets=2, rules=3)
    await pod.hold("CS-1")
    assert await healing.step() == 2
    assert sorted(outcome for _, outcome in await healing.log()) == ["refused", "taken", "taken"]
    assert len(await healing.asked()) == 2


async def test_what_is_over_or_was_put_off_is_left_alone(healing: Healing, pod: PodPlayer) -> None:
    rule = await healing.begin(rules=2)
    await pod.hold("CS-1")
    await healing.db.execute(
        "UPDATE alert_rules SET self_healing = NULL WHERE rule_id = $1", rule.rule_id
    )
    assert await healing.step() == 1
    await play(healing.db, FAULTED.ends, NOW)
    await healing.keeper.run()
    assert [await healing.step() for _ in range(3)] == [0, 0, 0]
    assert await healing.log() == [("trigger_status", "taken")]


async def test_of_a_station_that_is_offline_nothing_is_asked_and_a_ticket_says_so(
    healing: Healing,
) -> None:
    await healing.begin()
    assert [await healing.step() for _ in range(3)] == [0, 0, 1]
    assert await healing.log() == [
        ("trigger_status", "refused"),
        ("reset_when_idle", "refused"),
        ("open_ticket", "taken"),
    ]
    assert await healing.asked() == []
    assert await healing.told("ticket.opened") == 1


async def test_a_step_that_another_worker_has_taken_is_not_taken_again(
    healing: Healing, pod: PodPlayer
) -> None:
    await healing.begin(HealingStep.RESET_WHEN_IDLE, resets=5)
    await pod.hold("CS-1")
    healing.clock.move(seconds=120)
    due: Any
    (due,) = await alert_steps.claim_due(healing.db, now=healing.clock.now, limit=5, lease_s=30)
    assert await healing.healer.run() == 0  # it is claimed
    told = [
        await alert_steps.take(
            healing.db, due, due.rule.self_healing, refusal=None, now=healing.clock.now
        )
        for _ in range(2)
    ]
    assert [step_id is None for step_id in told] == [False, True]
