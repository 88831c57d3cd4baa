"""What makes each kind of alert, as SQL: what may be concerned, and what a rule says to it.

Of each kind, `candidates` are read once for all rules, by an index, as far as the rule that lets
most through goes; what fits no rule of anybody's is not read. `holds` then judges each against the
rules of its organization and those above. So the cost follows what is amiss, and not how many
stations there are.

In both, $1 is the time and $2 the bound of the loosest rule. `rule` is the rule's row.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.notices.alerts import AlertKind
from shared.domain.stations.stations import ConnectorStatus

COLUMNS = """
    station_id text, evse_id integer, connector_id integer, session_id uuid, subject text,
    since timestamptz, evidence jsonb
"""
"""What candidates have; those of the installation come from the worker, in JSON."""

# No more than these rows of the log are read, the newest ones; and of a session no reading that
# is older, by its station's clock, than the longest time that a rule may ask for and a day.
_MAX_FAILURES = 100_000
_OLDEST_READING = "interval '2 days'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How one kind is watched.

    Attributes:
        bounds: the parameters that say how far `candidates` reads.
        bound_is_highest: whether the highest one lets most through; else the lowest one.
        candidates: SQL of the rows of `COLUMNS`.
        holds: SQL of whether a candidate is what a rule asks for.
        evidence: SQL of what else is seen when a rule has judged.
        in_slices: candidates are all stations that are online; a run looks at some of them.
        of_installation: candidates come from the worker.
    """

    bounds: tuple[str, ...]
    bound_is_highest: bool = False
    candidates: str
    holds: str
    evidence: str = "'{}'::jsonb"
    in_slices: bool = False
    of_installation: bool = False


def _parameter(name: str) -> str:
    return f"(rule.parameters ->> '{name}')::float8"


_AS_JSON = "(SELECT to_jsonb(told) FROM ({told}) AS told)"
_AGE_S = "extract(epoch FROM $1 - candidate.since)"

