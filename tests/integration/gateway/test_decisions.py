"""Every decision about a token is kept, with its reason in words, and costs no message."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from control.jobs.retention import keep_authorizations
from shared.domain.access.decisions import Decision, DecisionFilter
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.store.access import decisions, id_token_groups, id_tokens, locations
from shared.store.pool import Database
from shared.store.stations import stations
from shared.telemetry import metrics
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.authorization_api import authorization_api
from tests.support.eventually import eventually
from tests.support.ocpp16 import authorize, start, stop
from tests.support.ocpp201 import booted_station, tell
from tests.support.stations import StationClient, register, station_client


@pytest.fixture
async def gateway(start_pod: StartPod) -> AsyncIterator[Pod]:
    async with start_pod(authorizations_interval_s=0.05) as running:
        yield running


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with station_client(gateway.url) as client:
        await client.boot()
        yield client


async def add_token(db: Database, id_token: str, **more: Any) -> None:
    await id_tokens.create(
        db,
        **{
            "id_token": id_token,
            "type": IdTokenType.ISO14443,
            "status": AuthorizationStatus.ACCEPTED,
            "expires_at": None,
            "group_id_token": None,
            **more,
        },
    )


async def kept(db: Database, count: int, **found: Any) -> Sequence[Decision]:
    """Return the decisions, oldest first, once there are so many."""
    found_now = await eventually(
        lambda: decisions.list_before(
            db, DecisionFilter(**found), before=None, limit=100, timeout_s=5
        ),
        lambda entries: len(entries) >= count,
        timeout_s=5,
    )
    assert len(found_now) == count
    return found_now[::-1]


async def test_each_refusal_is_explained_in_words(db: Database, station: StationClient) -> None:
    await id_token_groups.create(
        db,
        group_id_token="FLEET-7",
        name=None,
        status=AuthorizationStatus.BLOCKED,
        max_concurrent_sessions=None,
    )
    await locations.create(
        db,
        location_id="depot",
        name=None,
        allowed_id_tokens=["ONE"],
        allowed_group_id_tokens=["FLEET-7", "STAFF"],
    )
    await stations.update(db, "CP-1", {"location_id": "depot"})
    await add_token(db, "BLOCKED", status=AuthorizationStatus.BLOCKED)
    await add_token(db, "IN-FLEET", group_id_token="FLEET-7")
    await add_token(db, "EXPIRED", expires_at=datetime(2024, 5, 6, 7, 8, tzinfo=UTC))
    await add_token(db, "STRANGER")
    await add_token(db, "ONE")
    for id_tag in ("NOBODY", "BLOCKED", "IN-FLEET", "EXPIRED", "STRANGER", "ONE"):
        await authorize(station, id_tag)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    found = {each.id_token: each for each in await kept(db, 6)}
    explained = {token: (each.status, each.explanation) for token, each in found.items()}
    assert explained["NOBODY"] == ("Invalid", "no such token is registered")
    assert explained["EXPIRED"] == ("Expired", "the token expired on 2024-05-06 07:08 UTC")
    assert explained["STRANGER"] == (
        "NotAtThisLocation",
        "location depot allows only the tokens ONE and the groups FLEET-7, STAFF",
    )
    assert explained["ONE"] == ("Accepted", "no rule has anything against the token")
    for token, words in (("BLOCKED", "the token is"), ("IN-FLEET", "its group FLEET-7 is")):
        status, explanation = explained[token]
        assert status == "Blocked"
        assert explanation.startswith(f"{words} blocked, changed last on {today} ")
    assert {(each.station_id, each.purpose, each.id_token_type) for each in found.values()} == {
        ("CP-1", "authorize", None)
    }


async def test_it_is_told_where_an_answer_came_from_and_what_it_was_for(
    db: Database, station: StationClient
) -> None:
    await add_token(db, "TAG")
    await authorize(station, "TAG")
    await authorize(station, "tag")
    _, transaction_id = await start(station, "TAG", connector_id=2)
    await stop(station, transaction_id, "TAG")
    shown, again, begun, ended = await kept(db, 4)
    assert (shown.source, again.source) == ("database", "memory")
    assert (begun.purpose, begun.evse_id, begun.transaction_id) == ("start", 2, str(transaction_id))
    assert (ended.purpose, ended.transaction_id) == ("stop", str(transaction_id))
    assert begun.session_id is not None
    assert begun.session_id == ended.session_id
    assert 0 < shown.latency_us < 5_000_000
    assert await kept(db, 4, id_token="Tag") == [shown, again, begun, ended]


async def test_2_0_1_tells_the_type_the_connector_and_the_transaction(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    await add_token(db, "T", type=IdTokenType.KEY_CODE)
    event = {
        "eventType": "Started",
        "timestamp": "2026-01-02T12:00:00Z",
        "triggerReason": "Authorized",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "TX-1"},
        "evse": {"id": 3, "connectorId": 2},
        "idToken": {"idToken": "T", "type": "ISO14443"},
    }
    button = {"idToken": "", "type": "NoAuthorization"}
    ended = {**event, "eventType": "Ended", "seqNo": 1, "idToken": button}
    async with booted_station(gateway.url) as station:
        await tell(station, "TransactionEvent", event)
        await tell(station, "TransactionEvent", ended)
        first, second = await kept(db, 2)
    assert (first.status, first.reason) == ("Invalid", "token_of_other_type")
    assert first.explanation == "no such token is registered as ISO14443, only as KeyCode"
    assert (first.evse_id, first.connector_id, first.transaction_id) == (3, 2, "TX-1")
    assert first.session_id is not None
    assert (second.purpose, second.status, second.source) == ("stop", "Accepted", "rule")


async def test_an_api_that_does_not_answer_is_named(db: Database, start_pod: StartPod) -> None:
    await register(db)
    async with (
        authorization_api() as api,
        start_pod(
            authorization_url=api.url, authorization_timeout_s=0.2, authorizations_interval_s=0.05
        ) as pod,
        station_client(pod.url) as station,
    ):
        await station.boot()
        await authorize(station, "KNOWN")
        api.delay_s = 1.0
        await authorize(station, "KNOWN")
        await authorize(station, "STRANGER")
        answered, cached, refused = await kept(db, 3)
    assert (answered.source, answered.explanation) == (
        "external_api",
        "the external API answered Accepted",
    )
    assert (cached.status, cached.source) == ("Accepted", "memory")
    assert (refused.status, refused.source) == ("Invalid", "rule")
    assert refused.explanation == (
        "the external API did not answer in 0.2 s, and tokens that it has not decided about lately "
        "are refused then"
    )
    assert refused.latency_us > 150_000


async def test_what_cannot_be_written_costs_entries_and_no_answer(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    dropped = metrics.authorizations_dropped.labels("too many wait")._value.get()
    async with (
        start_pod(authorizations_interval_s=0.5, authorizations_max_waiting=2) as pod,
        station_client(pod.url) as station,
    ):
        await station.boot()
        for _ in range(5):
            assert (await authorize(station, "NOBODY"))["status"] == "Invalid"
    await kept(db, 2)
    assert metrics.authorizations_dropped.labels("too many wait")._value.get() == dropped + 3


async def test_one_station_fills_no_more_than_its_quota(db: Database, start_pod: StartPod) -> None:
    await register(db)
    async with (
        start_pod(station_authorizations_burst=2, authorizations_interval_s=60) as pod,
        station_client(pod.url) as station,
    ):
        await station.boot()
        for n in range(4):
            assert (await authorize(station, f"N{n}"))["status"] == "Invalid"
    assert [each.id_token for each in await kept(db, 2)] == ["N0", "N1"]


async def test_days_that_are_too_old_are_dropped(db: Database, station: StationClient) -> None:
    await authorize(station, "TODAY")
    (today,) = await kept(db, 1)
    rows = [
        tuple(getattr(today, column) for column in decisions.WRITTEN_COLUMNS[1:]) for _ in range(2)
    ]
    old = [today.decided_at - timedelta(days=days) for days in (3, 40)]
    await decisions.write(db, [(at, *row) for at, row in zip(old, rows, strict=True)], timeout_s=5)
    await kept(db, 3)
    await keep_authorizations(db, ahead_days=8, retention_days=30)
    assert [each.decided_at for each in await kept(db, 2)] == [old[0], today.decided_at]
