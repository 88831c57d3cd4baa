"""Load profiles: how many stations there are, and how busy, in the course of a run."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

#: Any run ends, and no typing error makes a run that a machine cannot stand.
MAX_RUN_TIME_S = 7 * 24 * 3600
MAX_USERS = 50_000

_RAMP_SHARE = 0.7
#: Waves begin after the fleet has settled and end early enough for it to settle again.
_WAVES_BEGIN, _WAVES_END = 0.25, 0.85


class RunPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One run, as the master tells it to its workers.

    Attributes:
        profile: Name of a load profile.
        users: Stations at the peak.
        spawn_rate: Stations switched on per second, unless the profile has a say in it.
        run_time_s: From the first station to the end of the load.
        processes: Indexes of the processes that share the stations from the beginning.
        waves: Of lost connections or restarts, in profiles that have them.
    """

    profile: str
    users: int
    spawn_rate: float
    run_time_s: float
    processes: tuple[int, ...] = (0,)
    waves: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProfile:
    """A kind of run.

    Attributes:
        summary: For people.
        run_time_s: Unless the user names one.
        busy_share: Share of the connectors that are to charge, by the elapsed share of the run.
        peak_busy_share: Highest value of that.
        spawn_rate: Stations switched on per second.
        has_waves: Connections are lost or gateways restarted in the course of it.
        max_memory_growth: Of a process under load, in MiB per hour; None for any.
    """

    summary: str
    run_time_s: float
    busy_share: Callable[[float], float]
    peak_busy_share: float
    spawn_rate: Callable[[RunPlan], float]
    has_waves: bool = False
    max_memory_growth: float | None = None


def _as_asked(plan: RunPlan) -> float:
    return plan.spawn_rate


def _over_most_of_the_run(plan: RunPlan) -> float:
    return max(0.01, plan.users / (_RAMP_SHARE * plan.run_time_s))


def _all_at_once(plan: RunPlan) -> float:
    return float(plan.users)


def _steadily(share: float) -> Callable[[float], float]:
    return lambda _elapsed: share


def _evening(elapsed: float) -> float:
    """Rise from a quiet afternoon to a peak in the middle of the run, and fall again."""
    return 0.1 + 0.75 * math.sin(math.pi * min(1.0, max(0.0, elapsed))) ** 2


PROFILES = {
    "ramp": LoadProfile(
        summary="more and more stations, to find where it saturates",
        run_time_s=300,
        busy_share=_steadily(0.5),
        peak_busy_share=0.5,
        spawn_rate=_over_most_of_the_run,
    ),
    "steady": LoadProfile(
        summary="a fleet of one size, half of it charging",
        run_time_s=300,
        busy_share=_steadily(0.5),
        peak_busy_share=0.5,
        spawn_rate=_as_asked,
    ),
    "evening-peak": LoadProfile(
        summary="a fleet of one size; drivers come home, charge and leave",
        run_time_s=900,
        busy_share=_evening,
        peak_busy_share=0.85,
        spawn_rate=_as_asked,
    ),
    "boot-storm": LoadProfile(
        summary="all stations dial at once, as after a power cut; nobody charges",
        run_time_s=60,
        busy_share=_steadily(0.0),
        peak_busy_share=0.0,
        spawn_rate=_all_at_once,
    ),
    "rolling-restart": LoadProfile(
        summary="a steady fleet that loses its connections part by part",
        run_time_s=300,
        busy_share=_steadily(0.5),
        peak_busy_share=0.5,
        spawn_rate=_as_asked,
        has_waves=True,
    ),
    "soak": LoadProfile(
        summary="a steady fleet for hours, to find what grows",
        run_time_s=4 * 3600,
        busy_share=_steadily(0.3),
        peak_busy_share=0.3,
        spawn_rate=_as_asked,
        # A quarter of a GiB a day: a pod with a limit of 1 GiB lives for days and not for weeks.
        max_memory_growth=10.0,
    ),
}


def wave_times_s(plan: RunPlan) -> list[float]:
    """Return when the waves of a run come, in seconds since its beginning."""
    if not PROFILES[plan.profile].has_waves:
        return []
    span = _WAVES_END - _WAVES_BEGIN
    return [
        plan.run_time_s * (_WAVES_BEGIN + span * number / plan.waves)
        for number in range(plan.waves)
    ]
