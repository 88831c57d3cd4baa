"""What an answer without an end may decide about its connection, besides what ASGI has."""

from uvicorn.protocols.http.h11_impl import H11Protocol


class Writing:
    """How much waits for a client; of each connection, in `scope["state"]["writing"]`.

    Args:
        protocol: the connection.
    """

    __slots__ = ("_protocol",)

    def __init__(self, protocol: H11Protocol) -> None:
        self._protocol = protocol

    def bound(self, max_bytes: int) -> None:
        """Have `send` wait from now on when more than this waits for the client."""
        self._protocol.transport.set_write_buffer_limits(high=max_bytes)

    def let_through(self) -> None:
        """Have the next `send` not wait: for a last word of few bytes."""
        self._protocol.flow.resume_writing()
