"""The Smart Charging profile (3.13, 5.5, 5.7, 5.16)."""

from decimal import Decimal
from typing import TYPE_CHECKING

from simulator.charging_profiles import ChargingProfile, Kind, Period, Purpose, RateUnit, find_flaw
from simulator.dialect import Accepted, Answer, Refused
from simulator.moments import parse_optional_moment
from simulator.ocpp16.answers import Handler, status
from simulator.rpc import Payload

if TYPE_CHECKING:
    from simulator.station import Station

_PURPOSES = {
    "ChargePointMaxProfile": Purpose.STATION_MAX,
    "TxDefaultProfile": Purpose.TX_DEFAULT,
    "TxProfile": Purpose.TX,
}
_RECURRENCES_S = {"Daily": 86_400, "Weekly": 604_800}
_MS = 1000
#: For a profile whose connector is known only when the charge begins.
_CONNECTOR_TO_COME = 1


class SmartCharging:
    """Its requests, one method each."""

    def __init__(self, station: "Station") -> None:
        self._station = station
        self.handlers: dict[str, Handler] = {
            "ClearChargingProfile": self._clear_charging_profile,
            "GetCompositeSchedule": self._get_composite_schedule,
            "SetChargingProfile": self._set_charging_profile,
        }

    def _set_charging_profile(self, payload: Payload) -> Answer:
        """5.16; an unknown connector is an error (errata 3.39)."""
        station = self._station
        number: int = payload["connectorId"]
        if number != 0 and number not in station.connectors:
            return Refused("PropertyConstraintViolation", f"there is no connector {number}")
        profile = parse_profile(payload["csChargingProfiles"], number)
        if not station.limiting.install(profile):
            return status("Rejected")
        return status("Accepted", station.limiting.apply)

    def _clear_charging_profile(self, payload: Payload) -> Answer:
        """5.5; all that is given has to fit (errata 3.25)."""
        purpose = payload.get("chargingProfilePurpose")
        limiting = self._station.limiting
        removed = limiting.profiles.clear(
            profile_id=payload.get("id"),
            connector_id=payload.get("connectorId"),
            purpose=None if purpose is None else _PURPOSES[purpose],
            stack_level=payload.get("stackLevel"),
        )
        return status("Accepted" if removed else "Unknown", limiting.apply)

    def _get_composite_schedule(self, payload: Payload) -> Answer:
        """5.7; where the schedule starts is told beside it (errata 3.57)."""
        station = self._station
        number: int = payload["connectorId"]
        unit: str | None = payload.get("chargingRateUnit")
        schedule = station.limiting.composite(
            number, payload["duration"], None if unit is None else RateUnit(unit)
        )
        if schedule is None:
            return status("Rejected")
        periods: list[Payload] = [
            {"startPeriod": period.start_s, "limit": float(period.limit)}
            | ({} if period.phases is None else {"numberPhases": period.phases})
            for period in schedule.periods
        ]
        return Accepted(
            {
                "status": "Accepted",
                "connectorId": number,
                "scheduleStart": station.context.timestamp(schedule.start_at),
                "chargingSchedule": {
                    "duration": schedule.duration_s,
                    "chargingRateUnit": schedule.unit.value,
                    "chargingSchedulePeriod": periods,
                },
            }
        )


def parse_profile(payload: Payload, connector_id: int) -> ChargingProfile:
    """Read a ChargingProfile (7.8).

    Raises:
        UnreadableMoment: A time in it is none.
    """
    schedule: Payload = payload["chargingSchedule"]
    recurrency: str | None = payload.get("recurrencyKind")
    kind = Kind(payload["chargingProfileKind"])
    return ChargingProfile(
        profile_id=payload["chargingProfileId"],
        connector_id=connector_id,
        stack_level=payload["stackLevel"],
        purpose=_PURPOSES[payload["chargingProfilePurpose"]],
        kind=kind,
        unit=RateUnit(schedule["chargingRateUnit"]),
        periods=tuple(
            # Through its digits: of 8.1 no binary fraction is left behind.
            Period(each["startPeriod"], Decimal(str(each["limit"])), each.get("numberPhases"))
            for each in schedule["chargingSchedulePeriod"]
        ),
        start_ms=_moment_ms(schedule.get("startSchedule")),
        duration_s=schedule.get("duration"),
        recurs_after_s=_RECURRENCES_S[recurrency]
        if recurrency is not None and kind is Kind.RECURRING
        else None,
        valid_from_ms=_moment_ms(payload.get("validFrom")),
        valid_to_ms=_moment_ms(payload.get("validTo")),
        transaction_id=payload.get("transactionId"),
    )


def parse_start_profile(payload: Payload) -> ChargingProfile | None:
    """Read the ChargingProfile of a remote start; None if it is not for one (5.16.2).

    Raises:
        UnreadableMoment: A time in it is none.
    """
    profile = parse_profile(payload, _CONNECTOR_TO_COME)
    if profile.purpose is not Purpose.TX or profile.transaction_id is not None:
        return None
    return profile if find_flaw(profile) is None else None


def _moment_ms(text: str | None) -> int | None:
    moment = parse_optional_moment(text)
    return None if moment is None else round(moment * _MS)
