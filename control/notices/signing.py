"""Signs what is sent to webhook endpoints (Standard Webhooks)."""

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

_PREFIX = "whsec_"
# Standard Webhooks asks for 24 to 64 bytes, and advises 32.
_SECRET_BYTES = 32


def new_secret() -> str:
    """Return a secret to sign with, as receivers are given it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_headers(
    secrets_of_endpoint: Sequence[str], *, webhook_id: str, now: datetime, body: str
) -> dict[str, str]:
    """Return the headers that say whose a body is, and when it was sent.

    Args:
        secrets_of_endpoint: one signature is made with each, so that one can be replaced.
        webhook_id: the same for every attempt: by it a receiver knows what it has had.
        now: when this attempt begins.
        body: what is sent, to the letter.
    """
    # The package takes whatever zone a time has for UTC, and bytes for their repr.
    now = now.astimezone(UTC)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(
            Webhook(secret).sign(webhook_id, now, body) for secret in secrets_of_endpoint
        ),
    }
