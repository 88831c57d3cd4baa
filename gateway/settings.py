"""Settings of a gateway pod; docs/reference/settings.md argues the defaults."""

import socket
from pathlib import Path
from typing import Self

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from gateway.admission import Network, parse_networks
from gateway.authorization_settings import AuthorizationSettings
from gateway.length_settings import LengthSettings
from gateway.quota_settings import QuotaSettings
from shared.domain.stations.ocpp_log import LogLevel


class GatewaySettings(AuthorizationSettings, LengthSettings, QuotaSettings):
    """What a gateway pod can be told, beside what every service can."""

    pod_name: str = Field(
        default_factory=socket.gethostname, description="first part of the pod's id"
    )
    ocpp_host: str = Field(default="0.0.0.0", description="address stations connect to")
    ocpp_port: int = Field(default=9100, ge=0, le=65535, description="and its port")
    management_host: str = Field(default="0.0.0.0", description="address of /metrics and so on")
    management_port: int = Field(default=9101, ge=0, le=65535, description="and its port")

    heartbeat_interval_s: PositiveInt = Field(
        default=300,
        description="told in BootNotification; a station may have one of its own. Pings show "
        "sooner that a station is gone, so heartbeats only keep its clock right",
    )
    boot_retry_interval_s: PositiveInt = Field(
        default=60,
        description="when a station that is Pending or Rejected boots again: somebody may be "
        "waiting beside it for the operator's click",
    )
    interval_jitter: NonNegativeFloat = Field(
        default=0.1,
        le=0.5,
        description="share by which those two vary, so that a fleet does not march in step",
    )

    certificate_organization: str | None = Field(
        default=None,
        description="organizationName that a station's certificate signing request must have, as "
        "in its CpoName (whitepaper A02.FR.13); unset allows any",
    )

    max_connections: PositiveInt = Field(
        default=20_000,
        description="more get 503; about 1 GB of memory, and what one event loop serves in calm "
        "weather",
    )
    handshakes_per_s: PositiveFloat = Field(
        default=1000.0,
        description="more get 503 with a Retry-After before anything is looked up. One whose "
        "password this pod has not seen, and has to hash, counts as five. A handshake costs about "
        "1 ms of a processor and hashing 4 ms, so that this is what one processor can do",
    )
    handshakes_burst: int = Field(
        default=2000,
        ge=5,
        description="so many are let in at once after a calm, counted alike; the last of them "
        "waits 2 s, well below handshake_timeout_s",
    )
    handshakes_max_wait_s: PositiveFloat = Field(
        default=60.0,
        description="nobody is put off for longer; enough for 12,000 stations on one pod",
    )
    station_frames_per_s: PositiveFloat = Field(
        default=100.0,
        description="WebSocket frames of one station that are taken in a second in the long run; "
        "one that sends more is read from more slowly, and nothing is lost. Ten times what a busy "
        "station sends, and below 1 % of what a processor answers",
    )
    station_frames_burst: PositiveInt = Field(
        default=1000,
        description="so many are taken at once after a calm, so that a station which comes back "
        "with what it kept is not held up",
    )
    station_bytes_per_s: PositiveInt = Field(
        default=128 * 1024,
        description="likewise of its messages of more than 1,280 bytes, inflated. A quarter of a "
        "megabyte of samples takes 50 ms of a processor until it is stored; hardly a station has "
        "so much uplink",
    )
    station_bytes_burst: PositiveInt = Field(
        default=4 * 1024 * 1024,
        description="so many are taken at once after a calm: all variables of a large station, or "
        "the end of 100 long charges",
    )
    station_processor_share: PositiveFloat = Field(
        default=0.05,
        description="share of a processor that handling one station's messages may take in the "
        "long run, of those that take more than 0.5 ms each, which no usual one does: bad JSON may "
        "take a hundred times as long as its length tells. Beyond it the station is read from more "
        "slowly; 1,000 switches that off",
    )
    station_processor_burst_s: PositiveFloat = Field(
        default=0.25,
        description="seconds of a processor that are given at once after a calm: some of the "
        "longest messages that there are with everything in them to be mended",
    )
    max_queued_calls: PositiveInt = Field(
        default=16,
        description="CALLs of one station that may wait for their answer; more close with 1008. "
        "OCPP-J allows one (1.6 §4.1.1)",
    )
    max_queued_commands: PositiveInt = Field(
        default=32,
        description="commands that may wait for one station in this process; more are routed again "
        "later",
    )
    max_header_bytes: PositiveInt = Field(
        default=8192, description="of a handshake; more get 431, as at most HTTP servers"
    )
    tolerate_deviations: bool = Field(
        default=True,
        description="mend harmless deviations from the schemas and count them as quirks; off, they "
        "are answered with a CALLERROR, as a certification lab expects",
    )
    quirks_interval_s: PositiveFloat = Field(
        default=10.0, description="how often quirks are written to Postgres"
    )
    max_pending_quirks: PositiveInt = Field(
        default=20_000, description="different ones that wait for that; more are not kept"
    )
    unknown_stations_interval_s: PositiveFloat = Field(
        default=5.0, description="how often the inbox of unknown stations is written"
    )
    max_unknown_stations: PositiveInt = Field(
        default=1000,
        description="that the inbox holds; those that came once and long ago are forgotten first",
    )
    station_failures: PositiveInt = Field(
        default=10,
        description="failed handshakes in a row of one station id from one address; more get 429 "
        "before anything is looked up. What was right before is always let in",
    )
    station_failure_refill_s: PositiveFloat = Field(
        default=30.0, description="after so long one more is let through"
    )
    station_failures_anywhere: PositiveInt = Field(
        default=100,
        description="wrong passwords in a row of one station id from all addresses together; more "
        "get 429 before anything is hashed, but for the address that the station last came from. "
        "Loose, as it holds for the station itself when it comes from a new address",
    )
    station_failure_anywhere_refill_s: PositiveFloat = Field(
        default=1.0,
        description="after so long one more is let through: 4 to 12 ms of a processor each, and "
        "no guess of a random password comes true in a lifetime",
    )
    address_failures: PositiveInt = Field(
        default=200,
        description="likewise of one address, whatever it brings, which may be the one of a whole "
        "site or a mobile network; of IPv6, of one /64. What is refused with 429 counts as well",
    )
    address_failure_refill_s: PositiveFloat = Field(
        default=0.1, description="after so long one more is let through"
    )
    station_displacements: PositiveInt = Field(
        default=10,
        description="times in a row that a connection of one station may take the place of another "
        "that was open; more get 429. So often nobody moves between networks: two boxes carry one "
        "identity",
    )
    station_displacement_refill_s: PositiveFloat = Field(
        default=30.0,
        description="after so long one more is let through; a lone station whose old connections "
        "are found dead within ping_interval_s and ping_timeout_s comes about as often at most",
    )
    max_remembered_failures: PositiveInt = Field(
        default=50_000, description="station ids, and addresses, whose failures are counted"
    )
    trusted_proxies: str = Field(
        default="127.0.0.0/8,::1/128",
        description="networks of the load balancers whose X-Forwarded-For and X-Forwarded-Proto "
        "are believed; they must not pass on those that clients send",
    )
    client_certificate_header: str | None = Field(
        default=None,
        description="in which they tell the common name of a verified client certificate "
        "(security profile 3), such as X-SSL-Client-CN; they must remove it from what clients "
        "send. If it is all they tell, a station is let in with any certificate that they have "
        "verified and that is called like a valid one of the station's",
    )
    client_certificate_fingerprint_header: str | None = Field(
        default=None,
        description="in which they tell its fingerprint in hexadecimal: SHA-256 (HAProxy: "
        "`%[ssl_c_der,sha2(256),hex]`), or SHA-1 if they know no other (nginx: "
        "`$ssl_client_fingerprint`). With it a station is let in with the very certificates that "
        "were issued or pinned to it, and with those of a pinned name; they must remove it from "
        "what clients send",
    )
    browser_origins: str = Field(
        default="",
        description="origins of browsers, separated by commas, that may connect as a station "
        "without a password. Stations send no Origin; every page that an employee opens could "
        "otherwise speak for a station inside the network",
    )
    tls_certificate: Path | None = Field(
        default=None,
        description="PEM file with the certificate chain; with it the gateway itself speaks TLS "
        "1.2 or later (security profiles 2 and 3)",
    )
    tls_key: Path | None = Field(default=None, description="PEM file with its private key")
    tls_client_ca: Path | None = Field(
        default=None,
        description="PEM file with the authorities that sign stations' certificates (profile 3)",
    )
    listen_backlog: PositiveInt = Field(
        default=4096,
        description="connections that may wait to be accepted, if the kernel (net.core.somaxconn) "
        "lets so many; with asyncio's 100 a storm of 2,000 stations overflowed it 9,000 times, and "
        "each overflow costs a station seconds",
    )
    handshake_timeout_s: PositiveFloat = Field(
        default=10.0, description="a slow modem needs seconds; who holds a socket open needs more"
    )
    ping_interval_s: PositiveFloat = Field(
        default=25.0, description="load balancers cut what is silent for 60 s"
    )
    ping_timeout_s: PositiveFloat = Field(
        default=20.0,
        description="a station that answers no ping for so long is gone: with the interval, found "
        "within 45 s",
    )
    long_message_timeout_s: PositiveFloat = Field(
        default=300.0,
        description="a ping may stay unanswered for so long while the station sends: its answer "
        "waits behind the message, and one of 256 KiB takes 260 s over a link of 1 kB/s",
    )
    close_timeout_s: PositiveFloat = Field(
        default=5.0, description="how long a closing handshake may take before TCP is closed"
    )
    call_timeout_s: PositiveFloat = Field(
        default=30.0, description="how long a station may take to answer a CALL of ours"
    )

    reconcile_interval_s: float = Field(
        default=60.0,
        ge=0.1,
        description="how often a pod compares the stations that are said to be online here with "
        "those that it holds; one that left while Postgres was away is put offline when it was "
        "found twice. Reading 20,000 of them takes 40 ms of a processor, in pieces of 1 ms",
    )

    ingest_max_batch: PositiveInt = Field(
        default=1000,
        description="facts in one group commit; larger ones gain nothing and hold up the rest",
    )
    ingest_hold_s: PositiveFloat = Field(
        default=5.0,
        description="how long answers wait for a Postgres that is away, before sockets are closed; "
        "shorter than the 30 s after which stations count a failed attempt",
    )
    ocpp_log_level: LogLevel = Field(
        default=LogLevel.EVENTS,
        description="`off`, `errors`, `events` or `all`. `events` leaves out answered Heartbeats "
        "and MeterValues: most of the traffic, and what they tell is kept anyway. `all` costs 3 to "
        "4 µs of the gateway's time per message, and about a kilobyte on disk",
    )
    ocpp_log_interval_s: PositiveFloat = Field(
        default=1.0, description="how often the OCPP log is written; a crash may cost what waits"
    )
    ocpp_log_max_frame_bytes: PositiveInt = Field(
        default=16 * 1024, description="a longer frame is cut in the OCPP log"
    )
    ocpp_log_max_waiting_bytes: PositiveInt = Field(
        default=32 * 1024 * 1024,
        description="of the OCPP log that is not written yet; what is more is dropped and counted",
    )
    password_cache_size: PositiveInt = Field(
        default=50_000,
        description="stations that were let in and are remembered: their passwords are not hashed "
        "again, and others' failures do not keep them out",
    )
    password_overlap_s: PositiveFloat = Field(
        default=7 * 86_400.0,
        description="how long the password before still counts after a station has accepted a new "
        "one and has not used it yet. Stations take a new one at once, with their next connection "
        "or after a reboot that waits for the last charge to end; a week has a quiet night for all "
        "of them. While nobody knows whether it was accepted, both count",
    )
    remote_start_wait_s: PositiveFloat = Field(
        default=600.0,
        description="how long a remote start may take to become a charge, from a station that has "
        "not told its ConnectionTimeOut (else that and a minute): after that the charging profile "
        "it brought is not shown any more. Drivers plug in within a few minutes",
    )
    drain_delay_s: NonNegativeFloat = Field(
        default=2.0,
        description="how long after SIGTERM a pod that says on /readyz that it is stopping goes on "
        "as before: load balancers take so long to notice, and a station that is sent away sooner "
        "comes back to this pod, gets 503 and stays away for 5 to 15 s. `voltaro up` sets 0",
    )
    drain_commands_s: NonNegativeFloat = Field(
        default=3.0,
        description="how long of it stations may take to answer the commands they have got, before "
        "their sockets are closed; without an answer the outcome of a command is unknown",
    )
    drain_connections_per_s: PositiveFloat = Field(
        default=500.0,
        description="sockets that a stopping pod closes in a second, half of what another pod lets "
        "in (handshakes_per_s); more if they would not all be closed in three quarters of "
        "drain_timeout_s",
    )
    drain_timeout_s: PositiveFloat = Field(
        default=20.0,
        description="after drain_delay_s; together they must be less than the pod's grace period",
    )

    @property
    def trusted_networks(self) -> list[Network]:
        """`trusted_proxies`, read."""
        return parse_networks(self.trusted_proxies)

    @property
    def allowed_origins(self) -> frozenset[str]:
        """`browser_origins`, read."""
        return frozenset(filter(None, map(str.strip, self.browser_origins.split(","))))

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: str) -> str:
        parse_networks(value)
        return value

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: set both, or none")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("tls_client_ca is of no use without tls_certificate and tls_key")
        return self
