"""What an OpenID provider says of somebody, and which role and organization that comes to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.domain.accounts.organizations import DEFAULT_ORGANIZATION_ID
from shared.domain.accounts.roles import Role

_EMAIL = "email"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRule:
    """Who has `value` in the claim that roles are read from gets this role there."""

    value: str
    role: Role
    organization_id: str = DEFAULT_ORGANIZATION_ID


def claim_values(claims: Mapping[str, object], name: str) -> list[str]:
    """Return the words that a claim holds; none if there is no such claim.

    Args:
        claims: of an ID token, or of the UserInfo endpoint.
        name: of the claim. One with dots is looked for by its whole name first, as names may be
            URLs, and then as a path: Keycloak has `realm_access.roles`. An e-mail address counts
            only if the provider says that it is verified: everybody may enter that of somebody
            else (OpenID Connect Core §5.7).
    """
    if name == _EMAIL and claims.get("email_verified") is not True:
        return []
    found: object = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return [found]
    if isinstance(found, list):
        return [each for each in found if isinstance(each, str)]
    return []


def matching_rule(
    claims: Mapping[str, object], name: str, rules: Iterable[ClaimRule]
) -> ClaimRule | None:
    """Return the first rule whose value the claim `name` holds, in the rules' own order."""
    values = claim_values(claims, name)
    return next((rule for rule in rules if rule.value in values), None)
