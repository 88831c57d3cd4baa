"""Deliveries are signed as Standard Webhooks has it, with each secret that is in force."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from control.notices.signing import new_secret, signed_headers

BODY = '{"type":"session.ended","data":{"station":"Größe ☃"}}'


def test_a_receiver_verifies_with_its_secret_and_with_no_other() -> None:
    secret = new_secret()
    headers = signed_headers([secret], webhook_id="4711", now=datetime.now(UTC), body=BODY)
    assert Webhook(secret).verify(BODY.encode(), headers)["type"] == "session.ended"
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY.encode(), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY.encode() + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY.encode(), {**headers, "webhook-id": "4712"})


def test_two_secrets_sign_side_by_side() -> None:
    old, new = new_secret(), new_secret()
    headers = signed_headers([new, old], webhook_id="1", now=datetime.now(UTC), body=BODY)
    for secret in (old, new):
        Webhook(secret).verify(BODY.encode(), headers)


def test_the_zone_of_a_time_changes_nothing() -> None:
    now, secret = datetime.now(UTC), new_secret()
    elsewhere = now.astimezone(timezone(timedelta(hours=9)))
    assert signed_headers([secret], webhook_id="1", now=elsewhere, body=BODY) == signed_headers(
        [secret], webhook_id="1", now=now, body=BODY
    )


def test_a_secret_has_32_bytes_in_standard_base64() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        assert secret.startswith("whsec_")
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
