"""Reservations of connectors (1.6, 5.13; 2.0.1: H)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from simulator.charging import ConnectorStatus, IdToken, Loss
from simulator.context import Context


class Reservable(Protocol):
    """What reservations have to know of a connector, and what they ask of it."""

    @property
    def number(self) -> int:
        """From 1, as OCPP counts them (1.6, 3.8)."""

    @property
    def status(self) -> ConnectorStatus:
        """Where it stands."""

    @property
    def in_service(self) -> bool:
        """The station was accepted, and is not about to restart."""

    @property
    def ready(self) -> bool:
        """Whether a charge can be started now, by somebody for whom it may be reserved."""

    @property
    def usable(self) -> bool:
        """Whether it may be used at all."""

    def settle(self) -> None:
        """Bring the status in line with what the connector may be used for, and by whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A connector kept free for somebody.

    Attributes:
        reservation_id: Given by the CSMS.
        connector_id: Which one; None for any.
        id_token: For whom.
        group: Likewise, all tokens of this group; None for none.
        expires_at: Until when, seconds since the Unix epoch.
    """

    reservation_id: int
    connector_id: int | None
    id_token: IdToken
    group: IdToken | None
    expires_at: float

    def is_for(self, id_token: IdToken, group: IdToken | None) -> bool:
        """Return whether a token, or the group it belongs to, may use it."""
        return _same(self.id_token, id_token) or (
            self.group is not None and group is not None and _same(self.group, group)
        )


class ReserveResult(Enum):
    """What came of the wish to reserve."""

    ACCEPTED = auto()
    OCCUPIED = auto()
    UNAVAILABLE = auto()
    REJECTED = auto()


class Reservations:
    """The reservations of one station; they survive a restart.

    Args:
        context: Clock and timers.
        connectors: All of the station, by number.
        on_lost: Told the id of a reservation that has ended without being used or cancelled.
    """

    __slots__ = ("_connectors", "_context", "_held", "_on_lost")

    def __init__(
        self,
        context: Context,
        connectors: Mapping[int, Reservable],
        *,
        on_lost: Callable[[int, Loss], None],
    ) -> None:
        self._context = context
        self._connectors = connectors
        self._on_lost = on_lost
        self._held: dict[int, Reservation] = {}

    def __len__(self) -> int:
        return len(self._held)

    def reserve(self, wanted: Reservation) -> ReserveResult:
        """Make a reservation; one of the same id is replaced (1.6, 5.13; H01.FR.02).

        What the connectors show then is left to `show`: the answer to the CSMS goes first.
        """
        connectors = self._connectors
        if wanted.expires_at <= self._context.now or (
            wanted.connector_id is not None and wanted.connector_id not in connectors
        ):
            return ReserveResult.REJECTED
        replaced = self._held.pop(wanted.reservation_id, None)
        if wanted.connector_id is None:
            result = self._find_any()
        else:
            result = self._look_at(connectors[wanted.connector_id])
        if result is ReserveResult.ACCEPTED:
            self._held[wanted.reservation_id] = wanted
            self._plan(wanted)
        elif replaced is not None:
            self._held[replaced.reservation_id] = replaced
        return result

    def cancel(self, reservation_id: int) -> bool:
        """End a reservation; False if there is none of this id. It is left to `show`, too."""
        if self._held.pop(reservation_id, None) is None:
            return False
        self._context.timers.cancel(("reservation", reservation_id))
        return True

    def show(self) -> None:
        """Let the status of each connector tell whether it is reserved."""
        for connector in self._connectors.values():
            connector.settle()

    def holds(self, connector_id: int) -> bool:
        """Return whether this very connector is reserved."""
        return self._of(connector_id) is not None

    def admits(self, connector_id: int, id_token: IdToken, group: IdToken | None) -> bool:
        """Return whether a token may charge at a connector as far as reservations go.

        Those of any connector need as many free ones as there are (1.6, 5.13).
        """
        if self._usable_by(connector_id, id_token, group) is not None:
            return True
        if self.holds(connector_id):
            return False
        others = [
            each
            for each in self._connectors.values()
            if each.number != connector_id and self._is_free(each)
        ]
        return len(others) >= self._promised

    def may_admit(self, connector_id: int, id_token: IdToken, group: IdToken | None) -> bool:
        """Return whether it would be of use to ask for the group of a token."""
        return self.admits(connector_id, id_token, group) or any(
            each.group is not None and each.connector_id in {None, connector_id}
            for each in self._held.values()
        )

    def claim(self, connector_id: int, id_token: IdToken, group: IdToken | None) -> int | None:
        """End the reservation that a charge uses, and return its id; None if it uses none."""
        reservation = self._usable_by(connector_id, id_token, group)
        if reservation is None:
            return None
        self.cancel(reservation.reservation_id)
        return reservation.reservation_id

    def void(self, connector_id: int) -> None:
        """End what holds a connector that has gone out of service (1.6, 5.13)."""
        reservation = self._of(connector_id)
        if reservation is not None:
            self._lose(reservation.reservation_id, Loss.REMOVED)
        if not any(each.usable for each in self._connectors.values()):
            for each in tuple(self._held.values()):
                self._lose(each.reservation_id, Loss.REMOVED)

    def restart(self) -> None:
        """Plan the ends anew, after a restart."""
        for reservation in tuple(self._held.values()):
            self._plan(reservation)

    @property
    def _promised(self) -> int:
        return sum(each.connector_id is None for each in self._held.values())

    def _of(self, connector_id: int) -> Reservation | None:
        held = self._held.values()
        return next((each for each in held if each.connector_id == connector_id), None)

    def _usable_by(
        self, connector_id: int, id_token: IdToken, group: IdToken | None
    ) -> Reservation | None:
        own = self._of(connector_id)
        if own is not None:
            return own if own.is_for(id_token, group) else None
        return next(
            (
                each
                for each in self._held.values()
                if each.connector_id is None and each.is_for(id_token, group)
            ),
            None,
        )

    def _is_free(self, connector: Reservable) -> bool:
        return connector.ready and not self.holds(connector.number)

    def _look_at(self, connector: Reservable) -> ReserveResult:
        if connector.status is ConnectorStatus.UNAVAILABLE or not connector.in_service:
            return ReserveResult.UNAVAILABLE
        free = sum(self._is_free(each) for each in self._connectors.values())
        if not self._is_free(connector) or free <= self._promised:
            return ReserveResult.OCCUPIED
        return ReserveResult.ACCEPTED

    def _find_any(self) -> ReserveResult:
        results = {self._look_at(each) for each in self._connectors.values()}
        for result in (ReserveResult.ACCEPTED, ReserveResult.OCCUPIED):
            if result in results:
                return result
        return ReserveResult.UNAVAILABLE

    def _plan(self, reservation: Reservation) -> None:
        number = reservation.reservation_id
        self._context.timers.set(
            ("reservation", number), reservation.expires_at, lambda: self._expire(number)
        )

    def _expire(self, reservation_id: int) -> None:
        self._lose(reservation_id, Loss.EXPIRED)
        self.show()

    def _lose(self, reservation_id: int, loss: Loss) -> None:
        if self.cancel(reservation_id):
            self._on_lost(reservation_id, loss)


def _same(one: IdToken, other: IdToken) -> bool:
    """Compare two tokens, without regard to case."""
    return one.type == other.type and one.value.lower() == other.value.lower()
