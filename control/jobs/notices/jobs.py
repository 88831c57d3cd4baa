"""The jobs of events."""

from functools import partial

from control.jobs.notices.alert_mails import AlertMailer
from control.jobs.notices.alert_steps import AlertHealer
from control.jobs.notices.alerts import AlertKeeper, forget_alerts
from control.jobs.notices.numbering import EventNumberer
from control.jobs.notices.session_updates import tell_updates
from control.jobs.periodic import Job
from control.jobs.retention import keep_events
from control.jobs.settings import WorkerSettings
from shared.bus.event_words import EventWords
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender
from shared.store.pool import Database


def notice_jobs(
    db: Database,
    words: EventWords,
    registry: OwnershipRegistry,
    sender: PodRequestSender,
    settings: WorkerSettings,
) -> list[Job]:
    """Return every job of this area with its interval."""
    return [
        Job(
            "event_numbers",
            settings.event_numbering_interval_s,
            EventNumberer(db, words, batch=settings.event_numbering_batch).run,
        ),
        Job(
            "session_updates",
            settings.session_update_interval_s,
            partial(
                tell_updates,
                db,
                interval_s=settings.session_update_interval_s,
                batch=settings.session_update_batch,
            ),
        ),
        Job(
            "event_days",
            settings.partitions_interval_s,
            partial(
                keep_events,
                db,
                ahead_days=settings.partitions_ahead_days,
                retention_days=settings.events_retention_days,
            ),
        ),
        *_alert_jobs(db, registry, sender, settings),
    ]


def _alert_jobs(
    db: Database, registry: OwnershipRegistry, sender: PodRequestSender, settings: WorkerSettings
) -> list[Job]:
    return [
        Job("alerts", settings.alerts_interval_s, AlertKeeper(db, settings).run),
        Job("alert_mails", settings.alert_mails_interval_s, AlertMailer(db, settings).run),
        Job(
            "alert_steps",
            settings.alert_healing_interval_s,
            AlertHealer(db, registry, sender, settings).run,
        ),
        Job(
            "resolved_alerts",
            settings.partitions_interval_s,
            partial(forget_alerts, db, retention_days=settings.alerts_retention_days),
        ),
    ]
