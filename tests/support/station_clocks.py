"""What stations whose clocks are wrong say of two charges that follow one another.

Both are on one EVSE. The first one lasts for 24 seconds, and 6 seconds later the second begins, so
that even a clock that is set back by a minute stamps the second one before the first. Minutes are
those that have passed in truth since the first one began.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.sessions import (
    TransactionEnded,
    TransactionEventReported,
    TransactionEventType,
    TransactionStarted,
)
from shared.domain.sessions.meter_values import MeterValue, MeterValuesReported, energy_import_wh
from shared.domain.stations.stations import ConnectorStatus, ConnectorStatusReported
from shared.store.facts import Fact
from tests.support.session_scripts import sample

FIRST_END, SECOND_START, SECOND_END = 0.4, 0.5, 48.5
BETWEEN, AMID = 0.45, 23.0
"""When a clock is set: between the charges, or while the second one goes on."""
_START_WH, _WH_PER_MINUTE = 1000, 180
FIRST_WH, SECOND_WH = Decimal(72), Decimal(8640)
VERSIONS = ("1.6", "2.0.1")

Offset = Callable[[float], timedelta]
"""How far a station's clock is ahead, in some minute."""


@dataclass(frozen=True)
class Fault:
    """A clock, and what a person has to look at because of it, in either charge."""

    offset: Offset
    first: frozenset[str] = frozenset()
    second: frozenset[str] = frozenset()


def always(offset: timedelta) -> Offset:
    return lambda _: offset


def until(minute: float, offset: timedelta, then: timedelta = timedelta(0)) -> Offset:
    return lambda now: offset if now < minute else then


def drifting(per_minute: timedelta) -> Offset:
    return lambda now: now * per_minute


_OFF = frozenset({"clock_implausible"})
_BACKWARDS = _OFF | {"ended_before_started"}
_DAY, _YEAR = timedelta(days=1), timedelta(days=365)
_EPOCHS = {"1970": -56 * _YEAR, "2000": -26 * _YEAR}

FAULTS: dict[str, Fault] = {
    "right": Fault(always(timedelta(0))),
    "local time as UTC, in the east": Fault(always(timedelta(hours=14))),
    "local time as UTC, in the west": Fault(always(-timedelta(hours=10))),
    "drifts ahead": Fault(drifting(timedelta(seconds=2))),
    "drifts behind": Fault(drifting(-timedelta(seconds=2))),
    **{
        f"set back by {minutes} min between the charges": Fault(
            until(BETWEEN, timedelta(minutes=minutes))
        )
        for minutes in (1, 10, 60)
    },
    **{
        f"set back by {minutes} min while one goes on": Fault(
            until(AMID, timedelta(minutes=minutes))
        )
        for minutes in (1, 3, 10, 20)
    },
    "set back beyond its start while one goes on": Fault(
        until(AMID, timedelta(hours=1)), second=frozenset({"ended_before_started"})
    ),
    "set forward between the charges": Fault(until(BETWEEN, -timedelta(hours=1))),
    "set forward while one goes on": Fault(until(AMID, -timedelta(hours=1))),
    "a leap day that it did not know, between": Fault(until(BETWEEN, _DAY)),
    "a leap day that there was not, between": Fault(until(BETWEEN, -_DAY)),
    "a leap day that there was not, amid": Fault(until(AMID, -_DAY)),
    "years ahead, then corrected between": Fault(until(BETWEEN, 5 * _YEAR), first=_OFF),
    "years ahead, then corrected amid": Fault(
        until(AMID, 5 * _YEAR), first=_OFF, second=_BACKWARDS
    ),
    **{
        f"dead battery, {year}": Fault(always(offset), first=_OFF, second=_OFF)
        for year, offset in _EPOCHS.items()
    },
    **{
        f"dead battery, {year}, then corrected between": Fault(until(BETWEEN, offset), first=_OFF)
        for year, offset in _EPOCHS.items()
    },
    **{
        f"dead battery, {year}, then corrected amid": Fault(
            until(AMID, offset), first=_OFF, second=_OFF
        )
        for year, offset in _EPOCHS.items()
    },
    "the battery dies between": Fault(
        until(BETWEEN, timedelta(0), then=_EPOCHS["2000"]), second=_OFF
    ),
}


Word = Callable[[str], Fact]
"""A fact, once the id of its transaction is known."""


