"""Links are mailed by the worker, through a real SMTP server on this machine."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from structlog.testing import capture_logs

from control.jobs.accounts.ended import forget_ended
from control.jobs.accounts.mail import LinkMailer
from control.settings import ControlSettings
from shared.store.pool import Database
from tests.integration.control.accounts.people import PASSWORD, browser, invite, join, sign_in
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import Api, assert_problem, running
from tests.support.certificates import Authority
from tests.support.mail_server import MailServer, mail_server

DASHBOARD = "https://voltaro.example.com"
LINK = re.compile(rf"{re.escape(DASHBOARD)}/set-password#([A-Za-z0-9_-]+)")


def token_in(mail: MailServer) -> str:
    """Return the token in the last mail."""
    found = LINK.search(mail.mails[-1].get_content())
    assert found is not None
    return found[1]


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
def settings(make_settings: MakeSettings, mail: MailServer) -> ControlSettings:
    return make_settings(
        smtp_host="127.0.0.1",
        smtp_port=mail.port,
        smtp_security="none",
        smtp_timeout_s=5,
        mail_from="Voltaro <voltaro@example.com>",
        dashboard_url=DASHBOARD,
    )


@pytest.fixture
async def api(settings: ControlSettings) -> AsyncIterator[Api]:
    async with running(settings) as served:
        yield served


@pytest.fixture
def mailer(db: Database, settings: ControlSettings) -> LinkMailer:
    return LinkMailer(db, settings)


async def test_an_invitation_is_mailed_and_its_link_works(
    api: Api, mail: MailServer, mailer: LinkMailer, db: Database
) -> None:
    told = await invite(api.client, name="Ada")
    assert (told["invitation"]["mailed"], told["invitation"]["token"]) == (True, None)
    # Nothing that opens anything stands in the database meanwhile.
    assert await db.fetchval("SELECT token_hash FROM account_links") is None

    assert await mailer.run() == 1
    (sent,) = mail.mails
    assert (sent["To"], sent["From"]) == ("ada@example.com", "Voltaro <voltaro@example.com>")
    assert "Hello Ada" in sent.get_content()
    assert await mailer.run() == 0
    async with browser(api) as ada:
        use = {"token": token_in(mail), "password": PASSWORD}
        assert (await ada.post("/v1/password-links/use", json=use)).status_code == 204
        await sign_in(ada)


async def test_no_answer_tells_whether_an_address_is_known(
    api: Api, mail: MailServer, mailer: LinkMailer
) -> None:
    await invite(api.client)
    await mailer.run()
    async with browser(api) as eve:
        answers = [
            await eve.post("/v1/password-links", json={"email": email})
            for email in ("ADA@example.com", "nobody@example.com", "ada@example.com")
        ]
    assert [(each.status_code, each.content) for each in answers] == [(202, b"")] * 3
    # To the address as it was written by an administrator, and once for all who ask.
    assert await mailer.run() == 1
    assert mail.mails[-1]["To"] == "ada@example.com"
    assert "new password" in mail.mails[-1]["Subject"]
    assert await mailer.run() == 0


async def test_a_mail_server_that_is_away_costs_a_while(
    api: Api, mail: MailServer, mailer: LinkMailer, db: Database
) -> None:
    await invite(api.client)
    mail.answer = "451 later"
    with capture_logs() as logged:
        assert await mailer.run() == 0
    assert logged[0]["again"] is True
    assert "ada@example.com" not in repr(logged)
    assert await mailer.run() == 0
    (row,) = await db.fetch(
        "SELECT mail_failures, mail_error, mail_at - now() AS wait FROM account_links"
    )
    assert (row["mail_failures"], "451" in row["mail_error"]) == (1, True)
    assert 20 < row["wait"].total_seconds() <= 30

    mail.answer = "250 OK"
    await db.execute("UPDATE account_links SET mail_at = now()")
    assert await mailer.run() == 1
    use = {"token": token_in(mail), "password": PASSWORD}
    assert (await api.client.post("/v1/password-links/use", json=use)).status_code == 204


async def test_an_address_that_is_refused_for_good_is_not_tried_again(
    api: Api, mail: MailServer, mailer: LinkMailer, db: Database
) -> None:
    await invite(api.client)
    mail.recipient_answer = "550 no such user"
    with capture_logs():
        assert await mailer.run() == 0
    assert await db.fetchval("SELECT mail_at FROM account_links") is None


async def test_one_mail_that_cannot_be_sent_holds_up_no_other(
    api: Api, mail: MailServer, mailer: LinkMailer
) -> None:
    for name in "abc":
        await invite(api.client, f"{name}@example.com")
    refused = mail.handle_RCPT

    async def refuse_b(*told: Any) -> str:
        return "550 no" if told[3].startswith("b@") else await refused(*told)

    mail.handle_RCPT = refuse_b  # type: ignore[method-assign]
    with capture_logs():
        assert await mailer.run() == 2
    assert [each["To"] for each in mail.mails] == ["a@example.com", "c@example.com"]


async def test_a_server_without_tls_gets_no_link_where_tls_is_asked_for(
    make_settings: MakeSettings, mail: MailServer, settings: ControlSettings, db: Database
) -> None:
    async with running(settings) as api:
        await invite(api.client)
    secured = make_settings(
        smtp_host="127.0.0.1",
        smtp_port=mail.port,
        mail_from="voltaro@example.com",
        dashboard_url=DASHBOARD,
    )
    with capture_logs():
        assert await LinkMailer(db, secured).run() == 0
    assert mail.mails == []


async def test_an_expired_link_does_not_work_and_is_forgotten(
    api: Api, mail: MailServer, mailer: LinkMailer, db: Database
) -> None:
    await invite(api.client)
    await mailer.run()
    await db.execute("UPDATE account_links SET expires_at = now()")
    use = {"token": token_in(mail), "password": PASSWORD}
    response = await api.client.post("/v1/password-links/use", json=use)
    assert_problem(response, 404, "not-found")
    assert await forget_ended(db, known_address_days=90) == 1
    assert await db.fetchval("SELECT count(*) FROM account_links") == 0


async def test_what_has_ended_is_forgotten_and_nothing_else(
    make_settings: MakeSettings, db: Database
) -> None:
    async with running(make_settings()) as api:
        await join(api.client)
        async with browser(api) as ada:
            await sign_in(ada)
    assert await forget_ended(db, known_address_days=90) == 0
    await db.execute("UPDATE login_attempts SET updated_at = now() - interval '2 days'")
    # Where she was right is remembered for longer than failures are.
    assert await forget_ended(db, known_address_days=90) == 2
    assert await forget_ended(db, known_address_days=0) == 1
    await db.execute("UPDATE user_sessions SET expires_at = now()")
    assert await forget_ended(db, known_address_days=90) == 1


def test_mail_without_a_sender_is_refused_at_the_start(make_settings: MakeSettings) -> None:
    with pytest.raises(ValueError, match="VOLTARO_MAIL_FROM"):
        make_settings(smtp_host="127.0.0.1")


@asynccontextmanager
async def starttls_server(certificate: Path, key: Path) -> AsyncIterator[MailServer]:
    """A mail server that takes nothing before STARTTLS, and nothing without a password."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = MailServer()

    def authenticate(_: SMTP, __: Session, ___: Envelope, ____: str, told: Any) -> AuthResult:
        wanted = LoginPassword(b"voltaro", b"secret")
        return AuthResult(success=told == wanted, handled=False)

    listener = await asyncio.get_running_loop().create_server(
        lambda: SMTP(
            server,
            hostname="127.0.0.1",
            ident="test",
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=authenticate,
        ),
        "127.0.0.1",
        0,
    )
    server.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield server


