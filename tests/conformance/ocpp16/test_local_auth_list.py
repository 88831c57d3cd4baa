"""The Local Auth List Management profile of OCPP 1.6, and what it keeps."""

import pytest

from shared.store.pool import Database
from tests.conformance.ocpp16.coverage import covers, to_station
from tests.support.transcript import Play


async def kept(db: Database) -> dict[str, tuple[str, str | None]]:
    """Return what the station is known to hold: status and group by token."""
    rows = await db.fetch(
        "SELECT id_token, status, group_id_token FROM local_list_entries ORDER BY id_token"
    )
    return {row["id_token"]: (row["status"], row["group_id_token"]) for row in rows}


@covers(to_station("SendLocalList"))
async def test_a_full_list_replaces_and_a_differential_one_changes(
    play: Play, db: Database
) -> None:
    await play("""
        ! SendLocalList {"version": 7, "update_type": "Full", "entries": [
            {"id_token": "A", "status": "Accepted", "group_id_token": "FLEET-7",
             "expires_at": "2030-01-01T02:00:00+02:00"},
            {"id_token": "B", "status": "Blocked"}]}
        < SendLocalList {"listVersion": 7, "updateType": "Full", "localAuthorizationList": [
            {"idTag": "A", "idTagInfo": {"status": "Accepted", "parentIdTag": "FLEET-7",
                                         "expiryDate": "2030-01-01T00:00:00.000Z"}},
            {"idTag": "B", "idTagInfo": {"status": "Blocked"}}]}
        > {"status": "Accepted"}
        = accepted {"status": "Accepted"}
    """)
    assert await kept(db) == {"A": ("Accepted", "FLEET-7"), "B": ("Blocked", None)}
    await play("""
        ! SendLocalList {"version": 8, "update_type": "Differential", "entries": [
            {"id_token": "C", "status": "NotAtThisLocation"}, {"id_token": "A"}]}
        < SendLocalList {"listVersion": 8, "updateType": "Differential", "localAuthorizationList": [
            {"idTag": "C", "idTagInfo": {"status": "Blocked"}}, {"idTag": "A"}]}
        > {"status": "Accepted"}
        = accepted {"status": "Accepted"}
        ! SendLocalList {"version": 9, "update_type": "Differential"}
        < SendLocalList {"listVersion": 9, "updateType": "Differential",
            "localAuthorizationList": []}
        > {"status": "Accepted"}
        = accepted {"status": "Accepted"}
    """)
    assert await kept(db) == {"B": ("Blocked", None), "C": ("Blocked", None)}
    assert await db.fetchval("SELECT accepted_version FROM local_lists") == 9


@covers(to_station("SendLocalList"))
@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Failed", "outdated"),
        ("NotSupported", "not_supported"),
        ("VersionMismatch", "unverified"),
    ],
)
async def test_a_list_that_the_station_refuses_changes_nothing(
    play: Play, db: Database, status: str, state: str
) -> None:
    await play(f"""
        ! SendLocalList {{"version": 1, "update_type": "Full"}}
        < SendLocalList {{"listVersion": 1, "updateType": "Full", "localAuthorizationList": []}}
        > {{"status": "{status}"}}
        = rejected {{"status": "{status}"}}
    """)
    assert await kept(db) == {}
    row = await db.fetchrow("SELECT state, accepted_version, last_error FROM local_lists")
    assert (row["state"], row["accepted_version"]) == (state, None)
    assert status in row["last_error"]


@covers(to_station("SendLocalList"))
async def test_a_station_that_does_not_know_the_message_is_an_error(play: Play) -> None:
    await play("""
        ! SendLocalList {"version": 1, "update_type": "Full"}
        < SendLocalList {"listVersion": 1, "updateType": "Full", "localAuthorizationList": []}
        > CALLERROR ["NotImplemented", "no such thing", {}]
        = failed {"error_code": "NotImplemented", "error_description": "no such thing"}
    """)


@covers(to_station("GetLocalListVersion"))
@pytest.mark.parametrize(
    ("version", "state"), [(0, "updating"), (12, "outdated"), (-1, "not_supported")]
)
async def test_a_version_is_told_and_kept(
    play: Play, db: Database, version: int, state: str
) -> None:
    await play(f"""
        ! GetLocalListVersion
        < GetLocalListVersion {{}}
        > {{"listVersion": {version}}}
        = answered {{"response": {{"listVersion": {version}}}}}
    """)
    row = await db.fetchrow("SELECT state, reported_version FROM local_lists")
    assert tuple(row) == (state, version)


def update(version: int, kind: str, *tokens: str) -> str:
    entries = ", ".join(f'{{"id_token": "{token}", "status": "Accepted"}}' for token in tokens)
    return (
        f'! SendLocalList {{"version": {version}, "update_type": "{kind}", "entries": [{entries}]}}'
    )


TAKEN = """
    < SendLocalList "$"
    > {"status": "Accepted"}
    = accepted
"""


@covers(to_station("SendLocalList"))
async def test_an_update_that_the_station_cannot_take_is_not_sent(play: Play, db: Database) -> None:
    # §9.2.2, §9.2.3: what it has told binds whoever asks.
    await play("""
        ! GetConfiguration
        < GetConfiguration {}
        > {"configurationKey": [
            {"key": "LocalAuthListMaxLength", "readonly": true, "value": "3"},
            {"key": "SendLocalListMaxLength", "readonly": true, "value": "2"}]}
        = answered
    """)
    too_many_at_once = (
        "the station takes at most 2 entries in one message (SendLocalListMaxLength), and these "
        "are 3: send the rest in differential updates"
    )
    too_many = (
        "the station's list has room for 3 entries (LocalAuthListMaxLength), and with this update "
        "it would have 4: remove some first"
    )
    refused = '= failed {"error_code": "CannotBeSaid", "error_description": '
    await play(f"""
        {update(1, "Full", "L1", "L2", "L3")}
        {refused}"{too_many_at_once}"}}
        {update(1, "Full", "L1", "L2")}
        {TAKEN}
        {update(2, "Differential", "L3")}
        {TAKEN}
        {update(3, "Differential", "L4")}
        {refused}"{too_many}"}}
        {update(3, "Differential", "l1", "L3")}
        {TAKEN}
        ! SendLocalList {{"version": 4, "update_type": "Differential", "entries": [
            {{"id_token": "L1"}}, {{"id_token": "L4", "status": "Accepted"}}]}}
        {TAKEN}
        {update(5, "Full", "L5", "L6")}
        {TAKEN}
    """)
    assert (await kept(db)).keys() == {"L5", "L6"}


@covers(to_station("SendLocalList"))
async def test_what_a_station_has_not_told_binds_nobody(play: Play) -> None:
    await play(f"""
        ! GetConfiguration
        < GetConfiguration {{}}
        > {{"configurationKey": [
            {{"key": "SendLocalListMaxLength", "readonly": true, "value": "0"}},
            {{"key": "LocalAuthListMaxLength", "readonly": true}}]}}
        = answered
        {update(1, "Full", "L1", "L2", "L3")}
        {TAKEN}
    """)
