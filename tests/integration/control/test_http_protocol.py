"""What comes over a socket and is no whole, plain request: answered with a problem, and bounded."""

import asyncio
import time
from contextlib import AsyncExitStack, suppress

import pytest
import structlog

from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import API_KEY, Api, assert_problem, running
from tests.support.eventually import eventually
from tests.support.http import http_client
from tests.support.raw_http import RawHttp, connect, connected

HEAD = (
    b"POST /v1/stations HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer " + API_KEY.encode() + b"\r\n"
)
GET = b"GET /healthz HTTP/1.1\r\nHost: api\r\n\r\n"


async def refused(api: Api, reason: str) -> float:
    page = (await api.management.get("/metrics")).text
    name = f'voltaro_control_http_refused_connections_total{{reason="{reason}"}} '
    return sum(float(line.removeprefix(name)) for line in page.splitlines() if name in line)


async def test_3000_half_sent_requests_hold_up_nobody_and_are_all_closed_in_time(
    make_settings: MakeSettings,
) -> None:
    async def send_half(index: int) -> RawHttp:
        connection = await connect(api.url)
        stack.callback(connection.close)
        await connection.send(HEAD[: 20 + index % 60])
        return connection

    async with running(make_settings(http_head_timeout_s=4)) as api, AsyncExitStack() as stack:
        half: list[RawHttp] = []
        began = time.monotonic()
        for first in range(0, 3000, 100):
            half += await asyncio.gather(*map(send_half, range(first, first + 100)))
        slowest_s = 0.0
        for _ in range(20):
            asked = time.monotonic()
            assert (await api.client.get("/v1/stations")).status_code == 200
            slowest_s = max(slowest_s, time.monotonic() - asked)
        answers = await asyncio.gather(*(each.answer(timeout_s=20) for each in half))
        assert {(each.status, each.problem) for each in answers} == {(408, "request-timeout")}
        assert await asyncio.gather(*(each.rest() for each in half)) == [b""] * 3000
        assert slowest_s < 4, "others waited as long as the half-sent requests were there"
        assert time.monotonic() - began < 30


async def test_a_head_that_trickles_in_is_not_given_more_time(make_settings: MakeSettings) -> None:
    async with running(make_settings(http_head_timeout_s=1)) as api, connected(api.url) as client:
        began = time.monotonic()
        answering = asyncio.create_task(client.answer())
        for byte in HEAD:
            if answering.done():
                break
            await client.send(bytes([byte]))
            await asyncio.sleep(0.1)
        assert (await answering).problem == "request-timeout"
        assert await client.rest() == b""
        assert time.monotonic() - began < 4


async def test_a_connection_that_says_nothing_is_closed_without_a_word(
    make_settings: MakeSettings,
) -> None:
    async with running(make_settings(http_head_timeout_s=1)) as api:
        async with connected(api.url) as silent:
            assert await silent.rest() == b""
        async with connected(api.url) as idle:  # serve() is given 5 s here
            await idle.send(GET)
            assert (await idle.answer()).status == 200
            assert await idle.rest() == b""


async def test_the_next_request_of_a_connection_has_the_same_time_for_its_head(
    make_settings: MakeSettings,
) -> None:
    async with running(make_settings(http_head_timeout_s=1)) as api, connected(api.url) as client:
        await client.send(GET)
        assert (await client.answer()).status == 200
        await client.send(GET[:10])
        assert (await client.answer(timeout_s=4)).problem == "request-timeout"


@pytest.mark.parametrize("body", [b"", b"{"], ids=["nothing", "a-byte"])
async def test_a_body_that_stalls_is_a_408(make_settings: MakeSettings, body: bytes) -> None:
    settings = make_settings(http_body_timeout_s=1)
    async with running(settings) as api, connected(api.url) as client:
        with structlog.testing.capture_logs() as logs:
            await client.send(HEAD + b"Content-Length: 100\r\n\r\n" + body)
            assert (await client.answer()).problem == "request-timeout"
            assert await client.rest() == b""
        assert await refused(api, "body-timeout") >= 1
        assert logs == []


async def test_a_body_that_trickles_in_is_not_read_for_ever(make_settings: MakeSettings) -> None:
    settings = make_settings(http_body_timeout_s=1, http_body_min_bytes_per_s=100)
    async with running(settings) as api, connected(api.url) as client:
        await client.send(HEAD + b"Content-Length: 100000\r\n\r\n")
        answering = asyncio.create_task(client.answer())
        while not answering.done():
            await client.send(b" ")
            await asyncio.sleep(0.05)
        assert (await answering).problem == "request-timeout"


async def test_a_body_that_comes_slowly_but_steadily_is_taken(make_settings: MakeSettings) -> None:
    settings = make_settings(http_body_timeout_s=1, http_body_min_bytes_per_s=20)
    async with running(settings) as api, connected(api.url) as client:
        body = b'{"station_id": "SLOW"}'.ljust(200)
        await client.send(HEAD + b"Content-Length: 200\r\n\r\n")
        for start in range(0, 200, 10):
            await asyncio.sleep(0.15)
            await client.send(body[start : start + 10])
        assert (await client.answer()).status == 201


