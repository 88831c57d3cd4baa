"""What the handlers of every version stand on: their station, and what they may use of the pod."""

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.authorization.log import Decided, DecisionLog
from gateway.authorization.lookup import Found
from gateway.ingest import Ingest
from gateway.lookups import Lookups
from gateway.quotas import Quota, StationQuotas
from gateway.security_reports import SecurityReports
from gateway.settings import GatewaySettings
from shared.domain.access.authorization import (
    Authorization,
    AuthorizationRequest,
    TransactionStart,
    TransactionStop,
)
from shared.domain.access.locations import LocationRule
from shared.domain.access.tokens import IdToken, IdTokenType
from shared.domain.charging.charging_profiles import ChargingProfile, ChargingProfileAccepted
from shared.domain.commands import Command
from shared.domain.sessions.meter_values import MeterValue, MeterValuesReported
from shared.domain.stations.stations import (
    ConnectorStatusReported,
    Credentials,
    Ownership,
    RegistrationStatus,
    StationBooted,
)


@dataclass(slots=True)
class ConnectedStation:
    """The station at the other end of one connection.

    `accepted` is whether it may say more than BootNotification (OCPP 2.0.1 B01.FR.10, OCPP-J 1.6
    errata 3.10). An acceptance outlives the connection that got it. `asked_for` are the Actions
    that it may send before its acceptance, because we asked for them. `booted` is whether it has
    sent a BootNotification over this connection.
    """

    credentials: Credentials
    ownership: Ownership
    accepted: bool
    asked_for: frozenset[str] = frozenset()
    booted: bool = False

    @property
    def station_id(self) -> str:
        """Who it is."""
        return self.ownership.station_id

    @property
    def may_be_asked_to_boot(self) -> bool:
        """Whether it has not said who it is, and is none of which nothing may be asked (§4.2)."""
        rejected = self.credentials.registration_status is RegistrationStatus.REJECTED
        return not (self.booted or rejected)


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers may use of their pod.

    `authorize` decides about tokens, and `decisions` keeps it; `find_id_tokens` looks up those of a
    text, `find_rule` who may charge at a station; `lookups` are for what is asked rarely; `quotas`
    bound what one station can make us keep; `reports` tell operators what is odd about one.
    """

    settings: GatewaySettings
    ingest: Ingest
    authorize: Callable[[AuthorizationRequest], Awaitable[Authorization]]
    decisions: DecisionLog
    find_id_tokens: Callable[[str], Awaitable[tuple[IdToken, ...]]]
    find_rule: Callable[[str], Awaitable[Found[LocationRule]]]
    lookups: Lookups
    quotas: StationQuotas
    reports: SecurityReports
    now: Callable[[], datetime]


class Handlers:
    """Base of one version's handlers; there is one object per connection."""

    __slots__ = ("services", "station")

    def __init__(self, station: ConnectedStation, services: Services) -> None:
        self.station = station
        self.services = services

    async def authorize(
        self,
        id_token: str,
        presented_as: IdTokenType | None = None,
        *,
        start: TransactionStart | None = None,
        stop: TransactionStop | None = None,
    ) -> Authorization:
        """Decide whether a token may charge here and now, and keep what was decided.

        Args:
            id_token: as the station told it.
            presented_as: its type; None if the version tells none.
            start: the transaction that it starts; None if it is only shown.
            stop: the transaction that it is shown to end.

        Raises:
            StoreAwayError: nobody can tell now, so the station must not be answered.
        """
        decided = await self.decide(id_token, presented_as, start=start, stop=stop)
        self.services.decisions.add(decided)
        return decided.answer

    async def decide(
        self,
        id_token: str,
        presented_as: IdTokenType | None = None,
        *,
        start: TransactionStart | None = None,
        stop: TransactionStop | None = None,
    ) -> Decided:
        """Decide likewise, and leave it to the caller to keep that, with what it knows later."""
        asked_at_s = time.monotonic()
        request = AuthorizationRequest(
            station_id=self.station.station_id,
            id_token=id_token,
            presented_as=presented_as,
            start=start,
            stop=stop,
        )
        answer = await self.services.authorize(request)
        return Decided(request, answer, asked_at_s, time.monotonic())

    async def is_free(self, at: datetime) -> bool:
        """Tell whether nobody had to be authorized at the station's location at a time.

        Raises:
            StoreAwayError: nobody can tell now, so the station must not be answered.
        """
        rule = (await self.services.find_rule(self.station.station_id)).value
        return rule.free_since is not None and rule.is_free(at, now=self.services.now())

    async def complete(self, command: Command) -> Command:
        """Fill in what a command left to us to look up; called before its `@sends` method."""
        return command

    async def boot(self, boot: StationBooted) -> RegistrationStatus:
        """Keep that the station booted, and return whether it is accepted.

        An operator may have decided since the handshake: what counts is the status at the commit.
        Whoever may not tell (a connection that was replaced meanwhile) goes by the handshake's.
        """
        self.station.booted = True
        written = await self.services.ingest.submit(boot)
        known = self.station.credentials.registration_status
        status = RegistrationStatus(written) if written else known
        self.station.credentials = replace(self.station.credentials, registration_status=status)
        self.station.accepted = status is RegistrationStatus.ACCEPTED
        return status

    def profile_of_start(
        self, profile: ChargingProfile, *, evse_id: int, command_id: str
    ) -> ChargingProfileAccepted:
        """Return the fact that a station took a profile for the transaction it is to start.

        Args:
            profile: a TxProfile; without a transaction id it is of the next one at its EVSE.
            evse_id: where it starts.
            command_id: the remote start.
        """
        return ChargingProfileAccepted(
            station_id=self.station.station_id,
            evse_id=evse_id,
            profile=profile,
            command_id=command_id,
            accepted_at=self.services.now(),
            start_within_s=self.services.settings.remote_start_wait_s,
        )

    def grant(self, quota: Quota, wanted: int = 1) -> int:
        """Return how many of `wanted` things that the station says are to be kept."""
        return self.services.quotas.take(self.station.station_id, quota, wanted)

    async def keep_status(self, status: ConnectorStatusReported) -> None:
        """Keep how a connector is; beyond the quota, its place in history comes later.

        Raises:
            StoreAwayError: it could not be kept.
        """
        if not self.grant(Quota.STATUS_CHANGES):
            status = replace(status, in_history=False)
        written = await self.services.ingest.submit(status)
        self.services.quotas.heed(self.station.station_id, Quota.CONNECTORS, written)

    async def keep_readings(self, evse_id: int, meter_values: Sequence[MeterValue]) -> None:
        """Keep meter values outside transactions, as many as the quota has room for.

        Raises:
            StoreAwayError: they could not be kept.
        """
        room = self.grant(Quota.METER_SAMPLES, sum(map(_weight, meter_values)))
        kept = []
        for meter_value in meter_values:
            room -= _weight(meter_value)
            if room < 0:
                break
            kept.append(meter_value)
        if kept:
            await self.services.ingest.submit(
                MeterValuesReported(self.station.station_id, evse_id, None, kept)
            )

    def boot_interval_s(self, status: RegistrationStatus) -> int:
        """Return the interval for a BootNotification's answer, varied a little.

        Once accepted it is the heartbeat's, before that the time until the next BootNotification.
        """
        settings, credentials = self.services.settings, self.station.credentials
        if status is RegistrationStatus.ACCEPTED:
            interval_s = credentials.heartbeat_interval_s or settings.heartbeat_interval_s
        else:
            interval_s = settings.boot_retry_interval_s
        jitter = settings.interval_jitter
        return max(1, round(interval_s * random.uniform(1 - jitter, 1 + jitter)))  # noqa: S311 - no secret


# Signatures and keys of a signed reading: so many samples take no more room.
_SIGNED_WEIGHT = 20
_LONG_SAMPLE = 256


def _weight(meter_value: MeterValue) -> int:
    """Return how many samples of the usual length a meter value takes the room of."""
    return sum(
        1
        + len(sample["value"]) // _LONG_SAMPLE
        + (_SIGNED_WEIGHT if "signed_meter_value" in sample else 0)
        for sample in meter_value.samples
    )
