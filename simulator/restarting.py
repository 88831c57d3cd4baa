"""How a station restarts: what it ends first, and what it waits for."""

from collections.abc import Callable, Sequence

from simulator.charging import StopReason
from simulator.connector import Connector
from simulator.context import Context
from simulator.dialect import BootReason
from simulator.events import Rebooting
from simulator.link import Link

#: How often a restart looks whether everything has been delivered.
_LOOK_S = 0.2


class Restarting:
    """The restarts of one station.

    Args:
        context: Clock and timers.
        link: Closed by a restart, and dialled again after it.
        connectors: All of the station.
        on_restart: Called when the station has forgotten what a restart makes it forget.

    Attributes:
        boot_reason: Why the station was switched on last.
    """

    __slots__ = (
        "_connectors",
        "_context",
        "_link",
        "_on_restart",
        "_scheduled",
        "_under_way",
        "boot_reason",
    )

    def __init__(
        self,
        *,
        context: Context,
        link: Link,
        connectors: Sequence[Connector],
        on_restart: Callable[[], None],
    ) -> None:
        self._context = context
        self._link = link
        self._connectors = connectors
        self._on_restart = on_restart
        self._scheduled = False
        self._under_way = False
        self.boot_reason = BootReason.POWER_UP

    def begin(
        self, reason: StopReason, *, told: bool, because: BootReason = BootReason.REMOTE_RESET
    ) -> None:
        """End what is being charged, then restart (1.6, 5.14 with errata 3.36; 2.0.1: B11, B12).

        Args:
            reason: Of the ended charges.
            told: Give their ends time to be delivered first; otherwise that is done afterwards.
            because: Told when the station boots again.
        """
        if self._under_way:
            return
        self._under_way = True
        self.boot_reason = because
        context = self._context
        context.report(Rebooting(reason=reason.value))
        for connector in self._connectors:
            connector.close()
            if told:
                connector.stop(reason)
        at = context.now + context.profile.reset_delay_s
        deadline = context.now + context.profile.reset_timeout_s
        if told:
            context.timers.set("restart", at, lambda: self._when_delivered(reason, deadline))
        else:
            context.timers.set("restart", at, lambda: self._restart(reason))

    def schedule(self) -> None:
        """Restart when nobody charges any more, and let nobody begin (2.0.1: B12.FR.01)."""
        self._scheduled = True
        for connector in self._connectors:
            connector.drain()
        self.charge_over()

    def charge_over(self) -> None:
        """A charge has ended: begin the restart that has waited for it."""
        if self._scheduled and all(each.charge is None for each in self._connectors):
            self.begin(StopReason.ORDERLY_RESET, told=True, because=BootReason.SCHEDULED_RESET)

    def _when_delivered(self, reason: StopReason, deadline: float) -> None:
        context = self._context
        if self._link.online and not self._link.idle and context.now < deadline:
            context.timers.set(
                "restart", context.now + _LOOK_S, lambda: self._when_delivered(reason, deadline)
            )
        else:
            self._restart(reason)

    def _restart(self, reason: StopReason) -> None:
        context = self._context
        away_s = context.draw(context.profile.reboot_s)
        online = self._link.online
        if online:
            self._link.hang_up("restart", redial_in_s=away_s)
        for connector in self._connectors:
            # Offline by now: what still ran is told after the restart.
            connector.stop(reason)
            connector.reset()
        context.timers.clear()
        if not online:
            context.timers.set("dial", context.now + away_s, self._link.dial)
        self._scheduled = False
        self._under_way = False
        self._on_restart()
