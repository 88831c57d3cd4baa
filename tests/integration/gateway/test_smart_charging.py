"""Charging profiles through a pod: set, replaced, cleared, and what the station makes of them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.bus.client import open_redis
from shared.domain import commands
from shared.domain.charging.charging_profiles import to_document
from shared.domain.commands import CommandState
from shared.settings import ServiceSettings
from shared.store.charging import charging_profiles
from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod
from tests.support.asking import ask, outcome
from tests.support.charging_profiles import profile
from tests.support.ocpp201 import NOW, booted_station, tell
from tests.support.stations import StationClient, register, station_client

START = datetime(2026, 1, 1, tzinfo=UTC)
MAX, DEFAULT, TX = "ChargingStationMaxProfile", "TxDefaultProfile", "TxProfile"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with station_client(gateway.url) as client:
        await client.boot()
        yield client


@pytest.fixture
async def station_201(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with booted_station(gateway.url) as client:
        yield client


class Asking:
    """Sends commands and answers them as the station."""

    def __init__(self, db: Database, redis: Redis, station: StationClient) -> None:
        self.db, self.redis, self.station = db, redis, station

    async def __call__(
        self, command: commands.Command, answer: dict[str, Any] | str = "Accepted"
    ) -> Any:
        """Ask, answer with a payload or a status, and return the request's payload."""
        command_id = await ask(self.db, self.redis, command)
        frame = await self.station.receive()
        assert frame[:2] == [2, command_id]
        payload = {"status": answer} if isinstance(answer, str) else answer
        await self.station.send([3, command_id, payload])
        await outcome(self.db, command_id)
        return frame[3]

    async def kept(self) -> list[tuple[int, int, str, int]]:
        found = await charging_profiles.list_after(self.db, station_id="CP-1")
        return [
            (
                each.profile.charging_profile_id,
                each.evse_id,
                str(each.profile.purpose),
                each.profile.stack_level,
            )
            for each in found
        ]


@pytest.fixture
def asking(db: Database, redis: Redis, station: StationClient) -> Asking:
    return Asking(db, redis, station)


@pytest.fixture
def asking_201(db: Database, redis: Redis, station_201: StationClient) -> Asking:
    return Asking(db, redis, station_201)


def setting(evse_id: int, purpose: str, **words: Any) -> commands.SetChargingProfile:
    of = profile(purpose, (0, "8.1", 3), (60, 16), start=START, **words)
    return commands.SetChargingProfile(evse_id=evse_id, charging_profile=to_document(of))


async def test_a_profile_goes_out_in_words_of_1_6_and_is_kept_when_accepted(
    asking: Asking,
) -> None:
    command = setting(
        0,
        MAX,
        id=7,
        level=2,
        kind="Recurring",
        recurrency="Weekly",
        duration_s=3600,
        valid_from=START,
    )
    assert await asking(command) == {
        "connectorId": 0,
        "csChargingProfiles": {
            "chargingProfileId": 7,
            "stackLevel": 2,
            "chargingProfilePurpose": "ChargePointMaxProfile",
            "chargingProfileKind": "Recurring",
            "recurrencyKind": "Weekly",
            "validFrom": "2026-01-01T00:00:00.000Z",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "duration": 3600,
                "startSchedule": "2026-01-01T00:00:00.000Z",
                "chargingSchedulePeriod": [
                    {"startPeriod": 0, "limit": 8.1, "numberPhases": 3},
                    {"startPeriod": 60, "limit": 16.0},
                ],
            },
        },
    }
    (kept,) = await charging_profiles.list_after(asking.db, station_id="CP-1")
    assert to_document(kept.profile) == command.charging_profile | {
        "charging_schedule": command.charging_profile["charging_schedule"]
        | {
            "periods": [
                {"start_period_s": 0, "limit": "8.1", "number_phases": 3},
                {"start_period_s": 60, "limit": "16.0"},
            ]
        }
    }
    assert kept.command_id is not None


@pytest.mark.parametrize("status", ["Rejected", "NotSupported"])
async def test_a_profile_that_is_refused_is_not_kept(asking: Asking, status: str) -> None:
    await asking(setting(1, DEFAULT), status)
    assert await asking.kept() == []


