"""What the handlers of every version stand on: their station, and what they may use of the pod."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.ingest import Ingest
from gateway.settings import GatewaySettings
from shared.domain.commands import Command
from shared.domain.stations import Credentials, Ownership, RegistrationStatus
from shared.domain.tokens import Authorization, IdToken, IdTokenType, authorize


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
    """What handlers may use of their pod."""

    settings: GatewaySettings
    ingest: Ingest
    find_id_token: Callable[[str], Awaitable[IdToken | None]]
    now: Callable[[], datetime]


class Handlers:
    """Base of one version's handlers; there is one object per connection."""

    __slots__ = ("services", "station")

    def __init__(self, station: ConnectedStation, services: Services) -> None:
        self.station = station
        self.services = services

    async def authorize(
        self, id_token: str, presented_as: IdTokenType | None = None
    ) -> Authorization:
        """Decide whether a token may charge now; `presented_as` is None if its type is unknown."""
        token = await self.services.find_id_token(id_token)
        return authorize(token, self.services.now(), presented_as)

    async def complete(self, command: Command) -> Command:
        """Fill in what a command left to us to look up; called before its `@sends` method."""
        return command

    def boot_interval_s(self) -> int:
        """Return the interval for a BootNotification's answer, varied a little.

        Once accepted it is the heartbeat's, before that the time until the next BootNotification.
        """
        settings, credentials = self.services.settings, self.station.credentials
        if credentials.registration_status is RegistrationStatus.ACCEPTED:
            interval_s = credentials.heartbeat_interval_s or settings.heartbeat_interval_s
        else:
            interval_s = settings.boot_retry_interval_s
        jitter = settings.interval_jitter
        return max(1, round(interval_s * random.uniform(1 - jitter, 1 + jitter)))  # noqa: S311 - no secret
