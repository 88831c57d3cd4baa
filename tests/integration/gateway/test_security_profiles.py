"""Security profiles: what a station has to bring, and that it cannot go back to less (A00, A05)."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidMessage, InvalidStatus

from shared import x509
from shared.domain.stations.configuration import ConfigurationChanged
from shared.domain.stations.stations import SecurityProfile
from shared.domain.trust.certificates import ClientCertificate, PresentedCertificate
from shared.store import facts
from shared.store.pool import Database
from shared.store.stations import stations
from shared.store.trust import client_certificates
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.certificates import Authority
from tests.support.eventually import eventually
from tests.support.stations import StationClient, basic_auth, register

TLS_AT_THE_PROXY = {"X-Forwarded-Proto": "https"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def tls_gateway(start_pod: StartPod, authority: Authority) -> AsyncIterator[Pod]:
    certificate, key = authority.sign("gateway", host="127.0.0.1")
    async with start_pod(
        tls_certificate=certificate, tls_key=key, tls_client_ca=authority.certificate
    ) as gateway:
        yield Pod(gateway.server, gateway.url.replace("ws:", "wss:"), gateway.management_url)


def tls(authority: Authority, identity: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.certificate)
    if identity is not None:
        context.load_cert_chain(*identity)
    return context


@asynccontextmanager
async def connected(
    url: str, station_id: str = "CP-1", headers: dict[str, str] | None = None, **options: Any
) -> AsyncIterator[ClientConnection]:
    async with connect(
        f"{url}/{station_id}", subprotocols=["ocpp1.6"], additional_headers=headers, **options
    ) as websocket:
        yield websocket


async def status_of(url: str, headers: dict[str, str] | None = None, **options: Any) -> int:
    try:
        async with connected(url, headers=headers, **options) as websocket:
            answer = await StationClient(websocket).boot()
            assert answer["status"] == "Accepted"
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def profile(db: Database) -> int:
    return int(await db.fetchval("SELECT security_profile FROM stations"))


async def event_types(db: Database) -> list[str]:
    return [row["type"] for row in await db.fetch("SELECT type FROM security_events")]


async def pin(
    db: Database, certificate: PresentedCertificate, station_id: str = "CP-1"
) -> ClientCertificate:
    return await client_certificates.pin(db, station_id, certificate, not_after=None)


def presented(identity: tuple[Path, Path]) -> PresentedCertificate:
    return x509.read_certificate(identity[0].read_text()).presented


async def test_tls_at_the_load_balancer_raises_the_profile_and_there_is_no_way_back(
    db: Database, gateway: Pod
) -> None:
    await register(db)
    password = basic_auth("CP-1")
    assert await status_of(gateway.url, password) == 101
    assert await profile(db) == 1
    assert await status_of(gateway.url, password | TLS_AT_THE_PROXY) == 101
    assert await profile(db) == 2
    assert await status_of(gateway.url, password) == 401
    assert await eventually(lambda: event_types(db), bool) == ["LowerSecurityProfile"]
    assert await status_of(gateway.url, password | TLS_AT_THE_PROXY) == 101


async def test_nobody_but_a_load_balancer_of_ours_is_believed(
    db: Database, start_pod: StartPod
) -> None:
    await register(db, security_profile=SecurityProfile.TLS_BASIC_AUTHENTICATION)
    async with start_pod(trusted_proxies="10.0.0.0/8") as gateway:
        assert await status_of(gateway.url, basic_auth("CP-1") | TLS_AT_THE_PROXY) == 401


async def test_a_certificate_told_by_the_load_balancer_is_enough(
    db: Database, start_pod: StartPod
) -> None:
    await register(db, security_profile=SecurityProfile.TLS_CLIENT_CERTIFICATE)
    await pin(db, PresentedCertificate(issuer="CN=Factory CA", common_name="CP-1"))
    async with start_pod(client_certificate_header="X-SSL-Client-CN") as gateway:
        url = gateway.url
        assert await status_of(url, TLS_AT_THE_PROXY | {"X-SSL-Client-CN": "CP-1"}) == 101
        assert await status_of(url, TLS_AT_THE_PROXY | basic_auth("CP-1")) == 401
        assert await status_of(url, TLS_AT_THE_PROXY | {"X-SSL-Client-CN": "CP-2"}) == 401
        types = await eventually(lambda: event_types(db), lambda found: len(found) == 2)
        assert sorted(types) == ["InvalidChargingStationCertificate", "LowerSecurityProfile"]


async def test_without_the_setting_that_header_is_nothing(db: Database, gateway: Pod) -> None:
    await register(db, security_profile=SecurityProfile.TLS_CLIENT_CERTIFICATE)
    headers = TLS_AT_THE_PROXY | {"X-SSL-Client-CN": "CP-1"}
    assert await status_of(gateway.url, headers) == 401


async def test_the_gateway_speaks_tls_itself(
    db: Database, tls_gateway: Pod, authority: Authority
) -> None:
    await register(db)
    url, context = tls_gateway.url, tls(authority)
    assert await status_of(url, basic_auth("CP-1"), ssl=context) == 101
    assert await profile(db) == 2
    assert await status_of(url, basic_auth("CP-1", "wrong"), ssl=context) == 401


async def test_a_client_certificate_stands_for_its_station_and_no_other(
    db: Database, tls_gateway: Pod, authority: Authority
) -> None:
    await register(db, security_profile=SecurityProfile.TLS_CLIENT_CERTIFICATE)
    url = tls_gateway.url
    own = authority.sign("CP-1")
    await pin(db, presented(own))
    assert await status_of(url, ssl=tls(authority, own)) == 101
    assert await profile(db) == 3
    assert await status_of(url, ssl=tls(authority, authority.sign("CP-2"))) == 401
    assert await status_of(url, basic_auth("CP-1"), ssl=tls(authority)) == 401
    types = await eventually(lambda: event_types(db), lambda found: len(found) == 2)
    assert sorted(types) == ["InvalidChargingStationCertificate", "LowerSecurityProfile"]


async def test_a_certificate_that_is_called_right_is_not_enough(
    db: Database, tls_gateway: Pod, authority: Authority
) -> None:
    await register(db, security_profile=SecurityProfile.TLS_CLIENT_CERTIFICATE)
    await register(db, "CP-2", security_profile=SecurityProfile.TLS_CLIENT_CERTIFICATE)
    url, identity = tls_gateway.url, authority.sign("CP-1")
    shown = tls(authority, identity)
    fingerprint = presented(identity).sha256
    assert await status_of(url, ssl=shown) == 401  # nobody's
    (row,) = await eventually(lambda: db.fetch("SELECT type, tech_info FROM security_events"), bool)
    assert row["type"] == "InvalidChargingStationCertificate"
    assert str(fingerprint) in row["tech_info"]  # what an operator would pin
    name = await pin(db, PresentedCertificate(issuer="CN=Test ca", common_name="CP-1"))
    assert await status_of(url, ssl=shown) == 101
    await client_certificates.revoke(db, "CP-1", name.client_certificate_id)
    assert await status_of(url, ssl=shown) == 401
    await pin(db, PresentedCertificate(issuer="CN=Another CA", common_name="CP-1"))
    assert await status_of(url, ssl=shown) == 401
    await pin(db, PresentedCertificate(issuer="CN=Test ca", common_name="CP-1"))
    await pin(db, presented(identity), "CP-2")  # whatever it is called
    assert await status_of(url, ssl=shown) == 401


async def test_a_revoked_certificate_lets_nobody_in_whatever_is_pinned_beside_it(
    db: Database, tls_gateway: Pod, authority: Authority
) -> None:
    await register(db, security_profile=SecurityProfile.TLS_CLIENT_CERTIFICATE)
    identity = authority.sign("CP-1")
    own = await pin(db, presented(identity))
    await pin(db, PresentedCertificate(issuer="CN=Test ca", common_name="CP-1"))
    await client_certificates.revoke(db, "CP-1", own.client_certificate_id)
    assert await status_of(tls_gateway.url, ssl=tls(authority, identity)) == 401
    assert await status_of(tls_gateway.url, ssl=tls(authority, authority.sign("CP-1"))) == 101


async def test_a_certificate_alone_does_not_raise_the_profile_of_a_station_with_a_password(
    db: Database, tls_gateway: Pod, authority: Authority
) -> None:
    await register(db)
    url, identity = tls_gateway.url, authority.sign("CP-1")
    await pin(db, presented(identity))
    assert await status_of(url, ssl=tls(authority, identity)) == 101
    assert await profile(db) == 1
    # What belongs to nobody tells nothing: the password decides.
    stray = tls(authority, authority.sign("FACTORY-7"))
    assert await status_of(url, basic_auth("CP-1", "wrong"), ssl=stray) == 401
    assert await status_of(url, basic_auth("CP-1"), ssl=stray) == 101
    assert await profile(db) == 2


async def test_a_station_that_agreed_to_profile_3_has_reached_it_with_its_certificate(
    db: Database, tls_gateway: Pod, authority: Authority
) -> None:
    await register(db)
    url, identity = tls_gateway.url, authority.sign("CP-1")
    await pin(db, presented(identity))
    change = ConfigurationChanged(
        station_id="CP-1",
        key="SecurityProfile",
        value="3",
        known=True,
        reboot_required=False,
        changed_at=datetime.now(UTC),
    )
    await facts.write(db, [change])
    assert await status_of(url, basic_auth("CP-1"), ssl=tls(authority)) == 101  # A05.FR.08
    assert await profile(db) == 2
    assert await status_of(url, ssl=tls(authority, identity)) == 101
    assert await profile(db) == 3
    assert await status_of(url, basic_auth("CP-1"), ssl=tls(authority)) == 401
    # An operator's word is newer.
    await stations.update(db, "CP-1", {"security_profile": 2})
    assert await status_of(url, ssl=tls(authority, identity)) == 101
    assert await profile(db) == 2


async def test_where_only_the_name_is_told_it_has_to_be_that_of_a_valid_certificate(
    db: Database, start_pod: StartPod, authority: Authority
) -> None:
    await register(db, security_profile=SecurityProfile.TLS_CLIENT_CERTIFICATE)
    told = TLS_AT_THE_PROXY | {"X-SSL-Client-CN": "CP-1"}
    async with start_pod(client_certificate_header="X-SSL-Client-CN") as gateway:
        assert await status_of(gateway.url, told) == 401
        own = await pin(db, presented(authority.sign("CP-1")))
        assert await status_of(gateway.url, told) == 101
        await client_certificates.revoke(db, "CP-1", own.client_certificate_id)
        assert await status_of(gateway.url, told) == 401


@pytest.mark.parametrize("kind", ["sha256", "sha1"])
async def test_a_load_balancer_tells_the_fingerprint(
    db: Database, start_pod: StartPod, authority: Authority, kind: str
) -> None:
    await register(db, security_profile=SecurityProfile.TLS_CLIENT_CERTIFICATE)
    own = presented(authority.sign("CP-1"))
    await pin(db, own)
    headers = {
        "client_certificate_header": "X-SSL-Client-CN",
        "client_certificate_fingerprint_header": "X-SSL-Client-FP",
    }
    name = TLS_AT_THE_PROXY | {"X-SSL-Client-CN": "CP-1"}
    async with start_pod(**headers) as gateway:
        fingerprint = str(getattr(own, kind))
        assert await status_of(gateway.url, name | {"X-SSL-Client-FP": fingerprint.upper()}) == 101
        other = str(getattr(presented(authority.sign("CP-1")), kind))
        assert await status_of(gateway.url, name | {"X-SSL-Client-FP": other}) == 401
        assert await status_of(gateway.url, name) == 401


async def test_a_certificate_of_another_authority_ends_the_connection(
    db: Database, tls_gateway: Pod, authority: Authority, tmp_path: Path
) -> None:
    await register(db, security_profile=SecurityProfile.TLS_CLIENT_CERTIFICATE)
    foreign = Authority(tmp_path, "foreign").sign("CP-1")
    # With TLS 1.3 it ends after the client's own part of the handshake.
    with pytest.raises((OSError, InvalidMessage)):
        await status_of(tls_gateway.url, ssl=tls(authority, foreign))


async def test_tls_below_1_2_ends_the_connection(tls_gateway: Pod, authority: Authority) -> None:
    old = tls(authority)
    old.set_ciphers("ALL:@SECLEVEL=0")  # otherwise OpenSSL would not even try
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await status_of(tls_gateway.url, ssl=old)
