"""What the meter of a session that goes on shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.domain.sessions.energy import Reading, powers_w, sampled_registers
from shared.domain.sessions.meter_values import is_number

_SOC = "SoC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The latest of each that was told; None where it was not."""

    sampled_at: datetime
    register_wh: Decimal | None
    power_w: Decimal | None
    soc_percent: Decimal | None


def shown_by(readings: Sequence[Reading]) -> Shown:
    """Return what readings show, of which there is one at least; their order does not matter."""
    registers = sampled_registers(readings)
    powers = powers_w(readings)
    charges = {
        reading.sampled_at: Decimal(sample["value"])
        for reading in readings
        for sample in reading.samples
        if sample["measurand"] == _SOC and is_number(sample["value"])
    }
    return Shown(
        sampled_at=max(reading.sampled_at for reading in readings),
        register_wh=registers[-1].energy_wh if registers else None,
        power_w=powers[max(powers)] if powers else None,
        soc_percent=charges[max(charges)] if charges else None,
    )
