"""What goes over the wire of one connection, as the OCPP log keeps it."""

import time

from gateway import rpc
from gateway.ocpp_log import Exchange, OcppLog, secrets_in
from gateway.refused_calls import RefusedCall
from shared.domain.redaction import Secrets
from shared.domain.stations.ocpp_log import MAY_HOLD_SECRETS, Direction


class ExchangeLog:
    """The OCPP log of one connection.

    Args:
        log: of all connections.
        station_id: whose connection it is.
        version: of OCPP.
    """

    __slots__ = ("_log", "_station_id", "_told", "_version")

    def __init__(self, log: OcppLog, *, station_id: str, version: str) -> None:
        self._log = log
        self._station_id = station_id
        self._version = version
        # What the station was told and may repeat, also in an answer that comes too late.
        self._told: Secrets = frozenset()

    def from_station(
        self,
        call: rpc.Call | RefusedCall,
        outcome: str,
        answer: bytes | None,
        received_at_s: float,
    ) -> None:
        """Log a CALL of the station; `answer` is None if it got none."""
        if isinstance(call, RefusedCall):
            self.unhandled(
                call.frame,
                call.refusal.action,
                outcome,
                received_at_s=received_at_s,
                answer=answer,
            )
            return
        action = call.route.action
        if self._log.wants(action, outcome):
            self._log.add(
                Exchange(
                    self._station_id,
                    self._version,
                    Direction.FROM_STATION,
                    action,
                    call.message_id,
                    outcome,
                    call.frame,
                    answer,
                    received_at_s,
                    None if answer is None else time.monotonic(),
                )
            )

    def unhandled(
        self,
        frame: bytes,
        action: str,
        outcome: str,
        *,
        received_at_s: float,
        answer: bytes | None = None,
        detail: str | None = None,
    ) -> None:
        """Log a frame that no handler got to see."""
        if self._log.wants(action, outcome):
            self._log.add(
                Exchange(
                    self._station_id,
                    self._version,
                    Direction.FROM_STATION,
                    action,
                    None if answer is None else rpc.message_id_of(answer),
                    outcome,
                    frame,
                    answer,
                    received_at_s,
                    None if answer is None else time.monotonic(),
                    detail,
                ),
                self._told,
            )

    def to_station(
        self,
        action: str,
        message_id: str,
        outcome: str,
        frame: bytes,
        *,
        sent_at_s: float,
        answer: bytes | None,
        answered_at_s: float,
        detail: str | None = None,
    ) -> None:
        """Log a CALL of ours; `answer` is None if it got none."""
        if action in MAY_HOLD_SECRETS:
            self._told |= secrets_in(frame)
        if self._log.wants(action, outcome):
            self._log.add(
                Exchange(
                    self._station_id,
                    self._version,
                    Direction.TO_STATION,
                    action,
                    message_id,
                    outcome,
                    frame,
                    answer,
                    sent_at_s,
                    None if answer is None else answered_at_s,
                    detail,
                )
            )
