"""What a station of OCPP 2.0.1 can take, as its variables tell it (part 2, referenced variables).

What it cannot take is not sent. Limits that it never told bind nobody.
"""

import msgspec

from gateway import local_list_limits
from gateway.handlers import Handlers
from gateway.ocpp201.local_authorization_list import to_send_local_list
from gateway.routing import to_payload
from shared.domain import commands


class Limits(Handlers):
    """Keeps commands within what their station can take."""

    __slots__ = ()

    async def complete(self, command: commands.Command) -> commands.Command:
        """Refuse what the station has told that it cannot take.

        Raises:
            CannotBeSaidError: it is too much; the message tells the limit.
        """
        match command:
            case commands.SendLocalList():
                await local_list_limits.check_update(
                    self,
                    command,
                    ocpp_version="2.0.1",
                    measure_bytes=lambda: _measure(command),
                )
        return await super().complete(command)


def _measure(command: commands.SendLocalList) -> int:
    return len(msgspec.json.encode(to_payload(to_send_local_list(command))))
