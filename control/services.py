"""What the routes stand on: opened once per process, and lent to each request in its name."""

from dataclasses import dataclass, replace
from typing import Annotated, cast

from fastapi import Depends, Request

from control.access.changes import AuthorizationChanges
from control.accounts.api_keys import ApiKeys
from control.accounts.oidc.login import OidcLogin
from control.accounts.rate_limits import RateLimits
from control.accounts.service import Accounts
from control.addresses import client_address
from control.commands.dispatch import Dispatcher
from control.commands.outcomes import Outcomes
from control.exports.service import Exports
from control.files.service import Files
from control.notices.streams import EventStreams
from control.passwords import StationPasswords
from control.settings import ControlSettings
from control.stations.connections import LiveConnections
from shared.domain.accounts.principals import Principal
from shared.store.pool import Database
from shared.store.request_database import RequestDatabases, Scope

_SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The things that a route may use.

    Of a request its `db` sees what its principal may see, and so does all that stands on it;
    `databases` is what makes it.
    """

    settings: ControlSettings
    api_keys: ApiKeys
    accounts: Accounts
    oidc: OidcLogin | None
    rate_limits: RateLimits
    db: Database
    databases: RequestDatabases
    connections: LiveConnections
    dispatcher: Dispatcher
    outcomes: Outcomes
    passwords: StationPasswords
    files: Files
    exports: Exports
    authorization: AuthorizationChanges
    event_streams: EventStreams

    def stop_waiting(self) -> None:
        """End what waits or goes on without an end: the process is about to end."""
        self.outcomes.stop_waiting()
        self.event_streams.stop()

    def of_request(
        self, principal: Principal, *, request_id: str, address: str | None, changes: bool
    ) -> "Services":
        """Return what one request may use.

        Args:
            principal: who sent it.
            request_id: which it is, for the audit log.
            address: where it came from, for the audit log.
            changes: whether its method may change anything.
        """
        scope = Scope(principal=principal, request_id=request_id, address=address, changes=changes)
        db = self.databases.of(scope)
        if db is self.db:
            return self
        return replace(self, db=db, dispatcher=self.dispatcher.on(db), files=self.files.on(db))


def _services(request: Request) -> Services:
    services = cast("Services", request.app.state.services)
    # Nobody is behind a request with a signed URL, which says itself what it may do.
    principal: Principal | None = getattr(request.state, "principal", None)
    if principal is None:
        return services
    return services.of_request(
        principal,
        request_id=request.state.request_id,
        address=client_address(request.scope),
        changes=request.method not in _SAFE_METHODS,
    )


ServicesDep = Annotated[Services, Depends(_services)]
