"""A client of a Redis Cluster that heals by itself and leaves alone what works.

redis-py's own learns where slots are by closing every connection, also those that others read from.
Here one master that is away costs only what its slots hold, and subscriptions are not cut.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis._parsers import AsyncCommandsParser
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, ClusterPubSub, PipelineCommand, RedisCluster
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ClusterDownError, RedisClusterException, SlotNotCoveredError
from redis.exceptions import ConnectionError as RedisConnectionError

SCHEME = "+cluster://"
"""What the URL of a cluster has after `redis` or `rediss`."""

_DEFAULT_PORT = 6379
# With a thousandth of all slots, a master is being filled or emptied.
_KEYS_TRIED = 1000


class Cluster(RedisCluster):
    """A Redis Cluster.

    Args:
        seeds: (host, port) of nodes that tell where the others are. They stay known when the
            cluster names others: it may come back elsewhere under their names.
        options: of each connection.
    """

    # Not after a time-out: what was sent may have been carried out, and would be a second time.
    ERRORS_ALLOW_RETRY = (  # type: ignore[assignment]  # its own type names every member
        RedisConnectionError,
        ClusterDownError,
        SlotNotCoveredError,
    )

    def __init__(self, seeds: Sequence[tuple[str, int]], options: Mapping[str, Any]) -> None:
        super().__init__(
            startup_nodes=[ClusterNode(host, port) for host, port in seeds],
            # Slots that nobody serves fail by themselves.
            require_full_coverage=False,
            # A slot that has moved is noted by itself.
            reinitialize_steps=0,
            # Once again, at once, by a new map: a connection may have been closed while idle.
            retry=Retry(NoBackoff(), 1),
            **options,
        )
        self._seeds = dict(self.nodes_manager.startup_nodes)
        self._asked: dict[str, _AskedNode] = {}
        self.commands_parser = _Keys()
        # At any master, as who listens: not at one that may be away while the others are well.
        self.command_flags["PUBLISH"] = self.RANDOM

    async def initialize(
        self,
        additional_startup_nodes_info: list[tuple[str, int]] | None = None,
        last_failed_node_name: str | None = None,
    ) -> "Cluster":
        """Learn where slots are, if that is not known or was wrong.

        Raises:
            ConnectionError: no node could tell.
        """
        try:
            await super().initialize(additional_startup_nodes_info, last_failed_node_name)
        except RedisClusterException as error:
            raise RedisConnectionError(str(error)) from error
        for name, seed in self._seeds.items():
            self.nodes_manager.startup_nodes.setdefault(name, seed)
        return self

    async def aclose(self) -> None:
        """Learn where slots are before the next command.

        redis-py calls this when a command failed. It would close every connection; learning has
        each one opened again when nobody uses it.
        """
        self._initialize = True

    async def shut_down(self) -> None:
        """Close every connection: the client is not used any more."""
        self._initialize = True
        for node in self._asked.values():
            await node.disconnect()
        await self.nodes_manager.aclose()
        await self.nodes_manager.aclose("startup_nodes")

    def pubsub(self, *_: object, **__: object) -> ClusterPubSub:
        """Listen at any master: a word that is published at one is heard at all.

        Not at the one that holds the channel's slot: all pods listen to the same channel.
        """
        return super().pubsub(node=self.get_random_primary_node())

    def get_node(
        self, host: str | None = None, port: int | None = None, node_name: str | None = None
    ) -> ClusterNode | None:
        """Return a node; one named by its name alone is one that Redis has us ask."""
        if node_name is None:
            return super().get_node(host, port)
        if node_name not in self._asked:
            # It may serve no slot yet, and so be on no map.
            asked_host, _, asked_port = node_name.rpartition(":")
            self._asked[node_name] = _AskedNode(
                asked_host, int(asked_port), **self.connection_kwargs
            )
        return self._asked[node_name]

    def key_on_each_master(self, make: Callable[[str, int], str]) -> list[str]:
        """Return one key for each master that serves slots.

        Args:
            make: makes keys of a node's name and a number, of which one falls on that node.
        """
        masters = {nodes[0].name for nodes in self.nodes_manager.slots_cache.values()}
        found = (self._key_on(name, make) for name in sorted(masters))
        return [key for key in found if key is not None]

    def _key_on(self, name: str, make: Callable[[str, int], str]) -> str | None:
        slots = self.nodes_manager.slots_cache
        for number in range(_KEYS_TRIED):
            key = make(name, number)
            if (nodes := slots.get(self.keyslot(key))) and nodes[0].name == name:
                return key
        return None


class _Keys(AsyncCommandsParser):
    """Finds the one key of each command that the bus uses.

    redis-py asks Redis for the key of XREADGROUP: a round trip with every read, always to the same
    node, and no read at all once that one is away.
    """

    async def initialize(self, node: ClusterNode | None = None) -> None:
        """Know all there is to know."""

    async def get_keys(self, *args: object) -> tuple[str, ...]:
        """Return the key of a command."""
        return (str(args[args.index(b"STREAMS") + 1 if args[0] == "XREADGROUP" else 1]),)


class _AskedNode(ClusterNode):
    """A node that takes a slot over, and until then answers for its keys only after ASKING.

    ASKING holds for the next command on the same connection. redis-py sends the two on whichever
    connections are free, and may so go back and forth until it gives up.
    """

    async def execute_command(self, *args: object, **options: object) -> object:
        """Carry out a command after ASKING."""
        if args == ("ASKING",):
            return None  # it goes with the command
        options.pop("asking", None)
        command = PipelineCommand(1, *args, **options)
        await self.execute_pipeline([PipelineCommand(0, "ASKING"), command])
        if isinstance(command.result, Exception):
            raise command.result
        return command.result


def open_cluster(url: str, options: Mapping[str, Any]) -> Cluster:
    """Return a client of the cluster that a URL names; it does not connect yet.

    Args:
        url: redis+cluster://user:password@host:port,host:port?option=value, or rediss+cluster://
            with TLS. One node is enough, more help when that one is away.
        options: of each connection; those in the URL go first.

    Raises:
        ValueError: that is no such URL.
    """
    scheme, _, rest = url.partition(SCHEME)
    if scheme not in {"redis", "rediss"}:
        raise ValueError(
            f"{scheme}{SCHEME} is no URL of a Redis Cluster: it begins with redis{SCHEME} or, "
            f"for TLS, with rediss{SCHEME}"
        )
    end = next((at for at, character in enumerate(rest) if character in "/?"), len(rest))
    user, at_sign, hosts = rest[:end].rpartition("@")
    seeds: list[tuple[str, int]] = []
    parsed: dict[str, Any] = {}
    for host in hosts.split(","):
        parsed = dict(parse_url(f"{scheme}://{user}{at_sign}{host}{rest[end:]}"))
        if "host" not in parsed:
            raise ValueError(
                f"{hosts!r} in the URL of the Redis Cluster is no list of nodes: write "
                "host:port,host:port"
            )
        seeds.append((parsed.pop("host"), parsed.pop("port", _DEFAULT_PORT)))
    if database := parsed.pop("db", 0):
        raise ValueError(f"a Redis Cluster has no database {database}: leave it out of the URL")
    if parsed.pop("connection_class", None) is not None:
        parsed["ssl"] = True
    return Cluster(seeds, {**options, **parsed})


def keys_on_masters(client: Redis | Cluster, make: Callable[[str, int], str]) -> list[str]:
    """Return `key_on_each_master` of a cluster; none for a single Redis."""
    return client.key_on_each_master(make) if isinstance(client, Cluster) else []
