"""E. Transactions."""

from typing import Any

from ocpp.v201 import call_result
from ocpp.v201.enums import Action

from gateway.handlers import Handlers
from gateway.ocpp201.authorization import authorize_id_token, to_id_token_info
from gateway.ocpp201.meter_values import to_meter_values
from gateway.routing import on
from gateway.translation import in_turns, parse_time
from shared.domain.access.authorization import TransactionStart, TransactionStop
from shared.domain.access.tokens import IdTokenType
from shared.domain.sessions import TransactionEventReported, TransactionEventType

_TRANSACTION_EVENT_ANSWER = call_result.TransactionEvent()


class Transactions(Handlers):
    """TransactionEvent."""

    __slots__ = ()

    @on(Action.transaction_event)
    async def on_transaction_event(
        self,
        *,
        event_type: str,
        timestamp: str,
        seq_no: int,
        transaction_info: dict[str, Any],
        trigger_reason: str = "",
        offline: bool = False,
        number_of_phases_used: int | None = None,
        cable_max_current: int | None = None,
        reservation_id: int | None = None,
        evse: dict[str, Any] | None = None,
        id_token: dict[str, Any] | None = None,
        meter_value: list[dict[str, Any]] | None = None,
        **_: object,
    ) -> call_result.TransactionEvent:
        """Keep what happened in a transaction, and say whether its token may charge (E01 to E15).

        Whatever the answer, the event is kept: a refused token may have charged while the station
        was offline (E05).
        """
        type_ = TransactionEventType(event_type)
        occurred_at = parse_time(timestamp)
        meter_values = await in_turns(to_meter_values, meter_value or [], may_be_none=True)
        authorization, ends = None, False
        if id_token is not None:
            # Whoever ends a charge starts none (E07.FR.02). A token may come after the start (E03).
            ends = type_ is TransactionEventType.ENDED or trigger_reason == "StopAuthorized"
            start, stop = None, None
            where, transaction_id = evse or {}, transaction_info["transactionId"]
            if ends:
                stop = TransactionStop(
                    transaction_id=transaction_id,
                    evse_id=where.get("id"),
                    connector_id=where.get("connectorId"),
                )
            else:
                start = TransactionStart(
                    evse_id=where.get("id"),
                    connector_id=where.get("connectorId"),
                    started_at=occurred_at,
                    transaction_id=transaction_id,
                )
            authorization = await authorize_id_token(self, id_token, start=start, stop=stop)
        free = authorization is not None and authorization.free and not ends
        if not free and type_ is TransactionEventType.STARTED:
            # It began without a token, which may be shown later or never.
            free = await self.is_free(occurred_at)
        stopped_reason = transaction_info.get("stoppedReason")
        if type_ is TransactionEventType.ENDED and stopped_reason is None:
            stopped_reason = "Local"  # E06.FR.09
        evse, id_token = evse or {}, id_token or {}
        await self.services.ingest.submit(
            TransactionEventReported(
                station_id=self.station.station_id,
                transaction_id=transaction_info["transactionId"],
                ocpp_version="2.0.1",
                event_type=type_,
                seq_no=seq_no,
                occurred_at=occurred_at,
                trigger_reason=trigger_reason,
                offline=offline,
                evse_id=evse.get("id"),
                connector_id=evse.get("connectorId"),
                # A start button's is empty (C02.FR.01).
                id_token=id_token.get("idToken") or None,
                id_token_type=IdTokenType(id_token["type"]) if id_token else None,
                authorization_status=None if authorization is None else authorization.status,
                reservation_id=reservation_id,
                remote_start_id=transaction_info.get("remoteStartId"),
                charging_state=transaction_info.get("chargingState"),
                time_spent_charging_s=transaction_info.get("timeSpentCharging"),
                stopped_reason=stopped_reason,
                number_of_phases_used=number_of_phases_used,
                cable_max_current_a=cable_max_current,
                free=free,
                meter_values=meter_values,
            )
        )
        if authorization is None:
            return _TRANSACTION_EVENT_ANSWER
        return call_result.TransactionEvent(id_token_info=to_id_token_info(authorization))
