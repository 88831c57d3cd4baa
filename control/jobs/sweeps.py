"""What the worker puts right, one function each."""

from functools import partial

import structlog

from control.files.storage import open_storage
from control.jobs.access.local_lists import LocalListKeeper
from control.jobs.accounts.ended import forget_ended
from control.jobs.accounts.mail import LinkMailer
from control.jobs.commands.batches import send_due
from control.jobs.periodic import Job
from control.jobs.retention import (
    keep_audit_log,
    keep_authorizations,
    keep_ocpp_log,
    make_partitions,
)
from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from control.jobs.stations.wanted_settings import SettingKeeper
from control.jobs.trust.certificates import CertificateKeeper
from control.jobs.upkeep.files import remove_expired
from shared.bus.ownership import OwnershipRegistry
from shared.bus.streams import PodRequestSender, RunCommand
from shared.store import pods, redelivery
from shared.store.charging import charging_profiles, reservations
from shared.store.commands import commands, parked
from shared.store.partitions import DailyTable
from shared.store.pool import Database
from shared.store.stations import reports

log = structlog.get_logger()

_MONTHS_AHEAD = 2
# The caller's process is not known any more; it finds the outcome by its poll.
_NOBODY_WAITS = ""


def sweep_jobs(
    db: Database, registry: OwnershipRegistry, sender: PodRequestSender, settings: WorkerSettings
) -> list[Job]:
    """Return every sweep with its interval."""
    return [
        Job("dead_pods", settings.dead_pods_interval_s, partial(put_offline, db)),
        Job(
            "expired_commands",
            settings.expired_commands_interval_s,
            partial(commands.sweep_expired, db),
        ),
        Job(
            "unanswered_commands",
            settings.unanswered_commands_interval_s,
            partial(commands.sweep_unanswered, db, grace_s=settings.unanswered_grace_s),
        ),
        Job(
            "waiting_commands",
            settings.waiting_commands_interval_s,
            partial(
                route_again,
                db,
                registry,
                sender,
                older_than_s=settings.waiting_commands_age_s,
                limit=settings.waiting_commands_batch,
            ),
        ),
        Job(
            "parked_commands",
            settings.parked_commands_interval_s,
            partial(parked.take_back, db),
        ),
        Job(
            "command_batches",
            settings.command_batches_interval_s,
            partial(send_due, db, registry, sender),
        ),
        Job(
            "partitions",
            settings.partitions_interval_s,
            partial(
                make_partitions, db, DailyTable.METER_VALUES, days=settings.partitions_ahead_days
            ),
        ),
        Job(
            "ocpp_log_days",
            settings.partitions_interval_s,
            partial(
                keep_ocpp_log,
                db,
                ahead_days=settings.partitions_ahead_days,
                retention_days=settings.ocpp_log_retention_days,
            ),
        ),
        Job(
            "authorization_days",
            settings.partitions_interval_s,
            partial(
                keep_authorizations,
                db,
                ahead_days=settings.partitions_ahead_days,
                retention_days=settings.authorizations_retention_days,
            ),
        ),
        Job(
            "audit_log_months",
            settings.partitions_interval_s,
            partial(
                keep_audit_log,
                db,
                ahead_months=_MONTHS_AHEAD,
                retention_days=settings.audit_log_retention_days,
            ),
        ),
        Job(
            "local_lists",
            settings.local_lists_interval_s,
            LocalListKeeper(db, registry, sender, settings).run,
        ),
        Job(
            "wanted_settings",
            settings.wanted_settings_interval_s,
            SettingKeeper(db, registry, sender, settings).run,
        ),
        Job(
            "dead_letters",
            settings.dead_letters_interval_s,
            partial(redelivery.deliver, db, limit=settings.dead_letters_batch),
        ),
        Job("sessions", settings.settle_interval_s, partial(settle_due, db, settings)),
        Job(
            "certificates",
            settings.certificates_interval_s,
            CertificateKeeper(db, registry, sender, settings).run,
        ),
        Job(
            "status_history",
            settings.status_history_interval_s,
            partial(reports.catch_up_history, db),
        ),
        *_file_jobs(db, settings),
        *_account_jobs(db, settings),
        Job("reservations", settings.reservations_interval_s, partial(reservations.sweep, db)),
        Job(
            "charging_profiles",
            settings.charging_profiles_interval_s,
            partial(charging_profiles.sweep_ended, db),
        ),
    ]


def _file_jobs(db: Database, settings: WorkerSettings) -> list[Job]:
    storage = open_storage(settings)
    if storage is None:
        return []
    run = partial(remove_expired, db, storage, limit=settings.expired_files_batch)
    return [Job("expired_files", settings.expired_files_interval_s, run)]


def _account_jobs(db: Database, settings: WorkerSettings) -> list[Job]:
    forget = partial(forget_ended, db, known_address_days=settings.login_known_address_days)
    jobs = [Job("ended_accounts", settings.ended_accounts_interval_s, forget)]
    if settings.can_mail:
        jobs.append(Job("mail", settings.mail_interval_s, LinkMailer(db, settings).run))
    return jobs


async def put_offline(db: Database) -> int:
    """Forget pods whose lease ran out; return how many stations they left behind."""
    dead = await pods.sweep_dead(db)
    for pod_id, count in dead:
        log.warning("a pod is dead, its stations are offline", pod_id=pod_id, stations=count)
    return sum(count for _, count in dead)


async def route_again(
    db: Database,
    registry: OwnershipRegistry,
    sender: PodRequestSender,
    *,
    older_than_s: float,
    limit: int,
) -> int:
    """Hand queued commands to whoever holds their stations now; return how many.

    Their first pod, or the stream that carried them, may be gone. A pod that has such a command
    already takes it once (`commands.take_for_sending`).
    """
    waiting = await commands.list_waiting(db, older_than_s=older_than_s, limit=limit)
    if not waiting:
        return 0
    routes = await registry.find_routes(sorted({station_id for _, station_id in waiting}))
    routable = [
        (routes[station_id].pod_id, RunCommand(command_id, station_id, _NOBODY_WAITS))
        for command_id, station_id in waiting
        if station_id in routes
    ]
    if routable:
        await commands.note_routed(db, [request.command_id for _, request in routable])
        await sender.send_many(routable)
    return len(routable)
