"""Settings of the worker."""

from pathlib import Path

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from control.accounts.encryption import EncryptionSettings
from control.accounts.mail_settings import MailSettings
from control.exports.settings import ReportSettings
from control.files.settings import FileStorageSettings
from control.http_settings import HttpSettings
from control.notices.alert_settings import AlertSettings
from control.notices.webhook_settings import WebhookSendSettings


class WorkerSettings(
    FileStorageSettings,
    MailSettings,
    EncryptionSettings,
    AlertSettings,
    WebhookSendSettings,
    ReportSettings,
    HttpSettings,
):
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
        default=1.0,
        description="how often queued commands are routed again: those of a station that has "
        "connected since, as to another pod when its own died, wait no longer than this",
    )
    waiting_commands_age_s: NonNegativeFloat = Field(
        default=3.0, description="a younger command is still on its way, if its station is too"
    )
    waiting_commands_batch: PositiveInt = Field(
        default=1000, description="commands routed again in one sweep, the longest waiting first"
    )
    parked_commands_interval_s: PositiveFloat = Field(
        default=60.0,
        description="how often queued commands are looked for whose station is online and that "
        "were not taken back as it connected, which is rare: it reads all that are parked",
    )
    command_batches_interval_s: PositiveFloat = Field(
        default=0.5,
        description="how often commands of batches are put on their way; what their pace lets go "
        "in this time goes together",
    )
    reservations_interval_s: PositiveFloat = Field(
        default=15.0,
        description="how often is written down which reservations were used or have expired; "
        "reading them tells it at once",
    )
    charging_profiles_interval_s: PositiveFloat = Field(
        default=60.0,
        description="how often charging profiles of ended transactions are forgotten; no list "
        "shows them",
    )
    local_lists_interval_s: PositiveFloat = Field(
        default=2.0,
        description="how often local authorization lists are brought nearer to what they are to "
        "hold, one command per station each time",
    )
    local_lists_batch: PositiveInt = Field(
        default=50, description="stations that get such a command in one sweep"
    )
    local_lists_claim_s: PositiveFloat = Field(
        default=30.0,
        description="for so long no other worker takes a list; longer than a sweep takes",
    )
    local_lists_command_timeout_s: PositiveFloat = Field(
        default=60.0, description="such a command is not sent later than this"
    )
    local_lists_verify_interval_s: PositiveFloat = Field(
        default=86_400.0,
        description="how often a station is asked for its list's version, beside each boot",
    )
    local_lists_max_entries: PositiveInt = Field(
        default=1000, description="entries in the list of a station that tells no limit"
    )
    local_lists_max_entries_per_message: PositiveInt = Field(
        default=50, description="and in one message to it"
    )
    wanted_settings_interval_s: PositiveFloat = Field(
        default=5.0,
        description="how often stations are brought nearer to what they are to be set to, as at a "
        "location that is free for all: each setting is asked first and then told",
    )
    wanted_settings_batch: PositiveInt = Field(
        default=50, description="settings that get such a command in one run"
    )
    wanted_settings_claim_s: PositiveFloat = Field(
        default=30.0, description="for so long no other worker takes one; longer than a run takes"
    )
    wanted_settings_command_timeout_s: PositiveFloat = Field(
        default=60.0, description="such a command is not sent later than this"
    )
    dead_letters_interval_s: PositiveFloat = Field(
        default=10.0,
        description="how often what was set aside because of a lock is written where it belongs; "
        "who sees it meanwhile is told so in its reason",
    )
    dead_letters_batch: PositiveInt = Field(
        default=500, description="such dead letters that are written in one sweep"
    )
    settle_interval_s: PositiveFloat = Field(
        default=2.0, description="how often sessions that something was said of are worked out"
    )
    settle_batch: PositiveInt = Field(
        default=25,
        description="sessions that are worked out together; if that fails, each by itself",
    )
    settle_max_samples: PositiveInt = Field(
        default=100_000,
        description="meter samples that tell energy, of one session and of all that are worked out "
        "together: about 50 MB. One sample every ten seconds fills it in eleven days. A session "
        "with more is for people to review",
    )
    settle_timeout_s: PositiveFloat = Field(
        default=20.0,
        description="sessions that cannot be read in this time are read one by one, and one alone "
        "is put back; settle_max_samples take five seconds",
    )
    settle_retry_s: PositiveFloat = Field(
        default=60.0,
        description="after so long a session that failed is tried again; each time four times "
        "longer, a day at most",
    )
    settle_max_failures: PositiveInt = Field(
        default=4,
        description="with so many failures in a row it is for people to review, after an hour and "
        "a half with settle_retry_s: longer than most troubles of a database last",
    )
    settle_lease_s: PositiveFloat = Field(
        default=60.0,
        description="for so long no other worker takes them; longer than a batch takes, whose "
        "limit is settle_timeout_s",
    )
    settle_open_interval_s: PositiveFloat = Field(
        default=900.0,
        description="how often sessions that go on are looked at, to find those whose end was "
        "never told",
    )
    station_max_quirks: PositiveInt = Field(
        default=500,
        description="as the gateway's: quirks that one station alone has shown, here in sessions "
        "when they are worked out",
    )
    session_next_start_grace_s: NonNegativeFloat = Field(
        default=60.0,
        description="after the next start on its EVSE a session without an end is closed",
    )
    session_rebooted_grace_s: NonNegativeFloat = Field(
        default=1200.0,
        description="after its station booted and said no more of it; longer than a station takes "
        "to empty its queue, and than the usual interval of meter values",
    )
    session_available_grace_s: NonNegativeFloat = Field(
        default=600.0,
        description="after we learned that its connector is available and it said no more; by our "
        "clock, as all of these",
    )
    session_silent_grace_s: NonNegativeFloat = Field(
        default=86_400.0,
        description="after its station went offline; longer than nearly any charge. An end that "
        "comes later still replaces that of a rule",
    )
    session_quiet_grace_s: NonNegativeFloat = Field(
        default=604_800.0,
        description="after the last word of it from a station that is online; not every station "
        "sends meter values",
    )
    session_max_power_w: PositiveInt = Field(
        default=500_000,
        description="no EVSE delivers more: a register that rises faster has jumped",
    )
    session_tolerance_wh: PositiveInt = Field(
        default=50,
        description="what readings of one meter may differ by beyond their last digits",
    )
    session_max_uncovered_s: NonNegativeFloat = Field(
        default=300.0,
        description="where no register was told with the start or the end, so far from it may the "
        "nearest meter value be, and no further than a third of the session; what flowed in "
        "between is billed to nobody, and at 22 kW that is 1.8 kWh in five minutes. More for "
        "stations that send a meter value every 15 minutes and cannot be configured to send one "
        "with the start and the end",
    )
    session_max_age_days: PositiveInt = Field(
        default=730,
        description="a start or end that is older when it comes was told by a clock that is off",
    )
    session_max_ahead_s: NonNegativeFloat = Field(
        default=86_400.0,
        description="so far a station's clock may be ahead; less may be a zone left out",
    )
    expired_files_interval_s: PositiveFloat = Field(
        default=60.0, description="how often files whose time is over are removed"
    )
    expired_files_batch: PositiveInt = Field(default=200, description="files removed in one sweep")
    certificate_authority_certificate: Path | None = Field(
        default=None,
        description="PEM file of a certificate authority, and of those up to the root behind it; "
        "with its key, stations' certificate signing requests are signed without an operator",
    )
    certificate_authority_key: Path | None = Field(
        default=None, description="PEM file of its private key, not encrypted"
    )
    certificate_lifetime_days: PositiveInt = Field(
        default=365,
        description="of the certificates it signs; stations ask for the next one a month before "
        "(whitepaper A03.FR.02)",
    )
    certificates_interval_s: PositiveFloat = Field(
        default=5.0, description="how often signing requests are signed and delivered"
    )
    certificates_batch: PositiveInt = Field(
        default=100, description="signing requests in one sweep"
    )
    certificate_max_deliveries: PositiveInt = Field(
        default=5,
        description="tries to hand a certificate to a station that is online and does not answer",
    )
    certificate_command_timeout_s: PositiveFloat = Field(
        default=60.0, description="such a command is not sent later than this"
    )
    status_history_interval_s: PositiveFloat = Field(
        default=60.0,
        description="how often the history of connectors is brought up to date whose station is "
        "beyond its quota of statuses",
    )
    partitions_interval_s: PositiveFloat = Field(
        default=3600.0,
        description="how often partitions of meter values, of the OCPP log and of authorizations "
        "are made; what a lock is in the way of is tried again then",
    )
    partitions_ahead_days: PositiveInt = Field(
        default=8,
        description="for how many days, today included, partitions are made: a lock, such as a "
        "backup's, may be in the way for a week before any is missing",
    )
    authorizations_retention_days: PositiveInt = Field(
        default=30,
        description="whole days that decisions about tokens are kept beside today. A driver who "
        "complains does so within days, and after the month's bill at the latest; tokens are "
        "personal data, which is not to be kept longer than it is of use. 10,000 charges a day "
        "with two decisions each fill 250 MB in that time",
    )
    audit_log_retention_days: int = Field(
        default=400,
        ge=31,
        description="days that entries of the audit log are kept at least; a month goes when all "
        "of it is older. Whoever looks into the books or into an incident asks about the year "
        "that has passed, and needs some weeks for it. Postgres itself keeps thirty days, whatever "
        "is asked; 1,000 changes a day fill 400 MB in that time",
    )
    ocpp_log_retention_days: PositiveInt = Field(
        default=7,
        description="whole days that the OCPP log keeps beside today. 1,000 stations that send "
        "meter values once a minute fill 1.5 GB a day with the level `all`",
    )
    event_numbering_interval_s: PositiveFloat = Field(
        default=0.25,
        description="how often events are looked for that have no number yet, which is how late "
        "they are told; one small statement when there are none",
    )
    event_numbering_batch: PositiveInt = Field(
        default=2000,
        description="events that get their numbers in one transaction, which takes 0.1 s; others "
        "follow at once",
    )
    session_update_interval_s: PositiveFloat = Field(
        default=60.0,
        description="how often it is told of a session that goes on what its meter shows, if that "
        "is new; most stations tell it once a minute",
    )
    session_update_batch: PositiveInt = Field(
        default=500, description="sessions that are looked at together for that"
    )
    events_retention_days: PositiveInt = Field(
        default=30,
        description="whole days that events are kept beside today: for so long whoever was away "
        "goes on from where they were. 10,000 stations, a tenth of which charge, make two million "
        "events a day, most of them of sessions that go on, and those fill 1.3 GB",
    )
    mail_interval_s: PositiveFloat = Field(
        default=2.0,
        description="how often links that are due are mailed; what fails is tried again after 30 "
        "s, each time twice as long, an hour at most, until the link's time is over",
    )
    ended_accounts_interval_s: PositiveFloat = Field(
        default=300.0,
        description="how often sessions, links and tries to sign in are removed whose time is over",
    )
    login_known_address_days: PositiveInt = Field(
        default=90,
        description="how long an address counts as a user's own after they have signed in there, "
        "where guesses of others do not hold them up",
    )
    queue_database_url: str | None = Field(
        default=None,
        description="Postgres itself, for the queue of jobs, where database_url names a pooler "
        "such as PgBouncer: behind one that gives each transaction another connection no worker "
        "hears of new jobs. Left out, database_url. A worker holds up to four connections to it",
    )
    queue_concurrency: PositiveInt = Field(
        default=4,
        description="jobs that one worker runs at a time; each may hold a connection of "
        "database_pool_size beside those of the sweeps",
    )
    queue_heartbeat_interval_s: PositiveFloat = Field(
        default=5.0, description="how often a worker tells that it lives, and its jobs are its own"
    )
    queue_stalled_after_s: PositiveFloat = Field(
        default=20.0,
        description="a worker that has not told so for this long is dead, and others run its jobs "
        "again: four heartbeats, so that a slow one costs no work done twice, and short enough "
        "for jobs of a killed worker to run again within half a minute",
    )
    queue_shutdown_timeout_s: NonNegativeFloat = Field(
        default=15.0,
        description="how long running jobs may go on after SIGTERM; then they are cancelled and "
        "given back. Shorter than the grace period of a pod (30 s in Kubernetes) by what it takes "
        "to write that down",
    )
    queue_max_tries: PositiveInt = Field(
        default=5,
        description="so many runs of a job may fail, unless its task says otherwise: with "
        "queue_retry_s that is within eight minutes. A dependency that is away does not count",
    )
    queue_retry_s: PositiveFloat = Field(
        default=30.0, description="a job that failed runs again after this, each time twice as long"
    )
    queue_max_retry_s: PositiveFloat = Field(default=3600.0, description="but no longer than this")
    lost_jobs_interval_s: PositiveFloat = Field(
        default=5.0, description="how often jobs of dead workers are looked for"
    )
    queue_counts_interval_s: PositiveFloat = Field(
        default=15.0, description="how often the jobs are counted for the metrics"
    )
    ended_jobs_retention_days: PositiveInt = Field(
        default=14,
        description="days that a job is shown after its end; whoever asks why a report did not "
        "come asks within two weeks",
    )
    ended_jobs_interval_s: PositiveFloat = Field(
        default=600.0, description="how often jobs are removed that are older"
    )
    ended_jobs_batch: PositiveInt = Field(default=1000, description="jobs removed in one sweep")
