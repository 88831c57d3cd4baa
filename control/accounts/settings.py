"""Settings of API keys, users and their sessions."""

from pydantic import Field, PositiveFloat, PositiveInt

from shared.settings import ServiceSettings


class AccountSettings(ServiceSettings):
    """How credentials are remembered."""

    credentials_memory_s: PositiveFloat = Field(
        default=5.0,
        le=60.0,
        description="how long an API process remembers an API key or a session that it has looked "
        "up: so much later at most it counts everywhere that one was revoked. A caller who is busy "
        "then costs Postgres one small statement in that time",
    )
    credentials_max_remembered: PositiveInt = Field(
        default=10_000, description="API keys and sessions that are remembered, each about 1 kB"
    )
    last_used_interval_s: PositiveFloat = Field(
        default=60.0,
        description="how often is written down when API keys and sessions were used last, "
        "in one statement for all",
    )
