"""A station that charges while its clock jumps and its ends get lost, played as Hypothesis says.

All of it happens at one EVSE, live: what the station says comes to us as it happens, in order.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.support.station_clocks import VERSIONS, Teller, Word

_WH_PER_MINUTE = 120
_TICK = timedelta(milliseconds=1)
_JUMPS = [
    timedelta(minutes=-1), timedelta(minutes=-10), timedelta(hours=-1), timedelta(days=-1),
    timedelta(days=-9000), timedelta(minutes=3), timedelta(hours=1), timedelta(days=2000),
]  # fmt: skip

ACTS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from([3, 7, 31, 200, 60 * 24 * 8 + 1])),
    st.tuples(st.just("start"), st.just(0)),
    st.tuples(st.just("sample"), st.just(0)),
    st.tuples(st.just("sample"), st.just(0)),
    st.tuples(st.just("end"), st.booleans()),
    st.tuples(st.just("jump"), st.sampled_from(_JUMPS)),
    st.tuples(st.just("correct"), st.just(0)),
    st.tuples(st.just("boot"), st.just(0)),
    st.tuples(st.just("look"), st.just(0)),
)
PLAYS = st.tuples(st.sampled_from(VERSIONS), st.lists(ACTS, min_size=3, max_size=40))


Say = Callable[[datetime], Word]
"""What the station says, with the time that it takes it to be."""

REVOKED: list[tuple[str, Any]] = [
    ("start", 0), ("wait", 60 * 24 * 8 + 1), ("look", 0), ("sample", 0), ("look", 0), ("wait", 7),
    ("boot", 0), ("wait", 31), ("look", 0), ("wait", 3), ("sample", 0), ("look", 0), ("end", True),
]  # fmt: skip
"""A rule closes a charge that goes on, twice, and it speaks again before anybody looks."""
SET_BACK: list[tuple[str, Any]] = [
    ("start", 0), ("wait", 3), ("end", True), ("jump", timedelta(minutes=-10)), ("start", 0),
    ("wait", 7), ("look", 0), ("sample", 0), ("wait", 3), ("jump", timedelta(minutes=-10)),
    ("wait", 3), ("sample", 0), ("wait", 31), ("look", 0), ("end", True),
]  # fmt: skip
"""A clock is set back between two charges, and while the second one goes on."""
CORRECTED: list[tuple[str, Any]] = [
    ("jump", timedelta(days=2000)), ("start", 0), ("correct", 0), ("wait", 60 * 24 * 8 + 1),
    ("sample", 0),
]  # fmt: skip
"""A clock is years ahead at the start and corrected then: what follows is stamped before it."""


@dataclass
class Charge:
    """A charge as it was in truth; times are those that have passed since the play began.

    Args:
        number: counted from 1.
        start_wh: register at its start.
        start_offset: how far the station's clock was ahead then.
        started: when.
        said: how many words.
        last_word: when the last of them came.
        jumped: whether the clock was set while it went on.
        ended: when; None while it goes on. `end_told` says that we heard of it.
        closable: whether a rule may have closed it since it spoke last.
    """

    number: int
    start_wh: int
    start_offset: timedelta
    started: timedelta
    last_word: timedelta
    said: int = 1
    jumped: bool = False
    end_wh: int = 0
    end_offset: timedelta = timedelta(0)
    ended: timedelta | None = None
    end_told: bool = False
    closable: bool = False

    @property
    def energy_wh(self) -> Decimal:
        return Decimal(self.end_wh - self.start_wh)

    @property
    def seems_to_last(self) -> timedelta:
        """How long it took by the station's clock."""
        assert self.ended is not None
        return self.ended + self.end_offset - self.started - self.start_offset


@dataclass
class Play:
    """What has happened so far. `offset` is how far the station's clock is ahead."""

    version: str
    station_id: str = "CP-1"
    now: timedelta = timedelta(0)
    offset: timedelta = timedelta(0)
    wh: int = 1000
    booted: timedelta | None = None
    charges: list[Charge] = field(default_factory=list)

    @property
    def running(self) -> Charge | None:
        """The charge that goes on, if there is one."""
        last = self.charges[-1] if self.charges else None
        return last if last is not None and last.ended is None else None

    def do(self, act: str, argument: Any) -> Say | None:
        """Go on; return what the station says by that."""
        # Time and energy never stand still, so that no two words are the same.
        self.now += _TICK
        self.wh += 1
        charge, tell = self.running, Teller(self.station_id, self.version)
        match act:
            case "wait":
                self.now += timedelta(minutes=argument)
                if charge is not None:
                    self.wh += argument * _WH_PER_MINUTE
            case "jump":
                self._set_clock(self.offset + argument)
            case "correct":
                self._set_clock(timedelta(0))
            case "boot":
                self.booted = self.now
            case "start" if charge is None:
                started = Charge(len(self.charges) + 1, self.wh, self.offset, self.now, self.now)
                self.charges.append(started)
                return lambda at: tell.start(started.number, at, Decimal(started.start_wh))
            case "sample" if charge is not None:
                seq_no, wh = self._speak(charge), Decimal(self.wh)
                return lambda at: tell.sample(charge.number, seq_no, at, wh)
            case "end" if charge is not None:
                charge.ended, charge.end_wh, charge.end_offset = self.now, self.wh, self.offset
                charge.end_told = bool(argument)
                if charge.end_told:
                    seq_no = self._speak(charge)
                    return lambda at: tell.end(charge.number, seq_no, at, Decimal(charge.end_wh))
        return None

    def _set_clock(self, offset: timedelta) -> None:
        if self.running is not None and offset != self.offset:
            self.running.jumped = True
        self.offset = offset

    def _speak(self, charge: Charge) -> int:
        charge.last_word, charge.closable = self.now, False
        charge.said += 1
        return charge.said - 1
