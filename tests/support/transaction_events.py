"""Events of OCPP 2.0.1 transactions as facts, one line each."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.sessions import TransactionEventReported, TransactionEventType
from shared.domain.sessions.meter_values import MeterSample, MeterValue, energy_import_wh

START = datetime(2026, 1, 2, 3, tzinfo=UTC)
BEGIN, PERIODIC, END = "Transaction.Begin", "Sample.Periodic", "Transaction.End"
TOKEN = {
    "id_token": "TAG",
    "id_token_type": IdTokenType.ISO14443,
    "authorization_status": AuthorizationStatus.ACCEPTED,
}


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def register(at: float, wh: int, context: str = PERIODIC, **words: Any) -> MeterValue:
    sample: MeterSample = {
        "value": str(wh),
        "measurand": "Energy.Active.Import.Register",
        "context": context,
        "location": "Outlet",
        "unit": "Wh",
        **words,  # type: ignore[typeddict-item]
    }
    return MeterValue(minute(at), [sample], energy_import_wh([sample]))


def event(
    type_: str, seq_no: int, at: float, *shown: MeterValue, **words: Any
) -> TransactionEventReported:
    """Return an event of transaction tx-1 at CS-1, so many minutes after the start."""
    ends = {"stopped_reason": "Local"} if type_ == "Ended" else {}
    members: dict[str, Any] = {
        "station_id": "CS-1",
        "transaction_id": "tx-1",
        "ocpp_version": "2.0.1",
        "event_type": TransactionEventType(type_),
        "seq_no": seq_no,
        "occurred_at": minute(at),
        "trigger_reason": "Trigger",
        "meter_values": list(shown),
        **ends,
        **words,
    }
    return TransactionEventReported(**members)


def started(*shown: MeterValue, seq_no: int = 0, **words: Any) -> TransactionEventReported:
    """Return the start of a charge on EVSE 1 for TAG."""
    return event("Started", seq_no, 0, *shown, **{"evse_id": 1, **TOKEN, **words})


def wh(energy: float | None) -> Decimal | None:
    return None if energy is None else Decimal(energy)