async def test_a_body_that_stalls_behind_its_answer_is_closed_too(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(http_body_timeout_s=1)
    async with running(settings) as api, connected(api.url) as client:
        await client.send(b"POST /v1/stations HTTP/1.1\r\nHost: api\r\nContent-Length: 9\r\n\r\nx")
        assert (await client.answer()).problem == "unauthorized"
        assert await client.rest() == b""


async def test_who_does_not_read_an_answer_is_cut_off(make_settings: MakeSettings) -> None:
    settings = make_settings(http_write_timeout_s=1, http_head_timeout_s=1)
    async with running(settings) as api, connected(api.url) as client:
        client.stop_reading()
        # More answers than all buffers between us take.
        ask = b"GET /openapi.json HTTP/1.1\r\nHost: api\r\n\r\n" * 200
        await client.send(ask)
        await eventually(
            lambda: refused(api, "answer-not-read"), lambda count: count >= 1, timeout_s=15
        )


async def test_with_too_many_connections_the_one_that_waits_longest_makes_room(
    make_settings: MakeSettings,
) -> None:
    async with running(make_settings(http_max_connections=10)) as api:
        half = [await connect(api.url) for _ in range(30)]
        for each in half:
            await each.send(HEAD[:30])
        assert await half[0].rest(timeout_s=3) == b""
        async with http_client(base_url=api.url) as other:
            for _ in range(5):
                assert (await other.get("/healthz")).status_code == 200
        assert await refused(api, "crowded-out") >= 20
        for each in half:
            each.close()


async def test_with_all_connections_at_work_the_next_one_gets_503(
    make_settings: MakeSettings,
) -> None:
    async with running(make_settings(http_max_connections=4)) as api:
        busy = [await connect(api.url) for _ in range(4)]
        for each in busy:
            await each.send(HEAD + b"Content-Length: 10\r\n\r\n{")
        await asyncio.sleep(0.3)
        async with connected(api.url) as late:
            answer = await late.answer()
            assert answer.problem == "too-many-connections"
            assert int(answer.headers["retry-after"]) > 0
        for each in busy:
            await each.send(b"}" * 9)
            assert (await each.answer()).status == 400
            each.close()


FRAMING = [
    (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    (b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", 400),
    (b"Content-Length: 2, 3\r\n\r\n{} ", 400),
    (b"Content-Length: +2\r\n\r\n{}", 400),
    (b"Content-Length: -2\r\n\r\n{}", 400),
    (b"Content-Length: two\r\n\r\n{}", 400),
    (b"Transfer-Encoding: gzip\r\n\r\n{}", 501),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
    (b"Transfer-Encoding: chunked\r\n\r\nnot-a-length\r\n", 400),
]


async def test_a_body_whose_end_is_doubtful_is_refused_and_the_connection_closed(api: Api) -> None:
    for framing, status in FRAMING:
        async with connected(api.url) as client:
            await client.send(HEAD + framing + GET)
            answer = await client.answer()
            assert answer.status == status, framing
            assert answer.problem == ("malformed-request" if status == 400 else "not-implemented")
            assert answer.headers["connection"] == "close"
            assert await client.rest() == b"", f"behind {framing!r} a request was seen"


async def test_the_same_length_twice_is_one_length(api: Api) -> None:
    async with connected(api.url) as client:
        await client.send(HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}")
        assert (await client.answer()).problem == "invalid-input"


NO_REQUESTS = [
    (b"this is not HTTP\r\n\r\n", 400, "malformed-request"),
    (b"GET /healthz HTTP/1.1\r\n\r\n", 400, "malformed-request"),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "malformed-request"),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400, "malformed-request"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000, 431, "head-too-large"),
    (b"POST /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "malformed-request"),
    (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404, "not-found"),
    (b"BREW /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 405, "method-not-allowed"),
]


async def test_what_is_no_request_of_ours_is_answered_with_a_problem(api: Api) -> None:
    for request_bytes, status, problem in NO_REQUESTS:
        async with connected(api.url) as client:
            await client.send(request_bytes)
            answer = await client.answer()
            assert (answer.status, answer.problem) == (status, problem), request_bytes[:50]
            assert len(answer.body) < 1000


async def test_an_upgrade_is_one_line_in_the_log_and_a_plain_answer(
    api: Api, capfd: pytest.CaptureFixture[str]
) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "ocpp1.6",
    }
    with structlog.testing.capture_logs() as logs:
        response = await api.client.get("/ocpp/CS-1", headers=headers)
        assert_problem(response, 404, "not-found")
    (line,) = (line for line in logs if "upgrade" in line["event"])
    assert "stations connect to a gateway" in line["event"]
    assert "pip install" not in capfd.readouterr().err


async def test_who_still_sends_a_body_that_was_refused_can_read_why(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings(http_head_timeout_s=2)
    async with running(settings) as api, connected(api.url) as client:
        await client.send(HEAD + b"Content-Length: 9000000\r\n\r\n")
        for _ in range(90):
            await client.send(b" " * 100_000)
        answer = await client.answer()
        assert (answer.status, answer.problem) == (413, "body-too-large")
        assert await client.rest() == b""


async def test_who_never_closes_behind_a_refusal_is_cut_off(make_settings: MakeSettings) -> None:
    settings = make_settings(http_head_timeout_s=1)
    async with running(settings) as api, connected(api.url) as client:
        await client.send(HEAD + b"Content-Length: 9000000\r\n\r\n")
        assert (await client.answer()).status == 413
        async with asyncio.timeout(10):
            with suppress(ConnectionError):
                while True:
                    await client.send(b" " * 1000)
                    await asyncio.sleep(0.05)
