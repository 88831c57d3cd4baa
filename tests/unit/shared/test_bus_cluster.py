"""The URL of a Redis Cluster, and a cluster that nobody serves yet."""

import pytest
from redis.asyncio.connection import SSLConnection

from cli.up.ports import free_ports
from shared.bus.client import open_redis, require_writable
from shared.bus.cluster import open_cluster
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import OutcomeListener
from shared.domain.errors import UnavailableError
from shared.settings import ServiceSettings


def test_a_url_names_nodes_and_what_their_connections_have_in_common() -> None:
    url = (
        "rediss+cluster://me:s%2Fcret@10.0.0.1:7000,[::1]:7001,redis.example?ssl_check_hostname=no"
    )
    cluster = open_cluster(url, {"socket_timeout": 3})
    assert list(cluster.nodes_manager.startup_nodes) == [
        "10.0.0.1:7000",
        "::1:7001",
        "redis.example:6379",
    ]
    options = cluster.get_connection_kwargs()
    assert options["username"] == "me"
    assert options["password"] == "s/cret"
    assert options["socket_timeout"] == 3
    assert options["connection_class"] is SSLConnection
    assert options["ssl_check_hostname"] is False


def test_a_url_without_tls_has_none() -> None:
    cluster = open_cluster("redis+cluster://:p@h/0", {})
    assert cluster.get_connection_kwargs()["connection_class"] is not SSLConnection


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http+cluster://h:1", "begins with redis"),
        ("redis+cluster://:secret@", "host:port,host:port"),
        ("redis+cluster://:secret@h:1,", "host:port,host:port"),
        ("redis+cluster://:secret@h:1/3", "no database 3"),
    ],
)
def test_what_is_no_such_url_is_refused_in_words_without_its_password(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        open_cluster(url, {})
    assert "secret" not in str(refused.value)


async def test_a_cluster_that_is_away_is_unavailable() -> None:
    (port,) = free_ports(1)
    settings = ServiceSettings(database_url="", redis_url=f"redis+cluster://127.0.0.1:{port}")
    async with open_redis(settings) as client:
        with pytest.raises(UnavailableError):
            await require_writable(client)
        registry = OwnershipRegistry(client)
        with pytest.raises(UnavailableError):
            await registry.renew_lease("pod-1", lease_s=60)
        with pytest.raises(UnavailableError):
            await registry.find_routes(["CS-1"])
        with pytest.raises(UnavailableError):
            async with OutcomeListener(client, "control", timeout_s=1).subscribe():
                pass
