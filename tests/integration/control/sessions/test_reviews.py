"""What operators see of suspects and dead letters through the API, and what they decide."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from shared.domain.sessions import TransactionEnded, TransactionEventReported, TransactionEventType
from shared.store import facts
from shared.store.pool import Database
from tests.integration.control.charges import START, begin, end, meter
from tests.integration.control.players import SEEN, assert_problem, decide


@pytest.fixture
def worker(database_url: str, redis_url: str) -> WorkerSettings:
    return WorkerSettings(database_url=database_url, redis_url=redis_url)


async def only_session(client: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    (session,) = (await client.get("/v1/sessions", params=params)).json()["items"]
    return session  # type: ignore[no-any-return]


async def suspect(client: httpx.AsyncClient, db: Database, worker: WorkerSettings) -> str:
    """Make a session whose register fell; return its id."""
    await end(db, await begin(db), "900")
    await settle_due(db, worker)
    return str((await only_session(client))["session_id"])


async def stray(db: Database, **changes: Any) -> None:
    words = {
        "station_id": "CS-1",
        "transaction_id": "-1",
        "ended_at": START + timedelta(hours=1),
        "meter_stop_wh": Decimal(2500),
        "stopped_reason": "Local",
        **changes,
    }
    await facts.write(db, [TransactionEnded(**words)])


async def test_a_suspect_is_listed_until_somebody_decides(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    session_id = await suspect(client, db, worker)
    await begin(db, "CS-2")
    found = await only_session(client, needs_review=True)
    assert found["session_id"] == session_id
    assert found["review_reasons"] == ["energy_unknown", "meter_stop_below_start"]
    assert (found["energy_wh"], found["billable"]) == (None, False)
    assert (found["meter_start_wh"], found["meter_stop_wh"]) == (1000, 900)
    body = {"decision": "correct", "energy_wh": 1234.5, "note": "read at the site"}
    reviewed = (await decide(client, found, **body)).json()
    assert (reviewed["energy_wh"], reviewed["energy_method"]) == (1234.5, "operator")
    assert (reviewed["needs_review"], reviewed["billable"]) == (False, True)
    assert (reviewed["review_decision"], reviewed["reviewed_by"]) == ("correct", "api")
    await settle_due(db, worker)
    assert (await client.get("/v1/sessions", params={"needs_review": True})).json()["items"] == []
    after = (await client.get(f"/v1/sessions/{session_id}")).json()
    assert (after["energy_wh"], after["billable"]) == (1234.5, True)
    history = (await client.get(f"/v1/sessions/{session_id}/history")).json()["items"]
    assert [entry["kind"] for entry in history] == ["needs_review", "reviewed"]
    assert history[1]["detail"]["note"] == "read at the site"


async def test_what_was_voided_is_never_billed(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    transaction_id = await begin(db)
    await end(db, transaction_id, "2500")
    await settle_due(db, worker)
    session = await only_session(client)
    assert session["billable"] is True
    assert (await decide(client, session, decision="void")).json()["billable"] is False
    await end(db, transaction_id, "9000")
    await settle_due(db, worker)
    session = await only_session(client)
    assert (session["billable"], session["needs_review"]) == (False, False)


async def test_what_comes_after_a_decision_questions_it(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    transaction_id = await begin(db)
    await meter(db, transaction_id, (60, "1250"))
    await settle_due(db, worker.model_copy(update={"session_quiet_grace_s": 0.0}))
    session = await only_session(client, needs_review=True)
    assert (session["end_rule"], session["energy_wh"]) == ("session_quiet", 250)
    assert (await decide(client, session, decision="accept")).json()["billable"] is True
    await settle_due(db, worker)
    assert (await only_session(client))["billable"] is True
    await end(db, transaction_id, "2500")
    await settle_due(db, worker)
    session = await only_session(client)
    assert session["review_reasons"] == ["changed_after_review"]
    assert (session["energy_wh"], session["billable"]) == (1500, False)


async def test_no_energy_is_not_right_as_it_is(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    session_id = await suspect(client, db, worker)
    session = await only_session(client)
    assert session["energy_wh"] is None
    detail = assert_problem(await decide(client, session, decision="accept"), 409, "conflict")[
        "detail"
    ]
    assert detail == (
        f"nothing tells the energy of session {session_id}, so it cannot be accepted: decide "
        "`correct` with `energy_wh`, or `void`"
    )
    assert await only_session(client, needs_review=True) == session
    assert (await decide(client, session, decision="void")).status_code == 200


async def test_an_operator_ends_a_session_that_would_not_end(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    transaction_id = await begin(db)
    await meter(db, transaction_id, (60, "1250"))
    session = await only_session(client, active=True)
    assert_problem(await decide(client, session, decision="accept"), 409, "conflict")
    early = {"decision": "correct", "ended_at": "2025-06-01T08:00:00Z"}
    assert_problem(await decide(client, session, **early), 409, "conflict")
    await meter(db, transaction_id, (70, "1270"))  # it goes on, as was seen
    body = {"decision": "correct", "ended_at": "2025-06-01T09:30:00Z"}
    assert (await decide(client, session, **body)).status_code == 200
    await settle_due(db, worker)
    session = await only_session(client, active=False)
    assert (session["ended_by"], session["ended_at"]) == ("operator", "2025-06-01T09:30:00Z")
    assert session["energy_wh"] == 270


@pytest.mark.parametrize(
    "body",
    [
        {"decision": "correct"},
        {"decision": "accept", "energy_wh": 1},
        {"decision": "void", "ended_at": "2025-06-01T09:30:00Z"},
        {"decision": "correct", "energy_wh": -1},
        {"decision": "perhaps"},
    ],
)
async def test_a_decision_that_means_nothing_is_refused(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings, body: dict[str, Any]
) -> None:
    await suspect(client, db, worker)
    answer = await decide(client, await only_session(client), **body)
    assert_problem(answer, 422, "invalid-input")


@pytest.mark.parametrize(
    "seen",
    [
        None,
        {},
        {"energy_wh": None},
        {"review_reasons": []},
        {"energy_wh": None, "review_reasons": ["no such reason"]},
        {"energy_wh": None, "review_reasons": [], "billable": True},
    ],
)
async def test_a_decision_upon_nothing_is_refused(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings, seen: Any
) -> None:
    session_id = await suspect(client, db, worker)
    body = {"decision": "accept"} | ({} if seen is None else {"seen": seen})
    answer = await client.post(f"/v1/sessions/{session_id}/review", json=body)
    assert_problem(answer, 422, "invalid-input")
    assert (await only_session(client))["needs_review"] is True


async def test_what_an_operator_never_saw_is_not_decided_upon(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    transaction_id = await begin(db)
    await meter(db, transaction_id, (60, "1250"))
    await settle_due(db, worker.model_copy(update={"session_quiet_grace_s": 0.0}))
    read = await only_session(client, needs_review=True)
    assert (read["energy_wh"], read["review_reasons"]) == (250, ["end_missing"])
    await end(db, transaction_id, "900")
    assert_problem(await decide(client, read, decision="accept"), 409, "conflict")
    await settle_due(db, worker)
    now = await only_session(client)
    for decision in ({"decision": "accept"}, {"decision": "void"},
                     {"decision": "correct", "energy_wh": 7}):  # fmt: skip
        detail = assert_problem(await decide(client, read, **decision), 409, "conflict")["detail"]
        assert "`ended_at` was 2025-06-01T09:01:00Z and is 2025-06-01T10:00:00Z" in detail
        assert "`review_reasons` was [end_missing] and is [meter_stop_below_start]" in detail
    assert await only_session(client) == now
    assert now["needs_review"] is True
    assert (await decide(client, now, decision="accept")).status_code == 200


@pytest.mark.parametrize(
    ("member", "other"),
    [
        ("energy_wh", 1499.9),
        ("energy_wh", None),
        ("ended_at", "2025-06-01T10:00:01Z"),
        ("ended_at", None),
        ("review_reasons", ["ends_differ"]),
        ("review_decision", "void"),
    ],
)
async def test_each_thing_that_was_seen_must_be_so(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings, member: str, other: Any
) -> None:
    await end(db, await begin(db), "2500")
    await settle_due(db, worker)
    session = await only_session(client)
    answer = await decide(client, {**session, member: other}, decision="accept")
    detail = assert_problem(answer, 409, "conflict")["detail"]
    assert f"`{member}` was " in detail
    assert detail.count("` was ") == 1
    assert (await decide(client, session, decision="accept")).json()["billable"] is True


async def test_of_two_operators_the_second_has_to_see_what_the_first_decided(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    await suspect(client, db, worker)
    read = await only_session(client)
    assert (await decide(client, read, decision="void")).status_code == 200
    answer = await decide(client, read, decision="correct", energy_wh=1)
    detail = assert_problem(answer, 409, "conflict")["detail"]
    assert "`review_decision` was null and is void" in detail
    corrected = await decide(client, await only_session(client), decision="correct", energy_wh=0.1)
    assert corrected.status_code == 200
    again = await decide(client, corrected.json(), decision="accept")
    assert again.status_code == 200


@pytest.mark.parametrize("register", ["11000", "1000.3333333333333333333333", "1e300", "1e400"])
async def test_an_energy_is_compared_as_it_was_answered(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings, register: str
) -> None:
    await end(db, await begin(db), register)
    await settle_due(db, worker)
    answer = await decide(client, await only_session(client), decision="accept")
    assert answer.status_code == 200, answer.text


async def test_a_session_shows_what_it_was_made_of(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    transaction_id = await begin(db)
    await end(db, transaction_id, "2500")
    await end(db, transaction_id, "2600")
    await settle_due(db, worker)
    session = await only_session(client)
    detail = (await client.get(f"/v1/sessions/{session['session_id']}")).json()
    told = [(each["meter_stop_wh"], each["stands"], each["source"]) for each in detail["ends"]]
    assert told == [(2500, True, "station"), (2600, False, "station")]
    assert [each["method"] for each in detail["energy_estimates"]] == ["registers"]
    assert detail["event_gaps"] == []


async def test_events_that_have_not_come_are_told(client: httpx.AsyncClient, db: Database) -> None:
    events = [
        TransactionEventReported(
            station_id="CS-1",
            transaction_id="tx",
            ocpp_version="2.0.1",
            event_type=TransactionEventType.UPDATED,
            seq_no=seq_no,
            occurred_at=START,
            trigger_reason="Trigger",
        )
        for seq_no in (1, 4)
    ]
    await facts.write(db, events)
    session = await only_session(client)
    detail = (await client.get(f"/v1/sessions/{session['session_id']}")).json()
    assert detail["event_gaps"] == [{"first_seq_no": 2, "last_seq_no": 3}]


async def test_a_dead_letter_is_given_to_a_session_or_dismissed(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    await begin(db)
    await stray(db)
    await stray(db, ended_at=START + timedelta(hours=2))
    await stray(db, station_id="CS-2")
    await settle_due(db, worker)
    session = await only_session(client, active=True)
    params = {"station_id": "CS-1", "status": "open"}
    later, first = (await client.get("/v1/dead-letters", params=params)).json()["items"]
    assert first["transaction_end"]["meter_stop_wh"] == 2500
    assert first["reason"] == "the station has no transaction with this id"

    body = {"session_id": session["session_id"], "note": "the driver called"}
    url = f"/v1/dead-letters/{first['dead_letter_id']}"
    assigned = (await client.post(f"{url}/assign", json=body)).json()
    assert (assigned["status"], assigned["session_id"]) == ("assigned", session["session_id"])
    assert (await client.get(url)).json() == {**assigned, "frame": None}
    assert_problem(await client.post(f"{url}/dismiss", json={}), 409, "conflict")
    await settle_due(db, worker)
    session = await only_session(client, active=False)
    assert (session["ended_by"], session["energy_wh"], session["billable"]) == (
        "operator", 1500, True
    )  # fmt: skip

    url = f"/v1/dead-letters/{later['dead_letter_id']}"
    dismissed = (await client.post(f"{url}/dismiss", json={"note": "a test"})).json()
    assert (dismissed["status"], dismissed["note"]) == ("dismissed", "a test")
    assert (await client.get("/v1/dead-letters", params=params)).json()["items"] == []
    page = (await client.get("/v1/dead-letters", params={"limit": 2})).json()
    rest = await client.get("/v1/dead-letters", params={"cursor": page["next_cursor"]})
    assert len(rest.json()["items"]) == 1


async def test_a_dead_letter_is_not_given_to_another_stations_session(
    client: httpx.AsyncClient, db: Database, worker: WorkerSettings
) -> None:
    await begin(db)
    await stray(db, station_id="CS-2")
    await settle_due(db, worker)
    session = await only_session(client)
    (letter,) = (await client.get("/v1/dead-letters")).json()["items"]
    url = f"/v1/dead-letters/{letter['dead_letter_id']}/assign"
    refused = await client.post(url, json={"session_id": session["session_id"]})
    assert_problem(refused, 409, "conflict")
    nobody = await client.post(url, json={"session_id": str(uuid4())})
    assert_problem(nobody, 404, "not-found")
    for path in ("", "/assign", "/dismiss"):
        url = f"/v1/dead-letters/{uuid4()}{path}"
        body = {"session_id": str(uuid4())} if path == "/assign" else {}
        call = client.post(url, json=body) if path else client.get(url)
        assert_problem(await call, 404, "not-found")


async def test_a_review_of_no_session_is_a_404(client: httpx.AsyncClient) -> None:
    nobody = {"session_id": uuid4(), **dict.fromkeys(SEEN), "review_reasons": []}
    assert_problem(await decide(client, nobody, decision="void"), 404, "not-found")
    assert_problem(await client.get(f"/v1/sessions/{uuid4()}/history"), 404, "not-found")
