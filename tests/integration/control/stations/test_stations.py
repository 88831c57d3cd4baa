"""Stations through the API."""

import base64
import json
from datetime import UTC, datetime

import httpx
import pytest
from argon2 import PasswordHasher
from redis.asyncio import Redis

from shared.bus import keys
from shared.domain.trust.certificates import CertificateSigningRequested, CertificateSigningUse
from shared.domain.upkeep.firmware import FirmwareStatusReported
from shared.store import facts, station_removal
from shared.store.pool import Database
from shared.store.stations import stations
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import PodPlayer, assert_problem, register, running

PASSWORD = "4F43415F4F4354545F61646D696E5F74657374"


async def test_a_station_without_a_password_gets_one_made_that_every_ocpp_version_takes(
    client: httpx.AsyncClient, db: Database
) -> None:
    response = await client.post("/v1/stations", json={"station_id": "CS-1"})
    assert response.status_code == 201
    assert response.headers["location"] == "/v1/stations/CS-1"
    assert response.headers["cache-control"] == "no-store"
    password = response.json()["password"]
    assert len(password) == 40
    assert set(password) <= set("0123456789ABCDEF")
    (credentials,) = await stations.get_credentials(db, ["CS-1"])
    assert credentials is not None
    assert PasswordHasher().verify(credentials.password_hash, password)


async def test_a_given_password_is_kept_as_a_hash_and_never_answered(
    client: httpx.AsyncClient, db: Database
) -> None:
    body = {"station_id": "CS-1", "password": PASSWORD}
    response = await client.post("/v1/stations", json=body)
    assert response.status_code == 201
    assert response.json()["password"] is None
    answers = [
        response,
        await client.get("/v1/stations"),
        await client.get("/v1/stations/CS-1"),
        await client.patch("/v1/stations/CS-1", json={"name": "North"}),
    ]
    (credentials,) = await stations.get_credentials(db, ["CS-1"])
    assert credentials is not None
    assert PasswordHasher().verify(credentials.password_hash, PASSWORD)
    for answer in answers:
        assert PASSWORD not in answer.text
        assert "argon2" not in answer.text


async def test_a_station_with_security_profile_0_has_no_password(
    client: httpx.AsyncClient, db: Database
) -> None:
    body = {"station_id": "CS-1", "security_profile": 0}
    assert (await client.post("/v1/stations", json=body)).json()["password"] is None
    (credentials,) = await stations.get_credentials(db, ["CS-1"])
    assert credentials is not None
    assert credentials.password_hash is None
    refused = await client.post(
        "/v1/stations", json={"station_id": "CS-2", "security_profile": 0, "password": PASSWORD}
    )
    assert_problem(refused, 422, "invalid-input")


async def test_a_station_id_is_registered_once(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/stations", json={"station_id": "CS-1"})).status_code == 201
    assert_problem(await client.post("/v1/stations", json={"station_id": "CS-1"}), 409, "conflict")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("station_id", "CS:1"),
        ("station_id", "../CS-1"),
        ("station_id", "C" * 49),
        ("station_id", ""),
        ("password", "fifteen-charact"),
        ("password", "p" * 65),
        ("password", "control\u0007character"),
        ("security_profile", 4),
        ("registration_status", "Maybe"),
        ("heartbeat_interval_s", 0),
        ("name", "nul \u0000 byte"),
        ("name", "lone \ud800 surrogate"),
        ("passwrod", "a-field-that-does-not-exist"),
    ],
)
async def test_what_a_station_cannot_have_is_refused_naming_the_field_and_not_its_value(
    client: httpx.AsyncClient, field: str, value: object
) -> None:
    body = json.dumps({"station_id": "CS-1", field: value})
    response = await client.post(
        "/v1/stations", content=body, headers={"Content-Type": "application/json"}
    )
    problem = assert_problem(response, 422, "invalid-input")
    assert [(error["location"], error["field"]) for error in problem["errors"]] == [("body", field)]
    if field == "password":
        assert str(value) not in response.text


