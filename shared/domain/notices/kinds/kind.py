"""What is said of a type of event."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class EventKind:
    """One type of event.

    Attributes:
        description: when it is told.
        data: what each member of its data says.
        example: data as it may look.
    """

    description: str
    data: Mapping[str, str]
    example: Mapping[str, Any]
