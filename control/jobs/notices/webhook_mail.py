"""Mails administrators that a webhook endpoint of theirs was switched off."""

from email.message import EmailMessage

import aiosmtplib
import structlog

from control.accounts.mail_settings import MailSettings
from control.jobs.mail import hand_over
from control.jobs.periodic import each_by_itself
from shared.domain.notices.webhooks import DisabledReason
from shared.store.notices import webhook_disabling
from shared.store.notices.webhook_disabling import DisabledEndpoint
from shared.store.pool import Database
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_JOB = "webhook_mail"
_AT_ONCE = 20
_FIRST_RETRY_S = 30.0
_LONGEST_RETRY_S = 3600.0

_WHY = {
    DisabledReason.GONE: "It answered with the status 410, which says that it wants no more.",
    DisabledReason.FAILING: "It has taken nothing for days.",
    DisabledReason.REQUESTED: "Somebody has switched it off.",
}
_TEXT = """\
Hello,

a webhook endpoint of your organization {organization_id} was switched off:

{url}
{description}
{why} What it was to be told of is kept for a while. When it works again, enable it with

PATCH /v1/webhook-endpoints/{webhook_endpoint_id} {{"enabled": true}}

and it goes on where it was.
"""


class WebhookMailer:
    """Tells administrators, once for each time that an endpoint was switched off.

    Args:
        db: as the owner.
        settings: where mail is handed over.
    """

    def __init__(self, db: Database, settings: MailSettings) -> None:
        self._db = db
        self._settings = settings

    async def run(self) -> int:
        """Send what is due; return how many were sent."""
        due = await webhook_disabling.claim_to_mail(
            self._db,
            limit=_AT_ONCE,
            # Nobody else takes them while the last of them is being sent.
            lease_s=(_AT_ONCE + 1) * self._settings.smtp_timeout_s,
        )
        return await each_by_itself(self._db, _JOB, due, self._send)

    async def _send(self, endpoint: DisabledEndpoint) -> bool:
        if not endpoint.recipients:
            await webhook_disabling.note_mailed(self._db, endpoint.webhook_endpoint_id)
            return False
        try:
            await hand_over(self._settings, self._message(endpoint))
        except (aiosmtplib.SMTPException, OSError) as error:
            retry_s = min(_FIRST_RETRY_S * 2.0**endpoint.failures, _LONGEST_RETRY_S)
            log.warning(
                "administrators of a webhook endpoint could not be mailed",
                webhook_endpoint_id=endpoint.webhook_endpoint_id,
                error=describe_error(error),
            )
            await webhook_disabling.note_not_mailed(
                self._db,
                endpoint.webhook_endpoint_id,
                error=describe_error(error),
                retry_s=retry_s,
            )
            return False
        await webhook_disabling.note_mailed(self._db, endpoint.webhook_endpoint_id)
        return True

    def _message(self, endpoint: DisabledEndpoint) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._settings.mail_from or ""
        message["To"] = ", ".join(endpoint.recipients)
        message["Subject"] = "A webhook endpoint was switched off"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: nobody's absence note is wanted
        message.set_content(
            _TEXT.format(
                organization_id=endpoint.organization_id,
                url=endpoint.url,
                description="" if endpoint.description is None else f"({endpoint.description})\n",
                why=_WHY[endpoint.reason],
                webhook_endpoint_id=endpoint.webhook_endpoint_id,
            )
        )
        return message
