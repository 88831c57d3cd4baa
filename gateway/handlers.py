"""What the handlers of every version stand on: their station, and what they may use of the pod."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.ingest import Ingest
from gateway.lookups import Lookups
from gateway.settings import GatewaySettings
from shared.domain.authorization import Authorization, AuthorizationRequest, TransactionStart
from shared.domain.commands import Command
from shared.domain.stations import Credentials, Ownership, RegistrationStatus, StationBooted
from shared.domain.tokens import IdToken, IdTokenType


@dataclass(slots=True)
class ConnectedStation:
    """The station at the other end of one connection.

    `accepted` is whether it may say more than BootNotification (OCPP 2.0.1 B01.FR.10, OCPP-J 1.6
    errata 3.10). An acceptance outlives the connection that got it. `asked_for` are the Actions
    that it may send before its acceptance, because we asked for them.
    """

    credentials: Credentials
    ownership: Ownership
    accepted: bool
    asked_for: frozenset[str] = frozenset()

    @property
    def station_id(self) -> str:
        """Who it is."""
        return self.ownership.station_id


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers may use of their pod.

    `authorize` decides about tokens; `find_id_token` looks up what is kept of one; `lookups` are
    for what is asked rarely.
    """

    settings: GatewaySettings
    ingest: Ingest
    authorize: Callable[[AuthorizationRequest], Awaitable[Authorization]]
    find_id_token: Callable[[str], Awaitable[IdToken | None]]
    lookups: Lookups
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
    ) -> Authorization:
        """Decide whether a token may charge here and now.

        Args:
            id_token: as the station told it.
            presented_as: its type; None if the version tells none.
            start: the transaction that it starts; None if it is only shown.

        Raises:
            StoreAwayError: nobody can tell now, so the station must not be answered.
        """
        return await self.services.authorize(
            AuthorizationRequest(
                station_id=self.station.station_id,
                id_token=id_token,
                presented_as=presented_as,
                start=start,
            )
        )

    async def complete(self, command: Command) -> Command:
        """Fill in what a command left to us to look up; called before its `@sends` method."""
        return command

    async def boot(self, boot: StationBooted) -> RegistrationStatus:
        """Keep that the station booted, and return whether it is accepted.

        An operator may have decided since the handshake: what counts is the status at the commit.
        Whoever may not tell (a connection that was replaced meanwhile) goes by the handshake's.
        """
        written = await self.services.ingest.submit(boot)
        known = self.station.credentials.registration_status
        status = RegistrationStatus(written) if written else known
        self.station.credentials = replace(self.station.credentials, registration_status=status)
        self.station.accepted = status is RegistrationStatus.ACCEPTED
        return status

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
