"""An answer that goes on for as long as its client follows events."""

import asyncio
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from control.disconnect import disconnected
from control.http_writing import Writing
from control.notices import frames
from control.notices.frames import EndReason
from control.notices.stream import EventStream, Follower
from control.notices.streams import EventStreams
from shared.telemetry import metrics

_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    # The connection ends with the stream: what was set for it concerns no other answer.
    "Connection": "close",
    "X-Accel-Buffering": "no",  # as nginx has it, which else holds events back
}


class EventStreamResponse(Response):
    """Follows events for one client.

    Args:
        streams: those of the process.
        follower: who it is.
        last_event_id: what it has; None to begin now.
        buffer_bytes: what may wait for it to be taken.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        streams: EventStreams,
        follower: Follower,
        last_event_id: int | None,
        *,
        buffer_bytes: int,
    ) -> None:
        # Without the base class, which would say how long the answer is.
        self.status_code = 200
        self.background = None
        self.init_headers(_HEADERS)
        self._streams = streams
        self._follower = follower
        self._last_event_id = last_event_id
        self._buffer_bytes = buffer_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Follow until the client leaves, or the stream is ended.

        Raises:
            InvalidFieldError, ProblemError: the stream cannot begin.
        """
        with self._streams.opened(self._follower) as stream:
            position = await self._streams.begin(self._follower, self._last_event_id)
            writing: Writing = scope["state"]["writing"]
            writing.bound(self._buffer_bytes)
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            leaving = asyncio.create_task(disconnected(receive))
            leaving.add_done_callback(lambda _: stream.end(EndReason.CLIENT_LEFT))
            try:
                reason = await self._run(stream, position, send)
                metrics.event_streams_ended.labels(reason).inc()
                last_word = b""
                if reason is not EndReason.CLIENT_LEFT:
                    retry_ms = self._streams.retry_ms()
                    last_word = frames.ended_frame(stream.position, reason, retry_ms=retry_ms)
                    writing.let_through()  # those who are slow are told as well
                await send({"type": "http.response.body", "body": last_word})
            finally:
                leaving.cancel()
                await asyncio.gather(leaving, return_exceptions=True)

    async def _run(self, stream: EventStream, position: int, send: Send) -> EndReason:
        async def write(what: bytes) -> None:
            await send({"type": "http.response.body", "body": what, "more_body": True})

        try:
            await stream.run(position, write, retry_ms=self._streams.retry_ms())
        except TimeoutError:
            stream.end(EndReason.SLOW)
        return stream.ended or EndReason.CLIENT_LEFT
