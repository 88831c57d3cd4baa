"""The Remote Trigger profile of OCPP 1.6."""

from ocpp.v16 import call
from ocpp.v16.enums import MessageTrigger

from gateway.handlers import Handlers
from gateway.routing import sends
from shared.domain import commands

_TRIGGERS = commands.MessageTrigger
_MESSAGE_TRIGGER = {
    _TRIGGERS.BOOT_NOTIFICATION: MessageTrigger.boot_notification,
    _TRIGGERS.LOG_STATUS_NOTIFICATION: MessageTrigger.diagnostics_status_notification,
    _TRIGGERS.FIRMWARE_STATUS_NOTIFICATION: MessageTrigger.firmware_status_notification,
    _TRIGGERS.HEARTBEAT: MessageTrigger.heartbeat,
    _TRIGGERS.METER_VALUES: MessageTrigger.meter_values,
    _TRIGGERS.STATUS_NOTIFICATION: MessageTrigger.status_notification,
}


class RemoteTrigger(Handlers):
    """TriggerMessage."""

    __slots__ = ()

    @sends(commands.TriggerMessage)
    def trigger_message(self, command: commands.TriggerMessage) -> call.TriggerMessage:
        """§5.17."""
        trigger = commands.MessageTrigger(command.requested_message)
        return call.TriggerMessage(
            requested_message=_MESSAGE_TRIGGER[trigger], connector_id=command.evse_id
        )
