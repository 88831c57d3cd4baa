"""Users: people who sign in, and their sessions of the dashboard."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.accounts.principals import Principal, PrincipalKind
from shared.domain.accounts.roles import Role


def email_key(email: str) -> str:
    """Return what an e-mail address is looked for by: letter case does not count.

    Mail is only ever sent to the address that an administrator has written.
    """
    return email.strip().casefold()


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person.

    Attributes:
        email: where mail goes, and what they sign in with.
        role: what they are in their organization, and in those below it.
        disabled: whether they may not sign in for now.
        has_password: whether they have taken up their invitation.
        has_second_factor: whether a code is asked for as well.
        last_login_at: when they signed in last; None is never.
        from_provider: whether they are who an OpenID provider says, and nobody by their address.
    """

    user_id: str
    organization_id: str
    email: str
    name: str
    role: Role
    disabled: bool
    has_password: bool
    has_second_factor: bool
    last_login_at: datetime | None
    created_at: datetime
    updated_at: datetime
    from_provider: bool = False

    @property
    def guessed_by(self) -> str:
        """What wrong passwords and codes are counted by: what is tried to sign in as them.

        Somebody of a provider signs in there, and has no address here or one that may be another
        user's.
        """
        return self.user_id if self.from_provider else email_key(self.email)

    @property
    def principal(self) -> Principal:
        """Who is behind a request in one of their sessions."""
        return Principal(
            kind=PrincipalKind.USER,
            principal_id=self.user_id,
            name=self.name,
            organization_id=self.organization_id,
            permissions=self.role.permissions,
            user_id=self.user_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSecrets:
    """What somebody who signs in is checked by.

    Attributes:
        password_hash: Argon2id; None if they have no password.
        totp_secret: encrypted; None if they have no second factor, nor began to set one up.
    """

    user: User
    password_hash: str | None
    totp_secret: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSession:
    """A browser in which somebody is signed in.

    Attributes:
        address: from where it was begun.
        user_agent: what the browser says that it is.
        last_used_at: a minute late at most.
        expires_at: it ends then, however busy it is.
    """

    user_session_id: str
    user: User
    address: str | None
    user_agent: str | None
    last_used_at: datetime
    expires_at: datetime
    created_at: datetime

    def is_over(self, now: datetime, *, last_used_at: datetime | None, idle: timedelta) -> bool:
        """Tell whether it has ended.

        Args:
            now: what time it is.
            last_used_at: a later use than that which is stored, if one is known.
            idle: an unused session ends after that.
        """
        used_at = max(self.last_used_at, last_used_at or self.last_used_at)
        return now >= self.expires_at or now >= used_at + idle


class LinkPurpose(StrEnum):
    """Why somebody gets a link to set a password."""

    INVITATION = "invitation"
    RESET = "reset"
