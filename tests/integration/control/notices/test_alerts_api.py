"""Rules and alerts by the API: made, changed, acknowledged, silenced."""

from typing import Any

import httpx
import pytest

from control.jobs.notices.alerts import AlertKeeper
from shared.domain.notices.alerts import DEFAULT_RULES, OF_INSTALLATION, AlertKind
from shared.store.pool import Database
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.notices.alert_plays import (
    NOW,
    PLAYS,
    Clock,
    make_stations,
    play,
    worker_settings,
)
from tests.integration.control.players import assert_problem, running

RULE: dict[str, Any] = {
    "name": "Depot",
    "condition": {"kind": "station_offline", "longer_than_s": 600},
    "location_ids": ["depot"],
    "severity": "critical",
    "emails": ["ops@example.com", "ops@example.com"],
    "quiet_hours": {"time_zone": "Europe/Berlin", "begin": "22:00", "end": "06:00"},
    "escalation": [{"after_s": 900, "emails": ["boss@example.com"]}],
}


async def make(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    response = await client.post("/v1/alert-rules", json=RULE | changes)
    assert response.status_code == 201, response.text
    rule: dict[str, Any] = response.json()
    assert response.headers["Location"] == f"/v1/alert-rules/{rule['rule_id']}"
    return rule


@pytest.fixture
def keeper(db: Database, database_url: str, redis_url: str) -> AlertKeeper:
    return AlertKeeper(db, worker_settings(database_url, redis_url), clock=Clock())


async def fire(client: httpx.AsyncClient, db: Database, keeper: AlertKeeper) -> dict[str, Any]:
    await make_stations(db)
    await make(client)
    await play(db, PLAYS[0].begins, NOW)
    assert await keeper.run() == 1
    (alert,) = (await client.get("/v1/alerts")).json()["items"]
    shown: dict[str, Any] = alert
    return shown


async def test_a_rule_is_shown_as_it_was_made(client: httpx.AsyncClient) -> None:
    rule = await make(client)
    assert rule["emails"] == ["ops@example.com"]
    assert rule["quiet_hours"]["days"][0] == "monday"
    for name in ("name", "condition", "location_ids", "severity", "escalation"):
        assert rule[name] == RULE[name]
    path = f"/v1/alert-rules/{rule['rule_id']}"
    assert (await client.get(path)).json() == rule
    assert (await client.get("/v1/alert-rules")).json()["items"] == [rule]

    changes = {"condition": {"kind": "flapping"}, "quiet_hours": None, "enabled": False}
    changed = (await client.patch(path, json=changes)).json()
    assert changed["condition"] == {"kind": "flapping", "more_than": 10, "within_s": 3600}
    assert (changed["quiet_hours"], changed["enabled"], changed["name"]) == (None, False, "Depot")
    (entry,) = (await client.get("/v1/audit-log", params={"action": "changed"})).json()["items"]
    assert (entry["resource"], entry["resource_id"]) == ("alert-rules", rule["rule_id"])

    assert (await client.delete(path)).status_code == 204
    assert_problem(await client.get(path), 404, "not-found")


async def test_what_a_rule_may_do_by_itself_is_part_of_its_condition(
    client: httpx.AsyncClient,
) -> None:
    healing = {"steps": ["open_ticket", "trigger_status"], "wait_s": 60}
    condition = {"kind": "connector_faulted", "self_healing": healing}
    rule = await make(client, condition=condition)
    assert rule["condition"]["self_healing"] == {
        "steps": ["trigger_status", "open_ticket"],
        "wait_s": 60,
        "max_resets_per_day": 2,
    }
    # Replaced as a whole, and off if it is not named.
    path = f"/v1/alert-rules/{rule['rule_id']}"
    changed = await client.patch(path, json={"condition": {"kind": "connector_faulted"}})
    assert changed.json()["condition"]["self_healing"] is None
    refused = {"kind": "station_offline", "self_healing": healing}
    assert_problem(
        await client.post("/v1/alert-rules", json=RULE | {"condition": refused}),
        422,
        "invalid-input",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"condition": {"kind": "station_on_fire"}},
        {"condition": {"kind": "stuck_session", "no_energy_for_s": 1}},
        {"quiet_hours": {"time_zone": "Mars/Olympus", "begin": "22:00", "end": "06:00"}},
        {"quiet_hours": {"time_zone": "../../etc/passwd", "begin": "22:00", "end": "06:00"}},
        {"quiet_hours": {"time_zone": "UTC", "begin": "24:00", "end": "06:00"}},
        {"emails": ["ops@example.com\r\nBcc: all@example.com"]},
        {"name": "two\nlines"},
        {"emails": [f"{n}@example.com" for n in range(21)]},
    ],
)
async def test_what_no_rule_can_say_is_refused(
    client: httpx.AsyncClient, changes: dict[str, Any]
) -> None:
    response = await client.post("/v1/alert-rules", json=RULE | changes)
    assert_problem(response, 422, "invalid-input")


