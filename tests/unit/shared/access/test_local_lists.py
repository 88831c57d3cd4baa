"""Local lists: whatever a station holds, the updates that are planned bring it in step."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.access.local_list_limits import LocalListLimits
from shared.domain.access.local_lists import (
    LocalListEntry,
    LocalListState,
    LocalListUpdate,
    LocalListUpdated,
    LocalListUpdateStatus,
    plan_full,
    plan_update,
    retry_delay_s,
    state_after_report,
    state_after_update,
    to_entry,
)
from shared.domain.access.tokens import AuthorizationStatus, IdToken, IdTokenType
from shared.domain.commands import LocalListUpdateType

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Station:
    """Does with updates what D01.FR.04 to D01.FR.19 say."""

    def __init__(self, entries: dict[str, LocalListEntry], version: int, limit: int) -> None:
        self.entries = dict(entries)
        self.version = version
        self.limit = limit
        self.longest = len(entries)

    def take(self, update: LocalListUpdate, max_entries_per_message: int) -> LocalListUpdateStatus:
        assert update.version > 0
        assert len(update.entries) <= max_entries_per_message
        if update.update_type is LocalListUpdateType.FULL:
            assert all(entry.status is not None for entry in update.entries)
            self.entries = {}
        elif update.version <= self.version:
            return LocalListUpdateStatus.VERSION_MISMATCH
        for entry in update.entries:
            if entry.status is None:
                self.entries.pop(entry.key, None)
            else:
                self.entries[entry.key] = entry
        self.version = update.version
        self.longest = max(self.longest, len(self.entries))
        return LocalListUpdateStatus.ACCEPTED


entries = st.builds(
    LocalListEntry,
    id_token=st.sampled_from([f"TAG-{n}" for n in range(12)]),
    status=st.sampled_from([AuthorizationStatus.ACCEPTED, AuthorizationStatus.BLOCKED]),
    group_id_token=st.sampled_from([None, "FLEET-7"]),
)
lists = st.lists(entries, unique_by=lambda entry: entry.key, max_size=12)


@given(held=lists, wanted=lists, per_message=st.integers(1, 5))
def test_updates_end_with_the_list_that_is_wanted(
    held: list[LocalListEntry], wanted: list[LocalListEntry], per_message: int
) -> None:
    limits = LocalListLimits(max_entries=12, max_entries_per_message=per_message)
    station = Station({entry.key: entry for entry in held}, 7, 12)
    known = dict(station.entries)
    for sent in range(50):
        update = plan_update(known, wanted, limits, version=8 + sent)
        if update is None:
            break
        assert station.take(update, per_message) is LocalListUpdateStatus.ACCEPTED
        known = dict(station.entries)
    assert list(station.entries.values()) == wanted or set(station.entries.values()) == set(wanted)
    assert sent <= (len(held) + len(wanted)) // per_message + 2
    assert station.longest <= max(len(held), len(wanted))  # never longer on the way


@given(wanted=lists, per_message=st.integers(1, 5), before=lists)
def test_a_full_update_and_what_follows_it_need_no_knowledge(
    wanted: list[LocalListEntry], per_message: int, before: list[LocalListEntry]
) -> None:
    limits = LocalListLimits(max_entries=12, max_entries_per_message=per_message)
    station = Station({entry.key: entry for entry in before}, 99, 12)
    full = plan_full(wanted, limits, version=1)
    assert station.take(full, per_message) is LocalListUpdateStatus.ACCEPTED
    version = 1
    while update := plan_update(station.entries, wanted, limits, version=(version := version + 1)):
        assert update.update_type is LocalListUpdateType.DIFFERENTIAL
        assert station.take(update, per_message) is LocalListUpdateStatus.ACCEPTED
    assert set(station.entries.values()) == set(wanted)
    assert version <= len(wanted) // per_message + 3


def test_a_list_in_step_needs_no_update() -> None:
    entry = LocalListEntry(id_token="TAG", status=AuthorizationStatus.ACCEPTED)
    limits = LocalListLimits(max_entries=1, max_entries_per_message=1)
    assert plan_update({"tag": entry}, [entry], limits, version=2) is None


def token(**changes: Any) -> IdToken:
    return IdToken(
        **{
            "id_token": "TAG",
            "type": IdTokenType.EMAID,
            "status": AuthorizationStatus.ACCEPTED,
            "expires_at": NOW,
            "group_id_token": "FLEET-7",
            "created_at": NOW,
            "updated_at": NOW,
            **changes,
        }
    )


def test_an_entry_says_what_fits_on_the_wire() -> None:
    entry = to_entry(token(), group_status=None, ocpp_version="2.0.1")
    assert entry is not None
    assert entry.type is IdTokenType.EMAID
    assert entry.expires_at == NOW.replace(microsecond=678000)
    older = to_entry(token(group_id_token="G" * 21), group_status=None, ocpp_version="1.6")
    assert older is not None
    assert (older.type, older.group_id_token) == (None, None)
    too_long = token(id_token="T" * 21)
    assert to_entry(too_long, group_status=None, ocpp_version="1.6") is None
    assert to_entry(too_long, group_status=None, ocpp_version="2.0.1") is not None
    nobody = token(type=IdTokenType.NO_AUTHORIZATION)
    assert to_entry(nobody, group_status=None, ocpp_version="2.0.1") is None


def test_a_token_of_a_blocked_group_is_blocked() -> None:
    blocked = AuthorizationStatus.BLOCKED
    entry = to_entry(token(), group_status=blocked, ocpp_version="1.6")
    assert entry is not None
    assert entry.status is blocked


@pytest.mark.parametrize(
    ("own", "group", "status"),
    [
        ("Accepted", None, "Accepted"),
        ("Accepted", "Accepted", "Accepted"),
        ("Accepted", "Blocked", "Blocked"),
        ("Invalid", "Blocked", "Invalid"),
        ("Blocked", "Accepted", "Blocked"),
    ],
)
def test_a_group_refuses_its_tokens_and_accepts_none_that_is_refused(
    own: str, group: str | None, status: str
) -> None:
    entry = to_entry(
        token(status=AuthorizationStatus(own)),
        group_status=None if group is None else AuthorizationStatus(group),
        ocpp_version="2.0.1",
    )
    assert entry is not None
    assert entry.status == status


def test_a_list_of_1_6_takes_twenty_characters_of_a_token_and_of_its_group() -> None:
    longest = token(id_token="T" * 20, group_id_token="G" * 20)
    entry = to_entry(longest, group_status=None, ocpp_version="1.6")
    assert entry is not None
    assert (entry.id_token, entry.group_id_token) == ("T" * 20, "G" * 20)
    alone = to_entry(token(group_id_token=None), group_status=None, ocpp_version="1.6")
    assert alone is not None
    assert alone.group_id_token is None
    assert to_entry(token(id_token="T" * 21), group_status=None, ocpp_version="1.6") is None


@pytest.mark.parametrize(
    ("told", "kept"), [(0, 0), (999, 0), (1000, 1000), (1999, 1000), (999_999, 999_000)]
)
def test_an_entry_is_kept_as_it_comes_back_from_the_wire(told: int, kept: int) -> None:
    late = token(expires_at=NOW.replace(microsecond=told))
    entry = to_entry(late, group_status=None, ocpp_version="2.0.1")
    assert entry is not None
    assert entry.expires_at == NOW.replace(microsecond=kept)


@given(entries)
def test_an_entry_survives_a_commands_parameters(entry: LocalListEntry) -> None:
    assert LocalListEntry.from_params(entry.to_params()) == entry
    timed = LocalListEntry(id_token="T", type=IdTokenType.EMAID, expires_at=NOW)
    assert LocalListEntry.from_params(timed.to_params()) == timed


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Accepted", LocalListState.UPDATING),
        ("Failed", LocalListState.OUTDATED),
        ("VersionMismatch", LocalListState.UNVERIFIED),
        ("NotSupported", LocalListState.NOT_SUPPORTED),
    ],
)
def test_what_an_answer_to_an_update_means(status: str, state: LocalListState) -> None:
    fact = LocalListUpdated(
        station_id="CP-1",
        version=2,
        update_type=LocalListUpdateType.DIFFERENTIAL,
        status=LocalListUpdateStatus(status),
        entries=(),
    )
    assert state_after_update(fact) is state


@pytest.mark.parametrize(
    ("before", "accepted", "reported", "after"),
    [
        ("unverified", None, -1, "not_supported"),
        ("unverified", None, 0, "updating"),
        ("unverified", 7, 7, "updating"),
        ("in_step", 7, 7, "in_step"),
        ("in_step", 7, 6, "outdated"),
        ("unverified", None, 3, "outdated"),
        ("in_step", 7, 0, "updating"),
        ("in_step", 0, 0, "in_step"),
        ("outdated", 7, 0, "updating"),
        ("not_supported", 7, 7, "updating"),
    ],
)
def test_what_a_version_means(before: str, accepted: int | None, reported: int, after: str) -> None:
    state = state_after_report(
        LocalListState(before), accepted_version=accepted, reported_version=reported
    )
    assert state == after


def test_failures_are_retried_ever_more_slowly() -> None:
    delays = [retry_delay_s(failures) for failures in range(60)]
    assert delays[:5] == [0, 0, 60, 120, 240]
    assert delays == sorted(delays)
    assert delays[-1] == 6 * 3600
