"""What stations are selected by, in lists and in batches of commands alike."""

from collections.abc import Iterator
from dataclasses import fields

from shared.domain.stations.stations import StationFilter

_CASTS = {"online": "::boolean"}


def conditions_of(found: StationFilter, document: str) -> Iterator[str]:
    """Give a condition on `stations` for each criterion that is named.

    Args:
        found: which.
        document: the statement's word for a jsonb that has its members, such as `$1::jsonb`.
    """
    for field in fields(found):
        if getattr(found, field.name) is not None:
            yield f"{field.name} = ({document} ->> '{field.name}'){_CASTS.get(field.name, '')}"
