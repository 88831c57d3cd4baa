"""What the audit log shows of webhooks."""

from shared.store.audited import ITS_OWN_TIMES, TIMES, Audited

WEBHOOKS: dict[str, Audited] = {
    "webhook_endpoints": Audited(
        resource="webhook-endpoints",
        key=("webhook_endpoint_id",),
        shown=(
            *("organization_id", "url", "description", "types", "station_ids", "location_ids"),
            *("organization_ids", "api_version", "enabled", "disabled_reason"),
        ),
        left_out={
            **TIMES,
            "webhook_endpoint_id": "is the entry's resource_id",
            "disabled_at": ITS_OWN_TIMES,
        },
    ),
    # A rotation: another secret, and an end for the ones before.
    "webhook_secrets": Audited(
        resource="webhook-secrets",
        key=("webhook_secret_id",),
        shown=("webhook_endpoint_id", "organization_id", "expires_at"),
        secret=("secret",),
        left_out={
            "webhook_secret_id": "is the entry's resource_id",
            "created_at": ITS_OWN_TIMES,
        },
        deletes=False,
    ),
    # A replay is one entry, not one for each delivery.
    "webhook_requests": Audited(
        resource="webhook-requests",
        key=("webhook_request_id",),
        shown=("webhook_endpoint_id", "organization_id", "kind", "details"),
        left_out={
            "webhook_request_id": "is the entry's resource_id",
            "created_at": ITS_OWN_TIMES,
        },
        created="asked",
        changes=False,
        deletes=False,
    ),
}
"""By table."""

NOT_AUDITED_OF_WEBHOOKS: dict[str, str] = {
    "webhook_progress": "is how far the worker has come",
    "webhook_deliveries": "follow from events, and from webhook_requests",
    "webhook_attempts": "only the worker writes there",
}
"""Tables whose changes leave no entries, and why."""
