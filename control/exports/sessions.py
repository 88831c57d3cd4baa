"""Sessions as they are exported: the members that their list shows."""

from control.exports.columns import Column, Kind, member, members
from shared.domain.sessions import Session


def _is_active(session: Session) -> bool:
    return session.ended_at is None


COLUMNS: tuple[Column, ...] = (
    *members(
        session_id=Kind.TEXT,
        station_id=Kind.TEXT,
        organization_id=Kind.TEXT,
        evse_id=Kind.INTEGER,
        connector_id=Kind.INTEGER,
        transaction_id=Kind.TEXT,
        ocpp_version=Kind.TEXT,
        id_token=Kind.TEXT,
        id_token_type=Kind.TEXT,
        authorization_status=Kind.TEXT,
        at_free_location=Kind.BOOLEAN,
        reservation_id=Kind.INTEGER,
    ),
    Column("active", Kind.BOOLEAN, _is_active),
    *members(
        started_at=Kind.TIME,
        meter_start_wh=Kind.DECIMAL,
        ended_at=Kind.TIME,
        meter_stop_wh=Kind.DECIMAL,
        energy_wh=Kind.DECIMAL,
        energy_method=Kind.TEXT,
        stopped_reason=Kind.TEXT,
        ended_by=Kind.TEXT,
        end_rule=Kind.TEXT,
        settled_at=Kind.TIME,
        needs_review=Kind.BOOLEAN,
        review_reasons=Kind.JSON,
        review_decision=Kind.TEXT,
        review_note=Kind.TEXT,
        reviewed_at=Kind.TIME,
        reviewed_by=Kind.TEXT,
    ),
    member("billable", Kind.BOOLEAN),
    *members(created_at=Kind.TIME, updated_at=Kind.TIME),
)
