"""Mails administrators that a webhook endpoint of theirs was switched off."""

import structlog

from control.accounts.mail_settings import MailSettings
from control.jobs.periodic import each_by_itself
from control.mail import NOT_SENT, Mailer, retry_after_s
from shared.domain.notices.webhooks import DisabledReason
from shared.store.notices import webhook_disabling
from shared.store.notices.webhook_disabling import DisabledEndpoint
from shared.store.pool import Database
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_JOB = "webhook_mail"
_AT_ONCE = 20

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
        self._mailer = Mailer(settings)

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
            await self._mailer.send(
                to=", ".join(endpoint.recipients),
                subject="A webhook endpoint was switched off",
                text=_TEXT.format(
                    organization_id=endpoint.organization_id,
                    url=endpoint.url,
                    description=""
                    if endpoint.description is None
                    else f"({endpoint.description})\n",
                    why=_WHY[endpoint.reason],
                    webhook_endpoint_id=endpoint.webhook_endpoint_id,
                ),
            )
        except NOT_SENT as error:
            log.warning(
                "administrators of a webhook endpoint could not be mailed",
                webhook_endpoint_id=endpoint.webhook_endpoint_id,
                error=describe_error(error),
            )
            await webhook_disabling.note_not_mailed(
                self._db,
                endpoint.webhook_endpoint_id,
                error=describe_error(error),
                retry_s=retry_after_s(endpoint.failures),
            )
            return False
        await webhook_disabling.note_mailed(self._db, endpoint.webhook_endpoint_id)
        return True
