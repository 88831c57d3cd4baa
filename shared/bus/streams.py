"""The stream of each gateway pod, and the word that a command has ended.

A stream carries requests by id; what is asked stands in Postgres. So a lost stream loses nothing
that the worker cannot route again, and a request that is read twice is not done twice.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import redis.exceptions
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from shared.bus import keys
from shared.bus.client import PROBE_MS, redis_errors_as_unavailable, subscribed

_GROUP = "gateway"
_CONSUMER = "pod"


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Send this command to its station. `control_id` is who waits for the outcome."""

    command_id: str
    station_id: str
    control_id: str


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Close what you hold of this station if its epoch is not newer than `epoch`."""

    station_id: str
    epoch: int
    reason: str = "a newer connection or an operator has replaced this one"
    """What the station is told; at most 123 bytes, as RFC 6455 §5.5 allows."""


@dataclass(frozen=True, slots=True)
class PingConnection:
    """Find out whether the connection of this station and epoch is alive, and answer."""

    station_id: str
    epoch: int
    asking_pod_id: str
    question_id: str


@dataclass(frozen=True, slots=True)
class ConnectionPinged:
    """The answer to a `PingConnection`."""

    question_id: str
    alive: bool


PodRequest = RunCommand | CloseConnection | PingConnection | ConnectionPinged


def _encode(request: PodRequest) -> dict[Any, Any]:
    match request:
        case RunCommand(command_id, station_id, control_id):
            return {
                "run": command_id,
                "station_id": station_id,
                "control_id": control_id,
            }
        case CloseConnection(station_id, epoch, reason):
            return {"close": station_id, "epoch": epoch, "reason": reason}
        case PingConnection(station_id, epoch, asking_pod_id, question_id):
            return {
                "ping": station_id,
                "epoch": epoch,
                "asking_pod_id": asking_pod_id,
                "question_id": question_id,
            }
        case ConnectionPinged(question_id, alive):
            return {"pinged": question_id, "alive": int(alive)}


def _decode(entry: dict[str, str]) -> PodRequest | None:
    if "run" in entry:
        return RunCommand(entry["run"], entry["station_id"], entry["control_id"])
    if "close" in entry:
        close = CloseConnection(entry["close"], int(entry["epoch"]))
        # Who is older than the reason sends none.
        return replace(close, reason=entry["reason"]) if "reason" in entry else close
    if "ping" in entry:
        return PingConnection(
            entry["ping"], int(entry["epoch"]), entry["asking_pod_id"], entry["question_id"]
        )
    if "pinged" in entry:
        return ConnectionPinged(entry["pinged"], alive=entry["alive"] == "1")
    return None  # a newer version's word; nothing is lost, for the truth is in Postgres


class PodRequestSender:
    """Puts requests on a pod's stream.

    Args:
        client: Redis.
        max_length: a stream holds about so many requests; what is trimmed is routed again.
        expiry_s: a stream nobody writes to or reads from for so long is deleted.
    """

    def __init__(self, client: Redis, *, max_length: int = 10_000, expiry_s: int = 3600) -> None:
        self._client = client
        self._max_length = max_length
        self._expiry_s = expiry_s

    async def send(self, pod_id: str, request: PodRequest) -> None:
        """Ask a pod for something.

        Raises:
            UnavailableError: Redis did not answer.
        """
        await self.send_many([(pod_id, request)])

    async def require_writable(self, name: str) -> None:
        """Make sure that Redis takes writes, where what it holds of a pod or station stands.

        Raises:
            UnavailableError: it does not answer, or takes no writes.
        """
        with redis_errors_as_unavailable(f"making sure that {name} can be written of"):
            await self._client.set(keys.probe(name), "1", px=PROBE_MS)

    async def send_many(self, requests: Sequence[tuple[str, PodRequest]]) -> None:
        """Ask pods for something, all in one round trip; each pod gets its own in this order.

        Args:
            requests: (pod id, request).

        Raises:
            UnavailableError: Redis did not answer; some may have been sent.
        """
        pod_ids = sorted({pod_id for pod_id, _ in requests})
        with redis_errors_as_unavailable(f"sending requests to {', '.join(pod_ids)}"):
            async with self._client.pipeline(transaction=False) as pipeline:
                for pod_id, request in requests:
                    pipeline.xadd(
                        keys.pod_stream(pod_id),
                        _encode(request),
                        maxlen=self._max_length,
                        approximate=True,
                    )
                for pod_id in pod_ids:
                    pipeline.expire(keys.pod_stream(pod_id), self._expiry_s)
                await pipeline.execute()


class PodRequestReader:
    """Reads one pod's stream.

    Args:
        client: Redis; its socket time-out must be longer than `block_s`.
        pod_id: whose stream.
        block_s: how long one read waits for something to come.
        count: how many requests one read takes at most.
    """

    def __init__(
        self, client: Redis, pod_id: str, *, block_s: float = 1.0, count: int = 100
    ) -> None:
        self._client = client
        self._stream = keys.pod_stream(pod_id)
        self._block_ms = int(block_s * 1000)
        self._count = count

    async def read(self) -> list[tuple[str, PodRequest | None]]:
        """Return (entry id, request) of what has come; None for a word we do not know.

        Every entry is to be acknowledged, also those of None.

        Raises:
            UnavailableError: Redis did not answer.
        """
        with redis_errors_as_unavailable("reading this pod's stream"):
            try:
                answer = await self._client.xreadgroup(
                    _GROUP, _CONSUMER, {self._stream: ">"}, count=self._count, block=self._block_ms
                )
            except redis.exceptions.ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
                await self._create_group()
                return []
        if not answer:
            return []
        # The client's types cover every protocol version and option; this is [[stream, entries]].
        ((_, entries),) = cast("list[tuple[str, list[tuple[str, dict[str, str]]]]]", answer)
        return [(entry_id, _decode(fields)) for entry_id, fields in entries]

    async def acknowledge(self, entry_ids: list[str]) -> None:
        """Say that these requests are done with, and take them off the stream.

        Raises:
            UnavailableError: Redis did not answer; they are trimmed in time.
        """
        with redis_errors_as_unavailable("acknowledging requests"):
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.xack(self._stream, _GROUP, *entry_ids)
                pipeline.xdel(self._stream, *entry_ids)
                await pipeline.execute()

    async def delete(self) -> None:
        """Delete the stream: this pod has stopped in order."""
        with redis_errors_as_unavailable("deleting this pod's stream"):
            await self._client.delete(self._stream)

    async def _create_group(self) -> None:
        # From the first entry on: requests may have come before the group was there.
        try:
            await self._client.xgroup_create(self._stream, _GROUP, id="0", mkstream=True)
        except redis.exceptions.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):  # it is there already
                raise


class OutcomeAnnouncer:
    """Tells control processes that commands have ended.

    Args:
        client: Redis.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def announce(self, *, control_id: str, command_id: str) -> None:
        """Wake who waits for a command's outcome.

        Raises:
            UnavailableError: Redis did not answer; who waits looks into Postgres by itself, later.
        """
        with redis_errors_as_unavailable(f"announcing the outcome of command {command_id}"):
            await self._client.publish(keys.outcomes(control_id), command_id)


class OutcomeListener:
    """Learns for one control process that commands have ended.

    Args:
        client: Redis.
        control_id: who listens.
        timeout_s: how long Redis may take to confirm a subscription.
    """

    def __init__(self, client: Redis, control_id: str, *, timeout_s: float) -> None:
        self._client = client
        self._channel = keys.outcomes(control_id)
        self._timeout_s = timeout_s

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[str]]:
        """Give an iterator over the ids of commands that have ended.

        Redis has confirmed the subscription when the context is entered, so that whatever ends from
        then on comes out of the iterator.

        Raises:
            UnavailableError: Redis did not answer. The iterator raises it when Redis goes away:
                subscribe again, and look up what was missed.
        """
        async with subscribed(
            self._client, self._channel, what="outcomes", timeout_s=self._timeout_s
        ) as pubsub:
            yield self._announced(pubsub)

    @staticmethod
    async def _announced(pubsub: PubSub) -> AsyncIterator[str]:
        while True:
            with redis_errors_as_unavailable("listening to outcomes"):
                message = await pubsub.get_message(timeout=None)
            if message is not None and message["type"] == "message":
                yield message["data"]
