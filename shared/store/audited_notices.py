"""What the audit log shows of alerts."""

from shared.store.audited import ITS_OWN_TIMES, TIMES, Audited, each

ALERTS: dict[str, Audited] = {
    "alert_rules": Audited(
        resource="alert-rules",
        key=("rule_id",),
        shown=(
            *("organization_id", "name", "kind", "parameters", "location_ids", "station_ids"),
            *("severity", "emails", "grouping_interval_s", "resolve_after_s", "quiet_hours"),
            *("escalation", "self_healing", "enabled", "silenced_until"),
        ),
        left_out={
            **TIMES,
            "rule_id": "is the entry's resource_id",
            "last_told_at": "is no change of the rule",
        },
    ),
    "alerts": Audited(
        resource="alerts",
        key=("alert_id",),
        shown=("rule_id", "station_id", "acknowledged_by", "note", "silenced_until"),
        left_out={
            "alert_id": "is the entry's resource_id",
            "acknowledged_at": ITS_OWN_TIMES,
            **each(
                "is what the worker saw, which the alert tells itself",
                "organization_id rule_name kind severity subject location_id evse_id connector_id "
                "session_id since evidence fired_at occurrences resolve_after_s clear_since "
                "resolved_at",
            ),
            **each(
                "is how far the worker has come",
                "fired_told_at resolved_told_at escalated_steps healing_at healed_steps",
            ),
        },
        created=None,
        deletes=False,
    ),
}
"""By table."""