@pytest.mark.parametrize("whose", ["the authority's", "a stranger's", "another host's"])
async def test_a_link_goes_by_starttls_to_who_can_show_whose_server_it_is(
    make_settings: MakeSettings,
    db: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whose: str,
) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    signing = stranger if whose == "a stranger's" else authority
    host = "127.0.0.2" if whose == "another host's" else "127.0.0.1"
    async with starttls_server(*signing.sign("mail", host=host)) as server:
        settings = make_settings(
            smtp_host="127.0.0.1",
            smtp_port=server.port,
            smtp_timeout_s=5,
            smtp_username="voltaro",
            smtp_password="secret",
            mail_from="voltaro@example.com",
            dashboard_url=DASHBOARD,
        )
        async with running(settings) as api:
            await invite(api.client)
            if whose == "the authority's":
                assert await LinkMailer(db, settings).run() == 1
                assert server.encrypted == [True]
                use = {"token": token_in(server), "password": PASSWORD}
                used = await api.client.post("/v1/password-links/use", json=use)
                assert used.status_code == 204
                return
        with capture_logs() as logged:
            assert await LinkMailer(db, settings).run() == 0
        assert "certificate" in logged[0]["error"].lower()
        assert server.mails == []
        assert await db.fetchval("SELECT mail_at > now() FROM account_links"), "it is tried again"
