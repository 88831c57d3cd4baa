"""Reservations: made and cancelled (OCPP 1.6 §5.13, §5.1, 2.0.1 H)."""

from dataclasses import dataclass

from shared.domain.access.tokens import IdTokenType
from shared.domain.commands.command import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveNow(Command):
    """Keep an EVSE, or any one, free for a token until `expiry_date_time` (RFC 3339).

    A reservation of the same id is replaced, so that asking twice harms nobody.
    """

    reservation_id: int
    expiry_date_time: str
    id_token: str
    id_token_type: IdTokenType | None = None
    group_id_token: str | None = None
    evse_id: int | None = None
    connector_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelReservation(Command):
    """Give up a reservation."""

    reservation_id: int
