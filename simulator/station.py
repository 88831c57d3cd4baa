"""A charging station without I/O: frames and time in, frames and events out.

A driver (asyncio in `simulator.driver`, gevent in a load test) owns the socket and the clock:

    station = Station(profile, make_dialect=Ocpp16, rng=random.Random(1), now=time())
    station.power_on(now)
    for output in station.take_outputs(): ...        # Dial, Send, HangUp, or an Event
    station.connection_opened(now) / connection_lost(now, ...) / connection_refused(now, ...)
    station.receive(text, now)
    station.advance(now)                             # not later than station.next_wake

Nothing here reads a clock, draws a number of its own, or waits. The same seed and the same inputs
give the same outputs.
"""

import random
from collections.abc import Callable

from simulator.admission import Admission
from simulator.certificates import RootCertificates, StationKeys
from simulator.charging import ConnectorStatus, IdToken, Loss, StopReason
from simulator.clock_aligned import ClockAligned
from simulator.connector import Connector
from simulator.context import Context
from simulator.dialect import (
    Authorization,
    BootReason,
    Clearance,
    Dialect,
    Failure,
    Registration,
    RegistrationStatus,
)
from simulator.errors import ConnectorNotReady
from simulator.events import Output, Registered
from simulator.firmware import FirmwareUpdates
from simulator.limiting import Limiting
from simulator.link import Link
from simulator.logs import LogUploads
from simulator.maintenance import SecurityEventType
from simulator.notices import Notices
from simulator.outbox import TransactionMessage
from simulator.profile import StationProfile
from simulator.reservations import Reservations
from simulator.restarting import Restarting
from simulator.rpc import Payload
from simulator.security_log import SecurityLog
from simulator.settings import StationSettings
from simulator.tokens import KnownTokens
from simulator.transfers import TransferResult, Transfers


