"""Which of several estimates a session's energy is taken from."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from shared.domain.sessions.energy import EnergyEstimate, EnergyMethod
from shared.domain.sessions.limits import LAST_DIGITS_WH, Limits
from shared.domain.sessions.registers import RegisterWalk


def choose(
    estimates: Sequence[EnergyEstimate], found: RegisterWalk, limits: Limits
) -> EnergyEstimate | None:
    """Return the first estimate that can be true.

    A register that was read twice while nothing flowed may be a little less the second time.
    """
    rest = [
        replace(estimate, energy_wh=max(estimate.energy_wh, Decimal(0)))
        for estimate in estimates
        if estimate.energy_wh >= -(limits.tolerance_wh + LAST_DIGITS_WH)
        and (
            estimate.method is not EnergyMethod.REGISTERS
            or (found.start_holds and found.stop_holds)
        )
    ]
    # A station without a register tells zeros where the message demands one. Little is the noise of
    # a power that is nearly none.
    told = any(estimate.energy_wh > limits.tolerance_wh for estimate in rest)
    if told and found.is_blank and _nothing_is_sampled(estimates):
        rest = [estimate for estimate in rest if estimate.method is not EnergyMethod.REGISTERS]
    return rest[0] if rest else None


def _nothing_is_sampled(estimates: Sequence[EnergyEstimate]) -> bool:
    return all(estimate.method is not EnergyMethod.SAMPLED_REGISTERS for estimate in estimates)
