"""What the audit log shows of reports."""

from shared.store.audited import ITS_OWN_TIMES, Audited

REPORTS: dict[str, Audited] = {
    "reports": Audited(
        resource="reports",
        key=("report_id",),
        shown=(
            *("organization_id", "name", "resource", "filter", "period", "time_zone", "format"),
            *("columns", "recipients", "every", "at_time", "on_day"),
        ),
        left_out={
            "report_id": "is the entry's resource_id",
            "created_at": ITS_OWN_TIMES,
            "next_run_at": "follows from the schedule and the clock",
        },
    ),
}
NOT_AUDITED_OF_REPORTS: dict[str, str] = {
    "report_runs": "each is of a job, whose entry tells who asked for it",
    "report_contents": "follow from runs, and from the removal of their report",
}
