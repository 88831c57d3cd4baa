"""Every metric of every process, so that no two of them mean the same thing.

Labels have few values each: never a station, a token or a message id.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ITEMS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class MessageMetrics(Collector):
    """Counts and times of answered CALLs, kept without a lock.

    The library's own counters take a lock and walk a list per observation, which would be a tenth
    of what a message costs. These are plain numbers, because only one thread, the event loop's,
    writes them; a scrape reads them as they are.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def observe(self, action: str, answer: str, seconds: float) -> None:
        """Count one answered CALL.

        Args:
            action: its Action, or "" for one that no version knows.
            answer: "CallResult", or the code of the CALLERROR.
            seconds: from its arrival to its answer.
        """
        key = (action, answer)
        self._counts[key] = self._counts.get(key, 0) + 1
        buckets = self._buckets.get(action)
        if buckets is None:
            buckets = self._buckets[action] = [0] * (len(_SECONDS) + 1)
            self._seconds[action] = 0.0
        buckets[bisect_left(_SECONDS, seconds)] += 1
        self._seconds[action] += seconds

    def collect(self) -> Iterable[Metric]:
        """Yield both metrics; called by a scrape."""
        counts = CounterMetricFamily(
            "voltaro_gateway_messages_received",
            "CALLs from stations by action and answer",
            labels=["action", "answer"],
        )
        for (action, answer), count in list(self._counts.items()):
            counts.add_metric([action, answer], count)
        yield counts
        seconds = HistogramMetricFamily(
            "voltaro_gateway_message_seconds",
            "From a CALL's arrival to its answer",
            labels=["action"],
        )
        bounds = [*map(floatToGoString, _SECONDS), "+Inf"]
        for action, buckets in list(self._buckets.items()):
            cumulated = list(zip(bounds, accumulate(buckets), strict=True))
            seconds.add_metric([action], cumulated, self._seconds[action])
        yield seconds


# The gateway and its connections
connections = Gauge(
    "voltaro_gateway_connections", "Stations connected to this pod", ["ocpp_version"]
)
handshakes = Counter(
    "voltaro_gateway_handshakes",
    "WebSocket handshakes by their answer",
    ["status"],
)
disconnects = Counter(
    "voltaro_gateway_disconnects", "Closed connections by who closed them and why", ["reason"]
)
throttles = Counter(
    "voltaro_gateway_throttles",
    "Times that a station was not read from for a while because it sent more than it may, by what "
    "there was too much of: frames, bytes, or the processor's time that they took",
    ["limit"],
)
long_messages = Gauge(
    "voltaro_gateway_long_messages",
    "Messages longer than max_message_bytes that have a place: unfinished ones, and those in work",
    ["state"],
)
long_messages_waiting = Gauge(
    "voltaro_gateway_long_messages_waiting",
    "Connections that are not read from until there is such a place",
    ["state"],
)

# The messages of stations
event_loop_lag_seconds = Histogram(
    "voltaro_gateway_event_loop_lag_seconds",
    "How late timers fire: what every station waits for",
    buckets=_SECONDS,
)
messages = MessageMetrics()
"""Every CALL of a station that was answered."""
REGISTRY.register(messages)
frames_ignored = Counter(
    "voltaro_gateway_frames_ignored", "Frames that get no answer, by why", ["reason"]
)
quirks = Counter(
    "voltaro_gateway_quirks",
    "Deviations from OCPP that stations showed, by what was off",
    ["kind"],
)
beyond_quota = Counter(
    "voltaro_gateway_beyond_quota",
    "What stations said and what was answered but not kept, because one station said too much of "
    "its kind; messages that name too many connectors, variables or keys count once",
    ["quota"],
)
samples_dropped = Counter(
    "voltaro_gateway_meter_samples_dropped", "Sampled values that are not numbers"
)

# Group commit
ingest_flush_seconds = Histogram(
    "voltaro_ingest_flush_seconds", "One group commit, all its facts", buckets=_SECONDS
)
ingest_flush_facts = Histogram(
    "voltaro_ingest_flush_facts", "Facts in one group commit", buckets=_ITEMS
)
ingest_dead_letters = Counter(
    "voltaro_ingest_dead_letters", "Facts that Postgres refused and that were set aside", ["kind"]
)
ingest_available = Gauge("voltaro_ingest_available", "1 while facts can be committed, else 0")

