"""TransactionEvent: a transaction as OCPP 2.0.1 tells it (E).

Power can flow as soon as a vehicle is plugged in and its driver is authorized, and a transaction
lasts as long as it can: TxStartPoint and TxStopPoint are PowerPathClosed (E01.FR.05, E06.FR.06).
"""

from simulator.charging import (
    Charge,
    ConnectorStatus,
    IdToken,
    MessageKind,
    Reading,
    SampleContext,
    StopReason,
)
from simulator.context import Context
from simulator.ocpp201.readings import meter_values
from simulator.outbox import TransactionMessage
from simulator.rpc import Payload

#: An EVSE of the simulator has one connector; the neutral part counts these, 2.0.1 the EVSEs.
CONNECTOR_ID = 1

_EVENT_TYPES = {
    MessageKind.STARTED: "Started",
    MessageKind.METERED: "Updated",
    MessageKind.STATE_CHANGED: "Updated",
    MessageKind.ENDED: "Ended",
}

#: ChargingStateEnumType (3.16), while there is a transaction.
_CHARGING_STATES = {
    ConnectorStatus.CHARGING: "Charging",
    ConnectorStatus.SUSPENDED_EV: "SuspendedEV",
    ConnectorStatus.SUSPENDED_EVSE: "SuspendedEVSE",
}
_PLUGGED_IN = "EVConnected"

#: ReasonEnumType (3.67) and TriggerReasonEnumType (3.82) of the end.
_ENDS = {
    StopReason.LOCAL: ("Local", "StopAuthorized"),  # E07
    StopReason.REMOTE: ("Remote", "RemoteStop"),  # F03.FR.03
    StopReason.DEAUTHORIZED: ("DeAuthorized", "Deauthorized"),  # E05.FR.10
    StopReason.IMMEDIATE_RESET: ("ImmediateReset", "ResetCommand"),  # B12.FR.04, errata 2025-09
    # Not by request of 2.0.1: OnIdle waits for the driver (B12.FR.03), and a connector with a
    # transaction stays locked (F05.FR.02).
    StopReason.ORDERLY_RESET: ("ImmediateReset", "ResetCommand"),
    StopReason.UNLOCKED: ("Other", "UnlockCommand"),
}


class TransactionEvents:
    """Words the events of a station's transactions."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def started(self, charge: Charge) -> TransactionMessage:
        """Return the first event; it gives the transaction its id (E01.FR.08)."""
        charge.transaction_id = self._context.new_uuid()
        remote = charge.remote_start_id is not None
        info: Payload = {"chargingState": _PLUGGED_IN}
        if remote:
            info["remoteStartId"] = charge.remote_start_id  # F02.FR.01
        return self._event(
            MessageKind.STARTED,
            charge,
            charge.begin.at,
            # F01.FR.19: the more specific of two reasons that overlap (E02.FR.17).
            trigger_reason="RemoteStart" if remote else "Authorized",
            info=info,
            # 1.5: both are told once, here.
            evse={"id": charge.connector_id, "connectorId": CONNECTOR_ID},
            idToken=id_token_type(charge.id_token),
            reservationId=charge.reservation_id,
            meterValue=self._values(
                charge.begin, SampleContext.BEGIN, self._context.settings.sampled_at_begin
            ),
        )

    def state_changed(self, charge: Charge, status: ConnectorStatus) -> TransactionMessage | None:
        """Return that energy flows, or no longer does (E02.FR.13)."""
        state = _CHARGING_STATES.get(status)
        if state is None:
            return None
        charging = status is ConnectorStatus.CHARGING
        return self._event(
            MessageKind.STATE_CHANGED,
            charge,
            self._context.now,
            trigger_reason="ChargingStateChanged",
            info={"chargingState": state},
            # E02.FR.18; none of direct current.
            numberOfPhasesUsed=self._context.profile.phases if charging else 0,
        )

    def metered(
        self, charge: Charge, reading: Reading, why: SampleContext
    ) -> TransactionMessage | None:
        """Return a sample (J02.FR.11), or nothing if no measurand is configured."""
        settings = self._context.settings
        aligned = why is SampleContext.CLOCK  # J01
        measurands = settings.measured_outside if aligned else settings.sampled
        values = self._values(reading, why, measurands)
        if not values:
            return None
        return self._event(
            MessageKind.METERED,
            charge,
            reading.at,
            trigger_reason="MeterValueClock" if aligned else "MeterValuePeriodic",
            meterValue=values,
        )

    def triggered(
        self, charge: Charge, reading: Reading, status: ConnectorStatus
    ) -> TransactionMessage:
        """Return what the CSMS has asked for: state and sample of this moment (F06.FR.07)."""
        return self._event(
            MessageKind.METERED,
            charge,
            reading.at,
            trigger_reason="Trigger",
            info={"chargingState": _CHARGING_STATES.get(status, _PLUGGED_IN)},
            meterValue=self._values(reading, SampleContext.TRIGGER, self._context.settings.sampled),
        )

    def ended(self, charge: Charge) -> TransactionMessage:
        """Return the last event, with the readings of the whole transaction (E06.FR.11)."""
        end, reason = charge.end, charge.stop_reason
        if end is None or reason is None:
            raise ValueError("a charge must have ended before its last event is worded")
        stopped_reason, trigger_reason = _ENDS[reason]
        measurands = self._context.settings.sampled_at_end
        values = self._values(charge.begin, SampleContext.BEGIN, measurands)
        for sample in charge.samples:
            values += self._values(sample, SampleContext.PERIODIC, measurands)
        values += self._values(end, SampleContext.END, measurands)
        by_driver = reason is StopReason.LOCAL
        return self._event(
            MessageKind.ENDED,
            charge,
            end.at,
            trigger_reason=trigger_reason,
            info={"chargingState": _PLUGGED_IN, "stoppedReason": stopped_reason},
            # E07.FR.02: who stopped it, if somebody did who stands there.
            idToken=id_token_type(charge.id_token) if by_driver else {},
            meterValue=values,
        )

    def _values(
        self, reading: Reading, why: SampleContext, measurands: tuple[str, ...]
    ) -> list[Payload]:
        return meter_values(self._context, reading, why, measurands)

    def _event(
        self,
        kind: MessageKind,
        charge: Charge,
        at: float,
        *,
        trigger_reason: str,
        info: Payload | None = None,
        **optional: object,
    ) -> TransactionMessage:
        """Return a TransactionEventRequest (1.60); what is empty or 0 is left out."""
        payload: Payload = {
            "eventType": _EVENT_TYPES[kind],
            "timestamp": self._context.timestamp(at),
            "triggerReason": trigger_reason,
            "seqNo": charge.messages,
            "transactionInfo": {"transactionId": charge.transaction_id, **(info or {})},
            **{name: value for name, value in optional.items() if value},
        }
        charge.messages += 1  # 1.3.2.1: from 0, without a gap.
        return TransactionMessage(
            kind, charge, "TransactionEvent", payload, queued_at=self._context.now
        )


def id_token_type(id_token: IdToken) -> Payload:
    """Return an IdTokenType (2.28)."""
    return {"idToken": id_token.value, "type": id_token.type}
