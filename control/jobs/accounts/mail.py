"""Mails the links by which people set their passwords."""

import structlog

from control.accounts.mail_settings import MailSettings
from control.accounts.secrets import digest, new_token
from control.accounts.service import link_url
from control.jobs.periodic import each_by_itself
from control.mail import NOT_SENT, Mailer, is_for_good, retry_after_s
from shared.domain.accounts.users import LinkPurpose
from shared.store.accounts import account_links
from shared.store.accounts.account_links import DueLink
from shared.store.pool import Database
from shared.telemetry.errors import describe_error

log = structlog.get_logger()

_JOB = "mail"
_AT_ONCE = 20

_SUBJECTS = {
    LinkPurpose.INVITATION: "Your invitation to Voltaro",
    LinkPurpose.RESET: "Set a new password for Voltaro",
}
_TEXTS = {
    LinkPurpose.INVITATION: """\
Hello {name},

you are invited to Voltaro. Set your password here:

{url}

The link works once. Who was not meant to get it need do nothing.
""",
    LinkPurpose.RESET: """\
Hello {name},

somebody asked for a link to set a new password for your account. If it was you, set it here:

{url}

The link works once. If it was not you, do nothing: your password stays as it is.
""",
}


class LinkMailer:
    """Sends what is due, and tries again what could not be sent, for as long as the link works.

    The token of a link is made here, with each try, and its hash stored before the mail goes out:
    what stands in Postgres opens nothing, and a mail that was tried twice has one link that works,
    that of the last.

    Args:
        db: where links are.
        settings: where mail is handed over.
    """

    def __init__(self, db: Database, settings: MailSettings) -> None:
        self._db = db
        self._settings = settings
        self._mailer = Mailer(settings)

    async def run(self) -> int:
        """Send what is due; return how many were sent."""
        due = await account_links.claim_due(
            self._db,
            limit=_AT_ONCE,
            # Nobody else takes them while the last of them is being sent.
            lease_s=(_AT_ONCE + 1) * self._settings.smtp_timeout_s,
        )
        return await each_by_itself(self._db, _JOB, due, self._send)

    async def _send(self, link: DueLink) -> bool:
        token = new_token()
        if not await account_links.set_token(self._db, link.account_link_id, digest(token)):
            return False
        url = link_url(self._settings.dashboard_url or "", token)
        try:
            await self._mailer.send(
                to=link.user.email,
                subject=_SUBJECTS[link.purpose],
                text=_TEXTS[link.purpose].format(name=link.user.name, url=url),
            )
        except NOT_SENT as error:
            for_good = is_for_good(error)
            log.warning(
                "a link could not be mailed",
                user_id=link.user.user_id,
                error=describe_error(error),
                again=not for_good,
            )
            await account_links.note_failure(
                self._db,
                link.account_link_id,
                error=describe_error(error),
                retry_s=None if for_good else retry_after_s(link.failures),
            )
            return False
        await account_links.note_mailed(self._db, link.account_link_id)
        return True
