"""The simulator's composite schedules agree with Voltaro's, which are worked out in another way."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.charging import charging_profiles as domain
from shared.domain.charging.composite_schedules import Supply, composite_schedule
from simulator.limiting import CompositeSchedule
from simulator.ocpp16.smart_charging import parse_profile
from tests.unit.simulator.bench import START, Bench

PURPOSES = ("ChargePointMaxProfile", "TxDefaultProfile", "TxProfile")
#: So much that nothing but a profile limits.
POWER_W = 1_000_000.0
DURATION_S = 2 * 86_400
#: Of a station with 22 kW.
RATED_A = 32

hours = st.integers(-200, 60).map(lambda hour: START + 3600 * hour)
tenths = st.integers(0, 3200).map(lambda tenth: tenth / 10)


@st.composite
def wire_profiles(draw: Any) -> tuple[int, dict[str, Any]]:
    """Return a connector, and a profile for it as it is sent."""
    purpose = draw(st.sampled_from(PURPOSES))
    kinds = ["Absolute", "Recurring"] + ["Relative"] * (purpose != "ChargePointMaxProfile")
    kind = draw(st.sampled_from(kinds))
    starts = sorted({0, *draw(st.lists(st.integers(1, 200_000), max_size=4))})
    schedule: dict[str, Any] = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [
            {"startPeriod": start, "limit": draw(tenths)} for start in starts
        ],
    }
    if kind != "Relative":
        schedule["startSchedule"] = _text(draw(hours))
    if draw(st.booleans()):
        schedule["duration"] = draw(st.integers(1, 300_000))
    profile: dict[str, Any] = {
        "chargingProfileId": draw(st.integers(1, 9)),
        "stackLevel": draw(st.integers(0, 3)),
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
    }
    if kind == "Recurring":
        profile["recurrencyKind"] = draw(st.sampled_from(["Daily", "Weekly"]))
    if draw(st.booleans()):
        profile["validFrom"] = _text(draw(hours))
    if draw(st.booleans()):
        profile["validTo"] = _text(draw(hours))
    connectors = {"ChargePointMaxProfile": [0], "TxDefaultProfile": [0, 1], "TxProfile": [1]}
    return draw(st.sampled_from(connectors[purpose])), profile


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


@given(st.lists(wire_profiles(), max_size=6), st.integers(0, 100_000))
def test_both_say_the_same(sent: list[tuple[int, dict[str, Any]]], charging_s: int) -> None:
    station = Bench(power_w=POWER_W, meter_interval_s=0, battery_wh=(1e12, 1e12)).booted()
    station.charge()
    since = station.now
    station.now += charging_s  # Without a step of the meter, of which there would be many.
    station.station.context.tick(station.now)
    limiting = station.station.limiting
    for connector_id, profile in sent:
        assert limiting.install(parse_profile(profile, connector_id))
    ours = limiting.composite(1, DURATION_S)
    assert ours is not None
    theirs = composite_schedule(
        [_installed(each.connector_id, each) for each in limiting.profiles],
        evse_id=1,
        start=datetime.fromtimestamp(station.now, UTC),
        duration_s=DURATION_S,
        unit=domain.ChargingRateUnit.AMPERE,
        supply=Supply(),
        charging_since=datetime.fromtimestamp(since, UTC),
    )
    built_for = Decimal(round(POWER_W / 690))
    for period in theirs:
        expected = built_for if period.limit is None else period.limit
        for moment in (period.start, period.end - timedelta(seconds=1)):
            offset_s = int(moment.timestamp() - ours.start_at)
            assert _limit_at(ours, offset_s) == expected, offset_s


@given(st.lists(wire_profiles(), min_size=1, max_size=4))
def test_no_reading_exceeds_what_the_schedule_allows(
    sent: list[tuple[int, dict[str, Any]]],
) -> None:
    station = Bench(meter_interval_s=0, battery_wh=(1e9, 1e9)).booted(interval=86_400)
    station.charge()
    for connector_id, profile in sent:
        request = {"connectorId": connector_id, "csChargingProfiles": profile}
        assert station.command("SetChargingProfile", request) == {"status": "Accepted"}
    for _ in range(20):
        station.live(301)
        allowed = station.station.limiting.composite(1, 1)
        assert allowed is not None
        reading = station.station.connectors[1].meter.read(station.now)
        # Rated for 32 A, which at the lowest voltage of the grid are a few more.
        most_a = allowed.periods[0].limit
        assert Decimal(str(reading.current_a)) <= most_a or most_a == RATED_A


def _limit_at(schedule: CompositeSchedule, offset_s: int) -> Decimal:
    return [each.limit for each in schedule.periods if each.start_s <= offset_s][-1]


def _installed(connector_id: int, profile: Any) -> domain.InstalledProfile:
    """Return a profile of the simulator as Voltaro keeps it."""

    def moment(at_ms: int | None) -> datetime | None:
        return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)

    recurrency = {
        None: None,
        86_400: domain.RecurrencyKind.DAILY,
        604_800: domain.RecurrencyKind.WEEKLY,
    }[profile.recurs_after_s]
    purposes = domain.ChargingProfilePurpose
    purpose = {
        "STATION_MAX": purposes.CHARGING_STATION_MAX_PROFILE,
        "TX_DEFAULT": purposes.TX_DEFAULT_PROFILE,
        "TX": purposes.TX_PROFILE,
    }[profile.purpose.name]
    return domain.InstalledProfile(
        station_id="SIM-1",
        evse_id=connector_id,
        profile=domain.ChargingProfile(
            charging_profile_id=profile.profile_id,
            stack_level=profile.stack_level,
            purpose=purpose,
            kind=domain.ChargingProfileKind(profile.kind.value),
            recurrency_kind=recurrency,
            valid_from=moment(profile.valid_from_ms),
            valid_to=moment(profile.valid_to_ms),
            charging_schedule=domain.ChargingSchedule(
                charging_rate_unit=domain.ChargingRateUnit(profile.unit.value),
                periods=tuple(
                    domain.ChargingSchedulePeriod(start_period_s=each.start_s, limit=each.limit)
                    for each in profile.periods
                ),
                start_schedule=moment(profile.start_ms),
                duration_s=profile.duration_s,
            ),
        ),
        command_id=None,
        accepted_at=datetime.fromtimestamp(START, UTC),
    )