async def test_a_page_of_stations_is_stable_while_stations_come_and_go(
    client: httpx.AsyncClient, db: Database
) -> None:
    for number in (1, 2, 3, 4, 5, 6):
        await register(db, f"CS-{number}")
    first = (await client.get("/v1/stations", params={"limit": 2})).json()
    await register(db, "CS-0")  # before the page
    await station_removal.delete(db, "CS-2")  # the one the cursor stands on
    await register(db, "CS-45")  # behind it
    seen = [item["station_id"] for item in first["items"]]
    cursor = first["next_cursor"]
    while cursor:
        params = {"limit": 2, "cursor": cursor}
        page = (await client.get("/v1/stations", params=params)).json()
        seen += [item["station_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ["CS-1", "CS-2", "CS-3", "CS-4", "CS-45", "CS-5", "CS-6"]


async def test_a_page_that_is_exactly_full_is_the_last_one(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(db, "CS-1")
    page = (await client.get("/v1/stations", params={"limit": 1})).json()
    assert len(page["items"]) == 1
    assert page["next_cursor"] is None


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "====",
        "",
        "c2Vzc2lvbnMKYWJj",  # of the list of sessions
        "c3RhdGlvbnMKAA",  # of stations, behind U+0000
        "ü",
    ],
)
async def test_a_cursor_the_list_never_gave_is_refused(
    client: httpx.AsyncClient, cursor: str
) -> None:
    response = await client.get("/v1/stations", params={"cursor": cursor})
    problem = assert_problem(response, 422, "invalid-input")
    assert problem["errors"][0]["field"] == "cursor"


@pytest.mark.parametrize("limit", ["0", "1001", "ten"])
async def test_a_limit_out_of_range_is_refused(client: httpx.AsyncClient, limit: str) -> None:
    response = await client.get("/v1/stations", params={"limit": limit})
    problem = assert_problem(response, 422, "invalid-input")
    assert problem["errors"][0]["location"] == "query"
    assert problem["errors"][0]["field"] == "limit"


async def test_stations_are_filtered_by_whether_they_are_online(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer
) -> None:
    await register(db, "CS-1")
    await pod.hold("CS-2")
    online = (await client.get("/v1/stations", params={"online": True})).json()
    offline = (await client.get("/v1/stations", params={"online": False})).json()
    assert [item["station_id"] for item in online["items"]] == ["CS-2"]
    assert [item["station_id"] for item in offline["items"]] == ["CS-1"]


async def test_a_station_names_the_pod_that_holds_its_connection(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    ownership = await pod.hold("CS-1")
    one = (await client.get("/v1/stations/CS-1")).json()
    listed = (await client.get("/v1/stations")).json()["items"][0]
    assert one["owner"] == listed["owner"]
    assert one["owner"] == {
        "pod_id": pod.pod_id,
        "epoch": ownership.epoch,
        "connected_at": one["connected_at"],
    }
    assert one["online"] is True
    assert one["connectors"] == []


async def test_a_change_leaves_alone_what_it_does_not_name(client: httpx.AsyncClient) -> None:
    body = {"station_id": "CS-1", "name": "North", "heartbeat_interval_s": 60}
    await client.post("/v1/stations", json=body)
    changed = (await client.patch("/v1/stations/CS-1", json={"name": None})).json()
    assert changed["name"] is None
    assert changed["heartbeat_interval_s"] == 60
    assert changed["security_profile"] == 1
    assert (await client.patch("/v1/stations/CS-1", json={})).json()["name"] is None


async def test_a_new_name_leaves_the_connection_alone(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    await pod.hold("CS-1")
    await client.patch("/v1/stations/CS-1", json={"name": "North"})
    await client.patch("/v1/stations/CS-1", json={"password": PASSWORD})
    # The first thing the pod hears of is the password.
    assert (await pod.next_close()).station_id == "CS-1"


@pytest.mark.parametrize(
    "change",
    [
        {"password": PASSWORD},
        {"registration_status": "Rejected"},
        {"security_profile": 0},
    ],
)
async def test_a_change_of_trust_closes_the_live_connection(
    client: httpx.AsyncClient, pod: PodPlayer, change: dict[str, object]
) -> None:
    ownership = await pod.hold("CS-1")
    assert (await client.patch("/v1/stations/CS-1", json=change)).status_code == 200
    close = await pod.next_close()
    assert close.station_id == "CS-1"
    assert close.epoch == ownership.epoch


async def test_a_pending_station_that_is_accepted_is_asked_to_boot_and_stays_connected(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer
) -> None:
    await pod.hold("CS-1")
    await stations.update(db, "CS-1", {"registration_status": "Pending"})
    change = {"registration_status": "Accepted"}
    answer = (await client.patch("/v1/stations/CS-1", json=change)).json()
    assert answer["registration_status"] == "Accepted"
    (command,) = (await client.get("/v1/stations/CS-1/commands")).json()["items"]
    assert command["type"] == "TriggerMessage"
    assert command["params"]["requested_message"] == "BootNotification"
    # All that the pod is asked is the command, and then to close for the password.
    await client.patch("/v1/stations/CS-1", json={"password": PASSWORD})
    assert (await pod.next_command()).command_id == command["command_id"]
    assert (await pod.next_close()).station_id == "CS-1"


async def test_a_pending_station_that_is_offline_is_accepted_all_the_same(
    client: httpx.AsyncClient,
) -> None:
    body = {"station_id": "CS-1", "registration_status": "Pending"}
    await client.post("/v1/stations", json=body)
    change = {"registration_status": "Accepted"}
    assert (await client.patch("/v1/stations/CS-1", json=change)).status_code == 200
    assert (await client.get("/v1/stations/CS-1/commands")).json()["items"] == []


async def test_a_pending_station_for_which_many_commands_wait_is_accepted_all_the_same(
    make_settings: MakeSettings, db: Database, pod: PodPlayer
) -> None:
    await pod.hold("CS-1")
    await stations.update(db, "CS-1", {"registration_status": "Pending"})
    async with running(make_settings(command_max_queued=1)) as api:
        busy = {"type": "ClearCache", "wait_s": 0}
        assert (await api.client.post("/v1/stations/CS-1/commands", json=busy)).status_code == 202
        change = {"registration_status": "Accepted"}
        answer = await api.client.patch("/v1/stations/CS-1", json=change)
        assert (answer.status_code, answer.json()["registration_status"]) == (200, "Accepted")


@pytest.mark.parametrize(("profile", "has_password"), [(2, True), (3, False)])
async def test_profiles_with_tls_need_a_password_or_a_certificate(
    client: httpx.AsyncClient, profile: int, *, has_password: bool
) -> None:
    body = {"station_id": "CS-1", "security_profile": profile}
    answer = (await client.post("/v1/stations", json=body)).json()
    assert answer["security_profile"] == profile
    assert (answer["password"] is not None) is has_password


async def test_a_new_password_replaces_the_old_one(client: httpx.AsyncClient, db: Database) -> None:
    await client.post("/v1/stations", json={"station_id": "CS-1"})
    await client.patch("/v1/stations/CS-1", json={"password": PASSWORD})
    (credentials,) = await stations.get_credentials(db, ["CS-1"])
    assert credentials is not None
    assert PasswordHasher().verify(credentials.password_hash, PASSWORD)


async def test_a_station_that_comes_to_need_a_password_gets_one(
    client: httpx.AsyncClient, db: Database
) -> None:
    await client.post("/v1/stations", json={"station_id": "CS-1", "security_profile": 0})
    refused = await client.patch("/v1/stations/CS-1", json={"password": PASSWORD})
    assert_problem(refused, 422, "invalid-input")
    answer = (await client.patch("/v1/stations/CS-1", json={"security_profile": 1})).json()
    (credentials,) = await stations.get_credentials(db, ["CS-1"])
    assert credentials is not None
    assert PasswordHasher().verify(credentials.password_hash, answer["password"])


async def test_a_station_that_needs_no_password_any_more_loses_its_old_one(
    client: httpx.AsyncClient, db: Database
) -> None:
    await client.post("/v1/stations", json={"station_id": "CS-1", "password": PASSWORD})
    await client.patch("/v1/stations/CS-1", json={"security_profile": 0})
    (credentials,) = await stations.get_credentials(db, ["CS-1"])
    assert credentials is not None
    assert credentials.password_hash is None


async def test_removing_a_station_closes_its_connection(
    client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    ownership = await pod.hold("CS-1")
    response = await client.delete("/v1/stations/CS-1")
    assert response.status_code == 204
    assert response.content == b""
    close = await pod.next_close()
    assert (close.epoch, close.reason) == (ownership.epoch, "the station was deleted")
    assert_problem(await client.get("/v1/stations/CS-1"), 404, "not-found")


async def test_a_removed_stations_connection_is_closed_though_redis_has_lost_its_route(
    client: httpx.AsyncClient, pod: PodPlayer, redis_url: str
) -> None:
    ownership = await pod.hold("CS-1")
    async with Redis.from_url(redis_url) as redis:
        await redis.delete(keys.owner("CS-1"))
    assert (await client.delete("/v1/stations/CS-1")).status_code == 204
    assert (await pod.next_close()).epoch == ownership.epoch


async def test_what_waits_for_a_removed_station_never_reaches_the_next_one_under_its_id(
    client: httpx.AsyncClient, db: Database, pod: PodPlayer
) -> None:
    await pod.hold("CS-1")
    asked = await client.post("/v1/stations/CS-1/commands", json={"type": "Reset", "wait_s": 0})
    request = await pod.next_command()
    batch = {"station_ids": ["CS-1"], "command": {"type": "ClearCache"}, "max_per_s": 1}
    assert (await client.post("/v1/command-batches", json=batch)).is_success
    fact = CertificateSigningRequested(
        station_id="CS-1",
        certificate_type=CertificateSigningUse.CHARGING_STATION,
        csr="no real one",
        common_name="CS-1",
        subject=None,
        key_type=None,
        refusal=None,
        requested_at=datetime.now(UTC),
    )
    await facts.write(db, [fact])
    await client.delete("/v1/stations/CS-1")
    listed = (await client.get("/v1/stations/CS-1/commands")).json()["items"]
    assert len(listed) == 2
    for command in listed:
        assert command["state"] == "cancelled"
        assert "the station was deleted" in command["error_description"]
    states = await db.fetch("SELECT state FROM certificate_signing_requests")
    assert [each["state"] for each in states] == ["refused"]
    await client.post("/v1/stations", json={"station_id": "CS-1"})
    await pod.hold("CS-1")
    assert await pod.take(request) is None
    # One that came in between the cancelling and the removal.
    await db.execute("UPDATE commands SET state = 'queued', created_at = now() - interval '1 h'")
    assert asked.json()["command_id"] == request.command_id
    assert await pod.take(request) is None


async def test_progress_without_a_request_id_is_none_of_the_station_that_had_the_id_before(
    client: httpx.AsyncClient, db: Database
) -> None:
    """OCPP 1.6 tells of a firmware update without saying of which."""
    for _ in range(2):
        await client.post("/v1/stations", json={"station_id": "CS-1"})
        await facts.write(
            db,
            [
                FirmwareStatusReported(
                    station_id="CS-1",
                    request_id=None,
                    status="Downloading",
                    reported_at=datetime.now(UTC),
                )
            ],
        )
        await client.delete("/v1/stations/CS-1")
    assert await db.fetchval("SELECT count(*) FROM firmware_updates") == 2


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_a_station_that_is_not_there_is_a_404(client: httpx.AsyncClient, method: str) -> None:
    body = {"name": "North"} if method == "PATCH" else None
    response = await client.request(method, "/v1/stations/CS-404", json=body)
    problem = assert_problem(response, 404, "not-found")
    assert "CS-404" in problem["detail"]


async def add_connectors(db: Database, count: int) -> None:
    await db.execute(
        """
        INSERT INTO connectors (station_id, evse_id, connector_id, status, reported_status, epoch,
                                reported_at)
        SELECT 'CS-1', number / 2 + 1, number % 2 + 1, 'Available', 'Available', 1, now()
        FROM generate_series(0, $1 - 1) AS number
        """,
        count,
    )


async def test_a_station_of_many_connectors_is_answered_in_pages(
    client: httpx.AsyncClient, db: Database
) -> None:
    await client.post("/v1/stations", json={"station_id": "CS-1"})
    await add_connectors(db, 1805)
    station = (await client.get("/v1/stations/CS-1")).json()
    assert len(station["connectors"]) == 100
    found, cursor = station["connectors"], station["connectors_next_cursor"]
    while cursor is not None:
        page = await client.get(
            "/v1/stations/CS-1/connectors", params={"cursor": cursor, "limit": 1000}
        )
        found += page.json()["items"]
        cursor = page.json()["next_cursor"]
    places = [(each["evse_id"], each["connector_id"]) for each in found]
    assert len(places) == 1805
    assert places == sorted(set(places))


async def test_connectors_of_a_usual_station_are_all_there(
    client: httpx.AsyncClient, db: Database
) -> None:
    await client.post("/v1/stations", json={"station_id": "CS-1"})
    await add_connectors(db, 100)
    station = (await client.get("/v1/stations/CS-1")).json()
    assert len(station["connectors"]) == 100
    assert station["connectors_next_cursor"] is None
    page = (await client.get("/v1/stations/CS-1/connectors")).json()
    assert page == {"items": station["connectors"], "next_cursor": None, "total": None}
    assert (await client.get("/v1/stations/CS-2/connectors")).status_code == 404


@pytest.mark.parametrize("key", ["x\n1", "1\ny", "1", "99999999999\n1"])
async def test_a_made_up_cursor_of_connectors_is_refused(
    client: httpx.AsyncClient, key: str
) -> None:
    await client.post("/v1/stations", json={"station_id": "CS-1"})
    cursor = base64.urlsafe_b64encode(f"connectors\n{key}".encode()).decode().rstrip("=")
    response = await client.get("/v1/stations/CS-1/connectors", params={"cursor": cursor})
    assert response.status_code == 422
