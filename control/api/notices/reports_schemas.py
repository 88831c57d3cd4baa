"""Reports in the words of the API."""

from datetime import datetime, time
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from control.api.accounts.organizations_schemas import OwnerId
from control.api.accounts.types import Email
from control.api.exporting import TimeZone
from control.api.types import ONE_LINE, RequestBody, StationId
from control.exports.saved import RESOURCES
from control.exports.writers import ExportFormat
from shared.domain.notices import reports as domain
from shared.domain.notices.events import EventType
from shared.domain.notices.reports import (
    DAY_OF_MONTH_MAX,
    Every,
    ReportPeriod,
    ReportResource,
    ReportSchedule,
)
from shared.domain.stations.ocpp_log import Direction

_ID = "01975ed3-0000-7000-8000-000000000000"
_SCHEDULE: dict[str, Any] = {"every": "month", "at": "06:00", "on": 1}
_BODY: dict[str, Any] = {
    "name": "what was billed",
    "resource": "sessions",
    "filter": {"billable": True},
    "period": "last_month",
    "time_zone": "Europe/Berlin",
    "format": "csv",
    "columns": ["session_id", "station_id", "ended_at", "energy_wh"],
    "recipients": ["billing@example.com"],
    "schedule": _SCHEDULE,
}
_DAYS_OF_WEEK = 7
_MAX_RECIPIENTS = 20

Short = Annotated[str, Field(max_length=255), ONE_LINE]
_On = Annotated[int, Field(ge=1, le=DAY_OF_MONTH_MAX)]
_At = Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["06:00"])]


class ReportScheduleBody(RequestBody):
    """When a report is run, by clocks of its time zone."""

    every: Every
    at: _At = Field(description="at which time of the day")
    on: _On | None = Field(
        default=None, description="on which day: of the week, 1 is Monday; of the month, 1 to 28"
    )

    @model_validator(mode="after")
    def _check_day(self) -> Self:
        if (self.every is Every.DAY) is not (self.on is None):
            raise PydanticCustomError(
                "schedule", "a week and a month need `on`, the day; each day needs none"
            )
        if self.every is Every.WEEK and self.on is not None and self.on > _DAYS_OF_WEEK:
            raise PydanticCustomError("schedule", "a week has the days 1 (Monday) to 7")
        return self

    def to_domain(self) -> ReportSchedule:
        """Return it in the words of the domain."""
        return ReportSchedule(every=self.every, at=time.fromisoformat(self.at), on=self.on)


class SessionReportFilter(RequestBody):
    """Which sessions; their end lies in the report's time."""

    station_id: StationId | None = None
    id_token: Short | None = None
    billable: bool | None = None
    needs_review: bool | None = None


class MeterValueReportFilter(RequestBody):
    """Which meter values."""

    station_id: StationId | None = None
    in_transaction: bool | None = None


class OcppLogReportFilter(RequestBody):
    """Which entries of the OCPP log."""

    station_id: StationId | None = None
    action: Short | None = None
    direction: Direction | None = None
    outcome: Short | None = None


class EventReportFilter(RequestBody):
    """Which events."""

    types: Annotated[list[EventType], Field(max_length=100)] | None = None
    station_ids: Annotated[list[StationId], Field(max_length=200)] | None = None


class AuditLogReportFilter(RequestBody):
    """Which entries of the audit log."""

    resource: Short | None = None
    principal_id: Short | None = None


class _ReportCreate(RequestBody):
    organization_id: OwnerId | None = None
    name: Annotated[str, Field(min_length=1, max_length=255), ONE_LINE]
    period: ReportPeriod = Field(description="of which time it tells, seen from when it is due")
    time_zone: TimeZone = "UTC"
    format: ExportFormat
    columns: Annotated[list[Short], Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="names of the columns, as an export has them; left out, all"
    )
    recipients: Annotated[list[Email], Field(max_length=_MAX_RECIPIENTS)] = Field(
        default=[],
        description="addresses that each run is mailed to: the file itself if it is small, else "
        "where it is, which only those can open who may read it",
    )
    schedule: ReportScheduleBody | None = Field(
        default=None, description="when it is run; left out, when somebody asks for it"
    )

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        known = [column.name for column in RESOURCES[self.resource].columns]  # type: ignore[attr-defined]  # of each kind
        if self.columns is not None and not set(self.columns) <= set(known):
            raise PydanticCustomError(
                "column", "there is no such column: name some of {names}", {"names": known}
            )
        return self


class SessionReportCreate(_ReportCreate):
    """A new report of sessions."""

    resource: Literal[ReportResource.SESSIONS]
    filter: SessionReportFilter = SessionReportFilter()


