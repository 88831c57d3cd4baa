"""Certificates through the API and the worker: from the signing request to the station's yes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from control.jobs.settings import WorkerSettings
from control.jobs.trust.certificates import CertificateKeeper
from shared import x509 as x509_of_ours
from shared.bus.client import open_redis
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender
from shared.domain.commands import CommandState, Outcome
from shared.domain.errors import UnavailableError
from shared.domain.stations.device_model import SecurityEventReported
from shared.domain.trust.certificates import (
    CertificateSignedAnswered,
    CertificateSigningRequested,
    CertificateSigningUse,
    SigningRequest,
    SigningRequestState,
)
from shared.store import facts
from shared.store.commands import commands
from shared.store.pool import Database
from shared.store.stations import stations
from shared.store.trust import signing_request_lists, signing_requests
from tests.integration.control.conftest import MakeSettings
from tests.integration.control.players import PodPlayer, assert_problem, register, running
from tests.support.signing import root, signing_request

NO_ANSWER = Outcome(state=CommandState.TIMED_OUT, error_code="NoAnswer")


async def request_of(
    db: Database,
    csr: str,
    station_id: str = "CP-1",
    use: CertificateSigningUse | None = CertificateSigningUse.CHARGING_STATION,
    common_name: str | None = None,
) -> str:
    """Have a station ask for a certificate, and return the request's id."""
    fact = CertificateSigningRequested(
        station_id=station_id,
        certificate_type=use,
        csr=csr,
        common_name=common_name or station_id,
        subject=f"CN={station_id}",
        key_type="EC secp256r1",
        refusal=None,
        requested_at=datetime.now(UTC),
    )
    assert await facts.write(db, [fact]) == ["Accepted"]
    (newest, *_) = await signing_request_lists.list_before(db, before=None, limit=1)
    return newest.signing_request_id


async def say(db: Database, command_id: str, *, accepted: bool) -> None:
    """Answer as a gateway keeps it."""
    fact = CertificateSignedAnswered(
        station_id="CP-1", command_id=command_id, accepted=accepted, answered_at=datetime.now(UTC)
    )
    await facts.write(db, [fact])


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> WorkerSettings:
    certificate, key = root("Sub CA").write(tmp_path)
    return WorkerSettings(
        database_url=database_url,
        redis_url=redis_url,
        certificate_authority_certificate=certificate,
        certificate_authority_key=key,
        certificate_max_deliveries=2,
    )


@pytest.fixture
async def keeper(db: Database, settings: WorkerSettings) -> AsyncIterator[CertificateKeeper]:
    async with open_redis(settings) as redis:
        yield CertificateKeeper(db, OwnershipRegistry(redis), PodRequestSender(redis), settings)


async def test_an_operator_signs_and_the_station_gets_it(
    db: Database, client: httpx.AsyncClient, pod: PodPlayer
) -> None:
    await pod.hold("CP-1")
    csr = signing_request()
    key = await request_of(db, csr)
    pending = (await client.get("/v1/certificate-signing-requests?state=pending")).json()["items"]
    assert [each["csr"] for each in pending] == [csr]
    chain = root().answer(csr)
    url = f"/v1/certificate-signing-requests/{key}"
    signed = await client.post(f"{url}/certificate", json={"certificate_chain": chain})
    assert signed.status_code == 200
    assert (signed.json()["state"], signed.json()["serial_number"]) == ("signed", "FFF")
    sent = await pod.next_command()
    record = await pod.take(sent)
    assert record is not None
    assert (record.type, record.params["certificate_chain"]) == ("CertificateSigned", chain)
    await say(db, sent.command_id, accepted=True)
    await pod.finish(sent)
    answered = (await client.get(url)).json()
    assert (answered["state"], answered["command_id"]) == ("accepted", sent.command_id)
    again = await client.post(f"{url}/certificate", json={"certificate_chain": chain})
    assert "SignChargingStationCertificate" in assert_problem(again, 409, "conflict")["detail"]


