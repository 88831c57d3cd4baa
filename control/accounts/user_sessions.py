"""Sessions of users: begun, found by their cookie, and ended."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from control.accounts.last_used import LastUsed
from control.accounts.memory import CredentialMemory
from control.accounts.secrets import digest, new_token
from control.accounts.settings import AccountSettings
from shared.domain.accounts.users import User, UserSession
from shared.store.accounts import user_sessions
from shared.store.pool import Database
from shared.store.retrying import try_again

_USER_AGENT_MAX_LENGTH = 200


class UserSessions:
    """Keeps the sessions of users.

    Args:
        db: where they are.
        settings: how long they last, and how long what was looked up counts.
    """

    def __init__(self, db: Database, settings: AccountSettings) -> None:
        self._db = db
        self._idle = timedelta(seconds=settings.user_session_idle_timeout_s)
        self._max_age_s = settings.user_session_max_age_s
        self._memory: CredentialMemory[UserSession] = CredentialMemory(
            partial(_look_up, db),
            keep_s=settings.credentials_memory_s,
            max_found=settings.credentials_max_remembered,
        )
        self._last_used = LastUsed(
            partial(user_sessions.note_use, db), interval_s=settings.last_used_interval_s
        )
        self.tasks = (self._memory.run, self._last_used.run)

    async def begin(
        self, user: User, *, address: str | None, user_agent: str | None
    ) -> tuple[str, UserSession]:
        """Begin a session; return its token, which is new, and what is known of it.

        Raises:
            NotFoundError: the user may not sign in any more.
        """
        token = new_token()
        session = await user_sessions.begin(
            self._db,
            user_id=user.user_id,
            token_hash=digest(token),
            max_age_s=self._max_age_s,
            address=address,
            user_agent=_told(user_agent),
        )
        return token, session

    async def find(self, token: str, *, is_use: bool = True) -> UserSession | None:
        """Return the session of a token; None if there is none, or it is over.

        Args:
            token: of the cookie.
            is_use: whether this is a sign of its user, who keeps it from ending.

        Raises:
            Exception: as the store does, as when Postgres is away.
        """
        session, now = await self._memory.find(digest(token)), datetime.now(UTC)
        if session is None:
            return None
        noted = self._last_used.noted(session.user_session_id)
        if session.is_over(now, last_used_at=noted, idle=self._idle):
            return None
        if is_use:
            self._last_used.note(session.user_session_id, now)
        return session

    async def list_of(self, user_id: str) -> Sequence[UserSession]:
        """Return the sessions of a user that go on, the latest first."""
        now = datetime.now(UTC)
        return [
            session
            for session in await user_sessions.list_of(self._db, user_id)
            if not session.is_over(
                now, last_used_at=self._last_used.noted(session.user_session_id), idle=self._idle
            )
        ]

    async def renew(self, session: UserSession) -> str:
        """Give a session another token, as its user's rights have changed; return it.

        Raises:
            NotFoundError: it has ended.
        """
        token = new_token()
        await user_sessions.change_token(self._db, session.user_session_id, digest(token))
        self.forget(session.user.user_id)
        return token

    async def end(self, user_session_id: str, *, user_id: str) -> None:
        """End one session of a user.

        Raises:
            NotFoundError: they have no such session.
        """
        await user_sessions.end(self._db, user_session_id, user_id=user_id)
        self.forget(user_id)

    async def end_all(self, user_id: str, *, keep: str | None = None) -> None:
        """End the sessions of a user, but the one whose id is `keep`."""
        await user_sessions.end_all(self._db, user_id, keep=keep)
        self.forget(user_id)

    def forget(self, user_id: str) -> None:
        """Look up anew at once, in this process, what concerns a user."""
        self._memory.forget(lambda session: session.user.user_id == user_id)


def _told(user_agent: str | None) -> str | None:
    if user_agent is None:
        return None
    printable = "".join(each for each in user_agent if each.isprintable())
    return printable[:_USER_AGENT_MAX_LENGTH]


async def _look_up(db: Database, digests: list[bytes]) -> list[UserSession | None]:
    return await try_again(partial(user_sessions.find, db, digests))
