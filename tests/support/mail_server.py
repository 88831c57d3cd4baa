"""A real SMTP server that keeps what it is given."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class MailServer:
    """A mail server; its answers are what a test makes them."""

    port: int = 0
    answer: str = "250 OK"
    recipient_answer: str = "250 OK"
    mails: list[EmailMessage] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    """Of each mail, whether it came by TLS."""

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        if self.recipient_answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.recipient_answer

    async def handle_DATA(  # noqa: N802 - the library's name
        self, _: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.answer.startswith("2"):
            content = envelope.content
            assert isinstance(content, bytes)
            self.encrypted.append(session.ssl is not None)
            self.mails.append(message_from_bytes(content, policy=policy.default))
        return self.answer


@asynccontextmanager
async def mail_server() -> AsyncIterator[MailServer]:
    """Hold a mail server on this machine for as long as the context lasts."""
    server = MailServer()
    listener = await asyncio.get_running_loop().create_server(
        lambda: SMTP(server, hostname="127.0.0.1", ident="test"), "127.0.0.1", 0
    )
    server.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield server


def text_of(mail: EmailMessage, subtype: str = "plain") -> str:
    """Return a mail's text, or its HTML."""
    body = mail.get_body((subtype,))
    assert body is not None
    content = body.get_content()
    assert isinstance(content, str)
    return content
