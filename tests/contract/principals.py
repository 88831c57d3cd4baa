"""Who asks the API in these tests: people of each role, and what is allowed less than they."""

from shared.domain.accounts.permissions import Permission
from shared.domain.accounts.roles import Role
from tests.integration.control.accounts.people import browser, join, sign_in
from tests.integration.control.players import Api

_SCOPED_ADMIN = "the admin of an organization"
_NARROW_KEY = "a key with one scope"
PRINCIPALS = (*Role, _SCOPED_ADMIN, _NARROW_KEY)
"""Each of them; the last one is asked in the short form as well."""


async def headers_of(api: Api, who: str) -> dict[str, str]:
    """Make one of them, and return the headers of its requests."""
    if who == _NARROW_KEY:
        scopes = [Permission.STATIONS_READ]
        made = await api.client.post("/v1/api-keys", json={"name": "narrow", "scopes": scopes})
        return {"Authorization": f"Bearer {made.json()['key']}"}
    words = {"role": who}
    if who == _SCOPED_ADMIN:
        words = {"role": Role.ADMIN, "organization_id": "host"}
        made = await api.client.post("/v1/organizations", json={"organization_id": "host"})
        assert made.status_code == 201, made.text
    await join(api.client, **words)
    async with browser(api) as person:
        await sign_in(person)
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.cookies.jar)
        return {"Cookie": cookies, "X-CSRF-Token": person.headers["X-CSRF-Token"]}