@dataclass(frozen=True)
class Teller:
    """What a station of a version says of charges on its only EVSE, with what it takes for times.

    In OCPP 2.0.1 the transaction of charge 3 is called tx-3, and its events are numbered from 0.
    """

    station_id: str
    version: str

    def start(self, charge: int, at: datetime, wh: Decimal) -> Word:
        if self.version == "2.0.1":
            first = {
                "evse_id": 1,
                "connector_id": 1,
                "id_token": "TAG",
                "id_token_type": IdTokenType.ISO14443,
                "authorization_status": AuthorizationStatus.ACCEPTED,
            }
            value = _meter_value(at, wh, "Transaction.Begin")
            return self._event(charge, 0, TransactionEventType.STARTED, value, **first)
        started = TransactionStarted(
            station_id=self.station_id,
            evse_id=1,
            connector_id=1,
            ocpp_version="1.6",
            id_token="TAG",
            authorization_status=AuthorizationStatus.ACCEPTED,
            started_at=at,
            meter_start_wh=wh,
        )
        return lambda _: started

    def sample(self, charge: int, seq_no: int, at: datetime, wh: Decimal) -> Word:
        value = _meter_value(at, wh)
        if self.version == "2.0.1":
            return self._event(charge, seq_no, TransactionEventType.UPDATED, value)
        return lambda transaction_id: MeterValuesReported(
            self.station_id, 1, transaction_id, [value]
        )

    def end(self, charge: int, seq_no: int, at: datetime, wh: Decimal) -> Word:
        if self.version == "2.0.1":
            value = _meter_value(at, wh, "Transaction.End")
            return self._event(
                charge, seq_no, TransactionEventType.ENDED, value, stopped_reason="Local"
            )
        told = TransactionEnded(
            station_id=self.station_id,
            transaction_id="",
            ended_at=at,
            meter_stop_wh=wh,
            stopped_reason="Local",
        )
        return lambda transaction_id: replace(told, transaction_id=transaction_id)

    def available(self, at: datetime) -> Word:
        told = ConnectorStatusReported(
            station_id=self.station_id,
            epoch=1,
            evse_id=1,
            connector_id=1,
            status=ConnectorStatus.AVAILABLE,
            reported_status="Available",
            error_code=None,
            info=None,
            vendor_id=None,
            vendor_error_code=None,
            reported_at=at,
        )
        return lambda _: told

    def _event(
        self,
        charge: int,
        seq_no: int,
        kind: TransactionEventType,
        value: MeterValue,
        **words: Any,
    ) -> Word:
        event = TransactionEventReported(
            station_id=self.station_id,
            transaction_id=f"tx-{charge}",
            ocpp_version="2.0.1",
            event_type=kind,
            seq_no=seq_no,
            occurred_at=value.sampled_at,
            trigger_reason="Trigger",
            meter_values=[value],
            **words,
        )
        return lambda _: event


def _meter_value(at: datetime, wh: Decimal, context: str = "Sample.Periodic") -> MeterValue:
    samples = [sample(str(wh), unit="Wh", context=context)]
    return MeterValue(at, samples, energy_import_wh(samples))


@dataclass(frozen=True)
class Station:
    """One that tells of the two charges. `began` is when, in truth and by our clock."""

    station_id: str
    version: str
    offset: Offset
    began: datetime

    def words(self) -> Iterator[tuple[float, int, Word]]:
        """Return minute, charge and word of all it says; the first word of a charge is its start.

        It forgets to say that its connector is taken again.
        """
        yield from self._charge(1, 0, FIRST_END, [])
        available = Teller(self.station_id, self.version).available(self._stamp(FIRST_END))
        yield FIRST_END, 0, available
        samples = [SECOND_START + 2.0 * number for number in range(1, 24)]
        yield from self._charge(2, SECOND_START, SECOND_END, samples)

    def _charge(
        self, charge: int, start: float, end: float, samples: list[float]
    ) -> Iterator[tuple[float, int, Word]]:
        tell = Teller(self.station_id, self.version)
        yield start, charge, tell.start(charge, self._stamp(start), _shown(start))
        for seq_no, minute in enumerate(samples, 1):
            word = tell.sample(charge, seq_no, self._stamp(minute), _shown(minute))
            yield minute, charge, word
        last = len(samples) + 1
        yield end, charge, tell.end(charge, last, self._stamp(end), _shown(end))

    def _stamp(self, minute: float) -> datetime:
        return self.began + timedelta(minutes=minute) + self.offset(minute)


def _shown(minute: float) -> Decimal:
    return Decimal(_START_WH + round(minute * _WH_PER_MINUTE))
