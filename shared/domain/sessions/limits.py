"""What is taken for possible; beyond it a person has to look."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

LAST_DIGITS_WH = 2
"""What two registers in whole Wh may differ by because of their last digits."""
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of a plausible session.

    Args:
        max_power_w: no EVSE delivers more; a register that rises faster has jumped.
        tolerance_wh: what two readings of one meter may differ by beyond their last digits.
        interval_tolerance: by which part the sum of phases or intervals may differ.
        power_tolerance: by which part integrated power may differ: it is sampled now and then.
        max_age: older words than that, when they come, were told by a clock that is off.
        max_uncovered: so long after the start the first sample may come, and so long before the
            end the last one, where no register was told with them; but no more than a third of
            the session each. What flowed in between is not billed: at 22 kW five minutes are
            1.8 kWh.
        max_ahead: how far a station's clock may be ahead of ours. Less than a day may be a zone
            that was left out, which costs no energy.
    """

    max_power_w: int = 500_000
    tolerance_wh: int = 50
    interval_tolerance: Decimal = Decimal("0.02")
    power_tolerance: Decimal = Decimal("0.25")
    max_age: timedelta = timedelta(days=730)
    max_ahead: timedelta = timedelta(days=1)
    max_uncovered: timedelta = timedelta(minutes=5)

    def most_wh(self, duration: timedelta) -> Decimal:
        """Return the most energy that can flow in a time, in Wh; the tolerance is included."""
        seconds = max(Decimal(0), Decimal(str(duration.total_seconds())))
        return self.max_power_w * seconds / _SECONDS_PER_HOUR + self.tolerance_wh
