"""What a station says of a session, made up by Hypothesis: honest, clumsy, or confused."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.sessions import (
    TransactionEnded,
    TransactionEventReported,
    TransactionEventType,
    TransactionStarted,
)
from shared.domain.sessions.meter_values import (
    MeterSample,
    MeterValue,
    MeterValuesReported,
    energy_import_wh,
)
from shared.store.facts import Fact

BEGIN = datetime(2026, 1, 2, 3, tzinfo=UTC)
STATION_ID = "CP-1"
REGISTER = "Energy.Active.Import.Register"


@dataclass(frozen=True)
class Script:
    """The words of one session in order.

    `start` is what OCPP 1.6 gets a transaction id for; the words that carry that id wait for it.
    `words` come in any order. `answer_lost` says that the station never learned its id.
    """

    start: TransactionStarted | None
    words: tuple[Fact, ...]
    answer_lost: bool

    def word(self, number: int, transaction_id: str | None) -> Fact | None:
        """Return a word with its transaction's id, or None if the station does not know it yet."""
        word: Any = self.words[number]
        if self.start is None or self.answer_lost:
            return word  # type: ignore[no-any-return]
        return None if transaction_id is None else replace(word, transaction_id=transaction_id)

    def contradict(self, transaction_id: str) -> TransactionEnded | None:
        """Return another end than the one told, if there is one that can be told again."""
        end = next((word for word in self.words if isinstance(word, TransactionEnded)), None)
        if end is None or self.answer_lost:
            return None
        return replace(
            end, transaction_id=transaction_id, meter_stop_wh=end.meter_stop_wh + 7_000_000
        )


def sample(value: str, **words: Any) -> MeterSample:
    return {
        "value": value,
        "measurand": REGISTER,
        "context": "Sample.Periodic",
        "location": "Outlet",
        **words,
    }  # type: ignore[typeddict-item]


def samples(kind: str, total_wh: int, step_wh: int, power_w: int) -> list[MeterSample]:
    """Return what a meter of some make shows."""
    match kind:
        case "register":
            return [sample(str(total_wh), unit="Wh")]
        case "kilo":
            return [sample(f"{total_wh / 1000:.3f}", unit="kWh")]
        case "phases":
            thirds = [total_wh // 3, total_wh // 3, total_wh - 2 * (total_wh // 3)]
            return [
                sample(str(part), unit="Wh", phase=f"L{phase}")
                for phase, part in enumerate(thirds, 1)
            ]
        case "interval":
            return [sample(str(step_wh), measurand="Energy.Active.Import.Interval", unit="Wh")]
        case "power":
            return [sample(str(power_w), measurand="Power.Active.Import", unit="W")]
        case _:
            return [sample("0", unit="Wh")]


CLOCKS = (
    timedelta(0), timedelta(0), timedelta(minutes=-125), timedelta(minutes=-367),
    timedelta(minutes=371), timedelta(days=-9000),
)  # fmt: skip
KINDS = ("register", "register", "kilo", "phases", "interval", "power", "zero")


@st.composite
def scripts(draw: st.DrawFn, number: int) -> Script:
    """Make the session of this number: each has a token of its own but some, and its own hour.

    Unless the station's clock was set before it: then it seems to be before, after or amid others.
    """
    started_at = BEGIN + timedelta(hours=2 * number)
    kind = draw(st.sampled_from(KINDS))
    power_w = draw(st.sampled_from([0, 3_700, 11_000, 150_000]))
    steps = draw(st.integers(0, 4))
    start_wh = draw(st.sampled_from([0, 100, 1_250_000]))
    shape = draw(st.sampled_from(["1.6", "1.6", "answer lost", "2.0.1"]))
    if shape != "answer lost":  # whose values nobody could tell apart
        started_at += draw(st.sampled_from(CLOCKS))
    refused = draw(st.integers(0, 9)) == 0
    wrong = draw(st.sampled_from(["", "", "", "stop below start", "jump", "clock"]))
    status = AuthorizationStatus.BLOCKED if refused else AuthorizationStatus.ACCEPTED
    values, total_wh = [], start_wh
    for step in range(1, steps + 1):
        total_wh += power_w // 6
        if wrong == "jump" and step == 2:
            total_wh += 9_000_000
        shown = samples(kind, total_wh, power_w // 6, power_w)
        at = started_at + timedelta(minutes=10 * step)
        values.append(MeterValue(at, shown, energy_import_wh(shown)))
    ended_at = started_at + timedelta(minutes=10 * steps + 10)
    if wrong == "clock":
        ended_at = datetime(1970, 1, 1, tzinfo=UTC)
    stop_wh = start_wh - 5 if wrong == "stop below start" else total_wh
    token = draw(st.sampled_from([f"TAG-{number}", f"TAG-{number}", "TAG"]))
    if shape == "2.0.1":
        return _events(number, token, status, started_at, values, ended_at)
    start = TransactionStarted(
        station_id=STATION_ID,
        evse_id=draw(st.integers(1, 2)),
        connector_id=1,
        ocpp_version="1.6",
        id_token=token,
        authorization_status=status,
        started_at=started_at,
        meter_start_wh=Decimal(start_wh),
    )
    told = "-1" if shape == "answer lost" else ""
    end = TransactionEnded(
        station_id=STATION_ID,
        transaction_id=told,
        ended_at=ended_at,
        meter_stop_wh=Decimal(stop_wh),
        stopped_reason="Local",
        id_token=draw(st.sampled_from([token, None])),
    )
    words = (*(MeterValuesReported(STATION_ID, start.evse_id, told, [v]) for v in values), end)
    return Script(start, words, answer_lost=shape == "answer lost")


def _events(
    number: int,
    token: str,
    status: AuthorizationStatus,
    started_at: datetime,
    values: list[MeterValue],
    ended_at: datetime,
) -> Script:
    kinds = TransactionEventType
    told = [(kinds.STARTED, started_at, []), *((kinds.UPDATED, v.sampled_at, [v]) for v in values)]
    told.append((kinds.ENDED, ended_at, []))
    words = tuple(
        TransactionEventReported(
            station_id=STATION_ID,
            transaction_id=f"tx-{number}",
            ocpp_version="2.0.1",
            event_type=kind,
            seq_no=seq_no,
            occurred_at=at,
            trigger_reason="Trigger",
            id_token=token if seq_no == 0 else None,
            id_token_type=IdTokenType.ISO14443 if seq_no == 0 else None,
            authorization_status=status if seq_no == 0 else None,
            stopped_reason="Local" if kind is kinds.ENDED else None,
            meter_values=list(shown),
        )
        for seq_no, (kind, at, shown) in enumerate(told)
    )
    return Script(None, words, answer_lost=False)
