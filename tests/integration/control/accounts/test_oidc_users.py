"""Users as a provider tells of them, in Postgres."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.domain.accounts.roles import Role
from shared.domain.accounts.users import User
from shared.domain.errors import NotFoundError
from shared.store.accounts import oidc_users, user_sessions, users
from shared.store.pool import Database

ISSUER = "https://login.example.com"


async def welcome(db: Database, **changes: object) -> User:
    return await oidc_users.welcome(
        db,
        **{
            "issuer": ISSUER,
            "subject": "7f3a",
            "name": "Ada",
            "email": "ada@example.com",
            "role": Role.ADMIN,
            "organization_id": "default",
            "request_id": "request-1",
            "address": "192.0.2.7",
            **changes,
        },
    )


async def begin(db: Database, user: User, *, called: str | None = None) -> str:
    session = await user_sessions.begin(
        db,
        user_id=user.user_id,
        token_hash=uuid4().bytes,
        max_age_s=3600,
        address=None,
        user_agent=None,
    )
    await oidc_users.note_session(
        db, session.user_session_id, provider_session_id=called, id_token="an ID token"
    )
    return session.user_session_id


async def sessions_of(db: Database, user: User) -> set[str]:
    return {each.user_session_id for each in await user_sessions.list_of(db, user.user_id)}


async def test_the_first_login_makes_a_user_and_later_ones_find_it(db: Database) -> None:
    made = await welcome(db)
    again = await welcome(db, name="Ada Lovelace", email="al@example.com", role=Role.VIEWER)
    assert again.user_id == made.user_id
    assert (again.name, again.email, again.role) == ("Ada Lovelace", "al@example.com", Role.VIEWER)


async def test_first_logins_at_the_same_time_make_one_user(db: Database) -> None:
    found = await asyncio.gather(*(welcome(db) for _ in range(8)))
    assert len({user.user_id for user in found}) == 1


@pytest.mark.parametrize("other", [{"subject": "another"}, {"issuer": "https://other.example.com"}])
async def test_nobody_is_found_by_an_address(db: Database, other: dict[str, str]) -> None:
    invited = await users.create(
        db,
        organization_id="default",
        email="ada@example.com",
        name="Ada",
        role=Role.FINANCE,
        password_hash="a hash",
    )
    arrived = await welcome(db)
    assert len({invited.user_id, arrived.user_id, (await welcome(db, **other)).user_id}) == 3
    assert (await users.get(db, invited.user_id)).role is Role.FINANCE
    by_address = await users.find_by_email(db, "ada@example.com")
    assert by_address is not None
    assert by_address.user.user_id == invited.user_id


async def test_two_without_an_address_are_two(db: Database) -> None:
    first, second = await welcome(db, email=None), await welcome(db, email=None, subject="another")
    assert first.user_id != second.user_id
    assert await users.find_by_email(db, "") is None


async def test_who_may_do_something_else_signs_in_anew_everywhere(db: Database) -> None:
    user = await welcome(db)
    kept = await begin(db, user)
    await welcome(db, name="Ada Lovelace")
    assert await sessions_of(db, user) == {kept}
    await welcome(db, role=Role.VIEWER)
    assert await sessions_of(db, user) == set()


async def test_an_organization_that_there_is_not_is_named(db: Database) -> None:
    with pytest.raises(NotFoundError, match="'nowhere'"):
        await welcome(db, organization_id="nowhere")


async def test_a_user_who_is_disabled_here_stays_so(db: Database) -> None:
    user = await welcome(db)
    await welcome(db, subject="another")  # the last administrator cannot be disabled
    await users.update(db, user.user_id, {"disabled": True})
    assert (await welcome(db)).disabled


async def _end(db: Database, user: User, **which: object) -> set[str]:
    before = await sessions_of(db, user)
    ended = await oidc_users.end_sessions(
        db,
        **{
            "issuer": ISSUER,
            "subject": None,
            "provider_session_id": None,
            "begun_before": datetime.now(UTC) + timedelta(seconds=60),
            "request_id": "request-2",
            "address": None,
            **which,
        },
    )
    gone = before - await sessions_of(db, user)
    assert ended == ({user.user_id} if gone else set())
    return gone


async def test_the_provider_ends_the_sessions_that_it_names(db: Database) -> None:
    user = await welcome(db)
    first, second = await begin(db, user, called="s-1"), await begin(db, user, called="s-2")
    assert await _end(db, user, provider_session_id="s-3") == set()
    assert await _end(db, user, provider_session_id="s-1") == {first}
    unnamed = await begin(db, user)
    assert await _end(db, user, provider_session_id="s-3") == set()
    assert await _end(db, user, subject="7f3a", provider_session_id="s-3") == {unnamed}
    assert await _end(db, user, subject="another") == set()
    assert await _end(db, user, issuer="https://other.example.com", subject="7f3a") == set()
    assert await _end(db, user, subject="7f3a") == {second}


async def test_an_old_word_of_the_provider_ends_nothing_new(db: Database) -> None:
    user = await welcome(db)
    await begin(db, user, called="s-1")
    past = datetime.now(UTC) - timedelta(seconds=60)
    assert await _end(db, user, subject="7f3a", begun_before=past) == set()


async def test_a_session_knows_what_the_provider_knows_it_by(db: Database) -> None:
    user = await welcome(db)
    assert await oidc_users.id_token_of(db, await begin(db, user)) == "an ID token"


async def test_what_a_provider_changes_stands_in_the_audit_log_in_its_name(db: Database) -> None:
    user = await welcome(db)
    session_id = await begin(db, user, called="s-1")
    await welcome(db)  # nothing is different
    await welcome(db, role=Role.VIEWER)
    other = await begin(db, user, called="s-2")
    await _end(db, user, subject="7f3a")

    entries = await db.fetch("SELECT * FROM audit.entries ORDER BY entry_id")
    assert [(each["action"], each["resource"], each["resource_id"]) for each in entries] == [
        ("created", "users", user.user_id),
        ("changed", "users", user.user_id),
        ("deleted", "user-sessions", session_id),
        ("deleted", "user-sessions", other),
    ]
    made, changed, *_ = entries
    assert made["after"]["oidc_subject"] == "7f3a"
    assert (changed["before"], changed["after"]) == ({"role": "admin"}, {"role": "viewer"})
    for each in entries:
        assert (each["principal_kind"], each["principal_id"], each["principal_name"]) == (
            *("openid_provider", ISSUER, "7f3a"),
        )
    assert (changed["request_id"], changed["address"]) == ("request-1", "192.0.2.7")
