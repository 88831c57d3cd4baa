"""A session as it is kept."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.domain.sessions.closing import EndRule
from shared.domain.sessions.energy import EnergyMethod
from shared.domain.sessions.review import ReviewDecision, ReviewReason, Seen
from shared.domain.sessions.settlement import EndSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session as it is kept; `ended_at` is None while it goes on.

    `evse_id` is None until the station tells which one it is: in OCPP 2.0.1 a driver may be
    authorized before the cable is plugged in (E03). `energy_wh` is stop minus start until the
    session is settled, and while it goes on the latest register minus start. An operator's
    correction stands in `energy_wh` and `ended_at`; the registers stay as the station told them.
    """

    session_id: str
    station_id: str
    organization_id: str
    """Whom the station belonged to when the session began; its bill stays there."""
    evse_id: int | None
    connector_id: int | None
    transaction_id: str
    ocpp_version: str
    id_token: str | None
    id_token_type: IdTokenType | None
    """As the station told it; None in OCPP 1.6, and where it told no token."""
    authorization_status: AuthorizationStatus | None
    at_free_location: bool
    """Nobody had to be authorized there; a token that it shows was not looked at."""
    reservation_id: int | None
    started_at: datetime | None
    meter_start_wh: Decimal | None
    ended_at: datetime | None
    meter_stop_wh: Decimal | None
    energy_wh: Decimal | None
    energy_method: EnergyMethod | None
    stopped_reason: str | None
    ended_by: EndSource | None
    end_rule: EndRule | None
    settled_at: datetime | None
    """When all that had come was worked out; None while something new waits for it."""
    needs_review: bool
    review_reasons: tuple[ReviewReason, ...]
    review_decision: ReviewDecision | None
    review_note: str | None
    reviewed_at: datetime | None
    reviewed_by: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def billable(self) -> bool:
        """Whether it may be billed: over, worked out, and not suspect or decided upon.

        One without a token needs no review if nothing was delivered, and is nobody's bill. Where
        nobody has to be authorized its status is that of the station's word for it (C02).
        """
        return (
            self.ended_at is not None
            and self.settled_at is not None
            and self.energy_wh is not None
            and (self.id_token is not None or self.authorization_status is not None)
            and not self.needs_review
            and self.review_decision is not ReviewDecision.VOID
        )

    @property
    def seen(self) -> Seen:
        """What somebody who reads it now decides upon."""
        return Seen(
            energy_wh=self.energy_wh,
            ended_at=self.ended_at,
            reasons=frozenset(self.review_reasons),
            decision=self.review_decision,
        )
