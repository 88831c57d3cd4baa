"""Why a driver was refused: decisions searched, and explained as of now."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shared.domain.access.decisions import DecisionFilter
from shared.store.access import decisions
from shared.store.access.decisions import WRITTEN_COLUMNS
from shared.store.pool import Database
from tests.integration.control.players import assert_problem, register
from tests.support.plans import Asked

NOW = datetime.now(UTC).replace(microsecond=0)
LIST = "/v1/authorizations"
EXPLAIN = "/v1/authorizations/explain"
_DECISION: dict[str, Any] = {
    "decided_at": NOW,
    "station_id": "CS-1",
    "evse_id": None,
    "connector_id": None,
    "id_token": "TAG",
    "id_token_type": None,
    "purpose": "authorize",
    "status": "Accepted",
    "reason": "allowed",
    "explanation": "no rule has anything against the token",
    "source": "memory",
    "latency_us": 42,
    "transaction_id": None,
    "pod_id": "pod-1",
}


async def write(db: Database, *told: dict[str, Any]) -> None:
    rows = [{**_DECISION, **each} for each in told]
    await decisions.write(
        db, [tuple(row[column] for column in WRITTEN_COLUMNS) for row in rows], timeout_s=5
    )


@pytest.fixture
async def told(db: Database) -> None:
    refused = {"status": "Invalid", "reason": "token_unknown", "source": "database"}
    blocked = {"status": "Blocked", "reason": "token_blocked"}
    await write(
        db,
        {"pod_id": "old", "decided_at": NOW - timedelta(days=2)},
        {"pod_id": "a", "decided_at": NOW - timedelta(minutes=5)},
        {"pod_id": "b", "decided_at": NOW - timedelta(minutes=4), "station_id": "CS-2", **refused},
        {"pod_id": "c", "decided_at": NOW - timedelta(minutes=3), "id_token": "Other", **blocked},
        {"pod_id": "d", "decided_at": NOW - timedelta(minutes=3), "transaction_id": "7"},
    )


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "dcba"),
        ({"status": "refused"}, "cb"),
        ({"status": "Blocked"}, "c"),
        ({"status": "Accepted"}, "da"),
        ({"reason": "token_unknown"}, "b"),
        ({"station_id": "CS-2"}, "b"),
        ({"id_token": "OTHER"}, "c"),
        ({"id_token": "tag", "station_id": "CS-1"}, "da"),
        ({"source": "database"}, "b"),
        ({"transaction_id": "7"}, "d"),
        ({"since": (NOW - timedelta(minutes=3)).isoformat()}, "dc"),
        ({"until": (NOW - timedelta(minutes=4)).isoformat()}, "a"),
        ({"since": (NOW - timedelta(days=3)).isoformat(), "station_id": "CS-1"}, "dca old"),
        ({"since": "0001-01-02T00:00:00Z", "until": "0001-01-02T01:00:00Z"}, ""),
        ({"until": "0001-01-01T12:00:00Z"}, ""),
    ],
)
async def test_decisions_are_found_by_what_is_known_of_them(
    client: httpx.AsyncClient, query: dict[str, str], expected: str
) -> None:
    answer = await client.get(LIST, params=query)
    assert answer.status_code == 200, answer.text
    names = [each["pod_id"] for each in answer.json()["items"]]
    assert "".join(f" {name}" if len(name) > 1 else name for name in names) == expected


@pytest.mark.usefixtures("told")
async def test_pages_follow_one_another_at_equal_times(client: httpx.AsyncClient) -> None:
    found, cursor = [], {}
    while cursor is not None:
        page = (await client.get(LIST, params={"limit": "1", **cursor})).json()
        found += [each["pod_id"] for each in page["items"]]
        cursor = page["next_cursor"] and {"cursor": page["next_cursor"]}
    assert found == ["d", "c", "b", "a"]
    assert_problem(await client.get(LIST, params={"cursor": "AAAA"}), 422, "invalid-input")
    assert_problem(await client.get(LIST, params={"status": "no"}), 422, "invalid-input")


async def test_a_decision_leads_to_its_session(client: httpx.AsyncClient, db: Database) -> None:
    await register(db, "CS-1")
    session_id = await db.fetchval(
        """
        INSERT INTO sessions (station_id, transaction_id, transaction_id_issuer, ocpp_version)
        VALUES ('CS-1', '7', 'csms', '1.6') RETURNING session_id::text
        """
    )
    await write(db, {"transaction_id": "7"}, {"transaction_id": "8"})
    items = (await client.get(LIST)).json()["items"]
    assert {each["transaction_id"]: each["session_id"] for each in items} == {
        "7": session_id,
        "8": None,
    }


async def explained(client: httpx.AsyncClient, id_token: str, **query: str) -> Any:
    answer = await client.get(EXPLAIN, params={"id_token": id_token, "station_id": "CS-1", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_each_rule_says_what_it_has_against_a_token(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    await client.post(
        "/v1/locations", json={"location_id": "depot", "allowed_group_id_tokens": ["STAFF"]}
    )
    await client.patch("/v1/stations/CS-1", json={"location_id": "depot"})
    await client.post(
        "/v1/id-token-groups", json={"group_id_token": "FLEET-7", "status": "Blocked"}
    )
    token = {"id_token": "TAG", "type": "ISO14443", "group_id_token": "FLEET-7"}
    await client.post("/v1/id-tokens", json=token)
    answer = await explained(client, "tag")
    assert (answer["status"], answer["reason"]) == ("Blocked", "group_blocked")
    assert answer["explanation"].startswith("its group FLEET-7 is blocked")
    rules = {each["rule"]: (each["outcome"], each["explanation"]) for each in answer["rules"]}
    assert list(rules) == [
        "registered", "status", "group", "expiry", "location", "concurrent_sessions",
    ]  # fmt: skip
    assert rules["registered"] == ("passed", "the token is registered as ISO14443")
    assert rules["group"][0] == "refused"
    # What would be in the way next is told as well.
    assert rules["location"] == ("refused", "location depot allows only the groups STAFF")
    assert rules["expiry"] == ("passed", "the token does not expire")
    other = await explained(client, "tag", type="KeyCode")
    assert (other["status"], other["reason"]) == ("Invalid", "token_of_other_type")


async def test_a_token_that_nobody_registered_has_nothing_to_look_at(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    answer = await explained(client, "NOBODY")
    assert answer["explanation"] == "no such token is registered"
    assert {each["outcome"] for each in answer["rules"][1:]} == {"nothing_to_look_at"}
    assert answer["last_decision"] is None
    missing = await client.get(EXPLAIN, params={"id_token": "T", "station_id": "CS-9"})
    assert_problem(missing, 404, "not-found")


async def test_what_was_told_last_stands_beside_it_and_who_decided(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    await client.post("/v1/id-tokens", json={"id_token": "TAG", "type": "ISO14443"})
    await write(db, {"status": "Invalid", "reason": "token_unknown"})
    answer = await explained(client, "TAG")
    assert (answer["status"], answer["decided_by"]) == ("Accepted", "rules")
    assert answer["last_decision"]["status"] == "Invalid"
    api = {"reason": "external_answer", "source": "external_api", "id_token": "ANOTHER"}
    await write(db, {**api, "decided_at": NOW + timedelta(seconds=1)})
    assert (await explained(client, "TAG"))["decided_by"] == "external_api"


async def test_at_a_free_location_no_rule_is_asked(client: httpx.AsyncClient, db: Database) -> None:
    await register(db, "CS-1")
    await client.post("/v1/locations", json={"location_id": "lake", "authorization": "free"})
    await client.patch("/v1/stations/CS-1", json={"location_id": "lake"})
    answer = await explained(client, "NOBODY")
    assert (answer["status"], answer["reason"]) == ("Accepted", "free_location")
    first, *others = answer["rules"]
    assert (first["rule"], first["outcome"]) == ("free_location", "passed")
    assert {each["outcome"] for each in others} == {"nothing_to_look_at"}


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"id_token": "TAG-7"},
        {"station_id": "CS-7"},
        {"status": "refused"},
        {"status": "Blocked"},
        {"id_token": "tag-7", "station_id": "CS-7"},
    ],
    ids=str,
)
async def test_no_search_reads_much_more_than_it_lists(db: Database, found: dict[str, str]) -> None:
    every_ten = {"status": "Blocked", "reason": "token_blocked"}
    await write(
        db,
        *(
            {
                "decided_at": NOW - timedelta(seconds=20 * n),
                "id_token": f"TAG-{n % 100}",
                "station_id": f"CS-{n % 100}",
                **(every_ten if n % 10 == 0 else {}),
            }
            for n in range(5000)
        ),
    )
    await db.execute("ANALYZE authorizations")
    asked = Asked(db)
    since = NOW - timedelta(days=2)
    listed = await decisions.list_before(
        asked.db, DecisionFilter(since=since, **found), before=None, limit=20, timeout_s=5
    )
    assert len(listed) == 20
    # Each day gives its latest, of which the latest are listed.
    assert await asked.rows_read("authorizations") <= 3 * len(listed)