class MeterValueReportCreate(_ReportCreate):
    """A new report of meter values."""

    resource: Literal[ReportResource.METER_VALUES]
    filter: MeterValueReportFilter = MeterValueReportFilter()


class OcppLogReportCreate(_ReportCreate):
    """A new report of the OCPP log."""

    resource: Literal[ReportResource.OCPP_LOG]
    filter: OcppLogReportFilter = OcppLogReportFilter()


class EventReportCreate(_ReportCreate):
    """A new report of events."""

    resource: Literal[ReportResource.EVENTS]
    filter: EventReportFilter = EventReportFilter()


class AuditLogReportCreate(_ReportCreate):
    """A new report of the audit log."""

    resource: Literal[ReportResource.AUDIT_LOG]
    filter: AuditLogReportFilter = AuditLogReportFilter()


ReportCreate = Annotated[
    SessionReportCreate
    | MeterValueReportCreate
    | OcppLogReportCreate
    | EventReportCreate
    | AuditLogReportCreate,
    Field(discriminator="resource"),
]


OPENAPI_EXAMPLES: dict[str, Any] = {
    "sessions": {"summary": "what was billed, each month", "value": _BODY},
    "meter-values": {
        "summary": "what a station's meters showed",
        "value": {
            "name": "meters",
            "resource": "meter-values",
            "filter": {"station_id": "CS-0001"},
            "period": "last_week",
            "format": "parquet",
        },
    },
    "ocpp-log": {
        "summary": "what failed yesterday",
        "value": {
            "name": "errors",
            "resource": "ocpp-log",
            "filter": {"outcome": "error"},
            "period": "yesterday",
            "format": "ndjson",
        },
    },
    "events": {
        "summary": "which sessions have to be looked at",
        "value": {
            "name": "reviews",
            "resource": "events",
            "period": "yesterday",
            "format": "csv",
            "filter": {"types": ["session.needs_review"]},
        },
    },
    "audit-log": {
        "summary": "who changed tokens",
        "value": {
            "name": "tokens",
            "resource": "audit-log",
            "filter": {"resource": "id-tokens"},
            "period": "last_month",
            "format": "csv",
        },
    },
}


class ReportScheduleShown(BaseModel):
    """When a report is run, by clocks of its time zone."""

    every: Every
    at: str
    on: int | None


class Report(BaseModel):
    """A saved export."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "report_id": _ID,
                    "organization_id": "default",
                    **_BODY,
                    "next_run_at": "2026-07-01T04:00:00Z",
                    "created_at": "2026-06-10T12:00:00Z",
                }
            ]
        }
    )

    report_id: str
    organization_id: str
    name: str
    resource: ReportResource
    filter: dict[str, Any]
    period: ReportPeriod
    time_zone: str
    format: str
    columns: list[str] | None
    recipients: list[str]
    schedule: ReportScheduleShown | None
    next_run_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, report: domain.Report) -> Self:
        """Translate a report."""
        schedule = report.schedule
        return cls(
            **{
                name: getattr(report, name)
                for name in cls.model_fields
                if name not in {"schedule", "columns", "filter", "recipients"}
            },
            filter=dict(report.filter),
            recipients=list(report.recipients),
            columns=None if report.columns is None else list(report.columns),
            schedule=None
            if schedule is None
            else ReportScheduleShown(
                every=schedule.every, at=f"{schedule.at:%H:%M}", on=schedule.on
            ),
        )


class ReportRun(BaseModel):
    """One run of a report."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "run_id": _ID,
                    "report_id": _ID,
                    "job_id": _ID,
                    "due_at": "2026-07-01T04:00:00Z",
                    "since": "2026-05-31T22:00:00Z",
                    "until": "2026-06-30T22:00:00Z",
                    "has_content": True,
                    "rows": 4711,
                    "size_bytes": 380412,
                    "ended_at": "2026-07-01T04:00:09.104000Z",
                }
            ]
        }
    )

    run_id: str
    report_id: str
    job_id: str = Field(description="which tells why it failed, and can be retried")
    due_at: datetime
    since: datetime = Field(description="the time that it tells of begins then")
    until: datetime = Field(description="and ends before")
    has_content: bool = Field(description="whether its file can be downloaded")
    rows: int | None
    size_bytes: int | None
    ended_at: datetime | None = Field(description="when the file was there; null until then")

    @classmethod
    def of(cls, run: domain.ReportRun) -> Self:
        """Translate a run."""
        return cls(
            **{name: getattr(run, name) for name in cls.model_fields if name != "has_content"},
            has_content=run.storage_key is not None,
        )
