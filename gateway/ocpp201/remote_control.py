"""F. Remote control."""

from collections.abc import Iterator
from dataclasses import replace

from ocpp.v201 import call
from ocpp.v201.datatypes import EVSEType, IdTokenType
from ocpp.v201.enums import (
    Action,
    IdTokenEnumType,
    MessageTriggerEnumType,
    RequestStartStopStatusEnumType,
)

from gateway.errors import CannotBeSaidError
from gateway.handlers import Handlers
from gateway.ocpp201.authorization import find_type
from gateway.ocpp201.smart_charging import from_wire, to_wire
from gateway.routing import AnsweredCall, answered, sends
from shared.domain import commands
from shared.domain.access import tokens
from shared.domain.charging.charging_profiles import parse_start_document
from shared.domain.sessions.transaction_ids import told_transaction_id
from shared.store.facts import Fact

_FIRST_CONNECTOR = 1
# Words of 1.6 alone, and those that say the same here.
_SAID_OTHERWISE = {
    commands.MessageTrigger.DIAGNOSTICS_STATUS_NOTIFICATION: "LogStatusNotification",
    commands.MessageTrigger.SIGNED_FIRMWARE_STATUS_NOTIFICATION: "FirmwareStatusNotification",
}


class RemoteControl(Handlers):
    """RequestStartTransaction, RequestStopTransaction, UnlockConnector, TriggerMessage."""

    __slots__ = ()

    async def complete(self, command: commands.Command) -> commands.Command:
        """Find out the type of the token to start with, unless the command tells it."""
        if isinstance(command, commands.RemoteStart) and command.id_token_type is None:
            type_ = await find_type(self, command.id_token)
            command = replace(command, id_token_type=type_)
        return await super().complete(command)

    @sends(commands.RemoteStart)
    def remote_start(self, command: commands.RemoteStart) -> call.RequestStartTransaction:
        """F01, F02. The remoteStartId comes back in the events of what is started (F02.FR.01)."""
        type_ = command.id_token_type or tokens.IdTokenType.ISO14443
        profile = command.charging_profile
        return call.RequestStartTransaction(
            id_token=IdTokenType(command.id_token, IdTokenEnumType(type_)),
            remote_start_id=command.remote_start_id or 0,
            evse_id=command.evse_id,
            charging_profile=profile and to_wire(parse_start_document(profile)),
        )

    @answered(Action.request_start_transaction)
    def remote_start_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep the profile that the transaction will have (K05); its EVSE must be named.

        One that has begun already, because the cable was first, is named (F01.FR.13).
        """
        request = exchange.request
        if (
            exchange.answer["status"] == RequestStartStopStatusEnumType.accepted
            and "chargingProfile" in request
            and request.get("evseId")
        ):
            profile = from_wire(request["chargingProfile"])
            yield self.profile_of_start(
                replace(profile, transaction_id=exchange.answer.get("transactionId")),
                evse_id=request["evseId"],
                command_id=exchange.command_id,
            )

    @sends(commands.RemoteStop)
    def remote_stop(self, command: commands.RemoteStop) -> call.RequestStopTransaction:
        """F03."""
        transaction_id = told_transaction_id(command.transaction_id)
        return call.RequestStopTransaction(transaction_id=transaction_id)

    @sends(commands.UnlockConnector)
    def unlock_connector(self, command: commands.UnlockConnector) -> call.UnlockConnector:
        """F05."""
        return call.UnlockConnector(evse_id=command.evse_id, connector_id=command.connector_id)

    @sends(commands.TriggerMessage)
    def trigger_message(self, command: commands.TriggerMessage) -> call.TriggerMessage:
        """F06. A StatusNotification is of one connector, so it has to be named (F06.FR.13)."""
        trigger = commands.MessageTrigger(command.requested_message)
        if (word := _SAID_OTHERWISE.get(trigger)) is not None:
            raise CannotBeSaidError(f"OCPP 2.0.1 has no {trigger}: ask for {word}")
        evse = None if command.evse_id is None else EVSEType(command.evse_id)
        if trigger is commands.MessageTrigger.STATUS_NOTIFICATION:
            if evse is None:
                raise CannotBeSaidError(
                    "a station of OCPP 2.0.1 tells the status of one connector at a time: name its "
                    "EVSE in evse_id"
                )
            evse = EVSEType(evse.id, _FIRST_CONNECTOR)
        return call.TriggerMessage(requested_message=MessageTriggerEnumType(trigger), evse=evse)
