"""`voltaro create-admin`: the first administrator, and the way back in for one locked out."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cli.settings_errors import explained_settings_errors

if TYPE_CHECKING:
    from shared.domain.accounts.users import User
    from shared.settings import DatabaseSettings
    from shared.store.pool import Database

_LIFETIME_S = 86_400.0


def create_admin(
    email: Annotated[str, typer.Argument(help="e-mail address, with which they sign in")],
    name: Annotated[str, typer.Option(help="for people; else what stands before the @")] = "",
    url: Annotated[
        str,
        typer.Option(help="where a browser reaches the API", envvar="VOLTARO_DASHBOARD_URL"),
    ] = "http://127.0.0.1:8080",
) -> None:
    """Make an administrator of the whole installation, and print their link to set a password.

    For one that there is already it prints a new link. It needs VOLTARO_DATABASE_URL.
    """
    import asyncio

    from control.accounts.service import link_url
    from shared.domain.errors import VoltaroError
    from shared.settings import DatabaseSettings

    with explained_settings_errors():
        # The values come from the environment, which mypy cannot know.
        settings = DatabaseSettings()  # type: ignore[call-arg]
    if "@" not in email.strip("@"):
        print(f"voltaro create-admin: {email!r} is no e-mail address", file=sys.stderr)
        raise typer.Exit(2)
    try:
        token = asyncio.run(_create(settings, email, name or email.partition("@")[0]))
    except VoltaroError as error:
        print(f"voltaro create-admin: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    print(f"{email} sets a password here, once, within a day:", file=sys.stderr)
    print(link_url(url, token))


async def _create(settings: "DatabaseSettings", email: str, name: str) -> str:
    from control.accounts.secrets import digest, new_token
    from shared.domain.accounts.users import LinkPurpose
    from shared.store.accounts import account_links
    from shared.store.pool import open_database

    token = new_token()
    async with open_database(settings) as db:
        user = await _administrator(db, email, name)
        await account_links.create(
            db,
            user,
            LinkPurpose.INVITATION,
            token_hash=digest(token),
            lifetime_s=_LIFETIME_S,
        )
    return token


async def _administrator(db: "Database", email: str, name: str) -> "User":
    from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID
    from shared.domain.accounts.roles import Role
    from shared.domain.errors import ConflictError
    from shared.store.accounts import users

    found = await users.find_by_email(db, email)
    if found is None:
        return await users.create(
            db,
            organization_id=DEFAULT_ORGANIZATION_ID,
            email=email,
            name=name,
            role=Role.ADMIN,
        )
    user = found.user
    if (
        user.role is not Role.ADMIN
        or user.organization_id != DEFAULT_ORGANIZATION_ID
        or user.disabled
    ):
        raise ConflictError(
            f"there is a user {email}, who is {user.role} of {user.organization_id!r}"
            f"{', disabled' if user.disabled else ''}: change that by PATCH "
            f"/v1/users/{user.user_id}, or take another address"
        )
    return user
