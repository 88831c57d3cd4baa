"""What the routes stand on, opened once per process."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from control.access.changes import AuthorizationChanges
from control.auth import ApiKeys
from control.commands.dispatch import Dispatcher
from control.commands.outcomes import Outcomes
from control.files.service import Files
from control.passwords import StationPasswords
from control.settings import ControlSettings
from control.stations.connections import LiveConnections
from shared.store.pool import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The things that a route may use."""

    settings: ControlSettings
    api_keys: ApiKeys
    db: Database
    connections: LiveConnections
    dispatcher: Dispatcher
    outcomes: Outcomes
    passwords: StationPasswords
    files: Files
    authorization: AuthorizationChanges


def _services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


ServicesDep = Annotated[Services, Depends(_services)]
