"""Every error is a problem document, and tells nothing it should not."""

import asyncio
import json

import httpx
import pytest
import structlog
from fastapi import APIRouter

from control.settings import ControlSettings
from shared.domain.errors import UnavailableError
from shared.store.pool import Database
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import API_KEY, Api, assert_problem, running
from tests.support.http import http_client
from tests.support.relay import relay


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong-key"},
        {"Authorization": f"Basic {API_KEY}"},
        {"Authorization": API_KEY},
        {"Authorization": f"Bearer {API_KEY}x"},
        {"Authorization": b"Bearer \xff\xfe"},
    ],
)
async def test_without_a_key_nothing_is_answered(api: Api, headers: dict[str, str]) -> None:
    async with http_client(base_url=api.url) as stranger:
        for path in ("/v1/stations", "/v1/nothing-here"):
            response = await stranger.get(path, headers=headers)
            assert_problem(response, 401, "unauthorized")
            assert response.headers["www-authenticate"] == 'Bearer realm="voltaro"'


async def test_without_a_key_a_body_is_not_even_read(api: Api) -> None:
    async with http_client(base_url=api.url) as stranger:
        response = await stranger.post("/v1/stations", content=b"{not json")
        assert_problem(response, 401, "unauthorized")


async def test_each_of_several_keys_is_accepted(make_settings: MakeSettings) -> None:
    keys = ["the-first-of-two-keys", "the-second-of-two-keys"]
    async with running(make_settings(api_keys=f"{keys[0]}, {keys[1]}")) as api:
        for key in keys:
            headers = {"Authorization": f"bearer {key}"}
            assert (await api.client.get("/v1/stations", headers=headers)).status_code == 200


async def test_an_unknown_path_is_a_404(client: httpx.AsyncClient) -> None:
    problem = assert_problem(await client.get("/v1/statoins"), 404, "not-found")
    assert "/v1/statoins" in problem["detail"]
    assert_problem(await client.get("/"), 404, "not-found")


@pytest.mark.parametrize(
    ("path", "name", "known"),
    [
        ("/v1/sessions?active=true&since=2026-11-30T00:00:00Z", "since", "started_since"),
        ("/v1/sessions?needs_reviw=true", "needs_reviw", "needs_review"),
        ("/v1/sessions?Active=true", "Active", "active"),
        ("/v1/stations?registration_status=Pending", "registration_status", "ocpp_version"),
        ("/v1/dead-letters?started_since=2026-11-30T00:00:00Z", "started_since", "since"),
        ("/v1/ocpp-log/export?formats=csv", "formats", "format"),
        ("/v1/sessions?=true", "(without a name)", "active"),
        (f"/v1/sessions?{'a' * 1000}=1", "a" * 99, "active"),
    ],
)
async def test_a_filter_that_there_is_not_is_refused_and_never_left_out(
    client: httpx.AsyncClient, path: str, name: str, known: str
) -> None:
    problem = assert_problem(await client.get(path), 422, "invalid-input")
    (wrong,) = problem["errors"]
    assert (wrong["location"], wrong["field"][: len(name)]) == ("query", name)
    assert len(wrong["field"]) <= 100
    told = wrong["detail"].removeprefix("there is no such parameter here: use ")
    assert known in told.split(", ")


@pytest.mark.parametrize(
    ("method", "path", "body", "detail"),
    [
        ("GET", "/v1/sessions?active=maybe", None, "either true or false is meant here"),
        (
            "POST",
            "/v1/stations",
            {"station_id": "CS-1", "nam": "x"},
            "there is no such member here: leave it out, or look for a slip of the pen",
        ),
        (
            "POST",
            "/v1/stations/CS-1/commands",
            {},
            "the member that says which kind this is (type) is missing",
        ),
        (
            "GET",
            "/v1/stations/CS-1/availability?month=2025-13",
            None,
            "a month is written like 2026-11",
        ),
    ],
)
async def test_what_is_wrong_is_said_in_words_of_the_api(
    client: httpx.AsyncClient, method: str, path: str, body: object, detail: str
) -> None:
    problem = assert_problem(await client.request(method, path, json=body), 422, "invalid-input")
    assert [error["detail"] for error in problem["errors"]] == [detail]


async def test_where_there_are_no_parameters_none_is_taken(client: httpx.AsyncClient) -> None:
    for method, path in (("DELETE", "/v1/stations/CS-1"), ("POST", "/v1/id-tokens")):
        response = await client.request(method, path, params={"dry_run": "true"}, json={})
        problem = assert_problem(response, 422, "invalid-input")
        assert "query field dry_run: there are no query parameters here" in problem["detail"]


