"""B. Provisioning: booting, and reading and setting what a station is configured with."""

import secrets
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ocpp.v201 import call, call_result
from ocpp.v201.datatypes import GetVariableDataType, SetVariableDataType
from ocpp.v201.enums import Action, RegistrationStatusEnumType, ReportBaseEnumType, ResetEnumType

from gateway.handlers import Handlers
from gateway.ocpp201.variables import parse_key, to_name
from gateway.quotas import Quota
from gateway.routing import AnsweredCall, answered, on, sends
from gateway.translation import format_time, parse_optional_time
from shared.domain import commands
from shared.domain.redaction import shown_value
from shared.domain.stations.device_model import (
    ComponentVariable,
    VariableAttribute,
    VariablesReported,
    VariableValue,
    VariableValuesTold,
)
from shared.domain.stations.stations import StationBooted
from shared.store.facts import Fact

ITEM_STATUSES = {Action.set_variables: ("setVariableResult", "attributeStatus")}
"""Where the answers of this block tell a status per item."""
REPORTS = {
    Action.get_base_report: Action.notify_report,
    Action.get_report: Action.notify_report,
}
"""What a station sends after it has answered."""

_ACCEPTED = "Accepted"
_NOTIFY_REPORT_ANSWER = call_result.NotifyReport()


class Provisioning(Handlers):
    """BootNotification, NotifyReport, GetVariables, SetVariables, GetBaseReport, Reset."""

    __slots__ = ()

    @on(Action.boot_notification)
    async def on_boot_notification(
        self, *, charging_station: dict[str, Any], reason: str, **_: object
    ) -> call_result.BootNotification:
        """Keep who the station is, and tell it whether it is accepted (B01, B02, B03)."""
        now = self.services.now()
        modem = charging_station.get("modem", {})
        status = await self.boot(
            StationBooted(
                station_id=self.station.station_id,
                epoch=self.station.ownership.epoch,
                vendor=charging_station["vendorName"],
                model=charging_station["model"],
                serial_number=charging_station.get("serialNumber"),
                firmware_version=charging_station.get("firmwareVersion"),
                iccid=modem.get("iccid"),
                imsi=modem.get("imsi"),
                reason=reason,
            )
        )
        return call_result.BootNotification(
            current_time=format_time(now),
            interval=self.boot_interval_s(status),
            status=RegistrationStatusEnumType(status),
        )

    @on(Action.notify_report)
    async def on_notify_report(
        self,
        *,
        request_id: int,
        generated_at: str,
        report_data: list[dict[str, Any]] | None = None,
        **_: object,
    ) -> call_result.NotifyReport:
        """Keep a part of what the station says it is made of (B07, B08)."""
        written = await self.services.ingest.submit(
            VariablesReported(
                station_id=self.station.station_id,
                epoch=self.station.ownership.epoch,
                request_id=request_id,
                generated_at=parse_optional_time(generated_at, self.services.now(), "generatedAt"),
                attributes=[
                    _to_attribute(data, attribute)
                    for data in report_data or ()
                    for attribute in data["variableAttribute"]
                ],
            )
        )
        self.services.quotas.heed(self.station.station_id, Quota.VARIABLES, written)
        return _NOTIFY_REPORT_ANSWER

    @sends(commands.GetConfiguration)
    def get_configuration(
        self, command: commands.GetConfiguration
    ) -> call.GetVariables | call.GetBaseReport:
        """B06 for what is named; B07 for everything, which the station reports later."""
        if not command.keys:
            return call.GetBaseReport(
                request_id=secrets.randbits(31), report_base=ReportBaseEnumType.full_inventory
            )
        asked = []
        for key in command.keys:
            component, variable, attribute = parse_key(key)
            asked.append(GetVariableDataType(component, variable, attribute))
        return call.GetVariables(get_variable_data=asked)

    @sends(commands.ChangeConfiguration)
    def change_configuration(self, command: commands.ChangeConfiguration) -> call.SetVariables:
        """B05."""
        component, variable, attribute = parse_key(command.key)
        return call.SetVariables(
            set_variable_data=[
                SetVariableDataType(
                    attribute_value=command.value,
                    component=component,
                    variable=variable,
                    attribute_type=attribute,
                )
            ]
        )

    @answered(Action.get_variables)
    def variables_told(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep the values that the station told (B06)."""
        told = [
            result
            for result in exchange.answer["getVariableResult"]
            if result["attributeStatus"] == _ACCEPTED
        ]
        yield from self._values(told, taken=False)

    @answered(Action.set_variables)
    def variables_set(self, exchange: AnsweredCall) -> Iterator[Fact]:
        """Keep the values that the station took; one that awaits a reboot is not there yet."""
        taken = {
            (to_name(result["component"], result["variable"]), result.get("attributeType"))
            for result in exchange.answer["setVariableResult"]
            if result["attributeStatus"] == _ACCEPTED
        }
        asked = exchange.request["setVariableData"]
        yield from self._values(
            [
                data
                for data in asked
                if (to_name(data["component"], data["variable"]), data.get("attributeType"))
                in taken
            ],
            taken=True,
        )

    def _values(self, items: list[dict[str, Any]], *, taken: bool) -> Iterator[Fact]:
        values = []
        for item in items:
            name = to_name(item["component"], item["variable"])
            values.append(
                VariableValue(
                    name=name,
                    type=item.get("attributeType", "Actual"),
                    value=_shown_value(name, "ReadWrite", item.get("attributeValue")),
                )
            )
        if values:
            yield VariableValuesTold(
                station_id=self.station.station_id,
                epoch=self.station.ownership.epoch,
                told_at=self.services.now(),
                taken=taken,
                values=values,
            )

    @sends(commands.Reset)
    def reset(self, command: commands.Reset) -> call.Reset:
        """B11, B12."""
        return call.Reset(type=ResetEnumType(command.reset_type), evse_id=command.evse_id)


def _to_attribute(data: dict[str, Any], attribute: dict[str, Any]) -> VariableAttribute:
    """Write out the defaults of VariableAttributeType (part 2 §2.50)."""
    name = to_name(data["component"], data["variable"])
    mutability = attribute.get("mutability", "ReadWrite")
    characteristics = data.get("variableCharacteristics", {})
    return VariableAttribute(
        name=name,
        type=attribute.get("type", "Actual"),
        value=_shown_value(name, mutability, attribute.get("value")),
        mutability=mutability,
        persistent=attribute.get("persistent", False),
        constant=attribute.get("constant", False),
        unit=characteristics.get("unit"),
        data_type=characteristics.get("dataType"),
        min_limit=_to_decimal(characteristics.get("minLimit")),
        max_limit=_to_decimal(characteristics.get("maxLimit")),
        values_list=characteristics.get("valuesList"),
        supports_monitoring=characteristics.get("supportsMonitoring"),
    )


def _shown_value(name: ComponentVariable, mutability: str, value: str | None) -> str | None:
    # Write-only are passwords (part 2, referenced variables §2.2.1). A station that tells one all
    # the same is not to make us keep it.
    return None if mutability == "WriteOnly" else shown_value(name.key, value)


def _to_decimal(number: float | None) -> Decimal | None:
    return None if number is None else Decimal(str(number))
