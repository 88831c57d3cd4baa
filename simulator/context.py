"""What the parts of one station share: its clock, its chance, and what it wants done."""

import random
from datetime import UTC, datetime
from uuid import UUID, uuid5

from simulator.events import Event, Output
from simulator.misbehaviour import Misbehaviours
from simulator.profile import Range, StationProfile, draw
from simulator.settings import StationSettings
from simulator.timers import Timers

#: Of the UUIDs of simulated stations.
_NAMESPACE = UUID("6f1d0b5e-3f0a-4c39-9a55-6f1c5d3f8f10")


class Context:
    """State without behaviour of its own.

    Attributes:
        profile: What the station is.
        settings: What the CSMS may change.
        rng: The only source of chance.
        now: Seconds since the Unix epoch, as told by the driver; never goes back.
        timers: Deadlines.
        misbehaviours: What the station does wrong.
        outputs: What the driver has yet to fetch, in order.
        firmware_version: What runs; updates change it.
    """

    __slots__ = (
        "_life",
        "_message_ids",
        "_uuids",
        "firmware_version",
        "misbehaviours",
        "now",
        "outputs",
        "profile",
        "rng",
        "settings",
        "timers",
    )

    def __init__(self, profile: StationProfile, rng: random.Random, now: float) -> None:
        self.profile = profile
        self.settings = StationSettings.of(profile)
        self.rng = rng
        self.now = now
        self.timers = Timers()
        self.misbehaviours = Misbehaviours(profile.misbehaviours, rng)
        self.outputs: list[Output] = []
        self.firmware_version = profile.firmware_version
        #: Tells this life from those before it: the moment of power-on, in milliseconds.
        self._life = int(now * 1000)
        self._message_ids = 0
        self._uuids = 0

    def tick(self, now: float) -> None:
        """Move the clock; it never goes back, so that no register and no timestamp does."""
        self.now = max(self.now, now)

    def emit(self, output: Output) -> None:
        """Hand something to the driver."""
        self.outputs.append(output)

    def report(self, event: Event) -> None:
        """Hand an event to the driver, stamped with time and station."""
        event.at = round(self.now, 3)
        event.station_id = self.profile.station_id
        self.outputs.append(event)

    def draw(self, bounds: Range) -> float:
        """Return a value of the range, evenly distributed."""
        return draw(self.rng, bounds)

    def new_message_id(self) -> str:
        """Return an id this station has never used on any connection (OCPP-J 1.6 JE 3.7).

        It begins with the moment of power-on, so that a station run again with the same seed
        does not repeat the ids of its last life.
        """
        self._message_ids += 1
        return f"{self._life:x}-{self._message_ids:x}"

    def new_uuid(self) -> str:
        """Return a UUID that this station has never used for anything, in this life or another."""
        self._uuids += 1
        name = f"{self.profile.station_id}/{self._life:x}/{self._uuids:x}"
        return str(uuid5(_NAMESPACE, name))

    def timestamp(self, at: float | None = None) -> str:
        """Return a moment, by default now, as OCPP writes it: RFC 3339 in UTC, milliseconds."""
        moment = datetime.fromtimestamp(self.now if at is None else at, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