# The OCPP log
ocpp_log_written = Counter("voltaro_ocpp_log_written", "Exchanges written to the OCPP log")
ocpp_log_dropped = Counter(
    "voltaro_ocpp_log_dropped", "Exchanges that the OCPP log lost, by why", ["reason"]
)

# Authorization
authorizations = Counter(
    "voltaro_authorizations",
    "Decisions about tokens, by who decided (database, external, policy, rule) and the answer",
    ["source", "status"],
)
authorization_lookups = Counter(
    "voltaro_authorization_lookups",
    "Look-ups of tokens, groups and rules, by where they were found; stale: Postgres was away",
    ["kind", "source"],
)
authorizations_kept = Counter(
    "voltaro_authorizations_kept", "Decisions about tokens that were written down"
)
authorizations_dropped = Counter(
    "voltaro_authorizations_dropped",
    "Decisions about tokens that were answered and not written down, by why",
    ["reason"],
)
external_authorization_seconds = Histogram(
    "voltaro_authorization_external_seconds",
    "Questions to the external authorization API, by their outcome",
    ["outcome"],
    buckets=_SECONDS,
)

# Ownership and commands
claims_lost = Counter(
    "voltaro_ownership_claims_lost", "Connections closed because a newer one owns the station"
)
displacements = Counter(
    "voltaro_ownership_displacements",
    "Connections that took the place of another one of their station that was open",
)
stalls = Counter(
    "voltaro_gateway_stalls",
    "Times this process found that it had stood still, and asked which stations are still its own",
)
reconciled = Counter(
    "voltaro_ownership_reconciled_stations",
    "Stations that were said to be online at this pod and were not, put offline",
)
reannouncements = Counter(
    "voltaro_ownership_reannouncements",
    "Times this pod announced all its stations again, by why",
    ["reason"],
)
commands_finished = Counter(
    "voltaro_commands_finished",
    "Commands that ended on this pod, by type and state",
    ["type", "state"],
)

# The control plane
http_requests = Counter(
    "voltaro_control_http_requests", "API requests", ["method", "route", "status"]
)
http_request_seconds = Histogram(
    "voltaro_control_http_request_seconds",
    "API requests, from arrival to answer",
    ["method", "route"],
    buckets=_SECONDS,
)
exports_running = Gauge("voltaro_exports_running", "Exports that run now")
exports_ended = Counter(
    "voltaro_exports_ended",
    "Exports that have ended; outcome: complete, failed, given_up by who asked",
    ["resource", "format", "outcome"],
)
http_refused_connections = Counter(
    "voltaro_control_http_refused_connections",
    "Connections refused or closed before a route saw a request of theirs, and upgrades ignored",
    ["reason"],
)
rate_limited = Counter(
    "voltaro_control_rate_limited",
    "Requests answered with 429 because their caller has made too many, by what was counted",
    ["limit"],
)
rate_limit_not_counted = Counter(
    "voltaro_control_rate_limit_not_counted",
    "Requests let through without being counted, because Redis did not do it in time",
    ["reason"],
)
oidc_logins = Counter(
    "voltaro_control_oidc_logins",
    "Logins at the OpenID provider, by what became of them here",
    ["outcome"],
)
event_streams_open = Gauge("voltaro_event_streams_open", "Clients that follow events here")
event_streams_ended = Counter(
    "voltaro_event_streams_ended",
    "Event streams that ended, by why: `client_left` is their own doing",
    ["reason"],
)
event_streams_refused = Counter(
    "voltaro_event_streams_refused",
    "Event streams that were not begun because too many are open, by whose",
    ["limit"],
)
events_streamed = Counter("voltaro_events_streamed", "Events sent to all who follow")
event_delivery_seconds = Histogram(
    "voltaro_event_delivery_seconds",
    "From when an event got its number to when it was sent to one who follows: of the first of "
    "those that are sent together, and of no one who catches up from the database",
    buckets=_SECONDS,
)
command_wait_seconds = Histogram(
    "voltaro_control_command_wait_seconds",
    "From a command's request to its outcome, as the API's caller sees it",
    ["type", "state"],
    buckets=_SECONDS,
)

