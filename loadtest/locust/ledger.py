"""What was acknowledged, kept as compactly as a check afterwards allows.

A meter value costs one integer. Workers hand over what is new with each of their reports, so that
a worker that dies takes little with it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from simulator.events import Acknowledged

#: Of a transaction whose start was given up (OCPP 1.6 errata 3.18): nobody can say whose it is.
_UNKNOWN = "-1"


class Transaction(msgspec.Struct, array_like=True):
    """What the CSMS has confirmed of one transaction, in milliseconds since the Unix epoch.

    Attributes:
        started_ms: When it began, by its own message; None if that was not confirmed.
        ended_ms: When it ended, likewise.
        sampled_ms: When its meter values were taken; those of one instant stand there repeatedly.
        event_seq_nos: Sequence numbers of confirmed events of OCPP 2.0.1 that tell neither a
            reading nor the beginning or the end, such as a change of the charging state.
    """

    started_ms: int | None = None
    ended_ms: int | None = None
    sampled_ms: list[int] = msgspec.field(default_factory=list)
    event_seq_nos: list[int] = msgspec.field(default_factory=list)


class Ledger(msgspec.Struct):
    """Confirmed messages.

    Attributes:
        began_ms: When the run began, milliseconds since the Unix epoch.
        stations: By station id and transaction id.
        unattributed: Messages of transactions that have no id.
    """

    began_ms: int
    stations: dict[str, dict[str, Transaction]] = msgspec.field(default_factory=dict)
    unattributed: int = 0

    def note(self, event: Acknowledged) -> None:
        """Take down one confirmed message."""
        if event.action == "TransactionEvent":
            self._note_transaction_event(event)
        else:
            self._note_ocpp16(event)

    def merge(self, other: "Ledger") -> None:
        """Add what somebody else has taken down."""
        self.unattributed += other.unattributed
        for station_id, transactions in other.stations.items():
            for transaction_id, theirs in transactions.items():
                ours = self._transaction(station_id, transaction_id)
                if theirs.started_ms is not None:
                    ours.started_ms = theirs.started_ms
                if theirs.ended_ms is not None:
                    ours.ended_ms = theirs.ended_ms
                ours.sampled_ms += theirs.sampled_ms
                ours.event_seq_nos += theirs.event_seq_nos

    def take(self) -> bytes:
        """Return everything in a form for the wire, and forget it."""
        encoded = msgspec.msgpack.encode(self)
        self.stations = {}
        self.unattributed = 0
        return encoded

    def transactions(self) -> Iterator[Transaction]:
        """Return all transactions."""
        for transactions in self.stations.values():
            yield from transactions.values()

    def _note_ocpp16(self, event: Acknowledged) -> None:
        """Take down StartTransaction, MeterValues or StopTransaction."""
        payload, started = event.payload, event.kind == "started"
        transaction_id = str((event.response if started else payload).get("transactionId"))
        if transaction_id == _UNKNOWN:
            self.unattributed += 1
            return
        transaction = self._transaction(event.station_id, transaction_id)
        if started:
            transaction.started_ms = _milliseconds(payload["timestamp"])
        elif event.kind == "ended":
            transaction.ended_ms = _milliseconds(payload["timestamp"])
            transaction.sampled_ms += _sampled(payload.get("transactionData"))
        else:
            transaction.sampled_ms += _sampled(payload.get("meterValue"))

    def _note_transaction_event(self, event: Acknowledged) -> None:
        """Take down a message of OCPP 2.0.1, whose readings are stored as meter values."""
        payload = event.payload
        transaction = self._transaction(
            event.station_id, payload["transactionInfo"]["transactionId"]
        )
        sampled = _sampled(payload.get("meterValue"))
        transaction.sampled_ms += sampled
        match payload["eventType"]:
            case "Started":
                transaction.started_ms = _milliseconds(payload["timestamp"])
            case "Ended":
                transaction.ended_ms = _milliseconds(payload["timestamp"])
            case _ if not sampled:
                transaction.event_seq_nos.append(payload["seqNo"])

    def _transaction(self, station_id: str, transaction_id: str) -> Transaction:
        return self.stations.setdefault(station_id, {}).setdefault(transaction_id, Transaction())


def read(encoded: bytes) -> Ledger:
    """Return a ledger from its form for the wire.

    Raises:
        msgspec.ValidationError: It is none.
    """
    return msgspec.msgpack.decode(encoded, type=Ledger)


def milliseconds(moment: datetime) -> int:
    """Return milliseconds since the Unix epoch."""
    return round(moment.timestamp() * 1000)


def _milliseconds(timestamp: str) -> int:
    return milliseconds(datetime.fromisoformat(timestamp))


def _sampled(meter_values: list[dict[str, Any]] | None) -> list[int]:
    return [_milliseconds(value["timestamp"]) for value in meter_values or ()]
