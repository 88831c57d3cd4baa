"""How much of a connection is taken: frames, bytes, and time of a processor."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """How much of something is taken: a token bucket.

    `per_s` are taken in a second in the long run, `burst` at once after a calm.
    """

    per_s: float
    burst: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken from a connection.

    Frames of any kind, bytes of messages that are not short, and seconds of a processor for those
    that are not cheap.
    """

    frames: Rate
    message_bytes: Rate
    processor_s: Rate
