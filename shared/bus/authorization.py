"""What pods remember of tokens: a cache that they share, and the word that something changed.

Whoever changes a token first commits, then replaces its entry here by a tombstone, then tells every
pod. A pod that read the old row just before cannot put it back, because it only writes where
nothing is, and the tombstone stays for longer than any read takes. A word that is lost costs what
the entry's time to live is.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from shared.bus import keys
from shared.bus.client import redis_errors_as_unavailable, subscribed
from shared.domain.access.tokens import IdToken, IdTokenGroup

Value = TypeVar("Value", bound=tuple[IdToken, ...] | IdToken | IdTokenGroup)

_TOMBSTONE = ""
_NOBODY = "null"


class Kind(StrEnum):
    """What can change."""

    ID_TOKEN = "id_token"  # noqa: S105 - no secret
    GROUP = "group"
    RULES = "rules"
    """Who may charge where. There are few of these and no key: pods forget them all."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something changed; `key` is its `id_token_key`, or "" for rules."""

    kind: Kind
    key: str = ""


def _key_of(change: Change) -> str | None:
    match change.kind:
        case Kind.ID_TOKEN:
            return keys.id_token(change.key)
        case Kind.GROUP:
            return keys.id_token_group(change.key)
        case Kind.RULES:
            return None


class SharedCache(Generic[Value]):
    """One kind of entry, shared by all pods.

    Args:
        client: Redis.
        kind: tokens or groups.
        type_: what an entry is.
        ttl_s: how long an entry lives at most.
    """

    def __init__(self, client: Redis, kind: Kind, type_: type[Value], *, ttl_s: float) -> None:
        self._client = client
        self._key = keys.id_token if kind is Kind.ID_TOKEN else keys.id_token_group
        self._decoder: msgspec.json.Decoder[Value | None] = msgspec.json.Decoder(type_ | None)
        self._ttl_ms = round(ttl_s * 1000)

    async def get(self, wanted: Sequence[str]) -> list[tuple[Value | None] | None]:
        """Return each entry in the same order.

        Returns:
            None where nothing is kept; else a tuple of the entry, which is None for a token that
            is known not to be registered.

        Raises:
            UnavailableError: Redis did not answer.
        """
        with redis_errors_as_unavailable("looking up tokens"):
            async with self._client.pipeline(transaction=False) as pipeline:
                for key in wanted:
                    pipeline.get(self._key(key))
                texts = await pipeline.execute()
        return [self._decode(text) for text in texts]

    async def add(self, entries: Sequence[tuple[str, Value | None]]) -> None:
        """Keep what was read from Postgres, where nothing is kept.

        Raises:
            UnavailableError: Redis did not answer.
        """
        with redis_errors_as_unavailable("keeping tokens"):
            async with self._client.pipeline(transaction=False) as pipeline:
                for key, value in entries:
                    text = _NOBODY if value is None else msgspec.json.encode(value).decode()
                    pipeline.set(self._key(key), text, px=self._ttl_ms, nx=True)
                await pipeline.execute()

    def _decode(self, text: str | None) -> tuple[Value | None] | None:
        if not text:
            return None
        try:
            return (self._decoder.decode(text),)
        except msgspec.DecodeError:
            return None  # a pod of another version wrote it; Postgres knows better


class ChangePublisher:
    """Tells every pod that something changed.

    Args:
        client: Redis.
        tombstone_s: how long nothing is kept of what changed; longer than a read of Postgres takes.
    """

    def __init__(self, client: Redis, *, tombstone_s: float) -> None:
        self._client = client
        self._tombstone_ms = round(tombstone_s * 1000)

    async def publish(self, changes: Sequence[Change]) -> None:
        """Tell of changes that have been committed.

        Raises:
            UnavailableError: Redis did not answer; pods remember the old until its time is over.
        """
        with redis_errors_as_unavailable("telling of changed tokens"):
            async with self._client.pipeline(transaction=False) as pipeline:
                for change in changes:
                    if (key := _key_of(change)) is not None:
                        pipeline.set(key, _TOMBSTONE, px=self._tombstone_ms)
                await pipeline.execute()
            # Not before: on a cluster the word may be faster than the tombstone.
            async with self._client.pipeline(transaction=False) as pipeline:
                for change in changes:
                    # As a cluster's pipeline has no publish().
                    pipeline.execute_command(
                        "PUBLISH",
                        keys.authorization_changes(),
                        msgspec.json.encode(change).decode(),
                    )
                await pipeline.execute()


class ChangeListener:
    """Learns for one pod what has changed.

    Args:
        client: Redis.
        timeout_s: how long Redis may take to confirm a subscription.
    """

    def __init__(self, client: Redis, *, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._decoder = msgspec.json.Decoder(Change)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[Change]]:
        """Give an iterator over changes.

        Redis has confirmed the subscription when the context is entered: what changes from then on
        comes out of the iterator, and what was remembered before has to be forgotten.

        Raises:
            UnavailableError: Redis did not answer. The iterator raises it when Redis goes away.
        """
        async with subscribed(
            self._client,
            keys.authorization_changes(),
            what="changes of tokens",
            timeout_s=self._timeout_s,
        ) as pubsub:
            yield self._changes(pubsub)

    async def _changes(self, pubsub: PubSub) -> AsyncIterator[Change]:
        while True:
            with redis_errors_as_unavailable("listening to changes of tokens"):
                message = await pubsub.get_message(timeout=None)
            if message is not None and message["type"] == "message":
                try:
                    yield self._decoder.decode(message["data"])
                except msgspec.DecodeError:
                    continue  # a newer version's word
