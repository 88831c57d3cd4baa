"""What a simulated station is, and what its drivers do."""

import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from simulator.backoff import ReconnectPolicy
from simulator.misbehaviour import MisbehaviourName

#: Lowest and highest value, both in the unit of the field's name.
Range: TypeAlias = tuple[float, float]

#: OCPP-J 2.0.1 part 4, 3.1.1 and 1.6 (CiString20 of the serial number apart): what a URL carries.
_STATION_ID_MAX_LENGTH = 48
_MAX_PHASES = 3


class OcppVersion(StrEnum):
    """The versions a station can speak."""

    V1_6 = "1.6"
    V2_0_1 = "2.0.1"


class ScenarioMode(StrEnum):
    """How often drivers come."""

    LOOP = "loop"
    ONCE = "once"
    IDLE = "idle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What the drivers of a station do. Ranges are drawn from evenly, for each session anew.

    Attributes:
        mode: `LOOP`: session, pause, session ...; `ONCE`: one session per connector;
            `IDLE`: nobody comes, the station charges only when told to.
        id_tokens: Tokens that drivers present, one picked at random each time.
        energy_wh: A session ends when it has delivered so much; None: only by its duration.
        session_s: How long a session lasts at most.
        pause_s: From the end of a session to the next driver, and before the first one.
        plug_in_s: From Preparing until the token is presented.
        unplug_s: From the end of the transaction until the cable is gone.
        drop_after_s: With the misbehaviour `drop-connection`: from the start of a charge to the
            loss of the connection.
    """

    mode: ScenarioMode = ScenarioMode.IDLE
    id_tokens: tuple[str, ...] = ("SIM-TOKEN",)
    energy_wh: float | None = None
    session_s: Range = (60.0, 180.0)
    pause_s: Range = (5.0, 20.0)
    plug_in_s: Range = (0.5, 2.0)
    unplug_s: Range = (1.0, 3.0)
    drop_after_s: Range = (5.0, 60.0)

    def __post_init__(self) -> None:
        if not self.id_tokens:
            raise ValueError("a scenario needs at least one id token")
        if self.energy_wh is not None and self.energy_wh <= 0:
            raise ValueError(f"energy_wh must be positive, got {self.energy_wh}")
        for name in ("session_s", "pause_s", "plug_in_s", "unplug_s", "drop_after_s"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ValueError(f"{name} must be a range 0 <= low <= high, got {low} to {high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StationProfile:
    """The station itself.

    Attributes:
        station_id: Identity, the last segment of the connection URL.
        version: Of OCPP.
        vendor: Reported in BootNotification.
        model: Reported in BootNotification.
        serial_number: Reported in BootNotification; the station id if None.
        firmware_version: Reported in BootNotification, until an update brings another.
        connectors: How many vehicles can charge at once.
        power_w: What one connector delivers at most.
        phases: 1 to 3 for alternating current, 0 for direct current.
        battery_wh: Capacity of the vehicles that come.
        arrival_soc_percent: State of charge on arrival.
        meter_start_wh: Energy registers at power-on. None: as if they had counted full power
            since 2025, so that a simulator that is started again finds its registers no lower
            than it left them, without keeping a file.
        time_lapse: Seconds of electricity per second of the clock. 1 is physics; 60 fills a
            battery in a minute, at the price of a register that outruns the power it reports.
        meter_interval_s: Initial MeterValueSampleInterval (1.6, 9.1.19) or TxUpdatedInterval
            (2.0.1, 2.7.8); 0 samples nothing.
        clock_aligned_interval_s: Initial ClockAlignedDataInterval (1.6, 9.1.5), Interval of
            AlignedDataCtrlr (2.0.1, 2.7.1); 0 for none.
        transaction_data: Put the samples of a transaction into the message that ends it (1.6,
            4.10; 2.0.1: TxEndedInterval).
        heartbeat_interval_s: Until the CSMS sets one (1.6, 4.2).
        boot_retry_s: Between BootNotifications when the CSMS leaves the choice to us.
        reboot_s: How long a restart takes.
        reset_delay_s: From the answer to a Reset, or to a new password, until the connection is
            closed; a station that hangs up in the same moment often takes its answer with it.
        reset_timeout_s: How long a reset that tells the end of charges waits for it to be
            confirmed (1.6, 5.14; 2.0.1: B12.FR.05).
        install_s: How long the installation of firmware takes.
        transfer_attempts: How often a file is downloaded or uploaded, unless the CSMS says.
        transfer_retry_s: Between these attempts, likewise.
        call_timeout_s: When a request counts as unanswered (1.6 errata 3.83, MessageTimeout).
        transaction_attempts: TransactionMessageAttempts (1.6, 9.1.31), MessageAttempts of
            TransactionEvent (2.0.1, 2.1.10).
        transaction_retry_s: TransactionMessageRetryInterval (1.6, 9.1.32), MessageAttemptInterval
            of TransactionEvent (2.0.1, 2.1.11).
        sends_key_as_text: Send an AuthorizationKey of 1.6 as the digits that it was configured
            with, as many stations do; otherwise as the bytes that they mean (OCPP-J 1.6, 6.2.2).
        boots_on_reconnect: Send BootNotification after every reconnect. OCPP-J 1.6, 5.4 and OCPP-J
            2.0.1, 5.3 say not to; much of the field does.
        reconnect: Back-off.
        misbehaviours: What the station does wrong on purpose.
        scenario: What its drivers do.
    """

    station_id: str
    version: OcppVersion = OcppVersion.V1_6
    vendor: str = "Voltaro"
    model: str = "Simulator"
    serial_number: str | None = None
    firmware_version: str = "1.0.0"
    connectors: int = 1
    power_w: float = 22_000.0
    phases: int = 3
    battery_wh: Range = (40_000.0, 90_000.0)
    arrival_soc_percent: Range = (10.0, 60.0)
    meter_start_wh: float | None = None
    time_lapse: float = 1.0
    meter_interval_s: int = 10
    clock_aligned_interval_s: int = 0
    transaction_data: bool = False
    heartbeat_interval_s: int = 300
    boot_retry_s: float = 30.0
    reboot_s: Range = (1.0, 3.0)
    reset_delay_s: float = 0.5
    reset_timeout_s: float = 10.0
    install_s: Range = (1.0, 3.0)
    transfer_attempts: int = 3
    transfer_retry_s: float = 10.0
    call_timeout_s: int = 30
    transaction_attempts: int = 3
    transaction_retry_s: int = 10
    sends_key_as_text: bool = False
    boots_on_reconnect: bool = False
    reconnect: ReconnectPolicy = field(default_factory=ReconnectPolicy)
    misbehaviours: frozenset[MisbehaviourName] = frozenset()
    scenario: Scenario = field(default_factory=Scenario)

    def __post_init__(self) -> None:
        if not 1 <= len(self.station_id) <= _STATION_ID_MAX_LENGTH:
            raise ValueError(
                f"a station id has 1 to {_STATION_ID_MAX_LENGTH} characters, "
                f"got {len(self.station_id)}: {self.station_id!r}"
            )
        if self.connectors < 1:
            raise ValueError(f"a station has at least one connector, got {self.connectors}")
        if not 0 <= self.phases <= _MAX_PHASES:
            raise ValueError(f"phases are 1 to 3, or 0 for direct current; got {self.phases}")
        for name in ("power_w", "time_lapse", "call_timeout_s", "boot_retry_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in (
            *("meter_start_wh", "meter_interval_s", "clock_aligned_interval_s"),
            *("transaction_retry_s", "transfer_retry_s"),
        ):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("transaction_attempts", "transfer_attempts", "heartbeat_interval_s"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


def draw(rng: random.Random, bounds: Range) -> float:
    """Return a value of the range, evenly distributed."""
    return rng.uniform(*bounds)
