"""Settings of the control plane."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, SecretStr, field_validator
from pydantic_settings import NoDecode

from control.accounts.oidc.settings import OidcSettings
from control.accounts.rate_limit_settings import RateLimitSettings
from control.accounts.settings import AccountSettings
from control.exports.settings import ExportSettings
from control.files.settings import FileSettings
from control.http_settings import HttpSettings
from control.notices.alert_settings import AlertRuleSettings
from control.notices.stream_settings import EventStreamSettings
from control.notices.webhook_settings import WebhookUrlSettings

_API_KEY_MIN_LENGTH = 16


class ControlSettings(
    FileSettings,
    AccountSettings,
    OidcSettings,
    RateLimitSettings,
    AlertRuleSettings,
    WebhookUrlSettings,
    EventStreamSettings,
    HttpSettings,
    ExportSettings,
):
    """What `voltaro control` reads from the environment.

    A station's password is random and at least 16 characters long (OCPP 2.0.1 A00.FR.205), so that
    no hash, however slow, makes guessing it any harder: 40 hexadecimal digits are 160 bits. What
    the hash costs is paid by gateways, once per handshake, when a whole fleet comes back after an
    outage. The defaults (4 MiB, 2 passes, 1 lane: about 4 ms) therefore lie below what is advised
    for passwords that people choose; raise them if people choose yours. Every hash carries its own
    parameters, so that old and new ones can be mixed.
    """

    http_host: str = Field(default="0.0.0.0", description="address the API listens on")
    http_port: int = Field(default=8080, ge=0, le=65535)
    management_host: str = Field(
        default="0.0.0.0", description="address of /metrics, /readyz and /healthz"
    )
    management_port: int = Field(
        default=9103,
        ge=0,
        le=65535,
        description="and its port, which need not be reachable from where the API's callers are",
    )
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        description="comma separated; each at least 16 characters, such as `openssl rand -hex 32`. "
        "They may do everything, also while Postgres is away; give programs keys of "
        "`POST /v1/api-keys`, which may do less and can be revoked"
    )
    http_max_body_bytes: PositiveInt = Field(
        default=262_144, description="a longer request body is refused with 413"
    )
    http_keep_alive_s: PositiveInt = Field(
        default=75,
        description="how long an idle connection stays open; longer than the load balancer in "
        "front keeps it (often 60 s), or a request may meet a connection that is being closed",
    )
    shutdown_timeout_s: PositiveFloat = Field(
        default=10.0, description="how long requests in work may take after SIGTERM"
    )

    command_timeout_s: PositiveFloat = Field(
        default=30.0, le=300.0, description="deadline of a command whose caller names none"
    )
    command_wait_grace_s: NonNegativeFloat = Field(
        default=5.0,
        description="how much longer than the deadline a caller who named no wait waits, so that "
        "a missed deadline itself is in the answer: the worker's sweep and a poll fit into it",
    )
    command_poll_interval_s: PositiveFloat = Field(
        default=1.0,
        description="how often Postgres is asked, once for all who wait, about outcomes that "
        "nobody announced",
    )
    command_max_waiting: PositiveInt = Field(
        default=5000,
        description="calls that wait for a station's answer at the same time; more are answered "
        "with 202 at once",
    )
    command_reconnect_wait_s: NonNegativeFloat = Field(
        default=5.0,
        description="how long a command waits for a station that was online so long ago: when a "
        "pod stops, its stations are told so and are at another one within a second or two, or "
        "more when that has to hash all their passwords. Others are refused at once",
    )
    command_max_queued: PositiveInt = Field(
        default=100,
        description="commands that may wait for one station; more are answered with 429. One at a "
        "time is sent, so the last of them waits for all others' answers",
    )
    command_batch_timeout_s: PositiveFloat = Field(
        default=3600.0,
        le=604_800.0,
        description="deadline of a batch whose caller names none: stations that are offline get "
        "their command when they are back until then",
    )
    command_batch_max_per_s: PositiveFloat = Field(
        default=10.0,
        le=1000.0,
        description="commands of a batch put on their way in a second, if its caller names no "
        "other number: what comes back after a Reset is then a tenth of what a gateway lets in",
    )
    command_batch_max_stations: PositiveInt = Field(
        default=10_000,
        description="stations of one batch: they are written in one statement, of about half a "
        "second, and at the usual pace are through in 17 minutes. Larger fleets take several",
    )

    password_hash_time_cost: PositiveInt = Field(default=2, description="Argon2id passes")
    password_hash_memory_kib: int = Field(default=4096, ge=8, description="Argon2id memory")
    password_hash_parallelism: PositiveInt = Field(default=1, description="Argon2id lanes")

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_api_keys(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(key.strip() for key in value.split(",") if key.strip())
        return value

    @field_validator("api_keys")
    @classmethod
    def _check_api_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not keys:
            raise ValueError("at least one API key is needed")
        if any(len(key.get_secret_value()) < _API_KEY_MIN_LENGTH for key in keys):
            raise ValueError(f"an API key has at least {_API_KEY_MIN_LENGTH} characters")
        return keys