async def test_a_method_that_is_not_allowed_is_a_405_that_names_those_that_are(
    client: httpx.AsyncClient,
) -> None:
    response = await client.put("/v1/stations")
    assert_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "GET, HEAD, POST"
    response = await client.post("/v1/stations/CS-1")
    assert response.headers["allow"] == "DELETE, GET, HEAD, PATCH"


@pytest.mark.parametrize(
    "body",
    [b"{not json", b"", b'{"station_id": "CS-1"', b"\xff\xfe", b"[" * 100_000],
    ids=["not-json", "empty", "cut-off", "not-utf8", "nested-100000-deep"],
)
async def test_a_body_that_is_not_json_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post(
        "/v1/stations", content=body, headers={"Content-Type": "application/json"}
    )
    if body:
        assert_problem(response, 400, "malformed-json")
    else:
        assert_problem(response, 422, "invalid-input")


async def test_json_that_is_not_declared_as_such_is_a_415(client: httpx.AsyncClient) -> None:
    body = json.dumps({"station_id": "CS-1"}).encode()
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        response = await client.post(
            "/v1/stations", content=body, headers={"Content-Type": content_type}
        )
        problem = assert_problem(response, 415, "unsupported-media-type")
        assert content_type in problem["detail"]


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Content-Type": "application/json; charset=utf-16"}, "utf-16"),
        ({"Content-Type": 'application/problem+json; charset="latin-1"'}, "latin-1"),
        ({"Content-Encoding": "gzip"}, "gzip"),
        ({"Content-Encoding": "br, gzip"}, "br, gzip"),
    ],
)
async def test_json_in_another_encoding_is_a_415_that_says_which_one_is_read(
    client: httpx.AsyncClient, headers: dict[str, str], said: str
) -> None:
    headers = {"Content-Type": "application/json"} | headers
    response = await client.post("/v1/stations", content=b"{}", headers=headers)
    problem = assert_problem(response, 415, "unsupported-media-type")
    assert said in problem["detail"]
    assert "UTF-8" in problem["detail"] or "as it is" in problem["detail"]


async def test_json_that_says_it_is_utf_8_is_read(client: httpx.AsyncClient) -> None:
    for declared in ("application/json; charset=UTF-8", 'application/json; charset="utf-8"'):
        response = await client.post(
            "/v1/stations", content=b"{}", headers={"Content-Type": declared}
        )
        assert_problem(response, 422, "invalid-input")