async def test_rules_of_the_installation_are_of_who_runs_it(client: httpx.AsyncClient) -> None:
    body = {"organization_id": "operator", "name": "one"}
    assert (await client.post("/v1/organizations", json=body)).is_success
    for kind in OF_INSTALLATION:
        rule = RULE | {"condition": {"kind": kind}}
        assert (await client.post("/v1/alert-rules", json=rule)).status_code == 201
        refused = await client.post("/v1/alert-rules", json=rule | {"organization_id": "operator"})
        assert_problem(refused, 422, "invalid-input")
        assert "default organization" in refused.json()["detail"]


async def test_an_organization_has_a_bounded_number_of_rules(make_settings: MakeSettings) -> None:
    async with running(make_settings(alert_rules_max=1)) as api:
        await make(api.client)
        refused = await api.client.post("/v1/alert-rules", json=RULE)
        assert_problem(refused, 409, "conflict")
        assert refused.json()["code"] == "alert_rules_exhausted"


async def test_rules_that_most_want_are_made_when_somebody_asks_and_only_once(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/v1/alert-rules")).json()["items"] == []
    body = {"emails": ["ops@example.com"]}
    made = (await client.post("/v1/alert-rules/defaults", json=body)).json()["items"]
    assert [each["condition"]["kind"] for each in made] == [
        condition.kind for _, _, condition in DEFAULT_RULES
    ]
    assert {each["condition"]["kind"] for each in made} == set(AlertKind)
    again = await client.post("/v1/alert-rules/defaults", json=body)
    assert again.json() == {"items": []}
    one = {"organization_id": "operator", "name": "one"}
    assert (await client.post("/v1/organizations", json=one)).is_success
    of_one = await client.post("/v1/alert-rules/defaults", json={"organization_id": "operator"})
    kinds = {each["condition"]["kind"] for each in of_one.json()["items"]}
    assert kinds == set(AlertKind) - OF_INSTALLATION


async def test_an_alert_is_acknowledged_once_by_whoever_was_first(
    client: httpx.AsyncClient, db: Database, keeper: AlertKeeper
) -> None:
    alert = await fire(client, db, keeper)
    assert (alert["state"], alert["summary"]) == ("open", "CS-1 is offline")
    path = f"/v1/alerts/{alert['alert_id']}"
    first = await client.post(f"{path}/acknowledge", json={"note": "on my way"})
    assert first.json()["state"] == "acknowledged"
    second = await client.post(f"{path}/acknowledge", json={"note": "me too"})
    assert second.json() == first.json()
    assert first.json()["acknowledged_by"] == "api"
    types = [each["type"] for each in await db.fetch("SELECT type FROM event_outbox")]
    assert types.count("alert.acknowledged") == 1
    for state, count in {"open": 0, "acknowledged": 1, "resolved": 0}.items():
        shown = await client.get("/v1/alerts", params={"state": state, "total": True})
        assert shown.json()["total"]["count"] == count
    details = (await client.get(path)).json()
    assert (details["steps"], details["notifications"]) == ([], [])


async def test_an_alert_is_silenced_for_a_while(
    client: httpx.AsyncClient, db: Database, keeper: AlertKeeper
) -> None:
    alert = await fire(client, db, keeper)
    path = f"/v1/alerts/{alert['alert_id']}/silence"
    until = "2030-01-01T00:00:00Z"
    assert (await client.post(path, json={"until": until})).json()["silenced_until"] == until
    assert (await client.post(path, json={"until": None})).json()["silenced_until"] is None


async def test_what_is_over_is_neither_acknowledged_nor_silenced(
    client: httpx.AsyncClient, db: Database, keeper: AlertKeeper
) -> None:
    alert = await fire(client, db, keeper)
    await db.execute("UPDATE alerts SET resolved_at = now()")
    for verb, body in (("acknowledge", {}), ("silence", {"until": None})):
        refused = await client.post(f"/v1/alerts/{alert['alert_id']}/{verb}", json=body)
        assert_problem(refused, 409, "conflict")
        assert refused.json()["code"] == "alert_resolved"
