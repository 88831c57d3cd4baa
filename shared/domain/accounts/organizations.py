"""Organizations: the operators of one installation, and the site hosts below them."""

from dataclasses import dataclass
from datetime import datetime

DEFAULT_ORGANIZATION_ID = "default"
"""The one that an installation begins with. All others stand below it, so that who runs the
installation sees everything, and a single operator never meets the word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """Whom stations, tokens, files, users and keys belong to.

    Attributes:
        organization_id: chosen by whoever makes it, and never changed.
        parent_id: the organization above; None for the default one alone.
        name: for people.
    """

    organization_id: str
    parent_id: str | None
    name: str
    created_at: datetime
    updated_at: datetime