# Sessions
sessions_closed_by_rule = Counter(
    "voltaro_sessions_closed_by_rule",
    "Sessions whose end was never told, by the rule that closed them",
    ["rule"],
)
sessions_flagged = Counter(
    "voltaro_sessions_flagged", "Sessions that a person has to look at, by why", ["reason"]
)
stray_ends_not_matched = Counter(
    "voltaro_stray_ends_not_matched",
    "Stations whose stray ends were left to people, as they are too many or could not be read",
)
sessions_not_settled = Counter(
    "voltaro_sessions_not_settled", "Sessions that could not be worked out: a fault of ours"
)

# Events
events_numbered = Counter(
    "voltaro_events_numbered", "Events that got their number from this worker, by type", ["type"]
)
event_numbering_lag_seconds = Histogram(
    "voltaro_event_numbering_lag_seconds",
    "From when an event was put to when it got its number: of the oldest of each batch",
    buckets=_SECONDS,
)
events_waiting = Gauge(
    "voltaro_events_waiting",
    "Events without a number, as this worker last saw; no more than 10,000 are counted",
)
events_waiting_seconds = Gauge(
    "voltaro_events_waiting_seconds",
    "For how long the oldest of them has waited: more than some seconds says that nobody numbers",
)
event_words_lost = Counter(
    "voltaro_event_words_lost",
    "Times that Redis did not pass on that there are new events, which are then found later",
)

# Webhooks
webhook_attempts = Counter(
    "voltaro_webhook_attempts",
    "Requests to webhook endpoints, by whether they took it: delivered or failed",
    ["outcome"],
)
webhook_attempt_seconds = Histogram(
    "voltaro_webhook_attempt_seconds",
    "From the begin of a request to a webhook endpoint to the end of its answer",
    buckets=_SECONDS,
)
webhook_endpoints_served = Gauge(
    "voltaro_webhook_endpoints_served", "Webhook endpoints that this worker sends to now"
)
webhook_endpoints_disabled = Counter(
    "voltaro_webhook_endpoints_disabled",
    "Webhook endpoints that were switched off, by why: gone (410) or failing (for days)",
    ["reason"],
)
webhook_deliveries_waiting = Gauge(
    "voltaro_webhook_deliveries_waiting",
    "Deliveries to webhook endpoints that are enabled which are still to be made",
)
webhook_oldest_waiting_seconds = Gauge(
    "voltaro_webhook_oldest_waiting_seconds", "For how long the oldest of them has waited"
)

# Alerts
alerts_open = Gauge(
    "voltaro_alerts_open",
    "Alerts that are not over, as the worker saw that looked last",
    ["kind", "severity"],
)
alert_notifications = Counter(
    "voltaro_alert_notifications",
    "What was told of alerts, by channel (event, email) and outcome (put, sent, again, failed)",
    ["channel", "outcome"],
)
alert_evaluation_seconds = Histogram(
    "voltaro_alert_evaluation_seconds",
    "Time to hold one kind of alert against all that is the case",
    ["kind"],
    buckets=_SECONDS,
)
alert_steps = Counter(
    "voltaro_alert_steps", "What was done about alerts without anybody", ["step", "outcome"]
)

# The worker
sweeps = Counter(
    "voltaro_worker_swept", "Rows that the worker put right, by what was wrong", ["what"]
)
sweep_failures = Counter(
    "voltaro_worker_sweep_failures", "Sweeps that failed and will be tried again", ["what"]
)

# The queue of jobs. What is counted in Postgres is the same at every worker: `max` over them.
jobs = Gauge(
    "voltaro_jobs", "Jobs by where they stand, those that ended long ago left out", ["state"]
)
jobs_oldest_waiting = Gauge(
    "voltaro_jobs_oldest_waiting_seconds", "For how long a job waits that could run now"
)
jobs_lost = Counter(
    "voltaro_jobs_lost", "Jobs found whose worker died or stood still, by task", ["task"]
)
job_seconds = Histogram(
    "voltaro_job_seconds",
    "What one run of a job takes, however it ends",
    ["task"],
    buckets=(0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0),
)
job_failures = Counter("voltaro_job_failures", "Runs of jobs that failed, by task", ["task"])


def render() -> tuple[bytes, str]:
    """Return every metric in Prometheus' text format, and its content type."""
    return generate_latest(), CONTENT_TYPE_LATEST
