"""Settings of alerts: of the API, and of the worker."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator
from pydantic_settings import NoDecode

from shared.settings import ServiceSettings


class AlertRuleSettings(ServiceSettings):
    """What the API allows."""

    alert_rules_max: PositiveInt = Field(
        default=100,
        description="alert rules of one organization: each is held against all that is amiss, with "
        "every run",
    )


class AlertSettings(ServiceSettings):
    """What the worker does about alerts."""

    alerts_interval_s: PositiveFloat = Field(
        default=15.0,
        description="how often all that is the case is held against the rules of alerts: how late "
        "an alert fires at most, beside what its rule waits for. A run reads what is amiss and not "
        "all stations, some milliseconds per kind in a fleet of 100,000 that is well",
    )
    alerts_batch: PositiveInt = Field(
        default=2000,
        description="alerts of one kind that fire in one run; the others with the next. So an "
        "outage of everything is told in steps that no other statement waits for",
    )
    alerts_slice_stations: PositiveInt = Field(
        default=5000,
        description="stations that one run looks at to find those where nobody starts a charge, "
        "which cannot be found by what is amiss: 100,000 take 20 runs",
    )
    alerts_group_wait_s: NonNegativeFloat = Field(
        default=20.0,
        description="for so long the first mail of a rule waits for what happens together with "
        "what it tells",
    )
    alert_mails_interval_s: PositiveFloat = Field(
        default=5.0, description="how often what is to be told is made mail of, and sent"
    )
    alert_mails_keep_trying_s: PositiveFloat = Field(
        default=86_400.0,
        description="for so long a mail is tried again, after 30 seconds at first and an hour at "
        "last; who reads it later than a day has seen it elsewhere",
    )
    alert_healing_interval_s: PositiveFloat = Field(
        default=5.0, description="how often steps of self-healing are taken that are due"
    )
    alert_healing_command_timeout_s: PositiveFloat = Field(
        default=30.0,
        description="a command of self-healing is not sent later than this: what was looked at "
        "before may have changed by then",
    )
    alerts_retention_days: PositiveInt = Field(
        default=365, description="how long alerts are kept that are over, and who was told"
    )
    alert_disk_paths: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(),
        description="comma separated: directories whose disks are watched by rules of the kind "
        "disk_space, beside that of the files. They are those that the worker sees: that of "
        "Postgres is none of them, unless it is mounted there",
    )

    @field_validator("alert_disk_paths", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Path(each.strip()) for each in value.split(",") if each.strip())
        return value