async def test_a_certificate_is_kept_for_a_station_for_which_many_commands_wait(
    db: Database, make_settings: MakeSettings, pod: PodPlayer
) -> None:
    await pod.hold("CP-1")
    csr = signing_request()
    key = await request_of(db, csr)
    async with running(make_settings(command_max_queued=1)) as api:
        busy = await api.client.post(
            "/v1/stations/CP-1/commands", json={"type": "ClearCache", "wait_s": 0}
        )
        assert busy.status_code == 202
        url = f"/v1/certificate-signing-requests/{key}"
        chain = root().answer(csr)
        signed = await api.client.post(f"{url}/certificate", json={"certificate_chain": chain})
        assert (signed.status_code, signed.json()["state"]) == (200, "signed")
        assert signed.json()["command_id"] is None  # the worker delivers it, at no lost try
    assert await db.fetchval("SELECT max(deliveries) FROM certificate_signing_requests") == 0


@pytest.mark.parametrize(
    ("chain", "detail"),
    [
        (root().answer(signing_request()), "not for the key"),
        ("no certificate", "PEM"),
        (root("Other").pem, "not for the key"),
    ],
    ids=["another key", "garbage", "a root"],
)
async def test_what_is_no_certificate_for_the_request_is_refused(
    db: Database, client: httpx.AsyncClient, chain: str, detail: str
) -> None:
    await register(db, "CP-1")
    key = await request_of(db, signing_request())
    url = f"/v1/certificate-signing-requests/{key}"
    response = await client.post(f"{url}/certificate", json={"certificate_chain": chain})
    assert detail in assert_problem(response, 422, "invalid-input")["detail"]
    assert (await client.get(url)).json()["state"] == "pending"


async def test_an_expired_or_broken_chain_is_refused(
    db: Database, client: httpx.AsyncClient
) -> None:
    await register(db, "CP-1")
    csr = signing_request()
    url = f"/v1/certificate-signing-requests/{await request_of(db, csr)}/certificate"
    authority = root()
    expired = await client.post(url, json={"certificate_chain": authority.answer(csr, days=-1)})
    assert "expired" in assert_problem(expired, 422, "invalid-input")["detail"]
    foreign = authority.answer(csr) + root("Somebody else").pem
    broken = await client.post(url, json={"certificate_chain": foreign})
    assert "not signed by" in assert_problem(broken, 422, "invalid-input")["detail"]
    whole = await client.post(
        url, json={"certificate_chain": authority.answer(csr) + authority.pem}
    )
    assert whole.status_code == 200


async def test_a_station_that_asks_again_and_again_does_not_hold_up_the_others(
    db: Database, settings: WorkerSettings
) -> None:
    for station_id in ("CP-1", "CP-2", "CP-3"):
        await register(db, station_id)
    key = ec.generate_private_key(ec.SECP256R1())
    early = await request_of(db, signing_request("CP-2", key=key), "CP-2")
    greedy = [
        await request_of(db, signing_request("CP-1", organization=str(number), key=key))
        for number in range(20)
    ]
    late = await request_of(db, signing_request("CP-3", key=key), "CP-3")
    small = settings.model_copy(update={"certificates_batch": 3})
    async with open_redis(settings) as redis:
        keeper = CertificateKeeper(db, OwnershipRegistry(redis), PodRequestSender(redis), small)
        assert await keeper.run() == 3
    signed = await signing_request_lists.list_before(
        db, before=None, limit=100, state=SigningRequestState.SIGNED
    )
    # Of the greedy one the newest, which is the one that it still waits for.
    assert {request.signing_request_id for request in signed} == {early, greedy[-1], late}


async def test_the_authority_signs_by_itself_and_the_certificate_waits_for_the_station(
    db: Database, pod: PodPlayer, keeper: CertificateKeeper, settings: WorkerSettings
) -> None:
    await register(db, "CP-1")
    csr = signing_request(key=rsa.generate_private_key(65537, 2048))
    key = await request_of(db, csr)
    assert await keeper.run() == 1  # signed; the station is offline
    request = await signing_requests.get(db, key)
    assert request.state == "signed"
    assert request.not_after is not None
    days = (request.not_after - datetime.now(UTC)) / timedelta(days=1)
    assert days == pytest.approx(settings.certificate_lifetime_days, abs=1.1)
    assert await keeper.run() == 0
    await pod.hold("CP-1")
    assert await keeper.run() == 1
    sent = await pod.next_command()
    assert await keeper.run() == 0  # it is on its way
    record = await commands.get(db, sent.command_id)
    leaf = x509.load_pem_x509_certificate(record.params["certificate_chain"].encode())
    assert leaf.subject == x509.load_pem_x509_csr(csr.encode()).subject
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (
        True, True, False
    )  # fmt: skip
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert settings.certificate_authority_certificate is not None
    authority = x509.load_pem_x509_certificate(
        settings.certificate_authority_certificate.read_bytes()
    )
    leaf.verify_directly_issued_by(authority)
    await say(db, sent.command_id, accepted=False)
    assert (await signing_requests.get(db, key)).state == "rejected"


