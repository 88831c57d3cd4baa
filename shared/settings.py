"""Settings that every process has. Each process adds its own in a class of its own.

All come from the environment, with the prefix `VOLTARO_`; docs/reference/settings.md argues the
defaults.
"""

import os
from enum import StrEnum

from pydantic import Field, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

_PREFIX = "VOLTARO_"


class LogFormat(StrEnum):
    """How log lines look on stderr."""

    CONSOLE = "console"
    JSON = "json"


class LoggingSettings(BaseSettings):
    """What is logged, and how."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the base class calls it so
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment, and no files: each place costs 5 ms, also if nothing is there."""
        if any(name.upper().startswith(_PREFIX) for name in os.environ):
            return init_settings, env_settings
        return (init_settings,)

    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_format: LogFormat = Field(
        default=LogFormat.JSON, description="json for machines, console for people"
    )


class DatabaseSettings(LoggingSettings):
    """How Postgres is reached."""

    database_url: str = Field(
        description="postgresql://user:password@host:port/database; of several, as in "
        "host:port,host:port, the host that takes writes"
    )
    database_pool_size: PositiveInt = Field(
        default=8,
        description="connections a process holds at most; group commit uses three at a time",
    )
    database_connect_timeout_s: PositiveFloat = Field(
        default=5.0, description="longer counts as Postgres being away"
    )
    database_command_timeout_s: PositiveFloat = Field(
        default=10.0, description="one statement; longer counts as Postgres being away"
    )
    database_lock_timeout_s: PositiveFloat = Field(
        default=1.0,
        description="how long a statement waits for a lock that somebody else holds, such as a "
        "backup or an operator's open transaction: ours hold none for longer than some "
        "milliseconds. Longer is no outage: what a station said is tried again apart from "
        "all others, and a request gets 503. A gateway waits no longer than a quarter of "
        "ingest_hold_s",
    )


class MigrateSettings(DatabaseSettings):
    """What `voltaro migrate` reads."""

    migrate_lock_wait_s: PositiveFloat = Field(
        default=600.0,
        description="how long a migration tries to get its locks, for half a second at a time so "
        "that stations are not held up behind it; about as long as a backup of a big table takes",
    )


class ServiceSettings(DatabaseSettings):
    """What a gateway, a control plane and a worker have in common."""

    secret_configuration_names: str = Field(
        default="",
        description="configuration keys and variables whose values are never kept nor shown, "
        "beside those whose names say that they are secrets (password, PIN, token, key …), "
        "separated by commas, in any letter case; the same for all processes. Variables "
        "of 2.0.1 with their component or without",
    )

    redis_url: str = Field(
        description="redis://host:port/database, or redis+cluster://host:port,host:port"
    )
    redis_timeout_s: PositiveFloat = Field(
        default=2.0, description="one operation; longer counts as Redis being away"
    )
    pod_lease_s: PositiveFloat = Field(
        default=15.0,
        description="a pod that has not renewed its lease for so long owns nothing. It is renewed "
        "every third of it, so that one lost renewal does no harm",
    )

    @property
    def secret_names(self) -> list[str]:
        """`secret_configuration_names`, read."""
        return self.secret_configuration_names.split(",")