class Station:
    """One simulated station.

    Every input takes `now`, seconds since the Unix epoch, and may leave outputs to be fetched.

    Attributes:
        context: Clock, chance, settings; for dialects.
        link: The connection; for dialects.
        tokens: The authorization cache and the local list; for dialects.
        dialect: The version of OCPP.
        connectors: By number, from 1.
        reservations: Of connectors; for dialects.
        limiting: Smart charging; for dialects.
        restarting: Restarts the station; for dialects.
        transfers: Files on their way.
        notices: What has to reach the CSMS, and is not about a transaction.
        security_log: What happened to its security.
        roots: Root certificates; for dialects.
        keys: Its key pair and its certificate; for dialects.
        firmware: Updates; for dialects.
        logs: Uploads; for dialects.
        clock_aligned: Readings at full multiples of an interval.
        operative: The station as a whole may be used.
        password: For HTTP Basic authentication, the station id being the user; None for none.
        registration: Last answer to BootNotification since power-on.
    """

    def __init__(
        self,
        profile: StationProfile,
        *,
        make_dialect: "Callable[[Station], Dialect]",
        rng: random.Random,
        now: float,
        password: bytes | None = None,
    ) -> None:
        self.context = Context(profile, rng, now)
        self.tokens = KnownTokens(self.context)
        self.dialect = make_dialect(self)
        self.link = Link(self.context, self.dialect, self._delivered)
        self.connectors: dict[int, Connector] = {}
        self.reservations = Reservations(
            self.context, self.connectors, on_lost=self._reservation_lost
        )
        self.limiting = Limiting(self.context, self.connectors)
        for number in range(1, profile.connectors + 1):
            self.connectors[number] = Connector(
                context=self.context,
                link=self.link,
                dialect=self.dialect,
                admission=Admission(self.link, self.dialect, self.tokens),
                reservations=self.reservations,
                number=number,
                on_charge_begun=self.limiting.charge_begun,
                on_charge_over=self._charge_over,
            )
        self.restarting = Restarting(
            context=self.context,
            link=self.link,
            connectors=tuple(self.connectors.values()),
            on_restart=self._restarted,
        )
        self.transfers = Transfers(self.context)
        self.notices = Notices(self.context, self.link)
        self.security_log = SecurityLog(self.context, self.dialect, self.notices)
        self.roots = RootCertificates()
        self.keys = StationKeys(profile.station_id, rng)
        self.firmware = FirmwareUpdates(
            context=self.context,
            dialect=self.dialect,
            connectors=self.connectors,
            restarting=self.restarting,
            transfers=self.transfers,
            notices=self.notices,
            security_log=self.security_log,
        )
        self.logs = LogUploads(
            context=self.context,
            link=self.link,
            dialect=self.dialect,
            connectors=self.connectors,
            transfers=self.transfers,
            notices=self.notices,
            security_log=self.security_log,
        )
        self.clock_aligned = ClockAligned(
            context=self.context,
            link=self.link,
            dialect=self.dialect,
            connectors=self.connectors,
        )
        self.operative = True
        self.password = password
        self.registration: RegistrationStatus | None = None

    @property
    def profile(self) -> StationProfile:
        """What the station is."""
        return self.context.profile

    @property
    def settings(self) -> StationSettings:
        """What the CSMS may change."""
        return self.context.settings

    # Outputs

    def take_outputs(self) -> list[Output]:
        """Return what has come up since the last call, in order."""
        outputs = self.context.outputs
        self.context.outputs = []
        return outputs

    @property
    def has_outputs(self) -> bool:
        """Whether there is something to take."""
        return bool(self.context.outputs)

    @property
    def next_wake(self) -> float | None:
        """When `advance` must be called at the latest, None for never."""
        return self.context.timers.next_at

    # Inputs

    def power_on(self, now: float) -> None:
        """Begin: dial, boot, charge."""
        self.context.tick(now)
        self.link.dial()

    def advance(self, now: float) -> None:
        """Let time pass until `now`."""
        self.context.tick(now)
        self.context.timers.run_due(self.context.now)

    def connection_opened(self, now: float) -> None:
        """The WebSocket handshake succeeded and the subprotocol was agreed."""
        self.advance(now)
        self.link.opened()
        accepted = self.registration is RegistrationStatus.ACCEPTED
        if accepted and not self.profile.boots_on_reconnect:
            # OCPP-J 1.6, 5.4 and 2.0.1, 5.3: acceptance outlives the connection.
            self.link.needs = Clearance.NORMAL
            threshold_s = self.settings.offline_threshold_s
            offline_s = self.context.now - self.link.offline_since
            for connector in self.connectors.values():
                connector.catch_up(anyway=threshold_s is not None and offline_s > threshold_s)
            self.link.pump()
        else:
            self.boot()

    def connection_lost(self, now: float, reason: str = "") -> None:
        """The connection is gone, whoever closed it."""
        self.advance(now)
        self.link.lost(reason)

    def connection_refused(
        self,
        now: float,
        *,
        status: int | None = None,
        reason: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        """No connection came about: nobody there, or an HTTP answer other than 101."""
        self.advance(now)
        self.link.refused(status, reason, retry_after_s)

    def receive(self, text: str | bytes, now: float) -> None:
        """Take one WebSocket message."""
        self.advance(now)
        if self.link.online:
            self.link.receive(text)

    def transfer_ended(self, now: float, transfer_id: int, result: TransferResult) -> None:
        """Take the driver's word on how a download or an upload ended."""
        self.advance(now)
        self.transfers.end(transfer_id, result)

    def start_charging(self, now: float, *, connector_id: int, id_token: str) -> None:
        """A driver plugs in and presents a token.

        Raises:
            ConnectorNotReady: There is no such connector, or it is not free.
        """
        self.advance(now)
        self.connector(connector_id).arrive(IdToken(id_token))

    def stop_charging(self, now: float, *, connector_id: int) -> None:
        """The driver ends the charge at the station.

        Raises:
            ConnectorNotReady: Nothing is being charged there.
        """
        self.advance(now)
        connector = self.connector(connector_id)
        if connector.charge is None:
            raise ConnectorNotReady(
                f"connector {connector_id} of {self.profile.station_id} charges nothing that "
                f"could be stopped: its status is {connector.status.value}"
            )
        connector.stop(StopReason.LOCAL)

    def lose_connection(self, now: float) -> None:
        """Cut the wire, as a lost mobile network does."""
        self.advance(now)
        self.link.cut()

    # What dialects use

    def connector(self, number: int) -> Connector:
        """Return a connector.

        Raises:
            ConnectorNotReady: There is none of this number.
        """
        try:
            return self.connectors[number]
        except KeyError:
            raise ConnectorNotReady(
                f"{self.profile.station_id} has connectors 1 to {len(self.connectors)}, "
                f"not {number}"
            ) from None

    @property
    def status(self) -> ConnectorStatus:
        """Status of the station itself, which some versions report like a connector's."""
        return ConnectorStatus.AVAILABLE if self.operative else ConnectorStatus.UNAVAILABLE

    def boot(self, reason: BootReason | None = None) -> None:
        """Introduce the station to the CSMS (1.6, 4.2; 2.0.1: B01).

        Args:
            reason: Why, by default the last restart.
        """
        self.context.timers.cancel("boot")
        if not self.link.online:
            return  # The next connection begins with it.
        if self.registration is not RegistrationStatus.PENDING:
            self.link.needs = Clearance.BOOT
        request = self.dialect.boot_notification(reason or self.restarting.boot_reason)
        request.clearance = Clearance.BOOT
        request.on_result = self._booted
        request.on_failure = self._not_booted
        self.link.call(request)

    def report_status(self, clearance: Clearance = Clearance.NORMAL) -> None:
        """Send the status of the station itself, if its version has one."""
        request = self.dialect.station_status(self.status)
        if request is not None:
            request.clearance = clearance
            self.link.call(request)

    def reconnect(self) -> None:
        """Leave the connection for a new one, as new credentials demand."""

        def change() -> None:
            if self.link.online:
                self.link.hang_up("new credentials", redial_in_s=0.0)

        self.context.timers.set("reconnect", self.context.now + self.profile.reset_delay_s, change)

    # Registration

    def _booted(self, payload: Payload) -> None:
        registration = self.dialect.read_registration(payload)
        context = self.context
        self.registration = registration.status
        context.report(
            Registered(status=registration.status.value, interval_s=registration.interval_s)
        )
        self.link.answering.barred = registration.status is RegistrationStatus.REJECTED
        match registration.status:
            case RegistrationStatus.ACCEPTED:
                self._enter_service(registration)
                return
            case RegistrationStatus.PENDING:
                self.link.needs = Clearance.TRIGGERED
            case RegistrationStatus.REJECTED:
                self.link.needs = Clearance.BOOT
        self._boot_in(registration.interval_s or self.profile.boot_retry_s)

    def _not_booted(self, failure: Failure) -> None:
        if failure is not Failure.OFFLINE:
            self._boot_in(self.profile.boot_retry_s)

    def _boot_in(self, delay_s: float) -> None:
        self.context.timers.set("boot", self.context.now + delay_s, self.boot)

    def _enter_service(self, registration: Registration) -> None:
        context = self.context
        if registration.interval_s > 0:
            context.settings.heartbeat_interval_s = max(1, round(registration.interval_s))
        self.link.needs = Clearance.NORMAL
        # A fleet that booted together must not beat together.
        self._beat_in(context.rng.random() * context.settings.heartbeat_interval_s)
        self.report_status()
        for connector in self.connectors.values():
            connector.enter_service()
        self.clock_aligned.plan()
        self.firmware.in_service()
        self.link.pump()

    def _beat_in(self, delay_s: float) -> None:
        self.context.timers.set("heartbeat", self.context.now + delay_s, self._beat)

    def _beat(self) -> None:
        if self.link.ready:
            self.link.call(self.dialect.heartbeat())
        self.heartbeat_interval_changed()

    def heartbeat_interval_changed(self) -> None:
        """Plan the next heartbeat anew."""
        self._beat_in(self.settings.heartbeat_interval_s)

    def meter_interval_changed(self) -> None:
        """Plan the next samples anew."""
        for connector in self.connectors.values():
            connector.resample()

    def _charge_over(self, connector_id: int) -> None:
        self.limiting.charge_over(connector_id)
        self.restarting.charge_over()
        self.firmware.charge_over()

    def _reservation_lost(self, reservation_id: int, loss: Loss) -> None:
        request = self.dialect.reservation_lost(reservation_id, loss)
        if request is not None:
            self.link.call(request)

    def _restarted(self) -> None:
        self.security_log.note(SecurityEventType.RESET, self.restarting.boot_reason.value)
        self.transfers.cancel_all()
        self.reservations.restart()
        self.firmware.restart()
        self.logs.restart()
        self.link.needs = Clearance.BOOT
        self.link.answering.barred = False
        self.registration = None

    def _delivered(self, message: TransactionMessage, authorization: Authorization | None) -> None:
        if authorization is not None:
            charge = message.charge
            self.tokens.remember(charge.id_token, authorization)
            self.connectors[charge.connector_id].judge(charge, authorization)
