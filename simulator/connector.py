"""One connector: drivers come, charge and leave."""

from collections.abc import Callable

from simulator.admission import Admission
from simulator.charging import Charge, ConnectorStatus, IdToken, StopReason
from simulator.context import Context
from simulator.dialect import Authorization, Clearance, Dialect
from simulator.electricity import Meter, PowerLimit
from simulator.errors import ConnectorNotReady
from simulator.events import (
    AuthorizationRefused,
    ChargeEnded,
    ChargeStarted,
    PowerLimited,
    StatusChanged,
)
from simulator.link import Link
from simulator.profile import ScenarioMode
from simulator.reservations import Reservations
from simulator.rpc import Payload
from simulator.sampling import Sampling
from simulator.visit import Visit

#: Nobody is here.
_VACANT = frozenset({ConnectorStatus.AVAILABLE, ConnectorStatus.RESERVED})


class Connector:
    """A connector, its meter and the driver in front of it.

    Attributes:
        number: From 1, as OCPP counts them (1.6, 3.8).
        status: Where it stands.
        charge: The running transaction.
        meter: Outlives transactions, connections and restarts.
        operative: May be used; persistent (1.6, 5.2; 2.0.1: G03).
        blocked: May not be used because the station as a whole may not; likewise (2.0.1: G04).
        in_service: The station was accepted, and is not about to restart.
    """

    __slots__ = (
        "_admission",
        "_context",
        "_dialect",
        "_drained",
        "_limit_w",
        "_link",
        "_on_charge_begun",
        "_on_charge_over",
        "_reported",
        "_reservations",
        "_sampling",
        "_sessions",
        "_visit",
        "blocked",
        "charge",
        "in_service",
        "meter",
        "number",
        "operative",
        "status",
    )

    def __init__(
        self,
        *,
        context: Context,
        link: Link,
        dialect: Dialect,
        admission: Admission,
        reservations: Reservations,
        number: int,
        on_charge_begun: Callable[[], None],
        on_charge_over: Callable[[int], None],
    ) -> None:
        self._context = context
        self._link = link
        self._dialect = dialect
        self._admission = admission
        self._reservations = reservations
        self._on_charge_begun = on_charge_begun
        self._on_charge_over = on_charge_over
        self._sampling = Sampling(self, context=context, link=link, dialect=dialect)
        self._drained = False
        self._limit_w: float | None = None
        self._visit: Visit | None = None
        self._sessions = 0
        self._reported: str | None = None
        self.number = number
        self.status = ConnectorStatus.AVAILABLE
        self.charge: Charge | None = None
        self.meter = Meter(context.profile, context.rng, context.now)
        self.operative = True
        self.blocked = False
        self.in_service = False

    # Service

    def enter_service(self) -> None:
        """The station was accepted: tell the status and let drivers come."""
        self.in_service = True
        self.report()
        self._expect_driver()

    def close(self) -> None:
        """The station is about to restart: nobody new."""
        self.in_service = False

    def drain(self, *, drained: bool = True) -> None:
        """The station restarts when nobody charges any more (2.0.1: B12): nobody new.

        Args:
            drained: False takes it back.
        """
        self._drained = drained
        self.settle()

    def reset(self) -> None:
        """The station has restarted: whoever was here is gone."""
        self._visit = None
        self._drained = False
        self._reported = None
        self.status = self._vacant_status

    def catch_up(self, *, anyway: bool) -> None:
        """The connection is back: tell the status.

        Args:
            anyway: Even if it has not changed meanwhile (2.0.1: B04), which 1.6 (4.9) leaves out.
        """
        if anyway or self._dialect.status_name(self.status) != self._reported:
            self.report()

    def report(self, clearance: Clearance = Clearance.NORMAL) -> None:
        """Send the current status."""
        told = self._dialect.status_name(self.status)
        request = self._dialect.connector_status(self.number, self.status)
        request.clearance = clearance

        def confirmed(payload: Payload) -> None:
            del payload
            self._reported = told

        request.on_result = confirmed
        self._link.call(request)

    # Drivers

    def arrive(
        self,
        id_token: IdToken,
        *,
        authorized: bool = False,
        remote_start_id: int | None = None,
        on_begun: Callable[[], None] | None = None,
    ) -> None:
        """A driver plugs in and presents a token.

        Args:
            id_token: The token.
            authorized: Charge without asking, as a remote start may (1.6, 5.11; 2.0.1: F01.FR.02).
            remote_start_id: Of the remote start, if its version numbers them.
            on_begun: Called when the charge has begun.

        Raises:
            ConnectorNotReady: The connector is in use, out of order or not in service.
        """
        if not self.ready:
            raise ConnectorNotReady(
                f"connector {self.number} of {self._context.profile.station_id} cannot start a "
                f"charge: its status is {self.status.value}"
                + ("" if self.in_service else " and the station has not been accepted yet")
            )
        visit = Visit(id_token, remote_start_id=remote_start_id, on_begun=on_begun)
        if authorized and self._reservations.admits(self.number, id_token, None):
            self._begin(self._plug_in(visit), group=None)
        elif self._reservations.may_admit(self.number, id_token, None):
            self._authorize(self._plug_in(visit))
        else:
            self._refuse(visit)

    def stop(self, reason: StopReason) -> None:
        """End the running charge, or send away a driver who has not begun to charge."""
        self._cancel_timers()
        if self.charge is None:
            if self._visit is not None:
                self._leave()
            return
        context = self._context
        charge = self.charge
        end = self.meter.read(context.now)
        self.meter.open_contactor(context.now)
        charge.end = end
        charge.stop_reason = reason
        self.charge = None
        self._sessions += 1
        context.report(
            ChargeEnded(
                connector_id=self.number,
                id_token=charge.id_token.value,
                reason=reason.value,
                energy_wh=end.energy_wh - charge.begin.energy_wh,
                duration_s=round(end.at - charge.begin.at, 3),
            )
        )
        self._link.queue(self._dialect.charge_ended(charge))
        self._become(ConnectorStatus.FINISHING)
        self._at("leave", context.draw(context.profile.scenario.unplug_s), self._leave)
        self._on_charge_over(self.number)

    @property
    def ready(self) -> bool:
        """Whether a charge can be started now, by somebody for whom it may be reserved."""
        return self.in_service and self.status in _VACANT

    # What the CSMS asks for

    def change_availability(self, *, operative: bool) -> None:
        """Put the connector in or out of use, when its charge is over if there is one."""
        self.operative = operative
        self.settle()

    def block(self, *, blocked: bool) -> None:
        """Follow the station as a whole, without forgetting what was asked of this connector."""
        self.blocked = blocked
        self.settle()

    def settle(self) -> None:
        """Bring the status in line with what the connector may be used for, and by whom."""
        if self.charge is not None:
            return
        if not self.usable:
            self._cancel_timers()
            self._visit = None
            self._become(ConnectorStatus.UNAVAILABLE)
            self._reservations.void(self.number)
        elif self._visit is None and self.status is not self._vacant_status:
            was_away = self.status is ConnectorStatus.UNAVAILABLE
            self._become(self._vacant_status)
            if was_away:
                self._expect_driver()

    @property
    def usable(self) -> bool:
        """Whether it may be used at all."""
        return self.operative and not self.blocked and not self._drained

    @property
    def _vacant_status(self) -> ConnectorStatus:
        if not self.usable:
            return ConnectorStatus.UNAVAILABLE
        reserved = self._reservations.holds(self.number)
        return ConnectorStatus.RESERVED if reserved else ConnectorStatus.AVAILABLE

    def obey(self, limit: PowerLimit | None) -> None:
        """Hold the charge to a limit; None for what the station is built for."""
        if limit is None and self._limit_w is None:
            return
        limit_w = self.meter.limit(limit, self._context.now)
        if limit_w != self._limit_w:
            self._limit_w = limit_w
            self._context.report(PowerLimited(connector_id=self.number, limit_w=limit_w))
        if self.charge is None or self.meter.vehicle is None:
            return
        if limit_w == 0 and self.status is ConnectorStatus.CHARGING:
            self._become(ConnectorStatus.SUSPENDED_EVSE)
        elif limit_w != 0 and self.status is ConnectorStatus.SUSPENDED_EVSE:
            self._become(ConnectorStatus.CHARGING)

    def judge(self, charge: Charge, authorization: Authorization) -> None:
        """Heed the word of the CSMS on a charge that has begun (1.6 errata 3.17; 2.0.1: E05)."""
        if authorization.accepted or charge is not self.charge:
            return
        self._context.report(
            AuthorizationRefused(connector_id=self.number, id_token=charge.id_token.value)
        )
        if self._context.settings.stops_on_invalid_token:
            self.stop(StopReason.DEAUTHORIZED)
        else:
            self.meter.open_contactor(self._context.now)
            self._become(ConnectorStatus.SUSPENDED_EVSE)

    def battery_filled(self) -> None:
        """The vehicle takes no more."""
        self._become(ConnectorStatus.SUSPENDED_EV)

    def resample(self) -> None:
        """The sampling interval was changed."""
        if self.charge is not None:
            self._sampling.plan()

    # A visit, step by step

    def _expect_driver(self) -> None:
        context = self._context
        scenario = context.profile.scenario
        wanted = scenario.mode is ScenarioMode.LOOP or (
            scenario.mode is ScenarioMode.ONCE and self._sessions == 0
        )
        if wanted and self.ready:
            self._at("arrival", context.draw(scenario.pause_s), self._driver_comes)

    def _driver_comes(self) -> None:
        if not self.ready:
            return
        context = self._context
        scenario = context.profile.scenario
        id_token = IdToken(context.rng.choice(scenario.id_tokens))
        if not self._reservations.may_admit(self.number, id_token, None):
            self._expect_driver()  # They see that it is reserved, and do not stop.
            return
        visit = self._plug_in(Visit(id_token, lasts_s=context.draw(scenario.session_s)))
        self._at("present", context.draw(scenario.plug_in_s), lambda: self._authorize(visit))

    def _plug_in(self, visit: Visit) -> Visit:
        self._cancel_timers()
        self._visit = visit
        self._become(ConnectorStatus.PREPARING)
        return visit

    def _authorize(self, visit: Visit) -> None:
        self._admission.ask(visit.id_token, lambda answer: self._decide(visit, answer))

    def _decide(self, visit: Visit, answer: Authorization) -> None:
        if visit is not self._visit:
            return  # Gone while the question was open.
        admits = self._reservations.admits(self.number, visit.id_token, answer.group)
        if answer.accepted and admits:
            self._begin(visit, group=answer.group)
        else:
            self._refuse(visit)
            self._leave()

    def _refuse(self, visit: Visit) -> None:
        self._context.report(
            AuthorizationRefused(connector_id=self.number, id_token=visit.id_token.value)
        )

    def _begin(self, visit: Visit, *, group: IdToken | None) -> None:
        context = self._context
        offline = not self._link.ready
        self.meter.close_contactor(self.meter.arriving_vehicle(), context.now)
        charge = Charge(
            connector_id=self.number,
            id_token=visit.id_token,
            begin=self.meter.read(context.now),
            offline=offline,
            remote_start_id=visit.remote_start_id,
            reservation_id=self._reservations.claim(self.number, visit.id_token, group),
        )
        self.charge = charge
        context.report(
            ChargeStarted(
                connector_id=self.number,
                id_token=charge.id_token.value,
                meter_start_wh=charge.begin.energy_wh,
                offline=offline,
            )
        )
        self._link.queue(self._dialect.charge_started(charge))
        self._become(ConnectorStatus.CHARGING)
        self._sampling.begin()
        if visit.on_begun is not None:
            visit.on_begun()
        self._on_charge_begun()
        if visit.lasts_s is not None:
            self._at("duration", visit.lasts_s, lambda: self.stop(StopReason.LOCAL))
        if context.misbehaviours.drops_connection():
            self._at("drop", context.draw(context.profile.scenario.drop_after_s), self._link.cut)

    def _leave(self) -> None:
        self._visit = None
        self._become(self._vacant_status)
        self._expect_driver()

    def _become(self, status: ConnectorStatus) -> None:
        if status is self.status:
            return
        name_of = self._dialect.status_name
        renamed = name_of(status) != name_of(self.status)
        self.status = status
        self._context.report(StatusChanged(connector_id=self.number, status=status.value))
        if renamed:
            self.report()
        if self.charge is not None and (
            message := self._dialect.charge_state_changed(self.charge, status)
        ):
            self._link.queue(message)

    def _at(self, name: str, delay_s: float, action: Callable[[], None]) -> None:
        self._context.timers.set((self.number, name), self._context.now + delay_s, action)

    def _cancel_timers(self) -> None:
        self._sampling.end()
        for name in ("arrival", "present", "duration", "drop", "leave"):
            self._context.timers.cancel((self.number, name))
