"""Settings of a gateway pod; docs/reference/settings.md argues the defaults."""

import socket

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from shared.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    """What a gateway pod can be told, beside what every service can."""

    pod_name: str = Field(default_factory=socket.gethostname)
    ocpp_host: str = "0.0.0.0"
    ocpp_port: int = 9100
    management_host: str = "0.0.0.0"
    management_port: int = 9101

    heartbeat_interval_s: PositiveInt = Field(
        default=300, description="told in BootNotification; a station may have one of its own"
    )
    boot_retry_interval_s: PositiveInt = Field(
        default=60, description="when a station that is Pending or Rejected may boot again"
    )
    interval_jitter: NonNegativeFloat = Field(
        default=0.1,
        le=0.5,
        description="share by which those two vary, so that a fleet does not march in step",
    )

    max_connections: PositiveInt = Field(default=20_000, description="more get 503")
    max_message_bytes: PositiveInt = Field(
        default=256 * 1024, description="inflated; a longer message closes with 1009"
    )
    max_queued_calls: PositiveInt = Field(
        default=16,
        description="CALLs of one station that may wait for their answer; more close with 1008",
    )
    max_queued_commands: PositiveInt = Field(
        default=32, description="commands that may wait for one station; more fail"
    )
    handshake_timeout_s: PositiveFloat = 10.0
    ping_interval_s: PositiveFloat = Field(
        default=25.0, description="load balancers cut what is silent for 60 s"
    )
    ping_timeout_s: PositiveFloat = 20.0
    close_timeout_s: PositiveFloat = 5.0
    call_timeout_s: PositiveFloat = Field(
        default=30.0, description="how long a station may take to answer a CALL of ours"
    )

    ingest_max_batch: PositiveInt = Field(default=1000, description="facts in one group commit")
    ingest_hold_s: PositiveFloat = Field(
        default=5.0,
        description="how long answers wait for a Postgres that is away, before sockets are closed",
    )
    password_cache_size: PositiveInt = Field(
        default=50_000, description="passwords found right that are not hashed again"
    )
    drain_timeout_s: PositiveFloat = Field(
        default=20.0, description="after SIGTERM; must be less than the pod's grace period"
    )