async def test_a_profile_replaces_those_of_its_id_and_of_its_level(asking: Asking) -> None:
    # §3.13.2, §5.16.4; a default of one connector leaves that of all in place (§3.13.1).
    await asking(setting(0, DEFAULT, id=1))
    await asking(setting(1, DEFAULT, id=2))
    await asking(setting(1, DEFAULT, id=3, level=1))
    assert await asking.kept() == [(1, 0, DEFAULT, 0), (2, 1, DEFAULT, 0), (3, 1, DEFAULT, 1)]
    await asking(setting(1, DEFAULT, id=4, level=1))
    assert await asking.kept() == [(1, 0, DEFAULT, 0), (2, 1, DEFAULT, 0), (4, 1, DEFAULT, 1)]
    await asking(setting(2, DEFAULT, id=4, level=5))
    assert await asking.kept() == [(1, 0, DEFAULT, 0), (2, 1, DEFAULT, 0), (4, 2, DEFAULT, 5)]


async def test_1_6_replaces_a_level_whose_validity_has_not_begun(asking: Asking) -> None:
    await asking(setting(1, DEFAULT, id=1, valid_to=START))
    await asking(setting(1, DEFAULT, id=2, valid_from=START))
    assert await asking.kept() == [(2, 1, DEFAULT, 0)]


async def test_2_0_1_keeps_one_level_twice_if_the_validity_does_not_overlap(
    asking_201: Asking,
) -> None:
    asking = asking_201  # K01.FR.06
    await asking(setting(1, DEFAULT, id=1, valid_to=START))
    await asking(setting(1, DEFAULT, id=2, valid_from=START))
    assert await asking.kept() == [(1, 1, DEFAULT, 0), (2, 1, DEFAULT, 0)]
    await asking(setting(1, DEFAULT, id=3))
    assert await asking.kept() == [(3, 1, DEFAULT, 0)]


@pytest.mark.parametrize(
    ("words", "request_", "left"),
    [
        ({}, {}, []),
        ({"charging_profile_id": 2}, {"id": 2}, [1, 3, 4]),
        ({"evse_id": 0}, {"connectorId": 0}, [3, 4]),
        ({"evse_id": 1, "stack_level": 1}, {"connectorId": 1, "stackLevel": 1}, [1, 2, 3]),
        (
            {"charging_profile_purpose": MAX},
            {"chargingProfilePurpose": "ChargePointMaxProfile"},
            [2, 3, 4],
        ),
        ({"charging_profile_id": 2, "evse_id": 1}, {"id": 2, "connectorId": 1}, [1, 2, 3, 4]),
    ],
)
@pytest.mark.parametrize("status", ["Accepted", "Unknown"])
async def test_what_is_cleared_is_forgotten(
    asking: Asking,
    words: dict[str, Any],
    request_: dict[str, Any],
    left: list[int],
    status: str,
) -> None:
    await asking(setting(0, MAX, id=1))
    await asking(setting(0, DEFAULT, id=2))
    await asking(setting(1, DEFAULT, id=3))
    await asking(setting(1, DEFAULT, id=4, level=1))
    assert await asking(commands.ClearChargingProfile(**words), status) == request_
    assert [each[0] for each in await asking.kept()] == left


async def test_2_0_1_clears_by_an_id_or_by_criteria(asking_201: Asking) -> None:
    asking = asking_201
    await asking(setting(0, MAX, id=1))
    await asking(setting(1, DEFAULT, id=2))
    await asking(setting(1, DEFAULT, id=3, level=1))
    cleared = await asking(commands.ClearChargingProfile(charging_profile_id=2))
    assert cleared == {"chargingProfileId": 2}
    assert [each[0] for each in await asking.kept()] == [1, 3]
    cleared = await asking(commands.ClearChargingProfile(evse_id=1, stack_level=1))
    assert cleared == {"chargingProfileCriteria": {"evseId": 1, "stackLevel": 1}}
    assert [each[0] for each in await asking.kept()] == [1]


async def test_an_operators_own_calls_are_followed_too(asking: Asking) -> None:
    period = {"startPeriod": 0, "limit": 16}
    payload = {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 9,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "validTo": "2030-01-01T00:00:00",
            "chargingSchedule": {"chargingRateUnit": "W", "chargingSchedulePeriod": [period]},
        },
    }
    await asking(commands.Call(action="SetChargingProfile", payload=payload))
    (kept,) = await charging_profiles.list_after(asking.db, station_id="CP-1")
    assert kept.profile.valid_to == datetime(2030, 1, 1, tzinfo=UTC)
    assert kept.profile.charging_schedule.periods[0].limit == 16
    await asking(commands.Call(action="ClearChargingProfile", payload={}))
    assert await asking.kept() == []