async def test_what_an_operator_has_signed_meanwhile_stands(
    db: Database, keeper: CertificateKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(db, "CP-1")
    csr = signing_request()
    key = await request_of(db, csr)
    chain = root("Operator's CA").answer(csr)
    list_pending = signing_requests.list_pending

    async def list_pending_as_an_operator_signs(*args: Any, **words: Any) -> list[SigningRequest]:
        listed = await list_pending(*args, **words)
        await signing_requests.keep_signed(
            db,
            key,
            certificate_chain=chain,
            serial_number="1",
            presented=x509_of_ours.check_chain(chain, csr=csr, now=datetime.now(UTC)).presented,
            not_after=datetime.now(UTC),
            replaces=True,
        )
        return listed

    monkeypatch.setattr(signing_requests, "list_pending", list_pending_as_an_operator_signs)
    assert await keeper.run() == 0
    assert (await signing_requests.get(db, key)).certificate_chain == chain


async def test_the_authority_signs_no_certificate_of_another_use(
    db: Database, keeper: CertificateKeeper
) -> None:
    # Its commonName is not looked at: signed by us, it would let one station in as another.
    await register(db, "CP-1")
    key = await request_of(db, signing_request("CP-2"), use=CertificateSigningUse.V2G)
    assert await keeper.run() == 0
    assert (await signing_requests.get(db, key)).state == "pending"


@pytest.mark.parametrize("change", ["another id", "another serial number", "taken back"])
async def test_whose_name_it_is_is_looked_at_again_before_signing(
    db: Database, keeper: CertificateKeeper, change: str
) -> None:
    await register(db, "CP-1")
    await stations.update(db, "CP-1", {"certificate_serial_number": "SN-1"})
    csr = signing_request("SN-1")
    key = await request_of(db, csr, common_name="SN-1")
    await stations.update(db, "CP-1", {"certificate_serial_number": None})
    if change == "another id":
        await register(db, "SN-1")
    elif change == "another serial number":
        await register(db, "CP-2")
        await stations.update(db, "CP-2", {"certificate_serial_number": "SN-1"})
    await keeper.run()
    request = await signing_requests.get(db, key)
    assert (request.state, request.certificate_chain) == ("refused", None)
    assert "A00.FR.405" in (request.reason or "")


async def test_a_name_that_is_lost_while_it_is_signed_lets_nobody_in(
    db: Database, client: httpx.AsyncClient
) -> None:
    await register(db, "CP-1")
    await stations.update(db, "CP-1", {"certificate_serial_number": "SN-1"})
    csr = signing_request("SN-1")
    key = await request_of(db, csr, common_name="SN-1")
    await stations.update(db, "CP-1", {"certificate_serial_number": None})
    url = f"/v1/certificate-signing-requests/{key}"
    signed = await client.post(f"{url}/certificate", json={"certificate_chain": root().answer(csr)})
    assert "A00.FR.405" in assert_problem(signed, 409, "conflict")["detail"]
    assert (await client.get(url)).json()["state"] == "pending"
    assert (await client.get("/v1/stations/CP-1/client-certificates")).json()["items"] == []


async def test_no_two_stations_are_called_alike(client: httpx.AsyncClient) -> None:
    for station_id in ("CP-1", "CP-2"):
        await client.post("/v1/stations", json={"station_id": station_id})
    url = "/v1/stations/CP-1"
    taken = await client.patch(url, json={"certificate_serial_number": "CP-2"})
    assert "CP-2" in assert_problem(taken, 409, "conflict")["detail"]
    given = await client.patch(url, json={"certificate_serial_number": "SN-1"})
    assert given.json()["certificate_serial_number"] == "SN-1"
    for body in (
        {"station_id": "SN-1"},
        {"station_id": "CP-3", "certificate_serial_number": "SN-1"},
        {"station_id": "CP-3", "certificate_serial_number": "CP-2"},
    ):
        refused = await client.post("/v1/stations", json=body)
        assert_problem(refused, 409, "conflict")


async def test_client_certificates_are_pinned_listed_and_revoked(
    db: Database, client: httpx.AsyncClient
) -> None:
    await register(db, "CP-1")
    await register(db, "CP-2")
    url = "/v1/stations/CP-1/client-certificates"
    authority = root("Factory CA")
    pem = authority.answer(signing_request("SN-1"))
    by_name = {"issuer": "CN=Factory CA", "common_name": "SN-1"}
    pinned = []
    for body in ({"certificate": pem}, {"fingerprint": "AB" * 32}, by_name):
        answer = await client.post(url, json=body)
        assert answer.status_code == 201
        assert (await client.post(url, json=body)).json() == answer.json()  # once
        pinned.append(answer.json())
    assert (pinned[0]["issuer"], pinned[0]["common_name"]) == ("CN=Factory CA", "SN-1")
    assert pinned[1]["sha256"] == "ab" * 32
    assert (await client.get(url)).json()["items"] == pinned
    elsewhere = await client.post(
        "/v1/stations/CP-2/client-certificates", json={"certificate": pem}
    )
    assert_problem(elsewhere, 409, "conflict")
    revoked = f"{url}/{pinned[0]['client_certificate_id']}"
    assert (await client.delete(revoked)).status_code == 204
    assert (await client.get(url)).json()["items"][0]["revoked_at"] is not None
    assert (await client.post(url, json={"certificate": pem})).json()["revoked_at"] is None
    for body in ({}, {"issuer": "CN=Factory CA"}, {"certificate": "none"}, by_name | pinned[1]):
        assert_problem(await client.post(url, json=body), 422, "invalid-input")
    other = "/v1/stations/CP-9/client-certificates"
    assert_problem(await client.post(other, json=by_name), 404, "not-found")
    assert_problem(await client.get(other), 404, "not-found")


async def test_a_certificate_without_a_type_goes_back_without_one(
    db: Database, client: httpx.AsyncClient, pod: PodPlayer, keeper: CertificateKeeper
) -> None:
    await pod.hold("CP-1")
    key = await request_of(db, signing_request(), use=None)
    listed = (await client.get(f"/v1/certificate-signing-requests/{key}")).json()
    assert listed["certificate_type"] is None
    assert await keeper.run() == 2
    record = await commands.get(db, (await pod.next_command()).command_id)
    assert record.params.get("certificate_type") is None


async def test_a_station_that_never_answers_is_not_asked_for_ever(
    db: Database, client: httpx.AsyncClient, pod: PodPlayer, keeper: CertificateKeeper
) -> None:
    await pod.hold("CP-1")
    csr = signing_request()
    key = await request_of(db, csr)
    for _ in range(2):
        await keeper.run()
        await pod.answer(NO_ANSWER)
        await db.execute(
            "UPDATE certificate_signing_requests SET delivery_claimed_at = now() - interval '1 h'"
        )
    assert await keeper.run() == 1
    url = f"/v1/certificate-signing-requests/{key}"
    found = (await client.get(url)).json()
    assert (found["state"], found["reason"]) == (
        "undelivered", "the station did not answer any of 2 tries"
    )  # fmt: skip
    assert await keeper.run() == 0
    # It asks again with the same request: the certificate that is there is sent again.
    assert await request_of(db, csr) == key
    assert (await client.get(url)).json()["state"] == "signed"
    assert await keeper.run() == 1


async def test_an_authority_with_an_rsa_key_signs_with_pss(
    db: Database, pod: PodPlayer, redis_url: str, database_url: str, tmp_path: Path
) -> None:
    authority = root(key=rsa.generate_private_key(65537, 2048))
    certificate, private_key = authority.write(tmp_path)
    settings = WorkerSettings(
        database_url=database_url,
        redis_url=redis_url,
        certificate_authority_certificate=certificate,
        certificate_authority_key=private_key,
    )
    await pod.hold("CP-1")
    key = await request_of(db, signing_request())
    async with open_redis(settings) as redis:
        keeper = CertificateKeeper(db, OwnershipRegistry(redis), PodRequestSender(redis), settings)
        assert await keeper.run() == 2
    chain = (await signing_requests.get(db, key)).certificate_chain
    leaf = x509.load_pem_x509_certificate((chain or "").encode())
    assert isinstance(leaf.signature_algorithm_parameters, padding.PSS)
    leaf.verify_directly_issued_by(authority.certificate)


@pytest.mark.parametrize("missing", ["certificate", "key", "match"])
def test_a_worker_does_not_start_with_half_an_authority(
    settings: WorkerSettings, tmp_path: Path, missing: str
) -> None:
    if missing == "match":
        root().write(tmp_path / "..")
        (tmp_path / "ca.key").write_bytes((tmp_path / ".." / "ca.key").read_bytes())
    else:
        (tmp_path / f"ca.{'pem' if missing == 'certificate' else 'key'}").unlink()
    with pytest.raises(UnavailableError, match=r"ca\.(pem|key)"):
        CertificateKeeper(None, None, None, settings)  # type: ignore[arg-type]  # it ends before


async def test_installed_certificates_are_listed_page_by_page(
    db: Database, client: httpx.AsyncClient
) -> None:
    await register(db, "CP-1")
    for number in range(3):
        await db.execute(
            """
            INSERT INTO installed_certificates
                (station_id, certificate_type, hash_algorithm, issuer_name_hash, issuer_key_hash,
                 serial_number, told_at)
            VALUES ('CP-1', 'CSMSRootCertificate', 'SHA256', 'a', 'b', $1, now())
            """,
            str(number),
        )
    url: str | None = "/v1/stations/CP-1/certificates?limit=2"
    seen = []
    while url:
        page = (await client.get(url)).json()
        seen += [item["serial_number"] for item in page["items"]]
        cursor = page["next_cursor"]
        url = cursor and f"/v1/stations/CP-1/certificates?limit=2&cursor={cursor}"
    assert seen == ["0", "1", "2"]
    assert_problem(await client.get("/v1/stations/CP-9/certificates"), 404, "not-found")


async def test_security_events_are_listed_the_newest_first(
    db: Database, client: httpx.AsyncClient
) -> None:
    for station_id in ("CP-1", "CP-2", "CP-1"):
        event = SecurityEventReported(
            station_id=station_id,
            type="MemoryExhaustion",
            occurred_at=datetime.now(UTC),
            tech_info="<script>alert(1)</script>",
        )
        await facts.write(db, [event])
    all_of_them = (await client.get("/v1/security-events")).json()["items"]
    assert [each["station_id"] for each in all_of_them] == ["CP-1", "CP-2", "CP-1"]
    page = (await client.get("/v1/security-events?station_id=CP-1&limit=1")).json()
    rest = await client.get(f"/v1/security-events?station_id=CP-1&cursor={page['next_cursor']}")
    assert [each["station_id"] for each in rest.json()["items"]] == ["CP-1"]
    assert rest.json()["items"][0]["received_at"] < page["items"][0]["received_at"]


async def test_a_certificate_to_install_is_one_in_pem(
    db: Database, client: httpx.AsyncClient
) -> None:
    await register(db, "CP-1")
    command = {"type": "InstallCertificate", "certificate_type": "CSMSRootCertificate"}
    leaf = root().answer(signing_request("CP-1"))
    for text in ("no certificate", root().pem + root().pem, leaf):
        response = await client.post(
            "/v1/stations/CP-1/commands", json={**command, "certificate": text}
        )
        problem = assert_problem(response, 422, "invalid-input")
        assert problem["errors"][0]["field"].endswith("certificate")
    assert "Install the root of its issuer, CN=Root" in str(problem["errors"][0])
    batch = {"command": {**command, "certificate": leaf}, "station_ids": ["CP-1"]}
    assert_problem(await client.post("/v1/command-batches", json=batch), 422, "invalid-input")
