"""What the door makes of odd handshakes, and of those who guess: nobody else is locked out."""

import asyncio
import base64
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from shared.domain.stations.stations import SecurityProfile
from shared.store.pool import Database
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.stations import PASSWORD, basic_auth, hash_cheaply, register, station_client

KEY = "00010203040506070809FFFEFDFCFBFAF9F8F7F6"
PRINTABLE_KEY = "4F43415F4F4354545F61646D696E5F746573742B"
ANYWHERE = "203.0.113.7"


def from_address(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


def raw_auth(user_name: bytes, password: bytes) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(user_name + b':' + password).decode()}"}


async def set_password(db: Database, password: str) -> None:
    await db.execute("UPDATE stations SET password_hash = $1", hash_cheaply(password))


async def status_of(
    url: str, *headers: dict[str, str] | tuple[str, str], station_id: str = "CP-1"
) -> int:
    pairs = [
        pair for each in headers for pair in (each.items() if isinstance(each, dict) else (each,))
    ]
    try:
        async with connect(
            f"{url}/{station_id}", subprotocols=["ocpp1.6"], additional_headers=pairs
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def ask(url: str, target: str, *lines: str) -> str:
    """Send a handshake for any target, and return the status line of the answer."""
    host, port = url.removeprefix("ws://").removesuffix("/ocpp").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    upgrade = (
        f"GET {target} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: ocpp1.6",
        *lines,
    )
    writer.write("\r\n".join((*upgrade, "", "")).encode("latin-1"))
    try:
        async with asyncio.timeout(10):
            return (await reader.readline()).decode()
    finally:
        writer.close()


@contextmanager
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Let nothing be logged with a traceback."""
    with caplog.at_level(logging.INFO):
        yield
    assert [record for record in caplog.records if record.exc_info] == []
    assert "Traceback" not in caplog.text


# Keys as bytes (OCPP-J 1.6 §6.2.2)


@pytest.mark.parametrize(
    "key",
    [
        KEY,
        PRINTABLE_KEY,
        KEY.lower(),
        KEY.capitalize()[:2] + KEY[2:20] + KEY[20:].lower(),
        KEY[:32],
    ],
)
async def test_a_key_is_taken_as_its_digits_and_as_the_bytes_that_they_mean(
    db: Database, gateway: Pod, key: str
) -> None:
    await register(db)
    await set_password(db, key)
    assert await status_of(gateway.url, raw_auth(b"CP-1", bytes.fromhex(key))) == 101
    assert await status_of(gateway.url, basic_auth("CP-1", key)) == 101
    assert await status_of(gateway.url, basic_auth("CP-1", key.swapcase())) == 101
    assert await status_of(gateway.url, raw_auth(b"CP-1", bytes.fromhex(key)[:-1])) == 401


async def test_bytes_that_are_no_text_are_a_wrong_password_and_counted(
    db: Database, start_pod: StartPod, caplog: pytest.LogCaptureFixture
) -> None:
    await register(db)
    async with start_pod(station_failures=3, station_failure_refill_s=60) as gateway:
        with no_traceback(caplog):
            codes = [
                await status_of(gateway.url, raw_auth(b"CP-1", bytes([0xFF, 0xFE, n]) + b"marked"))
                for n in range(4)
            ]
    assert codes == [401, 401, 401, 429]
    assert "marked" not in caplog.text
    assert "argon2" not in caplog.text


async def test_a_password_of_any_length_is_refused_as_another(db: Database, gateway: Pod) -> None:
    await register(db)
    for password in (b"", b"\xff" * 4000, b"\0" * 20, "ü".encode() * 10):
        assert await status_of(gateway.url, raw_auth(b"CP-1", password)) == 401


async def test_a_user_name_that_is_no_text_gets_401(
    db: Database, gateway: Pod, caplog: pytest.LogCaptureFixture
) -> None:
    await register(db)
    with no_traceback(caplog):
        assert await status_of(gateway.url, raw_auth(b"CP-\xff", PASSWORD.encode())) == 401
        line = await ask(gateway.url, "/ocpp/CP-1", "Authorization: Basic \xff\xfe")
    assert "401" in line


async def test_two_authorization_headers_get_400_and_are_counted(
    db: Database, start_pod: StartPod, caplog: pytest.LogCaptureFixture
) -> None:
    await register(db)
    twice = [("Authorization", basic_auth("CP-1", each)["Authorization"]) for each in "ab"]
    async with start_pod(address_failures=3, address_failure_refill_s=60) as gateway:
        with no_traceback(caplog):
            codes = [await status_of(gateway.url, *twice) for _ in range(4)]
    assert codes == [400, 400, 400, 429]


async def test_other_headers_that_come_twice_do_no_harm(
    db: Database, gateway: Pod, caplog: pytest.LogCaptureFixture
) -> None:
    await register(db)
    password = f"Authorization: {basic_auth('CP-1')['Authorization']}"
    agents, origins = ("User-Agent: a", "User-Agent: b"), ("Origin: a", "Origin: b")
    with no_traceback(caplog):
        assert " 401 " in await ask(gateway.url, "/ocpp/NOBODY", *agents)
        assert " 101 " in await ask(gateway.url, "/ocpp/CP-1", *agents, password)
        assert " 400 " in await ask(gateway.url, "/ocpp/CP-1", *origins, password)


@pytest.mark.parametrize("target", ["//[", "//[::1", "http://[/ocpp/CP-1", "/ocpp/%ff", "/ocpp/"])
async def test_a_path_that_does_not_parse_gets_400_and_is_counted(
    start_pod: StartPod, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    async with start_pod(address_failures=2, address_failure_refill_s=60) as gateway:
        with no_traceback(caplog):
            answers = [await ask(gateway.url, target) for _ in range(3)]
    assert [answer.split()[1] for answer in answers] == ["400", "400", "429"]


@pytest.mark.parametrize(("target", "line"), [("/ocpp/\xff", "X: y"), ("/ocpp/CP-1", "no header")])
async def test_what_is_no_http_request_is_closed_in_one_line_and_counted(
    start_pod: StartPod, caplog: pytest.LogCaptureFixture, target: str, line: str
) -> None:
    async with start_pod(address_failures=2, address_failure_refill_s=60) as gateway:
        with no_traceback(caplog):
            for _ in range(2):
                assert await ask(gateway.url, target, line) == ""
            answer = await ask(gateway.url, "/ocpp/CP-1")
    assert " 429 " in answer


async def test_a_look_whether_the_pod_is_there_is_not_counted(
    start_pod: StartPod, capsys: pytest.CaptureFixture[str]
) -> None:
    async with start_pod(address_failures=1, address_failure_refill_s=60) as gateway:
        host, port = gateway.url.removeprefix("ws://").removesuffix("/ocpp").split(":")
        for _ in range(3):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.1)
        assert " 401 " in await ask(gateway.url, "/ocpp/CP-1")
    assert "could not be read" not in "".join(capsys.readouterr())


# Who guesses locks out nobody else


async def test_wrong_passwords_from_elsewhere_do_not_keep_the_right_station_out(
    db: Database, start_pod: StartPod
) -> None:
    """Of a pod that has not seen it yet, as after every deploy."""
    await register(db)
    async with start_pod(station_failures=3, station_failure_refill_s=60) as gateway:
        wrong = [
            await status_of(gateway.url, from_address(ANYWHERE), basic_auth("CP-1", f"wrong-{n}"))
            for n in range(6)
        ]
        assert wrong == [401, 401, 401, 429, 429, 429]
        assert await status_of(gateway.url, from_address("198.51.100.9"), basic_auth("CP-1")) == 101


async def test_guesses_from_many_addresses_are_bounded_and_the_known_address_still_comes_in(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    home = from_address("198.51.100.9")
    async with start_pod() as before:
        assert await status_of(before.url, home, basic_auth("CP-1")) == 101
    limits = {"station_failures_anywhere": 5, "station_failure_anywhere_refill_s": 60}
    async with start_pod(**limits) as gateway:
        wrong = [
            await status_of(
                gateway.url, from_address(f"203.0.113.{n}"), basic_auth("CP-1", f"wrong-{n}")
            )
            for n in range(8)
        ]
        assert wrong == [401] * 5 + [429] * 3
        assert await status_of(gateway.url, home, basic_auth("CP-1")) == 101


async def test_tries_that_are_throttled_count_against_their_address(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    await register(db, "CP-2")
    limits = {
        "station_failures": 2,
        "station_failure_refill_s": 60,
        "address_failures": 4,
        "address_failure_refill_s": 60,
    }
    async with start_pod(**limits) as gateway:
        there = from_address(ANYWHERE)
        guesses = [
            await status_of(gateway.url, there, basic_auth("CP-1", f"wrong-{n}")) for n in range(4)
        ]
        assert guesses == [401, 401, 429, 429]
        other = await status_of(gateway.url, there, basic_auth("CP-2", "wrong"), station_id="CP-2")
        assert other == 429


async def test_the_limit_of_an_address_holds_without_a_password_and_before_any_look_up(
    db: Database, start_pod: StartPod
) -> None:
    await register(db, security_profile=SecurityProfile.UNSECURED)
    await register(db, "CP-2", security_profile=SecurityProfile.UNSECURED)
    there = from_address(ANYWHERE)
    async with start_pod(address_failures=3, address_failure_refill_s=60) as gateway:
        assert await status_of(gateway.url, there) == 101
        for number in range(3):
            assert await status_of(gateway.url, there, station_id=f"NOBODY-{number}") == 401
        async with db.acquire() as connection, connection.transaction():
            # A look-up would wait for this, and end as a 503.
            await connection.execute("LOCK TABLE stations IN ACCESS EXCLUSIVE MODE")
            assert await status_of(gateway.url, there, station_id="NOBODY-4") == 429
            assert await status_of(gateway.url, there, station_id="CP-2") == 429
        # Who came in from there before still does.
        assert await status_of(gateway.url, there) == 101


async def test_a_password_that_was_right_comes_in_from_an_address_that_failed_too_often(
    db: Database, start_pod: StartPod
) -> None:
    await register(db)
    there = from_address(ANYWHERE)
    async with start_pod(address_failures=2, address_failure_refill_s=60) as gateway:
        assert await status_of(gateway.url, there, basic_auth("CP-1")) == 101
        for _ in range(2):
            assert await status_of(gateway.url, there, station_id="NOBODY") == 401
        assert await status_of(gateway.url, there, station_id="NOBODY") == 429
        async with station_client(gateway.url):
            pass
        assert await status_of(gateway.url, there, basic_auth("CP-1")) == 101


# Browsers


async def test_a_browser_comes_in_for_no_station_without_a_password(
    db: Database, start_pod: StartPod
) -> None:
    await register(db, security_profile=SecurityProfile.UNSECURED)
    await register(db, "CP-2")
    page = {"Origin": "https://pages.example"}
    async with start_pod() as gateway:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{gateway.url}/CP-1", additional_headers=page)
        assert refused.value.response.status_code == 403
        assert b"Origin" in (refused.value.response.body or b"")
        assert await status_of(gateway.url) == 101
        assert await status_of(gateway.url, page, basic_auth("CP-2"), station_id="CP-2") == 101
    async with start_pod(browser_origins="https://pages.example, null") as gateway:
        assert await status_of(gateway.url, page) == 101
        assert await status_of(gateway.url, {"Origin": "null"}) == 101
        assert await status_of(gateway.url, {"Origin": "https://pages.example.org"}) == 403
