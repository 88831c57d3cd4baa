"""Hands mail over to the mail server."""

from email.message import EmailMessage

import aiosmtplib

from control.accounts.mail_settings import MailSecurity, MailSettings


async def hand_over(settings: MailSettings, message: EmailMessage) -> None:
    """Hand a message over.

    Raises:
        aiosmtplib.SMTPException: the server refuses it, or each of its recipients.
        OSError: it cannot be reached, or takes too long.
    """
    password = settings.smtp_password
    await aiosmtplib.send(
        message,
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        username=settings.smtp_username,
        password=None if password is None else password.get_secret_value(),
        use_tls=settings.smtp_security is MailSecurity.TLS,
        start_tls=settings.smtp_security is MailSecurity.STARTTLS,
        timeout=settings.smtp_timeout_s,
    )
