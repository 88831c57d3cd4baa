"""What a delivery is made of: the body and the headers of a request to a webhook endpoint."""

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import msgspec

from control.accounts.encryption import Encryption
from control.notices.signing import signed_headers
from shared.domain.notices.events import public_form
from shared.domain.notices.webhooks import TEST_TYPE
from shared.store.notices.webhook_queue import ClaimedEndpoint, DueDelivery

_AGENT = f"Voltaro/{version('voltaro')}"


def body_of(endpoint: ClaimedEndpoint, delivery: DueDelivery) -> str:
    """Return what is sent, in the words of the endpoint's version of the API.

    The same at each attempt: a receiver may keep the first it gets.
    """
    return msgspec.json.encode(_form(endpoint, delivery)).decode()


def _form(endpoint: ClaimedEndpoint, delivery: DueDelivery) -> dict[str, Any]:
    if delivery.event is not None:
        return public_form(delivery.event)
    # A test, which looks like an event and has a type that none has.
    return {
        "id": delivery.event_id,
        "type": TEST_TYPE,
        "occurred_at": delivery.created_at,
        "organization_id": endpoint.organization_id,
        "location_id": None,
        "station_id": None,
        "data": delivery.test_data,
    }


def headers_of(
    endpoint: ClaimedEndpoint, delivery: DueDelivery, body: str, encryption: Encryption
) -> dict[str, str]:
    """Return the headers of a request that is sent now.

    Raises:
        UnreadableSecretError: a secret was encrypted with a key that is not here.
    """
    return {
        "content-type": "application/json",
        "user-agent": _AGENT,
        # An answer that is packed could be a thousand times as long.
        "accept-encoding": "identity",
        **signed_headers(
            [encryption.decrypt(secret) for secret in endpoint.secrets],
            webhook_id=delivery.event_id,
            now=datetime.now(UTC),
            body=body,
        ),
    }
