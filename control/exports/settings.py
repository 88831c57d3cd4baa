"""Settings of exports."""

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from shared.settings import LoggingSettings


class ExportPageSettings(LoggingSettings):
    """What a page of an export may take, of the API's exports and of the worker's reports."""

    export_page_timeout_s: PositiveFloat = Field(
        default=8.0,
        description="how long the search for the next up to 1000 rows may take, which also is how "
        "long an export can keep Postgres from removing dead rows. A page in the order of an "
        "index takes some milliseconds; one behind a filter that few rows pass takes seconds",
    )


class ExportSettings(ExportPageSettings):
    """What exports may take."""

    exports_max: PositiveInt = Field(
        default=4,
        description="exports that a process runs at the same time; more are answered with 503. "
        "Each takes about 25 MiB, a connection to Postgres while it reads a page, and as much of a "
        "processor as it gets. Connections of database_pool_size have to be left for all others",
    )
    exports_max_per_principal: PositiveInt = Field(
        default=2,
        description="of these for one user or key; more are answered with 429, so that nobody "
        "takes the room of all others",
    )


class ReportSettings(ExportPageSettings):
    """How reports are run."""

    reports_interval_s: PositiveFloat = Field(
        default=15.0,
        description="how often is looked which reports are due, and which of their files are kept "
        "no longer",
    )
    report_timeout_s: PositiveFloat = Field(
        default=4 * 3600.0,
        description="a run that takes longer has failed; ten million rows take half an hour",
    )
    report_retention_days: PositiveInt = Field(
        default=90, description="what reports have made is removed after that"
    )
    report_mail_max_bytes: NonNegativeInt = Field(
        default=5_000_000,
        description="a longer file is not mailed, but where it is: mail servers mostly take 10 "
        "MiB, of which base64 leaves 7",
    )
