"""Tokens, groups and rules as this pod knows them: from memory, from Redis, from Postgres."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

import structlog

from gateway.authorization.lookup import Found, Lookup
from gateway.settings import GatewaySettings
from shared.bus.authorization import Change, ChangeListener, Kind, SharedCache
from shared.domain.access.decisions import DecisionSource
from shared.domain.access.locations import LocationRule
from shared.domain.access.tokens import IdToken, IdTokenGroup, id_token_key
from shared.domain.errors import UnavailableError
from shared.store.access import id_token_groups, id_tokens, locations
from shared.store.pool import Database
from shared.telemetry import metrics

log = structlog.get_logger()

Value = TypeVar("Value", bound=tuple[IdToken, ...] | IdTokenGroup)

_BACKOFF_MIN_S = 0.1
_BACKOFF_MAX_S = 5.0
# How long Redis is left alone after it did not answer: each try may take its time-out.
_REDIS_PAUSE_S = 5.0
_NO_GROUP: Found[IdTokenGroup | None] = Found(None, DecisionSource.MEMORY)


class _ReadThrough(Generic[Value]):
    """Reads from Redis what other pods have read, and the rest from Postgres."""

    def __init__(
        self,
        kind: Kind,
        shared: SharedCache[Value],
        read: Callable[[Sequence[str]], Awaitable[list[Value | None]]],
    ) -> None:
        self._shared = shared
        self._read = read
        self._paused_until_s = 0.0
        self._from_redis = metrics.authorization_lookups.labels(kind, "redis")
        self._from_database = metrics.authorization_lookups.labels(kind, "database")

    async def __call__(self, keys: list[str]) -> list[Found[Value | None]]:
        shared = await self._look_up_shared(keys)
        missing = [key for key, found in zip(keys, shared, strict=True) if found is None]
        # One key may be asked for several times in a batch.
        distinct = list(dict.fromkeys(missing))
        read = dict(zip(distinct, await self._read(distinct), strict=True)) if distinct else {}
        self._from_redis.inc(len(keys) - len(missing))
        self._from_database.inc(len(missing))
        if read:
            await self._share(list(read.items()))
        return [
            Found(read.get(key), DecisionSource.DATABASE)
            if found is None
            else Found(found[0], DecisionSource.REDIS)
            for key, found in zip(keys, shared, strict=True)
        ]

    async def _look_up_shared(self, keys: list[str]) -> list[tuple[Value | None] | None]:
        if time.monotonic() >= self._paused_until_s:
            try:
                return await self._shared.get(keys)
            except UnavailableError as error:
                self._pause(error)
        return [None] * len(keys)

    async def _share(self, entries: list[tuple[str, Value | None]]) -> None:
        if time.monotonic() >= self._paused_until_s:
            try:
                await self._shared.add(entries)
            except UnavailableError as error:
                self._pause(error)

    def _pause(self, error: UnavailableError) -> None:
        self._paused_until_s = time.monotonic() + _REDIS_PAUSE_S
        log.warning("tokens are looked up in Postgres alone", error=str(error))


async def _read_rules(db: Database, station_ids: list[str]) -> list[Found[LocationRule]]:
    rules = await locations.find_rules(db, station_ids)
    return [Found(rule, DecisionSource.DATABASE) for rule in rules]


class Tokens:
    """What authorization stands on, remembered and forgotten as it changes.

    Args:
        db: where everything is kept.
        shared_tokens: the tokens of one text that any pod has read.
        shared_groups: groups likewise.
        listener: tells what has changed.
        settings: how much is remembered, and for how long.
    """

    def __init__(
        self,
        db: Database,
        *,
        shared_tokens: SharedCache[tuple[IdToken, ...]],
        shared_groups: SharedCache[IdTokenGroup],
        listener: ChangeListener,
        settings: GatewaySettings,
    ) -> None:
        self._listener = listener
        lookup = partial(
            Lookup,
            max_items=settings.authorization_cache_size,
            ttl_s=settings.authorization_cache_ttl_s,
            hold_s=settings.ingest_hold_s,
        )
        self._tokens: Lookup[tuple[IdToken, ...] | None] = lookup(
            Kind.ID_TOKEN,
            _ReadThrough(Kind.ID_TOKEN, shared_tokens, partial(id_tokens.find_all, db)),
        )
        self._groups: Lookup[IdTokenGroup | None] = lookup(
            Kind.GROUP, _ReadThrough(Kind.GROUP, shared_groups, partial(id_token_groups.find, db))
        )
        # A station stays with its pod, so there is nothing to share.
        self._rules: Lookup[LocationRule] = lookup(Kind.RULES, partial(_read_rules, db))

    async def find(self, id_token: str) -> tuple[IdToken, ...]:
        """Return the tokens of a text, one of each type that somebody registered.

        Raises:
            StoreAwayError: Postgres is away.
        """
        return (await self.look_up(id_token)).value or ()

    async def look_up(self, id_token: str) -> Found[tuple[IdToken, ...] | None]:
        """Return the tokens of a text, or None, and where they were found.

        Raises:
            StoreAwayError: Postgres is away.
        """
        return await self._tokens.get(id_token_key(id_token))

    async def find_group(self, token: IdToken | None) -> Found[IdTokenGroup | None]:
        """Return the rules of a token's group, or None if there are none.

        Raises:
            StoreAwayError: Postgres is away.
        """
        if token is None or token.group_id_token is None:
            return _NO_GROUP
        return await self._groups.get(id_token_key(token.group_id_token))

    async def find_rule(self, station_id: str) -> Found[LocationRule]:
        """Return who may charge at a station.

        Raises:
            StoreAwayError: Postgres is away.
        """
        return await self._rules.get(station_id)

    async def run(self) -> None:
        """Read, and forget what changes, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for lookup in (self._tokens, self._groups, self._rules):
                tasks.create_task(lookup.run())
            tasks.create_task(self._listen())

    async def _listen(self) -> None:
        backoff_s = _BACKOFF_MIN_S
        while True:
            try:
                async with self._listener.subscribe() as changes:
                    backoff_s = _BACKOFF_MIN_S
                    self._forget_all()  # of what changed before, nobody told us
                    async for change in changes:
                        self._forget(change)
            except UnavailableError as error:
                log.warning("changed tokens are not heard of for now", error=str(error))
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            backoff_s = min(2 * backoff_s, _BACKOFF_MAX_S)

    def _forget(self, change: Change) -> None:
        match change.kind:
            case Kind.ID_TOKEN:
                self._tokens.forget(change.key)
            case Kind.GROUP:
                self._groups.forget(change.key)
            case Kind.RULES:
                self._rules.forget_all()

    def _forget_all(self) -> None:
        for lookup in (self._tokens, self._groups, self._rules):
            lookup.forget_all()