async def test_a_tx_profile_ends_with_its_transaction(
    asking: Asking, station: StationClient
) -> None:
    transaction_id = await begin(station)
    await asking(setting(1, DEFAULT, id=1))
    await asking(setting(1, TX, id=2, transaction_id=str(transaction_id)))
    assert [each[0] for each in await asking.kept()] == [1, 2]
    await end(station, transaction_id)
    assert [each[0] for each in await asking.kept()] == [1]
    assert await charging_profiles.sweep_ended(asking.db) == 1
    assert await charging_profiles.sweep_ended(asking.db) == 0
    assert await asking.db.fetchval("SELECT count(*) FROM charging_profiles") == 1


async def test_the_profile_of_a_remote_start_is_that_of_the_transaction_to_come(
    asking: Asking, station: StationClient
) -> None:
    await end(station, await begin(station))  # of an earlier charge
    document = to_document(profile(TX, (0, "6.5"), id=5, kind="Relative"))
    start = commands.RemoteStart(id_token="TAG", evse_id=1, charging_profile=document)
    sent = await asking(start)
    assert sent["chargingProfile"]["chargingProfilePurpose"] == "TxProfile"
    assert sent["chargingProfile"]["chargingSchedule"]["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 6.5}
    ]
    assert "transactionId" not in sent["chargingProfile"]  # errata 3.41
    assert await asking.kept() == [(5, 1, TX, 0)]
    transaction_id = await begin(station, minute=1)
    assert await asking.kept() == [(5, 1, TX, 0)]
    await end(station, transaction_id, timestamp=datetime.now(UTC).isoformat())
    assert await asking.kept() == []


START_WITH_PROFILE = commands.RemoteStart(
    id_token="TAG",
    evse_id=1,
    charging_profile=to_document(profile(TX, (0, "6.5"), id=5, kind="Relative")),
)


async def let_pass(db: Database, seconds: float) -> None:
    """Make it so much longer ago that profiles were accepted."""
    await db.execute(
        """
        UPDATE charging_profiles SET accepted_at = accepted_at - $1 * interval '1 second',
                                     start_until = start_until - $1 * interval '1 second'
        """,
        seconds,
    )


@pytest.mark.parametrize("told", [None, "30", "never", "0"])
async def test_a_remote_start_that_led_to_nothing_leaves_no_profile(
    asking: Asking, told: str | None
) -> None:
    if told is not None:
        key = {"key": "ConnectionTimeOut", "readonly": False, "value": told}
        await asking(commands.GetConfiguration(), {"configurationKey": [key]})
    await asking(START_WITH_PROFILE)
    wait_s = 30 + 60 if told == "30" else 600
    await let_pass(asking.db, wait_s - 20)
    assert await asking.kept() == [(5, 1, TX, 0)]
    await let_pass(asking.db, 21)
    assert await asking.kept() == []
    # Kept for a while, because a station may have been offline when it began.
    assert await charging_profiles.sweep_ended(asking.db) == 0
    await let_pass(asking.db, 8 * 86_400)
    assert await charging_profiles.sweep_ended(asking.db) == 1


async def test_a_transaction_that_is_told_late_has_its_profile(
    asking: Asking, station: StationClient
) -> None:
    await asking(START_WITH_PROFILE)
    await let_pass(asking.db, 3600)
    assert await asking.kept() == []
    transaction_id = await begin(station)
    assert await asking.kept() == [(5, 1, TX, 0)]
    await end(station, transaction_id)  # by a clock that is months behind
    assert await asking.kept() == []
    assert await charging_profiles.sweep_ended(asking.db) == 1


async def test_the_end_of_the_charge_before_is_not_that_of_the_profile(
    asking: Asking, station: StationClient
) -> None:
    before = await begin(station)
    await asking(START_WITH_PROFILE)
    await end(station, before, timestamp=datetime.now(UTC).isoformat())
    assert await asking.kept() == [(5, 1, TX, 0)]


@pytest.mark.parametrize("status", ["Rejected", {"status": "Rejected"}])
async def test_a_remote_start_that_is_refused_leaves_no_profile(
    asking: Asking, status: Any
) -> None:
    await asking(START_WITH_PROFILE, status)
    assert await asking.kept() == []


