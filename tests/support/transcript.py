"""Transcripts: what is said on the wire and through the API, line by line, against the real thing.

A transcript reads like this::

    > StartTransaction {"connectorId": 1, "idTag": "TAG", ...}    the station sends a CALL
    < {"transactionId": "$id", "idTagInfo": {...}}                and is answered with a CALLRESULT
    < PropertyConstraintViolation                                 or with a CALLERROR
    ! RemoteStop {"transaction_id": "$id"}                        an operator gives a command
    < RemoteStopTransaction {"transactionId": "$id"}              the station gets the CALL
    > {"status": "Accepted"}                                      and answers it
    = accepted {"status": "Accepted"}                             what the operator is told
    >> [2, "1"]                                                   the station sends a frame as it is
    << [4, "1", "FormationViolation", "$", {}]                    and gets this one

A line that begins with none of these marks continues the one before it. `"$name"` stands for any
value, the same one wherever it is written; `"$"` for any value at all. What the station gets has to
match whole; of a command's record only the members that are written.
"""

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

from tests.support.eventually import eventually
from tests.support.stations import StationClient

_MARKERS = (">>", "<<", ">", "<", "!", "=")


class Play:
    """Plays transcripts for one station, and remembers what they have named.

    Args:
        station: the connected station.
        station_id: its id, for the API.
        api: a client of the API.
    """

    def __init__(self, station: StationClient, station_id: str, api: httpx.AsyncClient) -> None:
        self.named: dict[str, Any] = {}
        """The values behind `$name`."""
        self.station = station
        self._station_id = station_id
        self._api = api
        self._message_id = 0
        self._our_call: str | None = None
        self._command: asyncio.Task[httpx.Response] | None = None

    async def __call__(self, transcript: str) -> None:
        """Play a transcript to its end; the first line that does not come true fails the test."""
        for marker, word, value in _lines(transcript):
            async with _telling(f"{marker} {word} {value}"):
                await self._play(marker, word, value)

    async def _play(self, marker: str, word: str, value: Any) -> None:
        match marker:
            case ">>":
                await self.station.send(self._filled(value))
            case "<<":
                self._match(value, await self.station.receive())
            case ">" if word == "CALLERROR":
                await self.station.send([4, self._our_call, *self._filled(value)])
            case ">" if not word:
                await self.station.send([3, self._our_call, self._filled(value)])
            case ">":
                self._message_id += 1
                await self.station.send([2, str(self._message_id), word, self._filled(value)])
            case "<":
                await self._expect(word, value)
            case "!":
                body = {"type": word, **self._filled(value or {})}
                path = f"/v1/stations/{self._station_id}/commands"
                self._command = asyncio.create_task(self._ask(path, body))
            case "=":
                assert self._command is not None
                response = await self._command
                record = response.json()
                assert response.status_code == httpx.codes.OK, record
                assert record["state"] == word, record
                expected = value or {}
                self._match(expected, {name: record[name] for name in expected})

    async def _ask(self, path: str, body: dict[str, Any]) -> httpx.Response:
        # Redis learns of a new connection a moment after the station does.
        return await eventually(
            lambda: self._api.post(path, json=body),
            lambda response: response.status_code != httpx.codes.CONFLICT,
        )

    async def _expect(self, word: str, value: Any) -> None:
        frame = await self.station.receive()
        match frame:
            case [3, message_id, payload] if not word:
                assert message_id == str(self._message_id)
                self._match(value, payload)
            case [4, message_id, code, *_] if value is None:
                assert message_id == str(self._message_id)
                assert code == word, frame
            case [2, message_id, action, payload]:
                assert action == word, frame
                self._our_call = message_id
                self._match(value, payload)
            case _:
                raise AssertionError(f"got {frame}")

    def _filled(self, value: Any) -> Any:
        """Return JSON with every `$name` replaced by what it stands for."""
        match value:
            case str() if value.startswith("$"):
                return self.named[value[1:]]
            case dict():
                return {name: self._filled(each) for name, each in value.items()}
            case list():
                return [self._filled(each) for each in value]
        return value

    def _match(self, expected: Any, got: Any, where: str = "") -> None:
        match expected:
            case "$":
                return
            case str() if expected.startswith("$"):
                assert got == self.named.setdefault(expected[1:], got), where
            case dict():
                assert isinstance(got, dict), f"{where}: {got}"
                assert expected.keys() == got.keys(), f"{where}: {got}"
                for name, each in expected.items():
                    self._match(each, got[name], f"{where}/{name}")
            case list():
                assert isinstance(got, list), f"{where}: {got}"
                assert len(expected) == len(got), f"{where}: {got}"
                for index, each in enumerate(expected):
                    self._match(each, got[index], f"{where}/{index}")
            case _:
                assert got == expected, where


@asynccontextmanager
async def _telling(line: str) -> Any:
    """Say at which line of the transcript it failed."""
    try:
        async with asyncio.timeout(10):
            yield
    except Exception as error:
        error.add_note(f"at the line: {line}")
        raise


def _lines(transcript: str) -> Iterator[tuple[str, str, Any]]:
    """Give each line's marker, its word if there is one, and its JSON."""
    joined: list[str] = []
    for line in filter(None, map(str.strip, transcript.splitlines())):
        if line.startswith(_MARKERS):
            joined.append(line)
        else:
            joined[-1] += f" {line}"
    for line in joined:
        marker = next(each for each in _MARKERS if line.startswith(each))
        rest = line.removeprefix(marker).strip()
        starts = [rest.index(bracket) for bracket in '{["' if bracket in rest]
        start = min(starts, default=len(rest))
        text = rest[start:]
        yield marker, rest[:start].strip(), msgspec.json.decode(text) if text else None
