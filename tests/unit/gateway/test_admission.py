"""Who may try to come in, and from where."""

import pytest
from websockets.datastructures import Headers

from gateway.admission import (
    FailureLimit,
    HandshakeFailures,
    HandshakeRate,
    Origin,
    ProxyTrust,
    address_key,
    parse_networks,
)
from shared.domain.trust.certificates import PresentedCertificate

PROXY, STATION = "10.0.0.5", "203.0.113.7"
NETWORKS = parse_networks("10.0.0.0/8, ::1/128")
TRUST = ProxyTrust(NETWORKS, common_name_header="X-SSL-Client-CN")


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def limit(clock: Clock, *, max_keys: int = 100) -> FailureLimit:
    return FailureLimit(burst=3, refill_s=10.0, max_keys=max_keys, clock=clock)


def handshakes(clock: Clock, *, burst: int) -> HandshakeRate:
    """Two a second that are hashed: five tokens each."""
    return HandshakeRate(per_s=10, burst=burst, max_wait_s=60, clock=clock)


def test_handshakes_are_let_in_as_a_burst_and_then_at_their_rate() -> None:
    clock = Clock()
    rate = handshakes(clock, burst=20)
    assert [rate.take() for _ in range(4)] == [None] * 4
    assert rate.take() is not None
    for _ in range(20):
        clock.now_s += 0.5001
        assert rate.take() is None
        assert rate.take() is not None
    clock.now_s += 1000
    assert [rate.take() for _ in range(5)].count(None) == 4


def test_a_password_that_was_not_hashed_leaves_room_for_four_others() -> None:
    rate = handshakes(Clock(), burst=20)
    let_in = 0
    while rate.take() is None:
        rate.settle_hashing(0)
        let_in += 1
    assert let_in == 16  # the last one that is let in still needs five tokens


def test_a_password_that_was_hashed_more_than_once_takes_the_room_of_others() -> None:
    rate = handshakes(Clock(), burst=20)
    assert rate.take() is None
    rate.settle_hashing(3)
    assert [rate.take() for _ in range(3)].count(None) == 1


def test_who_is_put_off_gets_a_moment_of_its_own() -> None:
    clock = Clock()
    rate = handshakes(clock, burst=5)
    assert rate.take() is None
    waits = [rate.take() for _ in range(50)]
    assert waits == pytest.approx([0.5 * number for number in range(1, 51)])
    # Those who come at their moment find room, and nobody waits for ever.
    for _ in range(50):
        clock.now_s += 0.5001
        assert rate.take() is None
    for _ in range(1000):
        rate.take()
    assert rate.take() == pytest.approx(60)


def test_a_burst_is_let_through_and_then_one_at_a_time() -> None:
    clock = Clock()
    failures = limit(clock)
    for _ in range(3):
        assert failures.retry_after_s("CP-1") is None
        failures.failed("CP-1")
    assert failures.retry_after_s("CP-1") == 10
    assert failures.retry_after_s("CP-2") is None
    clock.now_s += 10
    assert failures.retry_after_s("CP-1") is None
    failures.failed("CP-1")
    assert failures.retry_after_s("CP-1") == 10
    clock.now_s += 1000
    for _ in range(3):
        assert failures.retry_after_s("CP-1") is None
        failures.failed("CP-1")


def test_however_often_somebody_fails_the_next_try_is_one_refill_away() -> None:
    """Some failures cost nothing to make: without a password nothing is hashed nor throttled."""
    clock = Clock()
    failures = limit(clock)
    for _ in range(10_000):
        failures.failed("CP-1")
    wait_s = failures.retry_after_s("CP-1")
    assert wait_s is not None
    clock.now_s += wait_s
    assert failures.retry_after_s("CP-1") is None


def test_a_success_forgives() -> None:
    failures = limit(Clock())
    for _ in range(5):
        failures.failed("CP-1")
    failures.succeeded("CP-1")
    assert failures.retry_after_s("CP-1") is None


def test_what_is_remembered_is_bounded_and_the_busiest_stay() -> None:
    failures = limit(Clock(), max_keys=10)
    for number in range(1000):
        failures.failed("guessed")
        failures.failed(f"CP-{number}")
    assert len(failures) == 10
    assert failures.retry_after_s("guessed") is not None


