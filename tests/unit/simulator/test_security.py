"""The security extension: certificates, security events, ExtendedTriggerMessage (whitepaper)."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from shared.x509 import check_chain, read_root_hash_data, read_signing_request
from simulator.certificates import STORE_MAX_CERTIFICATES
from tests.support.station_certificates import Key, certify, make_key, make_root, pem, rsa_key
from tests.unit.simulator.bench import START, Bench, Frame, Payload

CSMS, MAKER = "CentralSystemRootCertificate", "ManufacturerRootCertificate"
ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}


def _install(station: Bench, root: x509.Certificate | str, use: str = CSMS) -> Payload:
    text = root if isinstance(root, str) else pem(root)
    return station.command("InstallCertificate", {"certificateType": use, "certificate": text})


def _installed(station: Bench, use: str = CSMS) -> list[Payload]:
    answer = station.command("GetInstalledCertificateIds", {"certificateType": use})
    found = answer.get("certificateHashData", [])
    assert answer["status"] == ("Accepted" if found else "NotFound")
    return list(found)


def _events(said: list[Frame]) -> list[str]:
    return [frame.payload["type"] for frame in said if frame.action == "SecurityEventNotification"]


# Roots


@pytest.mark.parametrize("make", [rsa_key, make_key])
def test_roots_are_named_as_voltaro_names_them(bench: type[Bench], make: type[Key]) -> None:
    station = bench().booted()
    root = make_root(make(), serial=0xABC)
    assert _installed(station) == []
    assert _install(station, root) == ACCEPTED
    assert _install(station, root) == ACCEPTED  # Once is enough.
    (found,) = _installed(station)
    ours = read_root_hash_data(pem(root))
    assert ours is not None
    assert found == {
        "hashAlgorithm": str(ours.hash_algorithm),
        "issuerNameHash": ours.issuer_name_hash,
        "issuerKeyHash": ours.issuer_key_hash,
        "serialNumber": "ABC",
    }
    assert _installed(station, MAKER) == []


def test_a_root_is_deleted_by_its_name(bench: type[Bench]) -> None:
    station = bench().booted()
    _install(station, make_root(make_key(), "One"))
    _install(station, make_root(make_key(), "Two"))
    one, two = _installed(station)
    request = {"certificateHashData": {**one, "issuerKeyHash": one["issuerKeyHash"].upper()}}
    assert station.command("DeleteCertificate", request) == ACCEPTED
    assert station.command("DeleteCertificate", request) == {"status": "NotFound"}
    assert _installed(station) == [two]


def test_what_is_no_root_is_not_installed(bench: type[Bench]) -> None:
    station = bench().booted()
    key = make_key()
    root = make_root(key)
    leaf = certify("Leaf", make_key().public_key(), issuer=root, key=key)
    for text in ("", "nonsense", pem(leaf)):
        assert _install(station, text) == REJECTED
    assert _install(station, make_root(make_key(), at=START - 86_400 * 30)) == REJECTED


def test_there_is_room_for_so_many_roots(bench: type[Bench]) -> None:
    station = bench().booted()
    key = make_key()
    for number in range(STORE_MAX_CERTIFICATES):
        assert _install(station, make_root(key, f"R{number}")) == ACCEPTED
    assert _install(station, make_root(key, "One more")) == REJECTED


# The station's own certificate


def _signing_request(station: Bench) -> x509.CertificateSigningRequest:
    trigger = {"requestedMessage": "SignChargePointCertificate"}
    assert station.command("ExtendedTriggerMessage", trigger) == ACCEPTED
    call = station.expect("SignCertificate")
    station.reply(call, ACCEPTED)
    assert read_signing_request(call.payload["csr"], organization="Voltaro").refusal is None
    return x509.load_pem_x509_csr(call.payload["csr"].encode())


def test_a_certificate_is_asked_for_signed_and_taken(bench: type[Bench]) -> None:
    station = bench().booted()
    request = _signing_request(station)
    (name,) = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == "SIM-1"
    key = make_key()
    root = make_root(key)
    _install(station, root)
    chain = pem(certify("SIM-1", request.public_key(), issuer=root, key=key), root)
    check_chain(
        chain, csr=request.public_bytes(Encoding.PEM).decode(), now=root.not_valid_before_utc
    )
    assert station.command("CertificateSigned", {"certificateChain": chain}) == ACCEPTED
    assert station.station.keys.certificate == chain
    station.silent()
    # It has been used up: the same again is for no request.
    assert station.command("CertificateSigned", {"certificateChain": chain}) == REJECTED


@pytest.mark.parametrize(
    "case", ["nonsense", "another key", "another name", "expired", "broken chain", "unknown root"]
)
def test_a_certificate_that_is_of_no_use_is_rejected_and_noted(
    bench: type[Bench], case: str
) -> None:
    station = bench().booted()
    request = _signing_request(station)
    key = make_key()
    root = make_root(key)
    if case == "unknown root":
        _install(station, make_root(make_key(), "Ours"))
    leaf = certify(
        "SIM-2" if case == "another name" else "SIM-1",
        make_key().public_key() if case == "another key" else request.public_key(),
        issuer=root,
        key=key,
        at=START - 86_400 * 30 if case == "expired" else START,
    )
    chain = {
        "nonsense": "nonsense",
        "broken chain": pem(leaf, make_root(make_key(), "Other")),
    }.get(case, pem(leaf, root))
    assert station.command("CertificateSigned", {"certificateChain": chain}) == REJECTED
    assert station.station.keys.certificate is None
    assert _events(station.settle()) == ["InvalidChargePointCertificate"]


def test_the_same_seed_makes_the_same_request(bench: type[Bench]) -> None:
    first, second = (_signing_request(bench(seed=3).booted()) for _ in range(2))
    assert first == second
    assert first != _signing_request(bench(seed=4).booted())


def test_the_name_of_the_operator_can_be_set(bench: type[Bench]) -> None:
    station = bench().booted()
    change = {"key": "CpoName", "value": "Anna's Chargers"}
    assert station.command("ChangeConfiguration", change) == ACCEPTED
    trigger = {"requestedMessage": "SignChargePointCertificate"}
    station.command("ExtendedTriggerMessage", trigger)
    csr = station.expect("SignCertificate").payload["csr"]
    assert read_signing_request(csr, organization="Anna's Chargers").refusal is None


# Security events


def test_a_reset_is_told_after_everything_else(bench: type[Bench]) -> None:
    station = bench().booted()
    station.charge()
    station.command("Reset", {"type": "Hard"})
    station.tick(3)
    station.connect()
    said = station.settle()
    assert [frame.action for frame in said][-2:] == ["StopTransaction", "SecurityEventNotification"]
    assert said[-1].payload["type"] == "ResetOrReboot"
    assert said[-1].payload["techInfo"] == "RemoteReset"


def test_an_event_is_told_until_it_was_heard(bench: type[Bench]) -> None:
    station = bench(call_timeout_s=5).booted(interval=86_400)
    station.command("CertificateSigned", {"certificateChain": "nonsense"})
    first = station.expect("SecurityEventNotification")
    station.disconnect()
    station.tick(10)
    station.connect()
    second = station.expect("SecurityEventNotification")
    assert second.payload == first.payload
    station.tick(5)  # No answer.
    station.silent()
    station.tick(30)
    third = station.expect("SecurityEventNotification")
    station.reply(third, {})
    station.live(100)
    assert len([each for each in station.history if each.action == third.action]) == 3


def test_an_event_that_is_refused_is_not_told_again(bench: type[Bench]) -> None:
    station = bench().booted()
    station.command("CertificateSigned", {"certificateChain": "nonsense"})
    station.refuse(station.expect("SecurityEventNotification"), "NotImplemented")
    station.silent()
    assert "SecurityEventNotification" not in [each.action for each in station.live(200)]


def test_a_new_password_is_logged_but_not_told(bench: type[Bench]) -> None:
    station = bench(password=b"old").booted()
    secret = "00112233445566778899AABBCCDDEEFF"
    request = {"key": "AuthorizationKey", "value": secret}
    assert station.command("ChangeConfiguration", request) == ACCEPTED
    station.silent()
    (event,) = station.station.security_log
    assert event.type.value == "ReconfigurationOfSecurityParameters"
    assert secret not in event.info


# ExtendedTriggerMessage


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("Heartbeat", "Heartbeat"),
        ("StatusNotification", "StatusNotification"),
        ("MeterValues", "MeterValues"),
        ("LogStatusNotification", "LogStatusNotification"),
        ("FirmwareStatusNotification", "SignedFirmwareStatusNotification"),
        ("SignChargePointCertificate", "SignCertificate"),
    ],
)
def test_extended_triggers_are_followed(bench: type[Bench], message: str, action: str) -> None:
    station = bench().booted()
    request = {"requestedMessage": message, "connectorId": 1}
    assert station.command("ExtendedTriggerMessage", request) == ACCEPTED
    assert [frame.action for frame in station.settle()] == [action]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("BootNotification", "Rejected"),
        ("DiagnosticsStatusNotification", "NotImplemented"),
        ("Dance", "NotImplemented"),
    ],
)
def test_extended_triggers_that_are_not_followed(
    bench: type[Bench], message: str, status: str
) -> None:
    station = bench().booted()
    request = {"requestedMessage": message}
    assert station.command("ExtendedTriggerMessage", request) == {"status": status}
    station.silent()


def test_a_pending_station_sends_what_is_triggered(bench: type[Bench]) -> None:
    station = bench().power_on().connect()
    station.reply(station.expect("BootNotification"), {**Bench.ACCEPTED, "status": "Pending"})
    trigger = {"requestedMessage": "SignChargePointCertificate"}
    assert station.command("ExtendedTriggerMessage", trigger) == ACCEPTED
    assert station.expect("SignCertificate")
