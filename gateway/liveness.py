"""Whether a station's connection is alive, on whichever pod it is.

The newest connection wins, but one that has not proven who it is (security profile 0) must not
displace another that is alive. The pod that holds the other one is asked through its stream, and
pings the station.
"""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Protocol

import structlog

from gateway.connection import StationConnection
from shared.bus.streams import ConnectionPinged, PingConnection, PodRequestSender
from shared.domain.errors import UnavailableError
from shared.store import pods
from shared.store.pool import Database
from shared.store.retrying import try_again

log = structlog.get_logger()

_PING_TIMEOUT_S = 5.0
# For the two ways through Redis; a reader that was cut off looks again every second.
_WAY_S = 2.0


@dataclass(frozen=True, slots=True)
class Rival:
    """Another connection of a station: alive, or at a pod that is silent while it has its lease.

    `lease_left_s` is for how long that pod still has it; None if the connection is alive.
    """

    lease_left_s: float | None = None


class Connections(Protocol):
    """Where a station's connection is found."""

    def get(self, station_id: str) -> StationConnection | None:
        """Return the connection this pod holds of a station."""


class Liveness:
    """Asks for this pod, and answers other pods.

    Args:
        db: says which pod holds a station.
        sender: reaches other pods.
        connections: what this pod holds.
        pod_id: who we are.
    """

    def __init__(
        self, *, db: Database, sender: PodRequestSender, connections: Connections, pod_id: str
    ) -> None:
        self._db = db
        self._sender = sender
        self._connections = connections
        self._pod_id = pod_id
        self._questions: dict[str, asyncio.Future[bool]] = {}

    async def find_rival(self, station_id: str, within_s: float) -> Rival | None:
        """Return the connection of a station that is alive, or may be; None if there is none.

        A pod that has its lease and does not answer counts as holding one, until that is over.

        Args:
            station_id: whose.
            within_s: how long this may take, beside a look-up or two.

        Raises:
            UnavailableError: Redis does not answer, so that another pod cannot be asked.
        """
        connection = self._connections.get(station_id)
        if connection is not None:
            alive = await connection.is_alive(min(_PING_TIMEOUT_S, within_s))
            return Rival() if alive else None
        owner = await self._find_other(station_id)
        if owner is None:
            return None
        try:
            # Not beyond the lease: what a pod without one holds does not count.
            async with asyncio.timeout(min(_PING_TIMEOUT_S + _WAY_S, within_s, owner.lease_left_s)):
                return Rival() if await self._ask(station_id, owner) else None
        except TimeoutError:
            owner = await self._find_other(station_id)
            return None if owner is None else Rival(owner.lease_left_s)

    async def _find_other(self, station_id: str) -> pods.Owner | None:
        owner = await try_again(lambda: pods.find_owner(self._db, station_id))
        # One of ours that is not held has just ended, or is as new as the one that asks.
        return None if owner is None or owner.pod_id == self._pod_id else owner

    async def _ask(self, station_id: str, owner: pods.Owner) -> bool:
        question_id = secrets.token_hex(8)
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._questions[question_id] = answer
        try:
            await self._sender.send(
                owner.pod_id, PingConnection(station_id, owner.epoch, self._pod_id, question_id)
            )
            return await answer
        finally:
            del self._questions[question_id]

    async def answer(self, question: PingConnection) -> None:
        """Ping a connection for another pod, and tell it what came of it."""
        connection = self._connections.get(question.station_id)
        alive = (
            connection is not None
            and connection.station.ownership.epoch >= question.epoch
            and await connection.is_alive(_PING_TIMEOUT_S)
        )
        try:
            await self._sender.send(
                question.asking_pod_id, ConnectionPinged(question.question_id, alive=alive)
            )
        except UnavailableError as error:
            log.warning("another pod's question could not be answered", error=str(error))

    def take_answer(self, answer: ConnectionPinged) -> None:
        """Hand an answer to who asked; one that is late is nobody's."""
        question = self._questions.get(answer.question_id)
        if question is not None and not question.done():
            question.set_result(answer.alive)