@pytest.mark.parametrize(
    ("peer", "headers", "origin"),
    [
        (STATION, {}, Origin(STATION, encrypted=False, client_certificate=None)),
        (
            STATION,
            {
                "X-Forwarded-For": "198.51.100.1",
                "X-Forwarded-Proto": "https",
                "X-SSL-Client-CN": "CP-1",
            },
            Origin(STATION, encrypted=False, client_certificate=None),
        ),
        (
            PROXY,
            {"X-Forwarded-For": STATION, "X-Forwarded-Proto": "https"},
            Origin(STATION, encrypted=True, client_certificate=None),
        ),
        (
            PROXY,
            {"X-Forwarded-For": f"6.6.6.6, {STATION}, 10.1.1.1"},
            Origin(STATION, encrypted=False, client_certificate=None),
        ),
        (
            PROXY,
            {"X-Forwarded-For": STATION, "X-Forwarded-Proto": "wss", "X-SSL-Client-CN": "CP-1"},
            Origin(
                STATION, encrypted=True, client_certificate=PresentedCertificate(common_name="CP-1")
            ),
        ),
        # A certificate over a plain connection is a configuration gone wrong.
        (
            PROXY,
            {"X-Forwarded-For": STATION, "X-SSL-Client-CN": "CP-1"},
            Origin(STATION, encrypted=False, client_certificate=None),
        ),
        (
            PROXY,
            {"X-Forwarded-For": "rubbish"},
            Origin(PROXY, encrypted=False, client_certificate=None),
        ),
    ],
)
def test_only_our_load_balancers_are_believed(
    peer: str, headers: dict[str, str], origin: Origin
) -> None:
    found = TRUST.find_origin(peer, Headers(headers), encrypted=False, client_certificate=None)
    assert found == origin


@pytest.mark.parametrize(
    ("told", "certificate"),
    [
        ({}, None),
        ({"X-CN": "", "X-FP": ""}, None),
        ({"X-CN": "CP-1", "X-FP": "AB" * 32}, {"common_name": "CP-1", "sha256": "ab" * 32}),
        ({"X-FP": ":".join(["0C"] * 20)}, {"sha1": "0c" * 20}),
        # A name does not stand in for a fingerprint that is missing.
        ({"X-CN": "CP-1"}, {"common_name": "CP-1", "sha256": ""}),
        ({"X-CN": "CP-1", "X-FP": "zz" * 32}, {"common_name": "CP-1", "sha256": ""}),
        ({"X-CN": "CP-1", "X-FP": "ab" * 31}, {"common_name": "CP-1", "sha256": ""}),
    ],
)
def test_a_load_balancer_tells_the_fingerprint_of_a_certificate(
    told: dict[str, str], certificate: dict[str, str] | None
) -> None:
    trust = ProxyTrust(NETWORKS, common_name_header="X-CN", fingerprint_header="X-FP")
    headers = Headers({"X-Forwarded-Proto": "https", **told})
    found = trust.find_origin(PROXY, headers, encrypted=False, client_certificate=None)
    assert found.client_certificate == (certificate and PresentedCertificate(**certificate))


def test_what_our_own_tls_has_verified_is_believed_of_everybody() -> None:
    ours = PresentedCertificate(common_name="CP-1")
    for peer in (STATION, PROXY):
        headers = Headers({"X-Forwarded-For": STATION, "X-SSL-Client-CN": "CP-2"})
        found = TRUST.find_origin(peer, headers, encrypted=True, client_certificate=ours)
        assert found == Origin(STATION, encrypted=True, client_certificate=ours)


def test_hops_in_several_headers_are_one_way() -> None:
    headers = Headers([("X-Forwarded-For", f"6.6.6.6, {STATION}"), ("X-Forwarded-For", "10.1.1.1")])
    found = TRUST.find_origin(PROXY, headers, encrypted=False, client_certificate=None)
    assert found.address == STATION


def test_who_is_told_no_names_asks_for_none() -> None:
    told = {"X-Forwarded-Proto": "https", "X-CN": "CP-1", "X-FP": "ab" * 20}
    for names, certificate in (
        ({"common_name_header": None}, None),
        (
            {"common_name_header": None, "fingerprint_header": "X-FP"},
            PresentedCertificate(sha1="ab" * 20),
        ),
        ({"common_name_header": None, "fingerprint_header": "X-Other"}, None),
        ({"common_name_header": "X-CN"}, PresentedCertificate(common_name="CP-1")),
    ):
        trust = ProxyTrust(NETWORKS, **names)
        found = trust.find_origin(PROXY, Headers(told), encrypted=False, client_certificate=None)
        assert found.client_certificate == certificate


