"""How something comes to be amiss with a station, and how that ends: one play for each alert."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from control.jobs.settings import WorkerSettings
from shared.domain.notices.alerts import AlertKind, AlertRule
from shared.store.notices import alert_rules
from shared.store.pool import Database

NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, kw_only=True)
class Play:
    """What is amiss with CS-1, in SQL. There, {now} is the time and {day} the one after it.

    Attributes:
        begins: from `NOW` on it is as the rule says.
        ends: it is so no more.
        nearly: the same of CS-2, and not as much as the rule says.
    """

    kind: AlertKind
    parameters: Mapping[str, Any]
    subject: str = "CS-1"
    begins: str
    ends: str
    nearly: str = "SELECT 1"

    @property
    def is_of_installation(self) -> bool:
        return self.kind in (AlertKind.DISK_SPACE, AlertKind.PARTITIONS)


_SESSION = """
    INSERT INTO sessions (session_id, station_id, evse_id, connector_id, transaction_id,
                          transaction_id_issuer, ocpp_version, started_at)
    VALUES ('0197b7a6-5f0e-7b3c-9b8e-{id}', '{station}', 1, 1, '{id}', 'csms', '1.6',
            {{now}} - interval '{age}');
"""
_READINGS = """
    INSERT INTO meter_values (station_id, evse_id, sampled_at, fingerprint, transaction_id,
                              energy_wh, samples)
    SELECT '{station}', 1, {{now}} - n * interval '1 min', 1, '1', {wh}, '[]'
    FROM generate_series(0, 40) AS n;
"""
_NEWER_READING = """
    INSERT INTO meter_values (station_id, evse_id, sampled_at, fingerprint, transaction_id,
                              energy_wh, samples)
    VALUES ('CS-1', 1, {now}, 2, '1', 10000, '[]')
"""
_CALLS = """
    INSERT INTO ocpp_log (called_at, station_id, ocpp_version, direction, outcome, pod_id)
    SELECT {{now}} - n * interval '10 s', '{station}', '1.6', 'from_station',
           CASE WHEN n % {every} = 0 THEN 'InternalError' ELSE 'CallResult' END, 'pod-1'
    FROM generate_series(0, 59) AS n
"""
_CONNECTIONS = """
    INSERT INTO station_connections (station_id, epoch, pod_id, connection_id, ocpp_version,
                                     connected_at)
    SELECT '{station}', n, 'pod-1', n, '1.6', {{now}} - n * interval '1 min'
    FROM generate_series(1, {count}) AS n
"""
_FAULT = """
    INSERT INTO connectors (station_id, evse_id, connector_id, status, reported_status, error_code,
                            epoch, reported_at)
    VALUES ('{station}', 2, 1, 'Faulted', 'Faulted', 'GroundFailure', 1, {{now}});
    INSERT INTO connector_status_changes (station_id, evse_id, connector_id, status,
                                          reported_status, reported_at, received_at)
    VALUES ('{station}', 2, 1, 'Available', 'Available', {{now}}, {{now}} - interval '1 hour'),
           ('{station}', 2, 1, 'Faulted', 'Faulted', {{now}}, {{now}} - interval '{age}'),
           ('{station}', 2, 1, 'Faulted', 'Faulted', {{now}}, {{now}} - interval '10 s')
"""
_OFFLINE = """
    UPDATE stations SET online = false, disconnected_at = {{now}} - interval '{age}'
    WHERE station_id = '{station}'
"""
_CERTIFICATE = """
    INSERT INTO client_certificates (station_id, origin, sha256, not_after)
    VALUES ('{station}', 'issued', '{station}{sha256}', {{now}} + interval '{left}')
"""
_COMMAND = """
    INSERT INTO commands (station_id, type, params, state, expires_at, finished_at)
    VALUES ('{station}', 'Reset', '{{{{}}}}', '{state}', {{now}}, {{now}} - interval '{age}')
