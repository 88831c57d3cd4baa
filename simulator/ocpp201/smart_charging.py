"""Smart charging (K)."""

from decimal import Decimal
from typing import TYPE_CHECKING

from simulator.charging_profiles import ChargingProfile, Kind, Period, Purpose, RateUnit, find_flaw
from simulator.dialect import Accepted, Answer
from simulator.moments import parse_optional_moment
from simulator.ocpp201.answers import Handler, status
from simulator.rpc import Payload

if TYPE_CHECKING:
    from simulator.station import Station

#: ChargingStationExternalConstraints is not the CSMS's to set (K01.FR.22).
_PURPOSES = {
    "ChargingStationMaxProfile": Purpose.STATION_MAX,
    "TxDefaultProfile": Purpose.TX_DEFAULT,
    "TxProfile": Purpose.TX,
}
_RECURRENCES_S = {"Daily": 86_400, "Weekly": 604_800}
_MS = 1000
#: For a profile whose EVSE is known only when the charge begins.
_EVSE_TO_COME = 1


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
        """K01; a profile of a transaction has to name it (K01.FR.03)."""
        station = self._station
        evse_id: int = payload["evseId"]
        if evse_id != 0 and evse_id not in station.connectors:
            return status("Rejected", why="UnknownEvse")
        profile = parse_profile(payload["chargingProfile"], evse_id)
        if profile is None or find_flaw(profile) is not None:
            return status("Rejected", why="InvalidProfile")
        if profile.purpose is Purpose.TX and profile.transaction_id is None:
            return status("Rejected", why="MissingParam")
        if not station.limiting.install(profile):
            return status("Rejected", why="TxNotFound")
        return status("Accepted", station.limiting.apply)

    def _clear_charging_profile(self, payload: Payload) -> Answer:
        """K10; all that is given has to fit."""
        criteria: Payload = payload.get("chargingProfileCriteria", {})
        purpose = criteria.get("chargingProfilePurpose")
        if purpose is not None and purpose not in _PURPOSES:
            return status("Unknown")
        limiting = self._station.limiting
        removed = limiting.profiles.clear(
            profile_id=payload.get("chargingProfileId"),
            connector_id=criteria.get("evseId"),
            purpose=None if purpose is None else _PURPOSES[purpose],
            stack_level=criteria.get("stackLevel"),
        )
        return status("Accepted" if removed else "Unknown", limiting.apply)

    def _get_composite_schedule(self, payload: Payload) -> Answer:
        """K08."""
        station = self._station
        evse_id: int = payload["evseId"]
        unit: str | None = payload.get("chargingRateUnit")
        schedule = station.limiting.composite(
            evse_id, payload["duration"], None if unit is None else RateUnit(unit)
        )
        if schedule is None:
            return status("Rejected", why="UnknownEvse")  # K08.FR.05
        periods: list[Payload] = [
            {"startPeriod": period.start_s, "limit": float(period.limit)}
            | ({} if period.phases is None else {"numberPhases": period.phases})
            for period in schedule.periods
        ]
        return Accepted(
            {
                "status": "Accepted",
                "schedule": {
                    "evseId": evse_id,
                    "duration": schedule.duration_s,
                    "scheduleStart": station.context.timestamp(schedule.start_at),
                    "chargingRateUnit": schedule.unit.value,
                    "chargingSchedulePeriod": periods,
                },
            }
        )


def parse_profile(payload: Payload, evse_id: int) -> ChargingProfile | None:
    """Read a ChargingProfileType (2.10).

    Returns:
        The profile; None if it is not ours to execute: of other systems, or for ISO 15118.

    Raises:
        UnreadableMoment: A time in it is none.
    """
    purpose = _PURPOSES.get(payload["chargingProfilePurpose"])
    schedules: list[Payload] = payload["chargingSchedule"]
    if purpose is None or len(schedules) > 1:
        return None
    schedule = schedules[0]
    recurrency: str | None = payload.get("recurrencyKind")
    kind = Kind(payload["chargingProfileKind"])
    return ChargingProfile(
        profile_id=payload["id"],
        connector_id=evse_id,
        stack_level=payload["stackLevel"],
        purpose=purpose,
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
    """Read the ChargingProfileType of a remote start; None if it is not for one (F01.FR.08).

    Raises:
        UnreadableMoment: A time in it is none.
    """
    profile = parse_profile(payload, _EVSE_TO_COME)
    if profile is None or profile.purpose is not Purpose.TX or profile.transaction_id is not None:
        return None
    return profile if find_flaw(profile) is None else None


def _moment_ms(text: str | None) -> int | None:
    moment = parse_optional_moment(text)
    return None if moment is None else round(moment * _MS)