async def test_a_remote_start_names_the_transaction_that_had_begun(
    asking_201: Asking, station_201: StationClient
) -> None:
    """F01.FR.13: with the cable first, there is one already."""
    await asking_201(START_WITH_PROFILE, {"status": "Accepted", "transactionId": "T-1"})
    (kept,) = await charging_profiles.list_after(asking_201.db, station_id="CP-1")
    assert kept.profile.transaction_id == "T-1"
    event = {
        "eventType": "Started",
        "timestamp": NOW,
        "triggerReason": "CablePluggedIn",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "T-1"},
        "evse": {"id": 1, "connectorId": 1},
    }
    await tell(station_201, "TransactionEvent", event)
    await let_pass(asking_201.db, 3600)
    assert len(await asking_201.kept()) == 1
    ended = {**event, "eventType": "Ended", "seqNo": 1, "triggerReason": "StopAuthorized"}
    await tell(station_201, "TransactionEvent", ended)
    assert await asking_201.kept() == []


async def test_a_remote_start_of_2_0_1_carries_a_profile_and_the_type_of_its_token(
    asking_201: Asking,
) -> None:
    document = to_document(profile(TX, (0, "6.5"), id=5, kind="Relative"))
    start = commands.RemoteStart(id_token="TAG", evse_id=1, charging_profile=document)
    sent = await asking_201(start)
    assert sent["idToken"] == {"idToken": "TAG", "type": "ISO14443"}
    (schedule,) = sent["chargingProfile"]["chargingSchedule"]
    assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 6.5}]
    assert await asking_201.kept() == [(5, 1, TX, 0)]
    await asking_201(start, "Rejected")


async def test_the_stations_own_schedule_is_kept(asking: Asking) -> None:
    command = commands.GetCompositeSchedule(evse_id=1, duration_s=600, charging_rate_unit="A")
    answer = {
        "status": "Accepted",
        "connectorId": 1,
        "scheduleStart": "2026-01-01T00:00:00Z",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.1, "numberPhases": 1}],
        },
    }
    sent = await asking(command, answer)
    assert sent == {"connectorId": 1, "duration": 600, "chargingRateUnit": "A"}
    kept = await charging_profiles.find_composite_schedule(asking.db, station_id="CP-1", evse_id=1)
    assert kept is not None
    assert (kept.schedule_start, kept.duration_s) == (START, 600)
    assert kept.periods[0].limit == Decimal("8.1")
    assert kept.periods[0].number_phases == 1
    # A refusal says nothing new.
    await asking(command, "Rejected")
    assert kept == await charging_profiles.find_composite_schedule(
        asking.db, station_id="CP-1", evse_id=1
    )


async def test_the_schedule_of_a_2_0_1_station_is_kept(asking_201: Asking) -> None:
    schedule = {
        "evseId": 0,
        "duration": 600,
        "scheduleStart": NOW,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 11000}],
    }
    answer = {"status": "Accepted", "schedule": schedule}
    command = commands.GetCompositeSchedule(evse_id=0, duration_s=600)
    assert await asking_201(command, answer) == {"evseId": 0, "duration": 600}
    kept = await charging_profiles.find_composite_schedule(
        asking_201.db, station_id="CP-1", evse_id=0
    )
    assert kept is not None
    assert kept.periods[0].limit == 11000


async def test_an_answer_with_a_time_that_is_none_is_kept_with_what_is_wrong(
    asking: Asking,
) -> None:
    command_id = await ask(
        asking.db, asking.redis, commands.GetCompositeSchedule(evse_id=1, duration_s=600)
    )
    await asking.station.receive()
    period = {"startPeriod": 0, "limit": 8.1}
    answer = {
        "status": "Accepted",
        "scheduleStart": "soon",
        "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]},
    }
    await asking.station.send([3, command_id, answer])
    record = await outcome(asking.db, command_id)
    assert record.state is CommandState.ACCEPTED
    assert "scheduleStart: 'soon'" in (record.error_description or "")


async def test_profiles_of_a_station_that_is_gone_are_gone(db: Database, asking: Asking) -> None:
    await asking(setting(1, DEFAULT))
    await db.execute("DELETE FROM stations")
    assert await asking.kept() == []


async def begin(station: StationClient, *, minute: int = 0) -> int:
    started = {
        "connectorId": 1,
        "idTag": "TAG",
        "meterStart": 0,
        "timestamp": f"2026-01-02T00:{minute:02}:00Z",
    }
    answer = await tell(station, "StartTransaction", started)
    return int(answer["transactionId"])


async def end(
    station: StationClient, transaction_id: int, *, timestamp: str = "2026-01-02T01:00:00Z"
) -> None:
    stopped = {"transactionId": transaction_id, "meterStop": 1, "timestamp": timestamp}
    await tell(station, "StopTransaction", stopped)
