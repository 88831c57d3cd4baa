"""The Core profile of OCPP 1.6: its messages from the station (§4), and to it (§5)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from ocpp.v16 import call, call_result
from ocpp.v16.enums import (
    Action,
    AvailabilityType,
    ConfigurationStatus,
    DataTransferStatus,
    RegistrationStatus,
    RemoteStartStopStatus,
    ResetType,
)

from gateway.errors import CannotBeSaidError
from gateway.handlers import Handlers
from gateway.ocpp16.id_tags import from_id_tag, to_id_tag_info
from gateway.ocpp16.meter_values import to_meter_values
from gateway.ocpp16.reservation import ENDS_RESERVATIONS
from gateway.ocpp16.smart_charging import from_wire, to_wire
from gateway.routing import AnsweredCall, answered, on, sends
from gateway.translation import format_time, in_turns, parse_optional_time, parse_time
from shared.domain import commands
from shared.domain.access.authorization import TransactionStart, TransactionStop
from shared.domain.charging.charging_profiles import parse_start_document
from shared.domain.charging.reservations import ReservationsGivenUp
from shared.domain.redaction import shown_value
from shared.domain.sessions import TransactionEnded, TransactionStarted
from shared.domain.sessions.meter_values import MeterValuesReported
from shared.domain.stations.configuration import (
    ConfigurationChanged,
    ConfigurationKey,
    ConfigurationReported,
)
from shared.domain.stations.stations import ConnectorStatus, ConnectorStatusReported, StationBooted
from shared.store.facts import Fact

# The finer statuses of 1.6 say how far a charge is; that a connector is taken they have in common.
_CONNECTOR_STATUS = {
    "Available": ConnectorStatus.AVAILABLE,
    "Preparing": ConnectorStatus.OCCUPIED,
    "Charging": ConnectorStatus.OCCUPIED,
    "SuspendedEVSE": ConnectorStatus.OCCUPIED,
    "SuspendedEV": ConnectorStatus.OCCUPIED,
    "Finishing": ConnectorStatus.OCCUPIED,
    "Reserved": ConnectorStatus.RESERVED,
    "Unavailable": ConnectorStatus.UNAVAILABLE,
    "Faulted": ConnectorStatus.FAULTED,
    "Occupied": ConnectorStatus.OCCUPIED,  # of OCPP 1.5, which some stations kept
}
_RESET_TYPE = {
    commands.ResetType.IMMEDIATE: ResetType.hard,
    commands.ResetType.ON_IDLE: ResetType.soft,
}
_AVAILABILITY_TYPE = {
    commands.OperationalStatus.OPERATIVE: AvailabilityType.operative,
    commands.OperationalStatus.INOPERATIVE: AvailabilityType.inoperative,
}
# So long a start without a time may be one that is told again (ours). Three attempts at 60 s take
# three minutes (§3.7.1), a reconnect some more; a meter that always tells 0 would make one of two
# charges if it were much longer.
_RETRIED_WITHIN = timedelta(minutes=15)
_METER_VALUES_ANSWER = call_result.MeterValues()
_STATUS_NOTIFICATION_ANSWER = call_result.StatusNotification()


class Core(Handlers):
    """The 16 messages of the Core profile."""

    __slots__ = ()

    @on(Action.boot_notification)
    async def on_boot_notification(
        self,
        *,
        charge_point_vendor: str,
        charge_point_model: str,
        charge_point_serial_number: str | None = None,
        charge_box_serial_number: str | None = None,
        firmware_version: str | None = None,
        iccid: str | None = None,
        imsi: str | None = None,
        **_: str,
    ) -> call_result.BootNotification:
        """Keep who the station is, and tell it whether it is accepted (§4.2)."""
        now = self.services.now()
        status = await self.boot(
            StationBooted(
                station_id=self.station.station_id,
                epoch=self.station.ownership.epoch,
                vendor=charge_point_vendor,
                model=charge_point_model,
                serial_number=charge_point_serial_number or charge_box_serial_number or None,
                firmware_version=firmware_version or None,
                iccid=iccid or None,
                imsi=imsi or None,
            )
        )
        return call_result.BootNotification(
            current_time=format_time(now),
            interval=self.boot_interval_s(status),
            status=RegistrationStatus(status),
        )

    @on(Action.heartbeat)
    def on_heartbeat(self) -> call_result.Heartbeat:
        """Tell the time (§4.6). That the station lives is known from its connection."""
        return call_result.Heartbeat(current_time=format_time(self.services.now()))

    @on(Action.status_notification)
    async def on_status_notification(
        self,
        *,
        connector_id: int,
        error_code: str,
        status: str,
        info: str | None = None,
        timestamp: str | None = None,
        vendor_id: str | None = None,
        vendor_error_code: str | None = None,
    ) -> call_result.StatusNotification:
        """Keep a connector's status (§4.9); connector 0 is the station itself."""
        reported_at = parse_optional_time(timestamp, self.services.now())
        await self.keep_status(
            ConnectorStatusReported(
                station_id=self.station.station_id,
                epoch=self.station.ownership.epoch,
                evse_id=connector_id,
                connector_id=1 if connector_id else 0,
                status=_CONNECTOR_STATUS[status],
                reported_status=status,
                error_code=error_code,
                info=info,
                vendor_id=vendor_id,
                vendor_error_code=vendor_error_code,
                reported_at=reported_at,
            )
        )
        if status in ENDS_RESERVATIONS:
            await self.services.ingest.submit(
                ReservationsGivenUp(
                    self.station.station_id, connector_id or None, status, reported_at
                )
            )
        return _STATUS_NOTIFICATION_ANSWER

    @on(Action.authorize)
    async def on_authorize(self, id_tag: str) -> call_result.Authorize:
        """Say whether an id tag may charge (§4.1)."""
        authorization = await self.authorize(from_id_tag(id_tag))
        return call_result.Authorize(id_tag_info=to_id_tag_info(authorization))

    @on(Action.start_transaction)
    async def on_start_transaction(
        self,
        *,
        connector_id: int,
        id_tag: str,
        meter_start: int,
        timestamp: str | None = None,
        reservation_id: int | None = None,
    ) -> call_result.StartTransaction:
        """Give a transaction its id (§4.8), never 0; the same one, if it is told again.

        A refused id tag gets one as well: the station may have let the driver charge while it was
        offline, and its meter values and stop need something to refer to. A connector that cannot
        be (§6.45: greater than 0) is kept as it is, for somebody to look at.
        """
        id_token, meter_start_wh = from_id_tag(id_tag), Decimal(meter_start)
        if timestamp is None:
            started_at = await self._start_of_untimed(connector_id, id_token, meter_start_wh)
        else:
            started_at = parse_time(timestamp)
        decided = await self.decide(
            id_token,
            start=TransactionStart(
                evse_id=connector_id, started_at=started_at, meter_start_wh=meter_start_wh
            ),
        )
        transaction_id = await self.services.ingest.submit(
            TransactionStarted(
                station_id=self.station.station_id,
                evse_id=connector_id,
                connector_id=1,
                ocpp_version="1.6",
                id_token=id_token,
                authorization_status=decided.answer.status,
                started_at=started_at,
                meter_start_wh=meter_start_wh,
                reservation_id=reservation_id,
                free=decided.answer.free,
            )
        )
        self.services.decisions.add(decided._replace(transaction_id=transaction_id))
        return call_result.StartTransaction(
            transaction_id=int(cast("str", transaction_id)),
            id_tag_info=to_id_tag_info(decided.answer),
        )

    async def _start_of_untimed(
        self, connector_id: int, id_token: str, meter_start_wh: Decimal
    ) -> datetime:
        """Return the time of a start that was told without one: now, unless it is told again.

        The time is a part of what tells starts apart, and ours would be another one with each
        telling (ours). Two charges of one token on one connector that begin at the same register,
        the first of them never ended, are one: nothing was delivered in between.
        """
        started_at = await self.services.lookups.find_open_start(
            self.station.station_id,
            evse_id=connector_id,
            id_token=id_token,
            meter_start_wh=meter_start_wh,
            within=_RETRIED_WITHIN,
        )
        return started_at or self.services.now()

    @on(Action.meter_values)
    async def on_meter_values(
        self,
        *,
        connector_id: int,
        meter_value: list[dict[str, Any]],
        transaction_id: int | None = None,
    ) -> call_result.MeterValues:
        """Keep what a connector's meter showed (§4.7)."""
        if meter_values := await in_turns(to_meter_values, meter_value):
            if transaction_id is None:
                await self.keep_readings(connector_id, meter_values)
            else:
                await self.services.ingest.submit(
                    MeterValuesReported(
                        self.station.station_id, connector_id, str(transaction_id), meter_values
                    )
                )
        return _METER_VALUES_ANSWER

    @on(Action.stop_transaction)
    async def on_stop_transaction(
        self,
        *,
        meter_stop: int,
        timestamp: str,
        transaction_id: int,
        reason: str = "Local",
        id_tag: str | None = None,
        transaction_data: list[dict[str, Any]] | None = None,
    ) -> call_result.StopTransaction:
        """End a transaction (§4.10); no reason means Local (errata 2.6).

        An id that is not the station's is answered like any other: whose end it is, if anybody's,
        is found out later. Another station's transaction is never touched.
        """
        # One that is empty was shown by nobody.
        id_token = (id_tag and from_id_tag(id_tag)) or None
        await self.services.ingest.submit(
            TransactionEnded(
                station_id=self.station.station_id,
                transaction_id=str(transaction_id),
                ended_at=parse_time(timestamp),
                meter_stop_wh=Decimal(meter_stop),
                stopped_reason=reason,
                id_token=id_token,
                meter_values=await in_turns(
                    to_meter_values, transaction_data or [], may_be_none=True
                ),
            )
        )
        if id_token is None:
            return call_result.StopTransaction()
        stop = TransactionStop(transaction_id=str(transaction_id))
        return call_result.StopTransaction(
            id_tag_info=to_id_tag_info(await self.authorize(id_token, stop=stop))
        )

    @on(Action.data_transfer)
    def on_data_transfer(self, vendor_id: str, **_: str) -> call_result.DataTransfer:
        """Refuse: no vendor's own messages are known here (§4.3)."""
        del vendor_id
        return call_result.DataTransfer(status=DataTransferStatus.unknown_vendor_id)

    @sends(commands.RemoteStart)
    def remote_start(self, command: commands.RemoteStart) -> call.RemoteStartTransaction:
        """§5.11."""
        profile = command.charging_profile
        return call.RemoteStartTransaction(
            id_tag=command.id_token,
            connector_id=command.evse_id,
            charging_profile=profile and to_wire(parse_start_document(profile)),
        )

    @answered(Action.remote_start_transaction)
    def remote_start_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep the profile that the transaction will have (§5.16.2); its EVSE must be named."""
        request = exchange.request
        if (
            exchange.answer["status"] == RemoteStartStopStatus.accepted
            and "chargingProfile" in request
            and request.get("connectorId")
        ):
            yield self.profile_of_start(
                from_wire(request["chargingProfile"]),
                evse_id=request["connectorId"],
                command_id=exchange.command_id,
            )

    @sends(commands.RemoteStop)
    def remote_stop(self, command: commands.RemoteStop) -> call.RemoteStopTransaction:
        """§5.12."""
        try:
            transaction_id = int(command.transaction_id)
        except ValueError:
            raise CannotBeSaidError(
                f"a transaction id of OCPP 1.6 is an integer, not {command.transaction_id!r}"
            ) from None
        return call.RemoteStopTransaction(transaction_id=transaction_id)

    @sends(commands.Reset)
    def reset(self, command: commands.Reset) -> call.Reset:
        """§5.14."""
        if command.evse_id is not None:
            raise CannotBeSaidError(
                "OCPP 1.6 can reset the whole station only: leave evse_id out to do that"
            )
        return call.Reset(type=_RESET_TYPE[commands.ResetType(command.reset_type)])

    @sends(commands.ChangeAvailability)
    def change_availability(self, command: commands.ChangeAvailability) -> call.ChangeAvailability:
        """§5.2."""
        status = commands.OperationalStatus(command.operational_status)
        return call.ChangeAvailability(
            connector_id=command.evse_id or 0, type=_AVAILABILITY_TYPE[status]
        )

    @sends(commands.UnlockConnector)
    def unlock_connector(self, command: commands.UnlockConnector) -> call.UnlockConnector:
        """§5.18."""
        return call.UnlockConnector(connector_id=command.evse_id)

    @sends(commands.GetConfiguration)
    def get_configuration(self, command: commands.GetConfiguration) -> call.GetConfiguration:
        """§5.8; no keys at all asks for every one."""
        return call.GetConfiguration(key=list(command.keys) or None)

    @answered(Action.get_configuration)
    def get_configuration_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep the keys that it told, and which of those asked for it does not know (§6.24)."""
        yield ConfigurationReported(
            station_id=self.station.station_id,
            keys=[
                ConfigurationKey(
                    each["key"],
                    shown_value(each["key"], each.get("value")),
                    each.get("readonly"),
                )
                for each in exchange.answer.get("configurationKey", ())
            ],
            unknown_keys=exchange.answer.get("unknownKey", []),
            told_at=self.services.now(),
        )

    @sends(commands.ChangeConfiguration)
    def change_configuration(
        self, command: commands.ChangeConfiguration
    ) -> call.ChangeConfiguration:
        """§5.3."""
        return call.ChangeConfiguration(key=command.key, value=command.value)

    @answered(Action.change_configuration)
    def change_configuration_answered(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep what it took, or that it does not know the key; Rejected changes nothing (§6.10)."""
        key, status = exchange.request["key"], exchange.answer["status"]
        if status == ConfigurationStatus.rejected:
            return
        known = status != ConfigurationStatus.not_supported
        yield ConfigurationChanged(
            station_id=self.station.station_id,
            key=key,
            value=shown_value(key, exchange.request["value"]) if known else None,
            known=known,
            reboot_required=status == ConfigurationStatus.reboot_required,
            changed_at=self.services.now(),
        )

    @sends(commands.ClearCache)
    def clear_cache(self, command: commands.ClearCache) -> call.ClearCache:
        """§5.4."""
        del command
        return call.ClearCache()

    @sends(commands.DataTransfer)
    def data_transfer(self, command: commands.DataTransfer) -> call.DataTransfer:
        """§5.6."""
        return call.DataTransfer(
            vendor_id=command.vendor_id, message_id=command.message_id, data=command.data
        )
