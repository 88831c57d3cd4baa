"""How an event is told, and who asked for it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.domain.notices.events import EVERY_EVENT, Event, EventFilter, EventType, public_form

EVENT = Event(
    number=9_007_199_254_740_993,
    type=EventType.STATION_ONLINE,
    occurred_at=datetime(2026, 12, 1, 14, 0, 0, 5000, timezone(timedelta(hours=2))),
    recorded_at=datetime(2026, 12, 1, 12, 0, 1, tzinfo=UTC),
    organization_id="acme",
    location_id=None,
    station_id="CS-1",
    data={"ocpp_version": "ocpp1.6"},
)


def test_an_event_is_told_with_its_number_as_text_and_its_time_in_utc() -> None:
    assert public_form(EVENT) == {
        "id": "9007199254740993",
        "type": "station.online",
        "occurred_at": "2026-12-01T12:00:00.005000Z",
        "organization_id": "acme",
        "location_id": None,
        "station_id": "CS-1",
        "data": {"ocpp_version": "ocpp1.6"},
    }


@pytest.mark.parametrize(
    ("found", "is_asked_for"),
    [
        (EVERY_EVENT, True),
        (EventFilter(types=frozenset({"station.online", "station.offline"})), True),
        (EventFilter(types=frozenset({"station.offline"})), False),
        (EventFilter(types=frozenset()), False),
        (EventFilter(station_ids=frozenset({"CS-1"})), True),
        (EventFilter(station_ids=frozenset({"CS-2"})), False),
        (EventFilter(location_ids=frozenset({"L-1"})), False),
        (EventFilter(organization_ids=frozenset({"acme"})), True),
        (EventFilter(organization_ids=frozenset({"other"})), False),
        (EventFilter(station_ids=frozenset({"CS-1"}), organization_ids=frozenset()), False),
    ],
)
def test_all_that_is_asked_for_must_be_so(found: EventFilter, *, is_asked_for: bool) -> None:
    assert found.matches(EVENT) is is_asked_for


def test_a_type_that_this_version_does_not_know_is_an_event_all_the_same() -> None:
    event = replace(EVENT, type="station.repainted")
    assert EVERY_EVENT.matches(event)
    assert public_form(event)["type"] == "station.repainted"
