"""Settings of a gateway pod; docs/reference/settings.md argues the defaults."""

import socket

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from shared.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    """What a gateway pod can be told, beside what every service can."""

    pod_name: str = Field(
        default_factory=socket.gethostname, description="first part of the pod's id"
    )
    ocpp_host: str = Field(default="0.0.0.0", description="address stations connect to")
    ocpp_port: int = Field(default=9100, ge=0, le=65535, description="and its port")
    management_host: str = Field(default="0.0.0.0", description="address of /metrics and so on")
    management_port: int = Field(default=9101, ge=0, le=65535, description="and its port")

    heartbeat_interval_s: PositiveInt = Field(
        default=300,
        description="told in BootNotification; a station may have one of its own. Pings show "
        "sooner that a station is gone, so heartbeats only keep its clock right",
    )
    boot_retry_interval_s: PositiveInt = Field(
        default=60,
        description="when a station that is Pending or Rejected boots again: somebody may be "
        "waiting beside it for the operator's click",
    )
    interval_jitter: NonNegativeFloat = Field(
        default=0.1,
        le=0.5,
        description="share by which those two vary, so that a fleet does not march in step",
    )

    max_connections: PositiveInt = Field(
        default=20_000,
        description="more get 503; about 1 GB of memory, and what one event loop serves in calm "
        "weather",
    )
    max_message_bytes: PositiveInt = Field(
        default=256 * 1024,
        description="inflated; a longer message closes with 1009. A long StopTransaction has some "
        "tens of kilobytes",
    )
    max_queued_calls: PositiveInt = Field(
        default=16,
        description="CALLs of one station that may wait for their answer; more close with 1008. "
        "OCPP-J allows one (1.6 §4.1.1)",
    )
    max_queued_commands: PositiveInt = Field(
        default=32, description="commands that may wait for one station; more fail"
    )
    handshake_timeout_s: PositiveFloat = Field(
        default=10.0, description="a slow modem needs seconds; who holds a socket open needs more"
    )
    ping_interval_s: PositiveFloat = Field(
        default=25.0, description="load balancers cut what is silent for 60 s"
    )
    ping_timeout_s: PositiveFloat = Field(
        default=20.0,
        description="a station that answers no ping for so long is gone: with the interval, found "
        "within 45 s",
    )
    close_timeout_s: PositiveFloat = Field(
        default=5.0, description="how long a closing handshake may take before TCP is closed"
    )
    call_timeout_s: PositiveFloat = Field(
        default=30.0, description="how long a station may take to answer a CALL of ours"
    )

    ingest_max_batch: PositiveInt = Field(
        default=1000,
        description="facts in one group commit; larger ones gain nothing and hold up the rest",
    )
    ingest_hold_s: PositiveFloat = Field(
        default=5.0,
        description="how long answers wait for a Postgres that is away, before sockets are closed; "
        "shorter than the 30 s after which stations count a failed attempt",
    )
    password_cache_size: PositiveInt = Field(
        default=50_000, description="passwords found right that are not hashed again"
    )
    drain_timeout_s: PositiveFloat = Field(
        default=20.0, description="after SIGTERM; must be less than the pod's grace period"
    )
