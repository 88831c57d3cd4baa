"""The Remote Trigger profile of OCPP 1.6, and its extension by the security whitepaper."""

from ocpp.v16 import call
from ocpp.v16.enums import MessageTrigger

from gateway.handlers import Handlers
from gateway.routing import sends
from shared.domain import commands

_TRIGGERS = commands.MessageTrigger
_MESSAGE_TRIGGER = {
    _TRIGGERS.BOOT_NOTIFICATION: MessageTrigger.boot_notification,
    _TRIGGERS.DIAGNOSTICS_STATUS_NOTIFICATION: MessageTrigger.diagnostics_status_notification,
    _TRIGGERS.FIRMWARE_STATUS_NOTIFICATION: MessageTrigger.firmware_status_notification,
    _TRIGGERS.HEARTBEAT: MessageTrigger.heartbeat,
    _TRIGGERS.METER_VALUES: MessageTrigger.meter_values,
    _TRIGGERS.STATUS_NOTIFICATION: MessageTrigger.status_notification,
}
# What TriggerMessage has no words for (whitepaper §6.16). Both have FirmwareStatusNotification:
# this one's makes the station send SignedFirmwareStatusNotification (L01.FR.28, L01.FR.29).
_EXTENDED_TRIGGER = {
    _TRIGGERS.LOG_STATUS_NOTIFICATION: MessageTrigger.log_status_notification,
    _TRIGGERS.SIGNED_FIRMWARE_STATUS_NOTIFICATION: MessageTrigger.firmware_status_notification,
    _TRIGGERS.SIGN_CHARGING_STATION_CERTIFICATE: MessageTrigger.sign_charge_point_certificate,
}


class RemoteTrigger(Handlers):
    """TriggerMessage, ExtendedTriggerMessage."""

    __slots__ = ()

    @sends(commands.TriggerMessage)
    def trigger_message(
        self, command: commands.TriggerMessage
    ) -> call.TriggerMessage | call.ExtendedTriggerMessage:
        """§5.17; whitepaper A02, L01 and N01 for what that cannot say."""
        trigger = commands.MessageTrigger(command.requested_message)
        extended = _EXTENDED_TRIGGER.get(trigger)
        if extended is not None:
            return call.ExtendedTriggerMessage(
                requested_message=extended, connector_id=command.evse_id
            )
        return call.TriggerMessage(
            requested_message=_MESSAGE_TRIGGER[trigger], connector_id=command.evse_id
        )
