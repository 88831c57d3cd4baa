"""Who asks the API in these tests: each role, and who is allowed less than they.

They come with keys that may do what the role may. With a session it would be schemathesis itself
that writes the cookies.
"""

from typing import Any

from shared.domain.accounts.permissions import Permission
from shared.domain.accounts.roles import Role
from tests.integration.control.players import Api

SCOPED_ADMIN = "the admin of an organization"
NARROW_KEY = "a key with one scope"
PRINCIPALS = (*Role, SCOPED_ADMIN, NARROW_KEY)
"""Each of them; the last one is asked in the short form as well."""


async def headers_of(api: Api, who: str) -> dict[str, str]:
    """Make one of them, and return the headers of its requests."""
    words: dict[str, Any] = {"scopes": [Permission.STATIONS_READ]}
    if who == SCOPED_ADMIN:
        body = {"organization_id": "host", "name": "Host"}
        made = await api.client.post("/v1/organizations", json=body)
        assert made.status_code == 201, made.text
        words = {"scopes": sorted(Role.ADMIN.permissions), "organization_id": "host"}
    elif who != NARROW_KEY:
        words = {"scopes": sorted(Role(who).permissions)}
    made = await api.client.post("/v1/api-keys", json={"name": who, **words})
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['key']}"}
