"""Hands mail over to a mail server: the one way in which anything here is mailed."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from functools import partial
from types import MappingProxyType

import aiosmtplib

from control.accounts.mail_settings import MailSecurity, MailSettings

# A reply that begins with 5 is for good (RFC 5321 §4.2.1); of a recipient alone, as others may be
# the fault of a server that is being set up.
_FOR_GOOD = 500
_FIRST_RETRY_S = 30.0
_LONGEST_RETRY_S = 3600.0
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail."""

    name: str
    media_type: str
    content: bytes


NOT_SENT = (aiosmtplib.SMTPException, OSError)
"""What `Mailer.send` raises; of aiosmtplib's, the time-out is one of both."""


class Mailer:
    """Sends one mail at a time.

    Args:
        settings: where mail is handed over, and whom it is from.
    """

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    async def send(
        self,
        *,
        to: str,
        subject: str,
        text: str,
        html: str | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
        attachment: Attachment | None = None,
    ) -> None:
        """Hand a mail over.

        Args:
            to: an address, or several with commas between them.
            subject: one line.
            text: what everybody can read.
            html: the same for those whose programs show it.
            headers: more of them.
            attachment: a file that goes with it.

        Raises:
            NOT_SENT: it could not be handed over.
        """
        message = EmailMessage()
        message["From"] = self._settings.mail_from or ""
        message["To"] = to
        message["Subject"] = subject
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: nobody's absence note is wanted
        for name, value in headers.items():
            message[name] = value
        message.set_content(text)
        if html is not None:
            message.add_alternative(html, subtype="html")
        if attachment is not None:
            maintype, _, subtype = attachment.media_type.partition(";")[0].partition("/")
            message.add_attachment(
                attachment.content, maintype=maintype, subtype=subtype, filename=attachment.name
            )
        await self._hand_over(message)

    async def _hand_over(self, message: EmailMessage) -> None:
        settings = self._settings
        password = settings.smtp_password
        send = partial(aiosmtplib.send, message, hostname=settings.smtp_host)
        await send(
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=None if password is None else password.get_secret_value(),
            use_tls=settings.smtp_security is MailSecurity.TLS,
            start_tls=settings.smtp_security is MailSecurity.STARTTLS,
            timeout=settings.smtp_timeout_s,
        )


def is_for_good(error: BaseException) -> bool:
    """Tell whether trying again is of no use: all recipients are refused for good."""
    return isinstance(error, aiosmtplib.SMTPRecipientsRefused) and all(
        refused.code >= _FOR_GOOD for refused in error.recipients
    )


def retry_after_s(failures: int) -> float:
    """Return when to try again, from now, after so many failures before this one."""
    longest = _LONGEST_RETRY_S / _FIRST_RETRY_S
    return _FIRST_RETRY_S * min(2.0 ** min(failures, 30), longest)
