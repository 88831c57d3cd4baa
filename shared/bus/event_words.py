"""The word that there are new events, so that whoever follows them looks at once.

It may be lost: who follows events looks by itself from time to time.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from shared.bus import keys
from shared.bus.client import redis_errors_as_unavailable, subscribed


class EventWords:
    """Says and hears which event is the newest.

    Args:
        client: Redis.
        timeout_s: how long Redis may take to confirm a subscription.
    """

    def __init__(self, client: Redis, *, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s

    async def announce(self, number: int) -> None:
        """Say the number of the newest event, which has been committed.

        Raises:
            UnavailableError: Redis did not answer; who follows events looks by itself, later.
        """
        with redis_errors_as_unavailable("telling that there are new events"):
            await self._client.publish(keys.event_words(), str(number))

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[AsyncIterator[int]]:
        """Give an iterator over the numbers of newest events.

        Redis has confirmed the subscription when the context is entered: look for events then, and
        of what is numbered from then on a number comes out of the iterator.

        Raises:
            UnavailableError: Redis did not answer. The iterator raises it when Redis goes away.
        """
        async with subscribed(
            self._client, keys.event_words(), what="new events", timeout_s=self._timeout_s
        ) as pubsub:
            yield self._numbers(pubsub)

    @staticmethod
    async def _numbers(pubsub: PubSub) -> AsyncIterator[int]:
        while True:
            with redis_errors_as_unavailable("listening to new events"):
                message = await pubsub.get_message(timeout=None)
            if message is not None and message["type"] == "message":
                # What is no number is a newer version's word, and tells that there is something.
                text = message["data"]
                yield int(text) if text.isascii() and text.isdecimal() else 0
