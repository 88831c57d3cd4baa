"""P. Data transfer: vendors' own messages."""

from ocpp.v201 import call, call_result
from ocpp.v201.enums import Action, DataTransferStatusEnumType

from gateway.handlers import Handlers
from gateway.routing import on, sends
from shared.domain import commands


class DataTransfer(Handlers):
    """DataTransfer, in both directions."""

    __slots__ = ()

    @on(Action.data_transfer)
    def on_data_transfer(self, **_: object) -> call_result.DataTransfer:
        """Refuse: no vendor's own messages are known here (P02.FR.06)."""
        return call_result.DataTransfer(status=DataTransferStatusEnumType.unknown_vendor_id)

    @sends(commands.DataTransfer)
    def data_transfer(self, command: commands.DataTransfer) -> call.DataTransfer:
        """P01."""
        return call.DataTransfer(
            vendor_id=command.vendor_id, message_id=command.message_id, data=command.data
        )
