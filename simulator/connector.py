"""One connector: drivers come, charge and leave."""

from collections.abc import Callable
from dataclasses import dataclass

from simulator.charging import Charge, ConnectorStatus, Reading, SampleContext, StopReason
from simulator.context import Context
from simulator.dialect import Authorization, Clearance, Dialect, Failure
from simulator.electricity import Meter
from simulator.errors import ConnectorNotReady
from simulator.events import (
    AuthorizationRefused,
    ChargeEnded,
    ChargeSampled,
    ChargeStarted,
    StatusChanged,
)
from simulator.link import Link
from simulator.profile import ScenarioMode
from simulator.rpc import Payload
from simulator.tokens import TokenCache

#: Readings kept for the closing record (1.6 errata 3.91, StopTransactionMaxMeterValues), besides
#: the first and the last, which are never dropped.
MAX_KEPT_SAMPLES = 50

#: A session that should end at a certain energy is looked at no more often than this.
_MIN_LOOK_S = 0.5


@dataclass(slots=True, eq=False)
class _Visit:
    """A driver at the connector, from plugging in to leaving.

    Attributes:
        id_token: What is presented.
        lasts_s: When this driver leaves, None: not before being told to.
    """

    id_token: str
    lasts_s: float | None


class Connector:
    """A connector, its meter and the driver in front of it.

    Attributes:
        number: From 1, as OCPP counts them (1.6, 3.8).
        status: Where it stands.
        charge: The running transaction.
        meter: Outlives transactions, connections and restarts.
        operative: May be used; persistent (1.6, 5.2).
    """

    __slots__ = (
        "_context",
        "_dialect",
        "_in_service",
        "_link",
        "_reported",
        "_sessions",
        "_tokens",
        "_visit",
        "charge",
        "meter",
        "number",
        "operative",
        "status",
    )

    def __init__(
        self, *, context: Context, link: Link, dialect: Dialect, tokens: TokenCache, number: int
    ) -> None:
        self._context = context
        self._link = link
        self._dialect = dialect
        self._tokens = tokens
        self._in_service = False
        self._visit: _Visit | None = None
        self._sessions = 0
        self._reported: ConnectorStatus | None = None
        self.number = number
        self.status = ConnectorStatus.AVAILABLE
        self.charge: Charge | None = None
        self.meter = Meter(context.profile, context.rng, context.now)
        self.operative = True

    # Service

    def enter_service(self) -> None:
        """The station was accepted: tell the status and let drivers come."""
        self._in_service = True
        self.report()
        self._expect_driver()

    def close(self) -> None:
        """The station is about to restart: nobody new."""
        self._in_service = False

    def reset(self) -> None:
        """The station has restarted: whoever was here is gone."""
        self._visit = None
        self._reported = None
        self.status = ConnectorStatus.AVAILABLE if self.operative else ConnectorStatus.UNAVAILABLE

    def catch_up(self) -> None:
        """The connection is back: tell the status if it has changed meanwhile (1.6, 4.9)."""
        if self.status is not self._reported:
            self.report()

    def report(self, clearance: Clearance = Clearance.NORMAL) -> None:
        """Send the current status."""
        status = self.status
        request = self._dialect.status_notification(self.number, status)
        request.clearance = clearance

        def confirmed(payload: Payload) -> None:
            del payload
            self._reported = status

        request.on_result = confirmed
        self._link.call(request)

    # Drivers

    def arrive(self, id_token: str, *, authorized: bool = False) -> None:
        """A driver plugs in and presents a token.

        Args:
            id_token: The token.
            authorized: Charge without asking, as a remote start may (1.6, 5.11).

        Raises:
            ConnectorNotReady: The connector is in use, out of order or not in service.
        """
        if not self.ready:
            raise ConnectorNotReady(
                f"connector {self.number} of {self._context.profile.station_id} cannot start a "
                f"charge: its status is {self.status.value}"
                + ("" if self._in_service else " and the station has not been accepted yet")
            )
        visit = self._plug_in(id_token, lasts_s=None)
        if authorized:
            self._begin(visit)
        else:
            self._authorize(visit)

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
                id_token=charge.id_token,
                reason=reason.value,
                energy_wh=end.energy_wh - charge.begin.energy_wh,
                duration_s=round(end.at - charge.begin.at, 3),
            )
        )
        self._link.queue(self._dialect.charge_ended(charge))
        self._become(ConnectorStatus.FINISHING)
        self._at("leave", context.draw(context.profile.scenario.unplug_s), self._leave)

    @property
    def ready(self) -> bool:
        """Whether a charge can be started now."""
        return self._in_service and self.status is ConnectorStatus.AVAILABLE

    # What the CSMS asks for

    def change_availability(self, *, operative: bool) -> bool:
        """Put the connector in or out of use (1.6, 5.2).

        Returns:
            False if that has to wait for the running charge to end.
        """
        self.operative = operative
        if self.charge is not None:
            return operative
        if operative and self.status is ConnectorStatus.UNAVAILABLE:
            self._become(ConnectorStatus.AVAILABLE)
            self._expect_driver()
        elif not operative:
            self._cancel_timers()
            self._visit = None
            self._become(ConnectorStatus.UNAVAILABLE)
        return True

    def judge(self, charge: Charge, authorization: Authorization) -> None:
        """Heed the word of the CSMS on a charge that has begun (1.6 errata 3.17)."""
        if authorization.accepted or charge is not self.charge:
            return
        self._context.report(
            AuthorizationRefused(connector_id=self.number, id_token=charge.id_token)
        )
        if self._context.settings.stops_on_invalid_token:
            self.stop(StopReason.DEAUTHORIZED)
        else:
            self.meter.open_contactor(self._context.now)
            self._become(ConnectorStatus.SUSPENDED_EVSE)

    def resample(self) -> None:
        """The sampling interval was changed."""
        if self.charge is not None:
            self._plan_sample()

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
        visit = self._plug_in(
            context.rng.choice(scenario.id_tokens), lasts_s=context.draw(scenario.session_s)
        )
        self._at("present", context.draw(scenario.plug_in_s), lambda: self._authorize(visit))

    def _plug_in(self, id_token: str, lasts_s: float | None) -> _Visit:
        self._cancel_timers()
        self._visit = _Visit(id_token, lasts_s)
        self._become(ConnectorStatus.PREPARING)
        return self._visit

    def _authorize(self, visit: _Visit) -> None:
        if not self._link.ready:
            self._authorize_offline(visit)
            return
        if self._tokens.spares_asking(visit.id_token):
            self._begin(visit)
            return

        def answered(payload: Payload) -> None:
            authorization = self._dialect.read_authorization(payload)
            self._tokens.remember(visit.id_token, authorization)
            self._decide(visit, accepted=authorization.accepted)

        def failed(failure: Failure) -> None:
            if failure is Failure.REFUSED:
                self._decide(visit, accepted=False)
            else:
                self._authorize_offline(visit)

        request = self._dialect.authorize(visit.id_token)
        request.on_result = answered
        request.on_failure = failed
        self._link.call(request)

    def _authorize_offline(self, visit: _Visit) -> None:
        self._decide(visit, accepted=self._tokens.allows_offline(visit.id_token))

    def _decide(self, visit: _Visit, *, accepted: bool) -> None:
        if visit is not self._visit:
            return  # Gone while the question was open.
        if accepted:
            self._begin(visit)
        else:
            self._context.report(
                AuthorizationRefused(connector_id=self.number, id_token=visit.id_token)
            )
            self._leave()

    def _begin(self, visit: _Visit) -> None:
        context = self._context
        offline = not self._link.ready
        self.meter.close_contactor(self.meter.arriving_vehicle(), context.now)
        charge = Charge(self.number, visit.id_token, self.meter.read(context.now), offline)
        self.charge = charge
        context.report(
            ChargeStarted(
                connector_id=self.number,
                id_token=charge.id_token,
                meter_start_wh=charge.begin.energy_wh,
                offline=offline,
            )
        )
        self._link.queue(self._dialect.charge_started(charge))
        self._become(ConnectorStatus.CHARGING)
        self._plan_sample()
        if visit.lasts_s is not None:
            self._at("duration", visit.lasts_s, self._finish)
        self._watch_energy()
        if context.misbehaviours.drops_connection():
            self._at("drop", context.draw(context.profile.scenario.drop_after_s), self._cut)

    def _finish(self) -> None:
        self.stop(StopReason.LOCAL)

    def _cut(self) -> None:
        if self._link.online:
            self._link.hang_up("simulated loss of the connection", abrupt=True)

    def _plan_sample(self) -> None:
        interval_s = self._context.settings.meter_interval_s
        if interval_s > 0:
            self._at("sample", interval_s, self._sample)
        else:
            self._context.timers.cancel((self.number, "sample"))

    def _sample(self) -> None:
        charge = self.charge
        if charge is None:
            return
        reading = self.meter.read(self._context.now)
        self._keep(charge, reading)
        self._context.report(
            ChargeSampled(
                connector_id=self.number,
                energy_wh=reading.energy_wh - charge.begin.energy_wh,
                power_w=reading.power_w,
                soc_percent=reading.soc_percent,
            )
        )
        if message := self._dialect.charge_metered(charge, reading, SampleContext.PERIODIC):
            self._link.queue(message)
        if self.meter.vehicle is not None and self.meter.vehicle.full:
            self._become(ConnectorStatus.SUSPENDED_EV)
        self._plan_sample()

    def _keep(self, charge: Charge, reading: Reading) -> None:
        if not self._context.settings.sampled_at_end:
            return
        if len(charge.samples) >= MAX_KEPT_SAMPLES:
            # Errata 3.91: thin out evenly rather than drop the oldest or the newest.
            del charge.samples[::2]
        charge.samples.append(reading)

    def _watch_energy(self) -> None:
        """End the session when it has delivered what its driver wanted."""
        target_wh = self._context.profile.scenario.energy_wh
        if target_wh is None or self.charge is None:
            return
        delivered_wh = self.meter.read(self._context.now).energy_wh - self.charge.begin.energy_wh
        if delivered_wh >= target_wh:
            self._finish()
            return
        # At full power it cannot be sooner; below that, look again when it could be.
        look_s = max(_MIN_LOOK_S, self.meter.soonest_s(target_wh - delivered_wh))
        self._at("energy", look_s, self._watch_energy)

    def _leave(self) -> None:
        self._visit = None
        self._become(ConnectorStatus.AVAILABLE if self.operative else ConnectorStatus.UNAVAILABLE)
        self._expect_driver()

    def _become(self, status: ConnectorStatus) -> None:
        if status is self.status:
            return
        self.status = status
        self._context.report(StatusChanged(connector_id=self.number, status=status.value))
        self.report()

    def _at(self, name: str, delay_s: float, action: Callable[[], None]) -> None:
        self._context.timers.set((self.number, name), self._context.now + delay_s, action)

    def _cancel_timers(self) -> None:
        for name in ("arrival", "present", "sample", "duration", "energy", "drop", "leave"):
            self._context.timers.cancel((self.number, name))