_OFFLINE = Watch(
    bounds=("longer_than_s",),
    candidates="""
        SELECT station_id, NULL::integer AS evse_id, NULL::integer AS connector_id,
               NULL::uuid AS session_id, station_id AS subject, disconnected_at AS since,
               jsonb_build_object('disconnected_at', disconnected_at,
                                  'last_address', last_address) AS evidence
        FROM stations
        WHERE NOT online AND disconnected_at <= $1 - make_interval(secs => $2)
    """,
    holds=f"{_AGE_S} >= {_parameter('longer_than_s')}",
)
# Since when it is so by our clock: the station's may say anything. What it told in the same status
# afterwards (another error) changes nothing.
_FAULTED = Watch(
    bounds=("longer_than_s",),
    candidates=f"""
        SELECT connector.station_id, connector.evse_id, connector.connector_id,
               NULL::uuid AS session_id,
               concat_ws('/', connector.station_id, connector.evse_id, connector.connector_id)
                   AS subject,
               coalesce(change.received_at, connector.reported_at) AS since,
               jsonb_build_object('error_code', connector.error_code, 'info', connector.info,
                                  'vendor_error_code', connector.vendor_error_code) AS evidence
        FROM connectors AS connector
        LEFT JOIN LATERAL (
            SELECT min(received_at) AS received_at FROM (
                SELECT received_at,
                       bool_and(status = '{ConnectorStatus.FAULTED}') OVER (
                           ORDER BY received_at DESC, change_id DESC) AS still
                FROM (
                    SELECT received_at, change_id, status FROM connector_status_changes AS change
                    WHERE change.station_id = connector.station_id
                      AND change.evse_id = connector.evse_id
                      AND change.connector_id = connector.connector_id
                    ORDER BY received_at DESC, change_id DESC LIMIT 20
                ) AS newest
            ) AS change WHERE still
        ) AS change ON true
        WHERE connector.status = '{ConnectorStatus.FAULTED}' AND $2::float8 IS NOT NULL
    """,  # noqa: S608 - a word of ours
    holds=f"{_AGE_S} >= {_parameter('longer_than_s')}",
)
# A session whose station says nothing is not stuck as far as anybody knows: the station is offline.
_READING = """
    SELECT energy_wh, sampled_at FROM meter_values
    WHERE station_id = candidate.station_id
      AND evse_id = candidate.evse_id AND energy_wh IS NOT NULL
      AND sampled_at > $1 - {oldest} AND sampled_at <= $1 - make_interval(secs => {ago})
    ORDER BY sampled_at DESC LIMIT 1
"""
_NOW_AND_THEN = f"""
    SELECT newest.energy_wh - before.energy_wh AS energy_wh, newest.sampled_at
    FROM ({_READING.format(oldest=_OLDEST_READING, ago="0::float8")}) AS newest
    CROSS JOIN (
        {_READING.format(oldest=_OLDEST_READING, ago=_parameter("no_energy_for_s"))}
    ) AS before
    WHERE newest.sampled_at > $1 - make_interval(secs => {_parameter("no_energy_for_s")})
      AND before.sampled_at >= candidate.since
"""  # noqa: S608 - texts of ours
_STUCK = Watch(
    bounds=("longer_than_s", "no_energy_for_s"),
    candidates="""
        SELECT station_id, evse_id, connector_id, session_id,
               concat_ws('/', station_id, session_id) AS subject,
               coalesce(started_at, created_at) AS since,
               jsonb_build_object('transaction_id', transaction_id,
                                  'started_at', coalesce(started_at, created_at)) AS evidence
        FROM sessions
        WHERE ended_at IS NULL
          AND coalesce(started_at, created_at) <= $1 - make_interval(secs => $2)
    """,
    holds=f"""
        (rule.parameters ->> 'longer_than_s' IS NOT NULL
         AND {_AGE_S} >= {_parameter("longer_than_s")})
        OR (rule.parameters ->> 'no_energy_for_s' IS NOT NULL
            AND {_AGE_S} >= {_parameter("no_energy_for_s")}
            AND EXISTS (SELECT FROM ({_NOW_AND_THEN}) AS delivered
                        WHERE delivered.energy_wh < {_parameter("less_than_wh")}))
    """,
)
# The newest ones as they came to us; one that was told late counts by when it began.
_NO_START = Watch(
    bounds=("for_s",),
    candidates="""
        SELECT station.station_id, NULL::integer AS evse_id, NULL::integer AS connector_id,
               NULL::uuid AS session_id, station.station_id AS subject,
               coalesce(last.started_at, station.created_at) AS since,
               jsonb_build_object('last_started_at', last.started_at) AS evidence
        FROM stations AS station
        LEFT JOIN LATERAL (
            SELECT max(started_at) AS started_at FROM (
                SELECT coalesce(started_at, created_at) AS started_at FROM sessions
                WHERE sessions.station_id = station.station_id
                ORDER BY sessions.session_id DESC LIMIT 5
            ) AS newest
        ) AS last ON true
        WHERE station.online AND station.station_id > $4 AND station.station_id <= $5
          AND coalesce(last.started_at, station.created_at) <= $1 - make_interval(secs => $2)
    """,
    holds=f"{_AGE_S} >= {_parameter('for_s')}",
    in_slices=True,
)
_CALLS = f"""
    SELECT count(*) AS calls, count(*) FILTER (WHERE outcome <> 'CallResult') AS failures
    FROM ocpp_log
    WHERE ocpp_log.station_id = candidate.station_id AND called_at <= $1
      AND called_at > $1 - make_interval(secs => {_parameter("within_s")})
"""  # noqa: S608 - texts of ours
_CALL_ERRORS = Watch(
    bounds=("within_s",),
    bound_is_highest=True,
    candidates=f"""
        SELECT station_id, NULL::integer AS evse_id, NULL::integer AS connector_id,
               NULL::uuid AS session_id, station_id AS subject, min(called_at) AS since,
               jsonb_build_object('last_outcome', max(outcome)) AS evidence
        FROM (
            SELECT station_id, called_at, outcome FROM ocpp_log
            WHERE outcome <> 'CallResult' AND called_at <= $1
              AND called_at > $1 - make_interval(secs => $2)
            ORDER BY called_at DESC, entry_id DESC LIMIT {_MAX_FAILURES}
        ) AS failed
        GROUP BY station_id
    """,  # noqa: S608 - a number of ours
    holds=f"""
        EXISTS (
            SELECT FROM ({_CALLS}) AS told
            WHERE told.failures >= {_parameter("at_least_failures")}
              AND 100 * told.failures > {_parameter("more_than_percent")} * told.calls)
    """,
    evidence=_AS_JSON.format(told=_CALLS),
)
# What a newer one takes the place of may expire. One that has expired for a month is not used.
_EXPIRING = Watch(
    bounds=("within_s",),
    bound_is_highest=True,
    candidates="""
        SELECT station_id, NULL::integer AS evse_id, NULL::integer AS connector_id,
               NULL::uuid AS session_id,
               concat_ws('/', station_id, 'certificate', client_certificate_id) AS subject,
               NULL::timestamptz AS since,
               jsonb_build_object('not_after', not_after, 'common_name', common_name,
                                  'client_certificate_id', client_certificate_id) AS evidence
        FROM client_certificates AS certificate
        WHERE revoked_at IS NULL AND not_after > $1 - interval '30 days'
          AND not_after <= $1 + make_interval(secs => $2)
          AND NOT EXISTS (
              SELECT FROM client_certificates AS newer
              WHERE newer.station_id = certificate.station_id AND newer.revoked_at IS NULL
                AND newer.not_after > certificate.not_after)
    """,
    holds=f"""
        (candidate.evidence ->> 'not_after')::timestamptz
            <= $1 + make_interval(secs => {_parameter("within_s")})
    """,
)
_CONNECTIONS = f"""
    SELECT count(*) AS connections FROM station_connections
    WHERE station_connections.station_id = candidate.station_id AND connected_at <= $1
      AND connected_at > $1 - make_interval(secs => {_parameter("within_s")})
"""  # noqa: S608 - texts of ours
_FLAPPING = Watch(
    bounds=("within_s",),
    bound_is_highest=True,
    candidates="""
        SELECT station_id, NULL::integer AS evse_id, NULL::integer AS connector_id,
               NULL::uuid AS session_id, station_id AS subject, min(connected_at) AS since,
               '{}'::jsonb AS evidence
        FROM station_connections
        WHERE connected_at <= $1 AND connected_at > $1 - make_interval(secs => $2)
        GROUP BY station_id HAVING count(*) > 1
    """,
    holds=f"({_CONNECTIONS}) > {_parameter('more_than')}",
    evidence=_AS_JSON.format(told=_CONNECTIONS),
)
_UNKNOWN = Watch(
    bounds=("within_s",),
    bound_is_highest=True,
    candidates="""
        SELECT DISTINCT ON (station_id) station_id, NULL::integer AS evse_id,
               NULL::integer AS connector_id, NULL::uuid AS session_id, station_id AS subject,
               finished_at AS since,
               jsonb_build_object('command_id', command_id, 'type', type,
                                  'error_description', error_description) AS evidence
        FROM commands
        WHERE state = 'unknown' AND finished_at <= $1
          AND finished_at > $1 - make_interval(secs => $2)
        ORDER BY station_id, finished_at DESC
    """,
    holds=f"{_AGE_S} < {_parameter('within_s')}",
)
_TOLD_BY_THE_WORKER = f"SELECT * FROM jsonb_to_recordset($4) AS told ({COLUMNS})"  # noqa: S608 - text of ours
_DISK_SPACE = Watch(
    bounds=("free_below_percent",),
    candidates=_TOLD_BY_THE_WORKER,
    holds=f"""
        (candidate.evidence ->> 'free_percent')::float8 < {_parameter("free_below_percent")}
    """,
    of_installation=True,
)
_PARTITIONS = Watch(
    bounds=("days_ahead_below",),
    candidates=_TOLD_BY_THE_WORKER,
    holds=f"(candidate.evidence ->> 'days_ahead')::float8 < {_parameter('days_ahead_below')}",
    of_installation=True,
)

WATCHES: Mapping[AlertKind, Watch] = {
    AlertKind.STATION_OFFLINE: _OFFLINE,
    AlertKind.CONNECTOR_FAULTED: _FAULTED,
    AlertKind.STUCK_SESSION: _STUCK,
    AlertKind.NO_SUCCESSFUL_START: _NO_START,
    AlertKind.CALL_ERRORS: _CALL_ERRORS,
    AlertKind.CERTIFICATE_EXPIRING: _EXPIRING,
    AlertKind.FLAPPING: _FLAPPING,
    AlertKind.UNKNOWN_COMMAND_OUTCOME: _UNKNOWN,
    AlertKind.DISK_SPACE: _DISK_SPACE,
    AlertKind.PARTITIONS: _PARTITIONS,
}
"""By kind."""
