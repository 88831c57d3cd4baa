"""Signing in, and the links by which people set their passwords."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import structlog
from starlette.requests import HTTPConnection

from control import problems
from control.accounts.guessing import Guesses
from control.accounts.passwords import UserPasswords
from control.accounts.second_factor import SecondFactor
from control.accounts.secrets import digest, new_token
from control.accounts.settings import AccountSettings
from control.accounts.user_sessions import UserSessions
from control.errors import ProblemError
from shared.domain.accounts.users import LinkPurpose, User, UserSecrets, UserSession, email_key
from shared.store.accounts import account_links, users
from shared.store.pool import Database

log = structlog.get_logger()

_PAGE = "/set-password"
_LOOKED_AT = 1000
_NOWHERE = "unknown"
# To look for somebody takes a millisecond, and to keep a link some more.
_LINK_ANSWER_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedLink:
    """A link to set a password.

    Attributes:
        url: the link itself, if it has to be handed over by whoever asked; None if it is mailed.
        token: what is behind the # of the link.
        expires_at: it works until then.
    """

    url: str | None
    token: str | None
    expires_at: datetime


def address_of(request: HTTPConnection) -> str:
    """Return from where a request came, as guesses are counted."""
    return request.client.host if request.client else _NOWHERE


class Accounts:
    """Checks who signs in.

    Args:
        db: where users are.
        settings: how guessing is slowed, how long links work, and whether there is mail.
    """

    def __init__(self, db: Database, settings: AccountSettings) -> None:
        self._db = db
        self._settings = settings
        self.sessions = UserSessions(db, settings)
        self.passwords = UserPasswords(settings)
        self.second_factor = SecondFactor(settings.encryption)
        self._guesses = Guesses(db, settings)

    def __enter__(self) -> Self:
        """Hold the threads that hash for as long as the context lasts."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let them go."""
        self.passwords.close()

    async def tell_what_does_not_work(self) -> None:
        """Log what this process cannot do for want of a key, before anybody notices."""
        if not self.second_factor.is_set_up:
            log.warning(
                "nobody can set up a second factor: VOLTARO_ACCOUNTS_ENCRYPTION_KEYS is not set"
            )
        secrets = await users.list_second_factors(self._db, limit=_LOOKED_AT)
        unreadable = sum(not self.second_factor.can_read(each) for each in secrets)
        if unreadable:
            log.error(
                "users cannot sign in but by a recovery code: VOLTARO_ACCOUNTS_ENCRYPTION_KEYS has "
                "not the key that their second factors were encrypted with",
                users=unreadable,
                looked_at=len(secrets),
            )

    async def sign_in(
        self, *, email: str, password: str, code: str | None, address: str, user_agent: str | None
    ) -> tuple[str, UserSession]:
        """Begin a session of whoever is right; return its token and what is known of it.

        An unknown address, a wrong password and an account that is disabled take as long and are
        answered alike, so that nobody learns who has an account.

        Raises:
            ProblemError: something is wrong, a code is needed, or there were too many tries.
        """
        account = email_key(email)
        # What is not checked is not counted either, so that hashing bounds what is kept of guesses.
        self.passwords.require_room()
        await self._guesses.count(account, address)
        found = await users.find_by_email(self._db, email)
        right = await self.passwords.verify(found.password_hash if found else None, password)
        if found is None or not right or found.user.disabled:
            raise _wrong("e-mail address or password is wrong")
        if found.user.has_second_factor:
            if not code:
                await self._guesses.take_back(account, address)
                raise ProblemError(
                    problems.SECOND_FACTOR_NEEDED,
                    "the password is right; send `code` as well, of the app or a recovery code",
                    headers=_CHALLENGE,
                )
            if not await self.second_factor.accepts(self._db, found, code):
                raise _wrong("the code is wrong, or was used before")
        await self._guesses.forgive(account, address)
        if found.password_hash and self.passwords.is_outdated(found.password_hash):
            await users.renew_hash(
                self._db,
                found.user.user_id,
                before=found.password_hash,
                after=await self.passwords.hash(password),
            )
        return await self.sessions.begin(found.user, address=address, user_agent=user_agent)

    async def prove(
        self, user: User, *, address: str, password: str | None = None, code: str | None = None
    ) -> UserSecrets:
        """Make sure that whoever has a session also knows the password, and a code if one is given.

        Raises:
            ProblemError: something is wrong, or there were too many tries.
        """
        account = user.guessed_by
        await self._guesses.count(account, address)
        found = await users.get_secrets(self._db, user.user_id)
        if password is not None and not await self.passwords.verify(found.password_hash, password):
            raise _refused("the password is wrong")
        if code is not None and not await self.second_factor.accepts(self._db, found, code):
            raise _refused("the code is wrong, or was used before")
        await self._guesses.take_back(account, address)
        return found

    async def order_link(self, db: Database, user: User, purpose: LinkPurpose) -> OrderedLink:
        """Make a link for somebody, in the name of an administrator.

        Args:
            db: of the administrator's request.
            user: whom it is for.
            purpose: why.

        Returns:
            It is mailed if there is a mail server, and handed to the administrator if not.
        """
        lifetime_s = self._lifetime_s(purpose)
        expires_at = datetime.now(UTC) + timedelta(seconds=lifetime_s)
        if self._settings.can_mail:
            await account_links.order(db, user, purpose, lifetime_s=lifetime_s, pause_s=0.0)
            return OrderedLink(url=None, token=None, expires_at=expires_at)
        token = new_token()
        await account_links.create(
            db, user, purpose, token_hash=digest(token), lifetime_s=lifetime_s
        )
        url = link_url(self._settings.dashboard_url or "", token)
        return OrderedLink(url=url, token=token, expires_at=expires_at)

    async def request_link(self, email: str) -> None:
        """Have a link mailed to whoever has this address, if anybody has.

        It takes a fixed time, which is longer than what is done for those who have one.

        Raises:
            ProblemError: there is no mail here, for nobody.
        """
        if not self._settings.can_mail:
            raise ProblemError(
                problems.NO_MAIL,
                "no mail server is configured here, so that nobody can be mailed a link: ask an "
                "administrator, who can make one (POST /v1/users/{user_id}/password-link)",
            )
        answered_at = time.monotonic() + _LINK_ANSWER_S
        found = await users.find_by_email(self._db, email)
        if found is not None and not found.user.disabled:
            await account_links.order(
                self._db,
                found.user,
                LinkPurpose.RESET,
                lifetime_s=self._settings.link_lifetime_s,
                pause_s=self._settings.link_pause_s,
            )
        await asyncio.sleep(max(0.0, answered_at - time.monotonic()))

    async def use_link(self, token: str, password: str, *, address: str) -> User:
        """Set the password of whoever a link was made for, and return them; their sessions end.

        Raises:
            NotFoundError: the link does not work any more.
        """
        token_hash = digest(token)
        # Before anything is hashed: who guesses links costs a look.
        await account_links.find_user(self._db, token_hash)
        user = await account_links.use(self._db, token_hash, await self.passwords.hash(password))
        self.sessions.forget(user.user_id)
        await self._guesses.welcome(user.guessed_by, address)
        return user

    def _lifetime_s(self, purpose: LinkPurpose) -> float:
        if purpose is LinkPurpose.INVITATION:
            return self._settings.invitation_lifetime_s
        return self._settings.link_lifetime_s


def link_url(dashboard_url: str, token: str) -> str:
    """Return the address of the page on which a password is set.

    The token stands behind the #: browsers send that to nobody, not even to us.
    """
    return f"{dashboard_url.rstrip('/')}{_PAGE}#{token}"


# RFC 9110 §11.6.1 asks for a challenge with each 401; a browser must not take it for its own.
_CHALLENGE = {"WWW-Authenticate": 'Password realm="voltaro"'}


def _wrong(detail: str) -> ProblemError:
    return ProblemError(problems.WRONG_CREDENTIALS, detail, headers=_CHALLENGE)


def _refused(detail: str) -> ProblemError:
    """Return what is told in a session: it goes on, so that this is no 401."""
    return ProblemError(problems.WRONG_PROOF, detail)
