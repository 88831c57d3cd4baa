"""Security events and certificates through a real pod, for both versions of OCPP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from redis.asyncio import Redis

from shared import x509
from shared.bus.client import open_redis
from shared.domain import commands
from shared.domain.commands import CommandState
from shared.domain.stations.stations import RegistrationStatus
from shared.domain.trust.certificates import (
    CertificateUse,
    HashAlgorithm,
    InstalledCertificate,
    SigningRequest,
    SigningRequestState,
)
from shared.settings import ServiceSettings
from shared.store.pool import Database
from shared.store.stations import stations
from shared.store.trust import (
    certificates,
    client_certificates,
    security_events,
    signing_request_lists,
    signing_requests,
)
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.asking import ask, outcome
from tests.support.ocpp201 import booted_station
from tests.support.signing import root, signing_request
from tests.support.stations import StationClient, register, station_client

NOW = "2026-01-02T03:04:05Z"
HASH_DATA = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "aB" * 32,
    "issuerKeyHash": "cD" * 32,
    "serialNumber": "fF1",
}


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(ServiceSettings(database_url="", redis_url=redis_url)) as client:
        yield client


@pytest.fixture
async def station(db: Database, gateway: Pod) -> AsyncIterator[StationClient]:
    await register(db)
    async with station_client(gateway.url) as client:
        await client.boot()
        yield client


async def installed(db: Database) -> list[InstalledCertificate]:
    return await certificates.list_after(db, station_id="CP-1", after=None, limit=10)


async def asked(db: Database) -> list[SigningRequest]:
    return await signing_request_lists.list_before(db, before=None, limit=10)


async def run(
    db: Database, redis: Redis, station: StationClient, command: commands.Command, answer: Any
) -> Any:
    """Have the station answer a command, and return what it was asked."""
    command_id = await ask(db, redis, command)
    frame = await station.receive()
    await station.send([3, command_id, answer])
    await outcome(db, command_id)
    return frame[2:]


async def test_a_security_event_is_kept_once(db: Database, station: StationClient) -> None:
    event = {"type": "TamperDetectionActivated", "timestamp": NOW, "techInfo": "lid"}
    for _ in range(2):
        assert (await station.call("SecurityEventNotification", event))[2] == {}
    (kept,) = await security_events.list_before(db, before=None, limit=10, station_id="CP-1")
    assert (kept.type, kept.tech_info) == ("TamperDetectionActivated", "lid")


async def test_a_signing_request_in_order_waits_for_an_operator(
    db: Database, station: StationClient
) -> None:
    csr = signing_request("CP-1")
    assert (await station.call("SignCertificate", {"csr": csr}))[2] == {"status": "Accepted"}
    (request,) = await asked(db)
    assert (request.state, request.csr) == (SigningRequestState.PENDING, csr)
    assert (request.subject, request.key_type) == ("O=Operator,CN=CP-1", "EC secp256r1")
    # Told again, it is the same.
    assert (await station.call("SignCertificate", {"csr": csr}))[2] == {"status": "Accepted"}
    assert [again.signing_request_id for again in await asked(db)] == [request.signing_request_id]


def boot_of(serial_number: str) -> dict[str, str]:
    return {
        "chargePointVendor": "V",
        "chargePointModel": "M",
        "chargePointSerialNumber": serial_number,  # so it says
        "chargeBoxSerialNumber": serial_number,
    }


async def test_the_common_name_may_be_the_serial_number_that_an_operator_has_given(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    await stations.update(db, "CP-1", {"certificate_serial_number": "SN-4711"})
    async with station_client(gateway.url) as station:
        await station.boot()
        answer = await station.call("SignCertificate", {"csr": signing_request("SN-4711")})
        assert answer[2] == {"status": "Accepted"}


@pytest.mark.parametrize("name", ["CP-2", "CP-3", "SN-4711"])
async def test_what_a_station_says_of_itself_is_no_ground_to_sign(
    db: Database, gateway: Pod, name: str
) -> None:
    await register(db)
    await register(db, "CP-2")  # CP-3 is not registered yet
    async with station_client(gateway.url) as station:
        await station.call("BootNotification", boot_of(name))
        answer = await station.call("SignCertificate", {"csr": signing_request(name)})
        assert answer[2] == {"status": "Rejected"}
    (request,) = await asked(db)
    assert "A00.FR.405" in (request.reason or "")


@pytest.mark.parametrize(
    ("csr", "reason"),
    [
        (signing_request("CP-2"), "A00.FR.405"),
        (signing_request(None), "A00.FR.405"),
        (signing_request("CP-1", key=rsa.generate_private_key(65537, 1536)), "A00.FR.502"),  # noqa: S505 - the point of it
        (signing_request("CP-1", key=ec.generate_private_key(ec.SECP192R1())), "A00.FR.503"),
        (signing_request("CP-1", organization="Somebody"), "A02.FR.13"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----", "PEM"),
        ("'; DROP TABLE stations; --", "PEM"),
        ("", "PEM"),
    ],
    ids=["another's name", "no name", "short RSA", "short EC", "another's", "garbage", "SQL", "-"],
)
async def test_a_signing_request_that_must_not_be_signed_is_refused_and_kept(
    db: Database, start_pod: StartPod, csr: str, reason: str
) -> None:
    await register(db)
    async with (
        start_pod(certificate_organization="Operator") as gateway,
        station_client(gateway.url) as station,
    ):
        await station.boot()
        answer = await station.call("SignCertificate", {"csr": csr})
    assert answer[2] == {"status": "Rejected"}
    (request,) = await asked(db)
    assert request.state is SigningRequestState.REFUSED
    assert reason in (request.reason or "")


async def test_a_pending_station_may_send_the_request_that_it_was_asked_for(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    await register(db, registration_status=RegistrationStatus.PENDING)
    trigger = commands.TriggerMessage(
        requested_message=commands.MessageTrigger.SIGN_CHARGING_STATION_CERTIFICATE
    )
    async with station_client(gateway.url) as station:
        await station.boot()
        csr = {"csr": signing_request()}
        assert (await station.call("SignCertificate", csr))[0] == 4
        assert await run(db, redis, station, trigger, {"status": "Accepted"}) == [
            "ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}
        ]  # fmt: skip
        assert (await station.call("SignCertificate", csr))[2] == {"status": "Accepted"}


@pytest.mark.parametrize(
    ("status", "state"),
    [("Accepted", SigningRequestState.ACCEPTED), ("Rejected", SigningRequestState.REJECTED)],
)
async def test_what_the_station_says_to_its_certificate_ends_the_request(
    db: Database, redis: Redis, station: StationClient, status: str, state: SigningRequestState
) -> None:
    csr = signing_request()
    await station.call("SignCertificate", {"csr": csr})
    (request,) = await asked(db)
    chain = root().answer(csr)
    await signing_requests.keep_signed(
        db,
        request.signing_request_id,
        certificate_chain=chain,
        serial_number="FFF",
        presented=x509.check_chain(chain, csr=csr, now=request.requested_at).presented,
        not_after=request.requested_at,
        replaces=False,
    )
    command = commands.CertificateSigned(
        certificate_chain=chain, signing_request_id=request.signing_request_id
    )
    assert await run(db, redis, station, command, {"status": status}) == [
        "CertificateSigned", {"certificateChain": chain}
    ]  # fmt: skip
    (request,) = await asked(db)
    assert request.state is state
    assert request.answered_at is not None


async def test_installed_certificates_are_listed_as_the_station_tells_them(
    db: Database, redis: Redis, station: StationClient
) -> None:
    authority = root(serial_number=0xBEEF)
    command = commands.InstallCertificate(
        certificate_type=CertificateUse.CSMS_ROOT, certificate=authority.pem
    )
    assert await run(db, redis, station, command, {"status": "Accepted"}) == [
        "InstallCertificate",
        {"certificateType": "CentralSystemRootCertificate", "certificate": authority.pem},
    ]
    (certificate,) = await installed(db)
    assert (certificate.certificate_type, certificate.serial_number) == (
        "CSMSRootCertificate",
        "BEEF",
    )
    # The station's own list takes the place of what we believed.
    listing = commands.GetInstalledCertificateIds(certificate_types=(CertificateUse.CSMS_ROOT,))
    answer = {"status": "Accepted", "certificateHashData": [HASH_DATA]}
    assert await run(db, redis, station, listing, answer) == [
        "GetInstalledCertificateIds", {"certificateType": "CentralSystemRootCertificate"}
    ]  # fmt: skip
    (certificate,) = await installed(db)
    assert certificate.serial_number == "fF1"
    # Of another type nothing is installed, which says nothing of this one.
    other = commands.GetInstalledCertificateIds(
        certificate_types=(CertificateUse.MANUFACTURER_ROOT,)
    )
    await run(db, redis, station, other, {"status": "NotFound"})
    assert len(await installed(db)) == 1
    delete = commands.DeleteCertificate(
        hash_algorithm=HashAlgorithm.SHA256,
        issuer_name_hash="AB" * 32,
        issuer_key_hash="CD" * 32,
        serial_number="FF1",
    )
    assert (await run(db, redis, station, delete, {"status": "Failed"}))[0] == "DeleteCertificate"
    assert len(await installed(db)) == 1
    await run(db, redis, station, delete, {"status": "Accepted"})
    assert await installed(db) == []


async def test_a_certificate_that_was_not_installed_is_not_listed(
    db: Database, redis: Redis, station: StationClient
) -> None:
    command = commands.InstallCertificate(
        certificate_type=CertificateUse.MANUFACTURER_ROOT, certificate=root().pem
    )
    await run(db, redis, station, command, {"status": "Rejected"})
    assert await installed(db) == []


@pytest.mark.parametrize(
    "command",
    [
        commands.InstallCertificate(certificate_type=CertificateUse.V2G_ROOT, certificate="x"),
        commands.GetInstalledCertificateIds(),
        commands.CertificateSigned(certificate_chain="x", certificate_type="V2GCertificate"),  # type: ignore[arg-type]  # as from the store
        commands.UpdateFirmware(location="u", retrieve_at=NOW, install_at=NOW),
        commands.UpdateFirmware(location="u", retrieve_at=NOW, signature="s"),
    ],
    ids=["V2G root", "all types", "V2G certificate", "install_at unsigned", "half signed"],
)
async def test_what_1_6_cannot_say_is_refused_in_words(
    db: Database, redis: Redis, station: StationClient, command: commands.Command
) -> None:
    command_id = await ask(db, redis, command)
    record = await outcome(db, command_id)
    assert (record.state, record.error_code) == (CommandState.FAILED, "CannotBeSaid")
    assert (await station.call("Heartbeat", {}))[0] == 3


@pytest.mark.parametrize(
    ("name", "status", "kept"),
    [("CP-1", "Accepted", 1), ("CP-1", "Rejected", 0), ("CP-2", "Accepted", 0)],
)
async def test_a_certificate_that_an_operator_sends_unasked_counts_if_it_is_called_right(
    db: Database, redis: Redis, station: StationClient, name: str, status: str, kept: int
) -> None:
    await register(db, "CP-2")
    chain = root().answer(signing_request(name))
    command = commands.CertificateSigned(certificate_chain=chain)
    await run(db, redis, station, command, {"status": status})
    found = await client_certificates.list_after(db, station_id="CP-1", after=None, limit=9)
    sha256 = x509.read_certificate(chain).presented.sha256
    assert [each.sha256 for each in found] == [sha256] * kept


async def test_a_station_of_2_0_1_has_the_same_certificates(
    db: Database, redis: Redis, gateway: Pod
) -> None:
    await register(db)
    chain = {
        "certificateType": "V2GCertificateChain",
        "certificateHashData": HASH_DATA,
        "childCertificateHashData": [HASH_DATA],
    }
    async with booted_station(gateway.url) as station:
        answer = {"status": "Accepted", "certificateHashDataChain": [chain]}
        listing = commands.GetInstalledCertificateIds()
        assert await run(db, redis, station, listing, answer) == ["GetInstalledCertificateIds", {}]
        (certificate,) = await installed(db)
        assert certificate.certificate_type is CertificateUse.V2G_CHAIN
        assert certificate.child_certificates[0]["serial_number"] == "fF1"
        roots = commands.GetInstalledCertificateIds(certificate_types=(CertificateUse.MO_ROOT,))
        assert await run(db, redis, station, roots, {"status": "NotFound"}) == [
            "GetInstalledCertificateIds", {"certificateType": ["MORootCertificate"]}
        ]  # fmt: skip
        assert len(await installed(db)) == 1
        request = {"csr": signing_request("anything"), "certificateType": "V2GCertificate"}
        assert (await station.call("SignCertificate", request))[2] == {"status": "Accepted"}
        assert (await station.call("SignCertificate", {"csr": request["csr"]}))[2] == {
            "status": "Rejected"
        }
        delete = commands.DeleteCertificate(
            hash_algorithm=HashAlgorithm.SHA256,
            issuer_name_hash="aB" * 32,
            issuer_key_hash="cD" * 32,
            serial_number="fF1",
        )
        await run(db, redis, station, delete, {"status": "NotFound"})
    assert await installed(db) == []
    assert {each.certificate_type for each in await asked(db)} == {
        "V2GCertificate",
        None,
    }


async def test_an_old_hash_is_refused(db: Database, station: StationClient) -> None:
    csr = signing_request(algorithm=hashes.SHA224())
    assert (await station.call("SignCertificate", {"csr": csr}))[2] == {"status": "Rejected"}
    (request,) = await asked(db)
    assert "A00.FR.504" in (request.reason or "")
