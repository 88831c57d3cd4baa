"""Tells the gateways that something changed which they remember."""

import structlog

from shared.bus.authorization import Change, ChangePublisher, Kind
from shared.domain.access.tokens import id_token_key
from shared.domain.errors import UnavailableError

log = structlog.get_logger()


class AuthorizationChanges:
    """Tells every pod of changes; each method is called after the change was committed.

    While Redis is away nobody is told: pods go by what they remember until its time is over, a
    minute by default.

    Args:
        publisher: the channel to the pods.
    """

    def __init__(self, publisher: ChangePublisher) -> None:
        self._publisher = publisher

    async def id_token_changed(self, id_token: str) -> None:
        """A token was registered, changed or removed."""
        await self._publish(Change(Kind.ID_TOKEN, id_token_key(id_token)))

    async def group_changed(self, group_id_token: str) -> None:
        """The rules of a group were made, changed or removed."""
        await self._publish(Change(Kind.GROUP, id_token_key(group_id_token)))

    async def rules_changed(self) -> None:
        """Who may charge at a location has changed, or which stations stand there."""
        await self._publish(Change(Kind.RULES))

    async def _publish(self, change: Change) -> None:
        try:
            await self._publisher.publish([change])
        except UnavailableError as error:
            log.warning(
                "gateways were not told of a change: they see it when what they remember is old",
                kind=change.kind,
                error=str(error),
            )
