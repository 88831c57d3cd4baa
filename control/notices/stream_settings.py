"""Settings of event streams."""

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from shared.settings import LoggingSettings


class EventStreamSettings(LoggingSettings):
    """How events reach those who follow `GET /v1/events/stream`, and what one of them may cost."""

    event_streams_max: NonNegativeInt = Field(
        default=2500,
        description="event streams that a process has open; one more gets 503. Each takes some "
        "40 kB; below http_max_connections, so that requests find room beside them. 0: none",
    )
    event_streams_max_per_principal: PositiveInt = Field(
        default=100,
        description="of these, streams of one API key or one user; one more gets 429. A program "
        "needs one, and a person one for each page that is open. Keys of VOLTARO_API_KEYS count "
        "as one",
    )
    event_stream_look_s: PositiveFloat = Field(
        default=1.0,
        description="how often a process with open streams looks for events by itself; the word in "
        "Redis, which makes it look at once, may be lost",
    )
    event_stream_recent_max: PositiveInt = Field(
        default=10_000,
        description="newest events that a process holds in memory for all of its streams; whoever "
        "is further behind is read from Postgres",
    )
    event_stream_recent_max_bytes: PositiveInt = Field(
        default=16_777_216, description="and their bytes, as they are sent"
    )
    event_stream_reads_at_once: PositiveInt = Field(
        default=3,
        description="streams that are read for from Postgres at the same time, when many come "
        "back at once: below database_pool_size, so that requests find a connection",
    )
    event_stream_keep_alive_s: PositiveFloat = Field(
        default=15.0,
        description="a stream that has been silent so long says that it lives; below what load "
        "balancers allow, which is 30 or 60 s mostly",
    )
    event_stream_buffer_bytes: int = Field(
        default=32_768,
        ge=2048,
        description="what may wait in a process for one client to take it. A modem takes that in "
        "some seconds",
    )
    event_stream_write_timeout_s: PositiveFloat = Field(
        default=20.0,
        description="a client that has not made room for the next events by then is told where to "
        "resume, and its stream ends; longer than a mobile network is away for",
    )
    event_stream_behind_max_s: PositiveFloat = Field(
        default=900.0,
        description="and so is one that takes what it is sent but has not been up to date for so "
        "long: to read a day of events takes minutes",
    )
    event_stream_access_check_s: PositiveFloat = Field(
        default=5.0,
        description="how often is looked whether the keys and sessions of open streams still "
        "count: together with credentials_memory_s, how long a stream goes on at most after that",
    )
