"""Receivers that misbehave, each in its way, and what became of the events that they were sent."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.webhook_receiver import Answer, Receiver

# A little beyond what a worker of these tests waits for an answer.
TIMEOUT_S = 1.0


@dataclass
class Player:
    """One receiver and how it misbehaves.

    Args:
        name: in the table.
        decide: answers an event, given how much of the play is over (0 to 1).
        disturb: does something to the receiver itself while the play goes on.
    """

    name: str
    decide: Callable[[dict[str, Any], float], Answer]
    disturb: Callable[[Receiver, Callable[[], float]], Awaitable[None]] | None = None
    receiver: Receiver = field(default_factory=Receiver)


@dataclass(frozen=True)
class Findings:
    """What one receiver saw; all but the first three are to be 0."""

    name: str
    requests: int
    duplicates: int
    """Events that it had taken, sent again under the same id."""
    refused: int
    """Requests that it answered with no success."""
    lost: int
    """Events that it never took."""
    out_of_order: int
    """Events that came before it had taken the one before of their station."""
    renamed: int
    """Events that came again under another id, or with another body."""

    @property
    def is_sound(self) -> bool:
        return not (self.lost or self.out_of_order or self.renamed)


def examine(player: Player, told: Iterable[tuple[str, int]]) -> Findings:
    """Compare what a receiver saw with the events that happened: (station, place in its order)."""
    received = player.receiver.received
    taken: dict[str, int] = {}  # by station, how many of its events were taken
    identities: dict[tuple[str, int], tuple[str, bytes]] = {}
    duplicates = out_of_order = renamed = refused = 0
    for each in received:
        station_id, n = str(each.station_id), each.event["data"]["n"]
        following = taken.get(station_id, 0)
        identity = (each.webhook_id, each.body)
        renamed += identities.setdefault((station_id, n), identity) != identity
        out_of_order += n > following
        refused += each.status >= 300
        if each.status < 300:
            duplicates += n < following
            taken[station_id] = max(following, n + 1)
    return Findings(
        name=player.name,
        requests=len(received),
        duplicates=duplicates,
        refused=refused,
        lost=sum(n >= taken.get(station_id, 0) for station_id, n in told),
        out_of_order=out_of_order,
        renamed=renamed,
    )


def _well(_: dict[str, Any], __: float) -> Answer:
    return Answer()


def _slow(_: dict[str, Any], __: float) -> Answer:
    return Answer(delay_s=random.choice((0.0, 0.05, 0.3, TIMEOUT_S + 0.3)))  # noqa: S311 - a play


def _wrong(_: dict[str, Any], done: float) -> Answer:
    if done >= 1 or random.random() < 0.5:  # noqa: S311 - a play
        return Answer()
    return random.choice(  # noqa: S311 - a play
        (
            Answer(500, body=b"oops"),
            Answer(404),
            Answer(429, {"Retry-After": "1"}),
            Answer(503, {"Retry-After": "no idea"}),
            Answer(500, raw=b"SSH-2.0-OpenSSH_9.9\r\n"),
            Answer(500, raw=b"HTTP/1.1 200 OK\r\nContent-Le"),
            Answer(500, raw=b""),
        )
    )


def _redirecting(_: dict[str, Any], done: float) -> Answer:
    return Answer(307, {"Location": "/elsewhere"}) if done < 0.5 else Answer()


async def _go_down(receiver: Receiver, done: Callable[[], float]) -> None:
    await _until(done, 0.1)
    await receiver.stop()
    await _until(done, 0.9)
    await receiver.start()


async def _restart(receiver: Receiver, done: Callable[[], float]) -> None:
    while done() < 1:
        await asyncio.sleep(0.7)
        await receiver.stop()
        await asyncio.sleep(0.3)
        await receiver.start()


async def _until(done: Callable[[], float], part: float) -> None:
    while done() < part:  # noqa: ASYNC110 - a play has no Event
        await asyncio.sleep(0.05)


def players() -> list[Player]:
    """Return all of them."""
    return [
        Player("well", _well),
        Player("down most of the time", _well, _go_down),
        Player("slow, and too slow", _slow),
        Player("wrong", _wrong),
        Player("redirecting", _redirecting),
        Player("restarting", _well, _restart),
    ]


def render(findings: Sequence[Findings], *, events: int, killed: int) -> list[str]:
    """Return the table, and what it comes to."""
    row = "{:<22} {:>8} {:>8} {:>8} {:>11} {:>6} {:>13} {:>9}".format
    lines = [
        row(
            *("receiver", "events", "requests", "refused", "duplicates"),
            *("lost", "out of order", "renamed"),
        )
    ]
    lines += [
        row(
            *(each.name, events, each.requests, each.refused, each.duplicates),
            *(each.lost, each.out_of_order, each.renamed),
        )
        for each in findings
    ]
    lines.append(
        f"{events} events to {len(findings)} receivers, {killed} workers killed: "
        f"{sum(each.lost for each in findings)} lost, "
        f"{sum(each.out_of_order for each in findings)} out of order, "
        f"{sum(each.duplicates for each in findings)} duplicates, "
        f"{sum(each.renamed for each in findings)} of them under another id"
    )
    return lines
