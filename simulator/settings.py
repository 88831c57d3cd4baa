"""What the CSMS may change about a station, in words that every version of OCPP shares.

OCPP 1.6 reaches these through configuration keys, 2.0.1 through variables of the device model;
both are views onto this one object.
"""

from dataclasses import dataclass

from simulator.profile import StationProfile

#: Measurands a station can sample, in the names 1.6 (7.31) and 2.0.1 (MeasurandEnumType) share.
MEASURANDS = (
    "Energy.Active.Import.Register",
    "Power.Active.Import",
    "Current.Import",
    "Voltage",
    "SoC",
)


@dataclass(slots=True, kw_only=True)
class StationSettings:
    """Live settings; they survive a restart.

    Attributes:
        heartbeat_interval_s: Between heartbeats.
        meter_interval_s: Between samples while charging; 0 sends none.
        sampled: Measurands in periodic samples.
        sampled_at_begin: Measurands in the message that opens a transaction, if the version lets
            it carry any.
        sampled_at_end: Measurands in the record that closes a transaction; empty for none.
        record_interval_s: Between samples kept for that record, 0 for none but the first and the
            last; None keeps those that are sent anyway.
        measured_outside: Measurands in readings that are aligned to the clock, or asked for in
            2.0.1.
        clock_aligned_interval_s: Between readings aligned to the clock, 0 for none.
        offline_threshold_s: After having been offline for longer, every status is told again and
            not only those that have changed; None for never.
        call_timeout_s: When a request counts as unanswered.
        transaction_attempts: How often a transaction-related message is tried.
        transaction_retry_s: Base of the wait between these attempts.
        websocket_ping_interval_s: 0 sends no pings.
        authorizes_remote_starts: Ask for authorization even when the CSMS starts the charge.
        stops_on_invalid_token: End a charge whose token the CSMS does not accept.
        starts_offline_if_known: Offline, tokens of the authorization cache or of the local list may
            charge.
        starts_offline_if_unknown: Offline, any token may charge.
        caches_authorizations: The authorization cache is in use.
        preauthorizes: Online, tokens of the authorization cache or of the local list are not asked
            for again.
        uses_local_list: The local authorization list is in use.
        cpo_name: Of the operator, told in requests for a certificate.
    """

    heartbeat_interval_s: int
    meter_interval_s: int
    sampled: tuple[str, ...] = MEASURANDS
    sampled_at_begin: tuple[str, ...] = MEASURANDS[:1]
    sampled_at_end: tuple[str, ...] = ()
    record_interval_s: int | None = None
    measured_outside: tuple[str, ...] = MEASURANDS
    clock_aligned_interval_s: int = 0
    offline_threshold_s: int | None = None
    call_timeout_s: int
    transaction_attempts: int
    transaction_retry_s: int
    websocket_ping_interval_s: int = 30
    authorizes_remote_starts: bool = False
    stops_on_invalid_token: bool = True
    starts_offline_if_known: bool = True
    starts_offline_if_unknown: bool = True
    caches_authorizations: bool = True
    preauthorizes: bool = False
    uses_local_list: bool = True
    cpo_name: str = "Voltaro"

    @classmethod
    def of(cls, profile: StationProfile) -> "StationSettings":
        """Return the settings a station leaves the factory with."""
        return cls(
            heartbeat_interval_s=profile.heartbeat_interval_s,
            meter_interval_s=profile.meter_interval_s,
            clock_aligned_interval_s=profile.clock_aligned_interval_s,
            sampled_at_end=MEASURANDS[:1] if profile.transaction_data else (),
            call_timeout_s=profile.call_timeout_s,
            transaction_attempts=profile.transaction_attempts,
            transaction_retry_s=profile.transaction_retry_s,
        )
