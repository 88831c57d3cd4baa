"""A simulated station in a program: start it, use it, watch it.

async with run_station(profile, url="ws://127.0.0.1:9000/ocpp", password="...") as station:
await station.wait_for(Registered)
charge = await station.start_charging(id_token="04A1B2C3")
await station.stop_charging()
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar, cast

from simulator.charging import Charge, MessageKind
from simulator.driver import ConnectionSettings, Driver
from simulator.errors import ChargeRefused, UnexpectedSilence
from simulator.eventlog import EventLog
from simulator.events import Acknowledged, AuthorizationRefused, ChargeEnded, ChargeStarted, Event
from simulator.profile import StationProfile
from simulator.station import Station
from simulator.versions import DIALECTS

_E = TypeVar("_E", bound=Event)


class SimulatedStation:
    """A station with the driver that moves it.

    Args:
        profile: What it is.
        url: OCPP-J endpoint of the CSMS; the station id is appended (OCPP-J, 3.1.1).
        password: For HTTP Basic authentication (profiles 1 and 2); None for none.
        seed: Makes it repeatable; None does not.
        on_event: Told of every event, in order, on the event loop.
        connection: Time-outs and limits.
        keep_events: How many events `wait_for` can look back on.
    """

    def __init__(
        self,
        profile: StationProfile,
        *,
        url: str,
        password: str | None = None,
        seed: int | None = None,
        on_event: Callable[[Event], None] | None = None,
        connection: ConnectionSettings | None = None,
        keep_events: int = 10_000,
    ) -> None:
        # Two stations of one seed must differ, or a fleet would act as one.
        chance = None if seed is None else f"{seed}/{profile.station_id}"
        self._station = Station(
            profile,
            make_dialect=DIALECTS[profile.version],
            rng=random.Random(chance),  # noqa: S311  # noise of meters, no secret
            now=time.time(),
            password=None if password is None else password.encode(),
        )
        self._driver = Driver(
            self._station,
            url=url,
            on_event=self._note,
            settings=connection or ConnectionSettings(),
        )
        self._on_event = on_event
        self._log = EventLog(keep_events)
        self._read_until = 0

    @property
    def station_id(self) -> str:
        """Identity."""
        return self._station.profile.station_id

    @property
    def station(self) -> Station:
        """The station itself, to look at; its inputs belong to the driver."""
        return self._station

    @property
    def events(self) -> tuple[Event, ...]:
        """The latest events, oldest first."""
        return tuple(self._log)

    @property
    def acknowledged(self) -> tuple[Acknowledged, ...]:
        """What the CSMS has confirmed, oldest first."""
        return tuple(event for event in self._log if isinstance(event, Acknowledged))

    async def run(self) -> None:
        """Drive the station until cancelled; then no charge is finished, the socket is closed."""
        try:
            await self._driver.run()
        except asyncio.CancelledError:
            self._log.fail(UnexpectedSilence(f"{self.station_id} was stopped"))
            raise
        except Exception as error:
            self._log.fail(error)
            raise

    def _note(self, event: Event) -> None:
        self._log.append(event)
        if self._on_event is not None:
            self._on_event(event)

    # What people do at the station

    async def start_charging(
        self, *, id_token: str, connector_id: int = 1, timeout_s: float = 30.0
    ) -> Charge:
        """Plug in, present a token, and wait until the CSMS knows of the transaction.

        Offline it is enough that energy flows.

        Returns:
            The running charge.

        Raises:
            ConnectorNotReady: The connector is not free.
            ChargeRefused: The token may not charge.
            UnexpectedSilence: The CSMS did not answer in time.
        """
        since = self._log.count
        self._station.start_charging(
            self._driver.now(), connector_id=connector_id, id_token=id_token
        )
        self._driver.nudge()

        def settled(event: Event) -> bool:
            match event:
                case AuthorizationRefused():
                    return event.connector_id == connector_id
                case ChargeStarted():
                    return event.connector_id == connector_id and event.offline
                case Acknowledged():
                    return event.connector_id == connector_id and event.kind == MessageKind.STARTED
            return False

        await self._log.wait(settled, since=since, timeout_s=timeout_s)
        charge = self._station.connectors[connector_id].charge
        if charge is None:
            raise ChargeRefused(
                f"{self.station_id} may not charge with the id token {id_token!r}; "
                "is it known to the CSMS and accepted?"
            )
        return charge

    async def stop_charging(
        self, *, connector_id: int = 1, timeout_s: float = 30.0, delivered: bool = True
    ) -> None:
        """End the charge at the station.

        Args:
            connector_id: Where.
            timeout_s: How long to wait.
            delivered: Wait until the CSMS has confirmed the end, not only until energy stops.

        Raises:
            ConnectorNotReady: Nothing is being charged there.
            UnexpectedSilence: The CSMS did not answer in time.
        """
        since = self._log.count
        self._station.stop_charging(self._driver.now(), connector_id=connector_id)
        self._driver.nudge()

        def settled(event: Event) -> bool:
            match event:
                case Acknowledged():
                    return event.connector_id == connector_id and event.kind == MessageKind.ENDED
                case ChargeEnded():
                    return event.connector_id == connector_id and not delivered
            return False

        await self._log.wait(settled, since=since, timeout_s=timeout_s)

    def lose_connection(self) -> None:
        """Cut the wire without a closing handshake; the station reconnects by itself."""
        self._station.lose_connection(self._driver.now())
        self._driver.nudge()

    async def wait_for(
        self,
        kind: type[_E],
        where: Callable[[_E], bool] | None = None,
        *,
        timeout_s: float = 10.0,
    ) -> _E:
        """Return the next event of a kind.

        Events are read in order and each only once: what the last call returned, and everything
        before it, does not count again.

        Args:
            kind: Class of the event.
            where: A further condition.
            timeout_s: How long to wait.

        Raises:
            UnexpectedSilence: None came in time.
        """

        def match(event: Event) -> bool:
            return isinstance(event, kind) and (where is None or where(event))

        number, event = await self._log.wait(match, since=self._read_until, timeout_s=timeout_s)
        self._read_until = number + 1
        return cast("_E", event)


@asynccontextmanager
async def run_station(
    profile: StationProfile,
    *,
    url: str,
    password: str | None = None,
    seed: int | None = None,
    on_event: Callable[[Event], None] | None = None,
    connection: ConnectionSettings | None = None,
) -> AsyncIterator[SimulatedStation]:
    """Run a station for the length of a block; see `SimulatedStation` for the arguments.

    At the end of the block no charge is finished; the socket is closed with 1000.
    """
    station = SimulatedStation(
        profile, url=url, password=password, seed=seed, on_event=on_event, connection=connection
    )
    task = asyncio.create_task(station.run(), name=f"station {profile.station_id}")
    try:
        yield station
    finally:
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