"""

PLAYS = [
    Play(
        kind=AlertKind.STATION_OFFLINE,
        parameters={"longer_than_s": 600},
        begins=_OFFLINE.format(station="CS-1", age="10 min"),
        ends="UPDATE stations SET online = true WHERE station_id = 'CS-1'",
        nearly=_OFFLINE.format(station="CS-2", age="2 min"),
    ),
    Play(
        kind=AlertKind.CONNECTOR_FAULTED,
        parameters={"longer_than_s": 600},
        subject="CS-1/2/1",
        begins=_FAULT.format(station="CS-1", age="10 min"),
        ends="UPDATE connectors SET status = 'Available' WHERE station_id = 'CS-1'",
        nearly=_FAULT.format(station="CS-2", age="2 min"),
    ),
    Play(
        kind=AlertKind.STUCK_SESSION,
        parameters={"longer_than_s": 86_400},
        subject="CS-1/0197b7a6-5f0e-7b3c-9b8e-000000000001",
        begins=_SESSION.format(id="000000000001", station="CS-1", age="1 day"),
        ends="UPDATE sessions SET ended_at = {now} WHERE station_id = 'CS-1'",
        nearly=_SESSION.format(id="000000000002", station="CS-2", age="23 hours"),
    ),
    Play(
        kind=AlertKind.STUCK_SESSION,
        parameters={"no_energy_for_s": 1800, "less_than_wh": 10},
        subject="CS-1/0197b7a6-5f0e-7b3c-9b8e-000000000001",
        begins=_SESSION.format(id="000000000001", station="CS-1", age="1 hour")
        + _READINGS.format(station="CS-1", wh="5000"),
        ends=_NEWER_READING,
        nearly=_SESSION.format(id="000000000002", station="CS-2", age="1 hour")
        + _READINGS.format(station="CS-2", wh="5000 - n"),
    ),
    Play(
        kind=AlertKind.NO_SUCCESSFUL_START,
        parameters={"for_s": 86_400},
        begins=_SESSION.format(id="000000000001", station="CS-1", age="1 day"),
        ends=_SESSION.format(id="000000000009", station="CS-1", age="1 min"),
        nearly=_SESSION.format(id="000000000002", station="CS-2", age="23 hours"),
    ),
    Play(
        kind=AlertKind.CALL_ERRORS,
        parameters={"more_than_percent": 20, "at_least_failures": 5, "within_s": 900},
        begins=_CALLS.format(station="CS-1", every=4),
        ends="DELETE FROM ocpp_log WHERE station_id = 'CS-1'",
        nearly=_CALLS.format(station="CS-2", every=6),
    ),
    Play(
        kind=AlertKind.CERTIFICATE_EXPIRING,
        parameters={"within_s": 86_400},
        subject="CS-1/certificate/",
        begins=_CERTIFICATE.format(station="CS-1", sha256=1, left="20 hours"),
        ends=_CERTIFICATE.format(station="CS-1", sha256=2, left="1 year"),
        nearly=_CERTIFICATE.format(station="CS-2", sha256=1, left="2 days"),
    ),
    Play(
        kind=AlertKind.FLAPPING,
        parameters={"more_than": 5, "within_s": 3600},
        begins=_CONNECTIONS.format(station="CS-1", count=6),
        ends="DELETE FROM station_connections WHERE station_id = 'CS-1'",
        nearly=_CONNECTIONS.format(station="CS-2", count=5),
    ),
    Play(
        kind=AlertKind.UNKNOWN_COMMAND_OUTCOME,
        parameters={"within_s": 3600},
        begins=_COMMAND.format(station="CS-1", state="unknown", age="1 min"),
        ends="UPDATE commands SET state = 'accepted' WHERE station_id = 'CS-1'",
        nearly=_COMMAND.format(station="CS-2", state="timed_out", age="1 min"),
    ),
    Play(
        kind=AlertKind.DISK_SPACE,
        parameters={"free_below_percent": 0.0},
        subject="disk/",
        begins="""UPDATE alert_rules SET parameters = '{{"free_below_percent": 100.0}}'""",
        ends="""UPDATE alert_rules SET parameters = '{{"free_below_percent": 0.0}}'""",
    ),
    Play(
        kind=AlertKind.PARTITIONS,
        parameters={"days_ahead_below": 2},
        subject="partitions/ocpp_log",
        begins="DROP TABLE ocpp_log_{day}",
        ends="SELECT ensure_daily_partitions('ocpp_log', ({now} AT TIME ZONE 'UTC')::date, 3)",
    ),
]


async def play(db: Database, statements: str, now: datetime) -> None:
    """Run the statements of a play."""
    day = (now + timedelta(days=1)).strftime("%Y%m%d")
    await db.execute(statements.format(now=f"timestamptz '{now.isoformat()}'", day=day))


async def make_stations(db: Database, *, organization_id: str = "default") -> None:
    """Make two stations that are well, at a location in Berlin."""
    await db.execute(
        """
        INSERT INTO locations (location_id, name, time_zone, organization_id)
        VALUES ('depot', 'Depot north', 'Europe/Berlin', $1)
        """,
        organization_id,
    )
    await db.execute(
        """
        INSERT INTO stations (station_id, security_profile, ocpp_version, online, created_at,
                              location_id, organization_id)
        SELECT 'CS-' || n, 0, '1.6', true, $1, 'depot', $2 FROM generate_series(1, 2) AS n
        """,
        NOW,
        organization_id,
    )


async def make_rule(
    db: Database, kind: AlertKind, parameters: Mapping[str, Any], **values: Any
) -> AlertRule:
    """Make a rule; `organization_id` is the default one."""
    organization_id = values.pop("organization_id", None)
    named = {
        "name": f"Rule of {kind}",
        "kind": kind,
        "parameters": dict(parameters),
        "severity": "warning",
        "grouping_interval_s": 300.0,
        "resolve_after_s": 60.0,
        **values,
    }
    return await alert_rules.create(db, named, organization_id=organization_id, max_rules=100)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


def worker_settings(database_url: str, redis_url: str, **changes: object) -> WorkerSettings:
    """Return settings of a worker."""
    return WorkerSettings(
        **{
            "database_url": database_url,
            "redis_url": redis_url,
            "alert_disk_paths": "/",
            "alerts_group_wait_s": 0,
            **changes,
        }
    )
