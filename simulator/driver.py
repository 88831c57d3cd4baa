"""Drives a simulated station with asyncio: owns its socket and its clock, decides nothing."""

import asyncio
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ssl import SSLContext
from typing import Protocol, TypeVar
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from simulator.events import (
    CancelTransfer,
    Dial,
    Download,
    Event,
    FileInstruction,
    HangUp,
    Send,
    SocketInstruction,
    Upload,
)
from simulator.http_files import HttpFiles
from simulator.retry_after import retry_after_s
from simulator.station import Station
from simulator.transfers import TransferResult

_T = TypeVar("_T")

_NORMAL_CLOSURE = 1000
_PROTOCOL_ERROR = 1002


class FileTransfer(Protocol):
    """Downloads and uploads files; whatever goes wrong is in the result."""

    async def download(self, url: str) -> TransferResult:
        """Fetch a file."""

    async def upload(self, url: str, content: bytes) -> TransferResult:
        """Hand a file over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """How a station holds its WebSocket.

    Attributes:
        open_timeout_s: For TCP, TLS and the WebSocket handshake together.
        ping_timeout_s: A pong later than this counts as a lost connection.
        close_timeout_s: For the closing handshake.
        max_message_bytes: Larger messages end the connection.
        compression: Ask for permessage-deflate; it costs both sides memory.
        ssl: For `wss:`; None takes the system's certificates.
    """

    open_timeout_s: float = 10.0
    ping_timeout_s: float = 20.0
    close_timeout_s: float = 5.0
    max_message_bytes: int = 2**20
    compression: bool = False
    ssl: SSLContext | None = None


class Driver:
    """Drives one station.

    Args:
        station: What is driven; its inputs belong to the driver while `run` runs.
        url: OCPP-J endpoint of the CSMS; the station id is appended (OCPP-J 1.6, 3.1.1).
        on_event: Told of every event, in order, on the event loop.
        settings: Time-outs and limits.
        files: Transfers firmware and logs; by HTTP if None.
    """

    def __init__(
        self,
        station: Station,
        *,
        url: str,
        on_event: Callable[[Event], None],
        settings: ConnectionSettings,
        files: FileTransfer | None = None,
    ) -> None:
        self._station = station
        self._uri = f"{url.rstrip('/')}/{quote(station.profile.station_id, safe='')}"
        self._on_event = on_event
        self._settings = settings
        self._files = files or HttpFiles(ssl=settings.ssl)
        self._transfers: dict[int, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._instructions: list[SocketInstruction] = []
        self._pause: asyncio.Timeout | None = None
        self._clock_offset_s = 0.0

    def now(self) -> float:
        """Return the time for the station: seconds since the Unix epoch, never going back."""
        return self._clock_offset_s + asyncio.get_running_loop().time()

    def nudge(self) -> None:
        """Look at the station soon: it was given an input from elsewhere."""
        if self._pause is not None and not self._pause.expired():
            self._pause.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Drive the station until cancelled; then no charge is finished, the socket is closed."""
        # The loop's clock: steps of the system clock must not reach the station's timers.
        self._clock_offset_s = time.time() - asyncio.get_running_loop().time()
        self._station.power_on(self.now())
        try:
            async with asyncio.TaskGroup() as self._group:
                while True:
                    await self._until_dialled()
                    connection = await self._connect()
                    if connection is not None:
                        await self._serve(connection)
        except ExceptionGroup as group:
            # Files rarely break together with the socket; who waits is told the error itself.
            raise group.exceptions[0] from group

    async def _until_dialled(self) -> None:
        while not any(isinstance(each, Dial) for each in self._take_instructions()):
            await self._before_wake(asyncio.get_running_loop().create_future())
            self._station.advance(self.now())

    async def _connect(self) -> ClientConnection | None:
        """Dial; a failure is told to the station, which decides what follows."""
        station, settings = self._station, self._settings
        wanted = Subprotocol(station.dialect.subprotocol)
        opening = asyncio.ensure_future(self._open(wanted))
        try:
            connection = await self._meanwhile(opening)
        except InvalidStatus as error:
            response = error.response
            station.connection_refused(
                self.now(),
                status=response.status_code,
                reason=response.reason_phrase,
                retry_after_s=retry_after_s(response.headers.get("Retry-After"), time.time()),
            )
            return None
        except (OSError, WebSocketException) as error:
            # TimeoutError is an OSError.
            reason = str(error) or f"no answer within {settings.open_timeout_s:g} s"
            station.connection_refused(self.now(), reason=reason)
            return None
        except asyncio.CancelledError:
            if opening.done() and not opening.cancelled() and opening.exception() is None:
                opening.result().transport.abort()
            raise
        if connection.subprotocol != wanted:
            # OCPP-J 1.6, 3.2: no common version; the server is to close, and so do we.
            await self._meanwhile(connection.close(_PROTOCOL_ERROR, f"{wanted} is needed"))
            station.connection_refused(self.now(), reason=f"the CSMS does not speak {wanted}")
            return None
        station.connection_opened(self.now())
        return connection

    async def _open(self, subprotocol: Subprotocol) -> ClientConnection:
        settings = self._settings
        secure = self._uri.startswith("wss:")
        return await connect(
            self._uri,
            subprotocols=[subprotocol],
            additional_headers=self._credentials(),
            compression="deflate" if settings.compression else None,
            # A station dials its CSMS directly, whatever proxy the shell has set.
            proxy=None,
            open_timeout=settings.open_timeout_s,
            ping_interval=self._station.settings.websocket_ping_interval_s or None,
            ping_timeout=settings.ping_timeout_s,
            close_timeout=settings.close_timeout_s,
            max_size=settings.max_message_bytes,
            ssl=(settings.ssl or True) if secure else None,
        )

    def _credentials(self) -> dict[str, str]:
        """Return the header of HTTP Basic authentication (whitepaper, A00.FR.204)."""
        if self._station.password is None:
            return {}
        pair = self._station.profile.station_id.encode() + b":" + self._station.password
        return {"Authorization": f"Basic {b64encode(pair).decode()}"}

    async def _serve(self, connection: ClientConnection) -> None:
        """Carry frames until the connection is gone."""
        try:
            while await self._flush(connection):
                message = await self._before_wake(connection.recv())
                if message is None:
                    self._station.advance(self.now())
                else:
                    self._station.receive(message, self.now())
            reason = "closed by the station"
        except ConnectionClosed as error:
            reason = str(error)
        finally:
            # On cancellation too: orderly, but no charge is finished.
            await connection.close(_NORMAL_CLOSURE)
        self._station.connection_lost(self.now(), reason)

    async def _flush(self, connection: ClientConnection) -> bool:
        """Send what is to be sent; False once the station has hung up."""
        for instruction in self._take_instructions():
            match instruction:
                case Send(text=text):
                    await connection.send(text)
                case HangUp(abrupt=True):
                    connection.transport.abort()
                    return False
                case HangUp(code=code, reason=reason):
                    await self._meanwhile(connection.close(code, reason))
                    return False
        return True

    async def _meanwhile(self, awaitable: Awaitable[_T]) -> _T:
        """Await something while time passes for the station."""
        task = asyncio.ensure_future(awaitable)
        try:
            while not task.done():
                await self._before_wake(asyncio.wait({task}))
                self._station.advance(self.now())
                self._collect()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        return task.result()

    async def _before_wake(self, awaitable: Awaitable[_T]) -> _T | None:
        """Await something, or return None once the station has something to do."""
        loop = asyncio.get_running_loop()
        wake_at = self._station.next_wake
        if self._station.has_outputs:
            deadline: float | None = loop.time()
        else:
            deadline = None if wake_at is None else wake_at - self._clock_offset_s
        pause = self._pause = asyncio.timeout_at(deadline)
        try:
            async with pause:
                return await awaitable
        except TimeoutError:
            if not pause.expired():
                raise
            return None
        finally:
            self._pause = None

    def _take_instructions(self) -> list[SocketInstruction]:
        self._collect()
        instructions, self._instructions = self._instructions, []
        return instructions

    def _collect(self) -> None:
        for output in self._station.take_outputs():
            if isinstance(output, Event):
                self._on_event(output)
            elif isinstance(output, FileInstruction):
                self._transfer(output)
            else:
                self._instructions.append(output)

    # Files, beside the connection

    def _transfer(self, instruction: FileInstruction) -> None:
        number = instruction.transfer_id
        if isinstance(instruction, CancelTransfer):
            if task := self._transfers.get(number):
                task.cancel()
        elif self._group is not None:
            task = self._group.create_task(self._carry_out(instruction), name=f"file {number}")
            self._transfers[number] = task
            task.add_done_callback(lambda _: self._transfers.pop(number))

    async def _carry_out(self, instruction: Download | Upload) -> None:
        if isinstance(instruction, Download):
            result = await self._files.download(instruction.url)
        else:
            result = await self._files.upload(instruction.url, instruction.content)
        self._station.transfer_ended(self.now(), instruction.transfer_id, result)
        self.nudge()