async def test_what_answers_get_answers_head_without_a_body(api: Api) -> None:
    client = api.client
    await client.post("/v1/stations", json={"station_id": "CS-1"})
    for path in ("/v1/stations", "/v1/stations/CS-1", "/healthz", "/docs", "/v1/nothing"):
        got, head = await client.get(path), await client.head(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["content-length"] == got.headers["content-length"]
        assert head.headers["content-type"] == got.headers["content-type"]
    page = (await api.management.get("/metrics")).text
    assert 'method="HEAD",route="/v1/stations/{station_id}",status="200"' in page


async def test_a_body_that_is_too_long_is_a_413_however_it_is_sent(
    make_settings: MakeSettings,
) -> None:
    async def in_parts() -> object:
        for _ in range(20):
            yield b" " * 100

    headers = {"Content-Type": "application/json"}
    async with running(make_settings(http_max_body_bytes=1000)) as api:
        declared = await api.client.post("/v1/stations", content=b" " * 1001, headers=headers)
        assert_problem(declared, 413, "body-too-large")
        chunked = await api.client.post("/v1/stations", content=in_parts(), headers=headers)
        assert_problem(chunked, 413, "body-too-large")


async def test_an_unexpected_error_is_logged_whole_and_told_without_its_internals(
    api: Api,
) -> None:
    router = APIRouter()

    @router.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the secret of the house")

    api.app.include_router(router)
    with structlog.testing.capture_logs() as logs:
        response = await api.client.get("/broken")
    assert_problem(response, 500, "internal-error")
    assert "secret" not in response.text
    # Others may log meanwhile, such as a loop that a busy machine has made late.
    told = [str(line["exc_info"]) for line in logs if "exc_info" in line]
    assert told == ["the secret of the house"]


async def test_postgres_away_is_a_503_that_says_when_to_try_again_and_heals_by_itself(
    make_settings: MakeSettings, database_url: str
) -> None:
    async with relay(database_url) as wire, running(make_settings(database_url=wire.url)) as api:
        assert (await api.client.get("/v1/stations")).status_code == 200
        await wire.cut()
        with structlog.testing.capture_logs():
            for method, path in (("GET", "/v1/stations"), ("GET", "/v1/id-tokens/04A2")):
                response = await api.client.request(method, path)
                assert_problem(response, 503, "unavailable")
                assert int(response.headers["retry-after"]) > 0
        await wire.mend()
        assert (await api.client.get("/v1/stations")).status_code == 200


async def test_postgres_away_at_the_start_is_one_sentence(make_settings: MakeSettings) -> None:
    settings = make_settings(database_url="postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(UnavailableError, match="VOLTARO_DATABASE_URL does not answer"):
        async with running(settings):
            pass


@pytest.mark.parametrize("api_keys", ["", " , ", "short"])
def test_settings_without_a_good_key_are_refused(api_keys: str) -> None:
    with pytest.raises(ValueError, match="API key"):
        ControlSettings(database_url="postgresql://", redis_url="redis://", api_keys=api_keys)


async def test_a_lock_that_somebody_holds_is_a_503_that_says_so(
    make_settings: MakeSettings, db: Database
) -> None:
    async with running(make_settings(database_lock_timeout_s=0.1)) as api:
        async with db.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE stations IN ACCESS EXCLUSIVE MODE")
            response = await api.client.get("/v1/stations")
        problem = assert_problem(response, 503, "unavailable")
        assert "holds a lock" in problem["detail"]
        assert response.headers["retry-after"] == "5"
        assert (await api.client.get("/v1/stations")).status_code == 200


async def test_a_connection_that_has_ended_costs_who_reads_nothing_and_who_writes_a_503(
    make_settings: MakeSettings, db: Database, database_url: str
) -> None:
    async def end_connections() -> None:
        await db.execute(
            """
            SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND datname = current_database()
            """
        )
        await asyncio.sleep(0.1)

    async with relay(database_url) as wire:
        wire.end_delay_s = 1.0
        async with running(make_settings(database_url=wire.url)) as api:
            assert (await api.client.get("/v1/stations")).status_code == 200
            await end_connections()
            assert (await api.client.get("/v1/stations")).status_code == 200
            await end_connections()
            response = await api.client.post("/v1/stations", json={"station_id": "CS-1"})
            assert_problem(response, 503, "unavailable")
            assert response.headers["retry-after"] == "5"
            # Each connection of the pool may cost one answer.
            for _ in range(make_settings().database_pool_size):
                response = await api.client.post("/v1/stations", json={"station_id": "CS-1"})
                if response.status_code != 503:
                    break
            assert response.status_code == 201


PROBLEM_MAX_BYTES = 16_384


def _hostile_bodies() -> dict[str, object]:
    long = "x" * 200_000
    return {
        "unknown-members": {f"m{n}": n for n in range(15_000)},
        "a-long-member": {"station_id": "CS-1", long: 1},
        "a-long-value": {"station_id": long},
        "a-long-type": {"type": long},
        "a-list": [0] * 80_000,
        "a-string": long,
        "wrong-items": {"charging_schedule_period": [{}] * 30_000, "entries": [{}] * 30_000},
        "a-surrogate": {"\ud800": "\ud800", "station_id": "\ud800"},
    }


@pytest.mark.parametrize("name", _hostile_bodies())
async def test_an_answer_to_wrong_input_is_short_however_much_is_wrong(
    client: httpx.AsyncClient, name: str
) -> None:
    body = json.dumps(_hostile_bodies()[name]).encode()
    document = (await client.get("/openapi.json")).json()
    asked = 0
    for path, operations in document["paths"].items():
        for method in {"post", "put", "patch"} & operations.keys():
            if path == "/v1/files":
                continue
            response = await client.request(
                method,
                path.replace("{", "").replace("}", ""),
                content=body,
                headers={"Content-Type": "application/json"},
            )
            asked += 1
            assert 400 <= response.status_code < 500, (path, response.text[:300])
            assert response.headers["content-type"] == "application/problem+json"
            assert len(response.content) < PROBLEM_MAX_BYTES, (path, len(response.content))
            assert len(response.json().get("errors", ())) <= 20
    assert asked > 20


async def test_what_is_echoed_of_a_request_line_or_a_header_is_short(
    client: httpx.AsyncClient,
) -> None:
    long = "x" * 12_000
    answers = [
        await client.get(f"/v1/{long}"),
        await client.get(f"/v1/stations/{long}"),
        await client.get("/v1/stations", params={"limit": long, "cursor": long}),
        await client.get("/v1/sessions", params={"active": long, "station_id": long}),
        await client.request("X" * 5000, "/v1/stations"),
        await client.post("/v1/stations", content=b"{}", headers={"Content-Type": f"text/{long}"}),
    ]
    for answer in answers:
        assert 400 <= answer.status_code < 500
        assert len(answer.content) < 4096, answer.text[:300]
