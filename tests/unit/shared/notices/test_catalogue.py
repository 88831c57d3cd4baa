"""Every type of event says what it tells."""

import json
import re

import pytest

from shared.domain.notices.catalogue import CATALOGUE
from shared.domain.notices.events import EventType


@pytest.mark.parametrize("type_", EventType)
def test_a_type_says_when_it_is_told_and_shows_what_it_tells(type_: EventType) -> None:
    kind = CATALOGUE[type_]
    assert kind.description.endswith(".")
    assert list(kind.example) == list(kind.data)
    assert json.loads(json.dumps(kind.example)) == kind.example


@pytest.mark.parametrize("type_", EventType)
def test_a_type_is_a_thing_and_what_happened_to_it(type_: EventType) -> None:
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", type_)
