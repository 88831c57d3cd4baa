"""What resources of the API share."""

from dataclasses import dataclass, field

from control.api.types import members_of


@dataclass(frozen=True, slots=True)
class Shown:
    name: str
    parts: list[dict[str, int]] = field(default_factory=list)


def test_members_are_shown_without_copying_what_they_are_made_of() -> None:
    """Copies were most of what a page of sessions cost."""
    shown = Shown("a", [{"b": 1}])
    members = members_of(shown)
    assert members == {"name": "a", "parts": [{"b": 1}]}
    assert members["parts"] is shown.parts
