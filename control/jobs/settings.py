"""Settings of the worker."""

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from shared.settings import ServiceSettings


class WorkerSettings(ServiceSettings):
    """What `voltaro worker` reads from the environment.

    Each sweep is one statement that may run twice, so that several workers may run at once.
    """

    management_host: str = Field(default="0.0.0.0", description="address of /healthz and so on")
    management_port: int = Field(default=9102, ge=0, le=65535)
    shutdown_timeout_s: PositiveFloat = Field(
        default=5.0, description="how long requests in work may take after SIGTERM"
    )

    sweep_jitter: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="each interval is longer or shorter by up to this part, so that workers that "
        "started together do not sweep together",
    )
    dead_pods_interval_s: PositiveFloat = Field(
        default=5.0, description="how often stations of dead pods are put offline"
    )
    expired_commands_interval_s: PositiveFloat = Field(
        default=2.0, description="how often commands past their deadline are ended"
    )
    unanswered_commands_interval_s: PositiveFloat = Field(
        default=5.0, description="how often sent commands are ended that nobody waits for any more"
    )
    unanswered_grace_s: NonNegativeFloat = Field(
        default=120.0,
        description="a living pod gets so much longer than a command's deadline to end it; longer "
        "than the gateway's call_timeout_s and what its queue takes",
    )
    waiting_commands_interval_s: PositiveFloat = Field(
        default=5.0, description="how often queued commands are routed again"
    )
    waiting_commands_age_s: NonNegativeFloat = Field(
        default=5.0, description="a younger command is still on its first way"
    )
    waiting_commands_batch: PositiveInt = Field(
        default=1000, description="commands routed again in one sweep, the soonest deadline first"
    )
    partitions_interval_s: PositiveFloat = Field(
        default=3600.0, description="how often partitions of meter values are made"
    )
    partitions_ahead_days: PositiveInt = Field(
        default=8, description="for how many days, today included, partitions are made"
    )