def test_who_waits_less_than_a_second_waits_one() -> None:
    clock = Clock()
    failures = limit(clock)
    for _ in range(3):
        failures.failed("CP-1")
    clock.now_s += 9.5
    assert failures.retry_after_s("CP-1") == 1
    clock.now_s += 0.5
    assert failures.retry_after_s("CP-1") is None


def test_who_failed_longest_ago_is_forgotten_first() -> None:
    failures = limit(Clock(), max_keys=2)
    for station_id in ("CP-1", "CP-2", "CP-1", "CP-3"):
        for _ in range(3):
            failures.failed(station_id)
    waits = [failures.retry_after_s(f"CP-{number}") for number in (1, 2, 3)]
    assert waits == [10, None, 10]


def test_a_header_that_comes_twice_tells_nothing() -> None:
    headers = Headers([("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "https")])
    found = TRUST.find_origin(PROXY, headers, encrypted=False, client_certificate=None)
    assert not found.encrypted


def failures() -> HandshakeFailures:
    """An address may fail three times at once, a station from it twice, from anywhere once."""
    clock = Clock()

    def at_once(burst: int, refill_s: float) -> FailureLimit:
        return FailureLimit(burst=burst, refill_s=refill_s, max_keys=100, clock=clock)

    return HandshakeFailures(
        addresses=at_once(3, 10.0), pairs=at_once(2, 20.0), stations=at_once(1, 30.0)
    )


def test_who_guesses_passwords_of_one_station_locks_out_nobody_but_himself() -> None:
    door = failures()
    for _ in range(2):
        assert door.retry_after_s("A", "CP-1") is None
        door.failed("A", "CP-1")
    assert door.retry_after_s("A", "CP-1") == 20
    assert door.retry_after_s("A") is None  # the address itself has one try left
    assert door.retry_after_s("A", "CP-2") is None
    assert door.retry_after_s("B", "CP-1") is None


def test_an_address_that_fails_with_many_stations_waits_with_all_of_them() -> None:
    door = failures()
    for number in range(3):
        assert door.retry_after_s("A", f"CP-{number}") is None
        door.failed("A", f"CP-{number}")
    assert door.retry_after_s("A") == 10
    assert door.retry_after_s("A", "CP-9") == 10
    assert door.retry_after_s("B", "CP-0") is None
    door.failed("A", "CP-0")
    assert door.retry_after_s("A", "CP-0") == 20  # the longer one of the two


def test_a_handshake_that_names_no_station_fails_for_its_address_alone() -> None:
    door = failures()
    for _ in range(3):
        door.failed("A")
    assert door.retry_after_s("A") == 10
    assert door.retry_after_s("B") is None


def test_only_wrong_passwords_count_against_a_station_from_anywhere() -> None:
    door = failures()
    door.failed("A", "CP-1")
    assert door.guess_retry_after_s("CP-1") is None
    door.failed("A", "CP-1", guessed=True)
    assert door.guess_retry_after_s("CP-1") == 30
    assert door.guess_retry_after_s("CP-2") is None


def test_who_gets_in_is_forgiven_at_its_own_address_and_guesses_are_not() -> None:
    door = failures()
    for address in ("A", "B"):
        for _ in range(2):
            door.failed(address, "CP-1", guessed=True)
    door.succeeded("A", "CP-1")
    door.succeeded("A", "CP-2")  # of which nothing is known
    assert door.retry_after_s("A", "CP-1") is None
    assert door.retry_after_s("B", "CP-1") == 20
    assert door.guess_retry_after_s("CP-1") == 30
    door.failed("A")
    assert door.retry_after_s("A", "CP-1") == 10  # an address is not forgiven


def test_networks_are_read_as_people_write_them() -> None:
    written = parse_networks(" 10.1.2.3/8 ,, 192.0.2.1 ,2001:db8::1/32,")
    assert [str(network) for network in written] == [
        "10.0.0.0/8",
        "192.0.2.1/32",
        "2001:db8::/32",
    ]
    assert parse_networks("") == []
    with pytest.raises(ValueError, match="nowhere"):
        parse_networks("10.0.0.0/8, nowhere")


def test_addresses_of_one_ipv6_site_fail_together() -> None:
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff:2")
    assert address_key("2001:db8::1") != address_key("2001:db8:0:1::1")
    assert address_key("203.0.113.7") == "203.0.113.7"
