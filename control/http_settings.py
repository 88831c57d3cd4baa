"""Settings of what serves HTTP: the API, and the worker's management port."""

from pydantic import Field, PositiveFloat, PositiveInt

from shared.settings import LoggingSettings


class HttpSettings(LoggingSettings):
    """How long and how often somebody may hold a connection without using it."""

    http_head_timeout_s: PositiveFloat = Field(
        default=10.0,
        description="a connection that has not sent a whole request head by then is closed, with "
        "408 if it began one; a modem needs a second or two. It is also how long an answer may "
        "stay in our memory once the connection is to be closed",
    )
    http_body_timeout_s: PositiveFloat = Field(
        default=60.0,
        description="in each such span a body has to bring http_body_min_bytes_per_s, or it is "
        "answered with 408; modems lose the network for some seconds, and bring the rest then",
    )
    http_body_min_bytes_per_s: PositiveInt = Field(
        default=500,
        description="on average over http_body_timeout_s; GPRS has four times that. Time in which "
        "we do not read, because the storage is slow, does not count",
    )
    http_write_timeout_s: PositiveFloat = Field(
        default=60.0,
        description="a connection that has taken nothing of an answer for so long is cut off",
    )
    http_max_connections: PositiveInt = Field(
        default=8000,
        description="open at once; above the calls that wait for stations (command_max_waiting), "
        "and 20 kB each at most before a request is there. One more takes the place of the one "
        "that has waited longest for its request head; with all at work it gets 503. Fewer if the "
        "process may not open so many files",
    )
