"""Charging profiles that stations have accepted, and what these come to.

They are set and cleared by commands: SetChargingProfile, ClearChargingProfile.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import WithJsonSchema

from control import problems
from control.api.charging.charging_profiles_schemas import (
    CompositeSchedule,
    InstalledChargingProfile,
    to_differences,
    to_periods,
)
from control.api.types import StationId, UtcTime
from control.charging.schedule_drawing import draw
from control.errors import InvalidFieldError
from control.paging import SORT, Order, Page, PagingDep, numbers
from control.services import Services, ServicesDep
from shared.domain.charging.charging_profiles import ChargingRateUnit, CompositeScheduleReported
from shared.domain.charging.composite_schedules import (
    LimitPeriod,
    Supply,
    composite_schedule,
    convert_periods,
    differences,
)
from shared.domain.error_codes import NotFoundCode
from shared.domain.errors import NotFoundError
from shared.store.charging import charging_profiles
from shared.store.stations import stations

router = APIRouter(prefix="/v1/stations/{station_id}", tags=["charging profiles"])

_RESOURCE = "charging-profiles"
_DURATION_MAX_S = 604_800  # the longest recurrence
_INT32_MAX = 2_147_483_647

EvseId = Annotated[int, Path(ge=0, le=_INT32_MAX, description="0 is the whole station")]


class ScheduleSource(StrEnum):
    """Who says what an EVSE may draw."""

    CSMS = "csms"
    STATION = "station"


class SvgResponse(Response):
    """A drawing."""

    media_type = "image/svg+xml"


@dataclass(frozen=True, slots=True)
class ScheduleQuery:
    """What a composite schedule is asked for with."""

    duration_s: Annotated[int, Query(ge=1, le=_DURATION_MAX_S)] = 86_400
    unit: Annotated[
        ChargingRateUnit, Query(description="`A`: per phase. `W`: of all phases together")
    ] = ChargingRateUnit.AMPERE
    start: Annotated[UtcTime | None, Query(description="from when on; left out, from now on")] = (
        None
    )
    voltage_v: Annotated[
        Decimal,
        Query(gt=0, le=1000, description="to convert with: the grid's, not a measured one"),
        WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1000}),
    ] = Decimal(230)
    number_phases: Annotated[
        int, Query(ge=1, le=3, description="to convert with where a profile names none")
    ] = 3

    @property
    def supply(self) -> Supply:
        """Return what converts watts into amperes."""
        return Supply(voltage_v=self.voltage_v, number_phases=self.number_phases)


ScheduleQueryDep = Annotated[ScheduleQuery, Depends()]


@router.get("/charging-profiles", responses=problems.responses(NotFoundCode.STATION))
async def list_charging_profiles(
    *,
    station_id: StationId,
    services: ServicesDep,
    paging: PagingDep,
    evse_id: Annotated[
        int | None,
        Query(ge=0, le=_INT32_MAX, description="only those set for this EVSE; 0: for the station"),
    ] = None,
    sort: Annotated[Literal["charging_profile_id", "-charging_profile_id"], SORT] = (
        "charging_profile_id"
    ),
) -> Page[InstalledChargingProfile]:
    """List the profiles that a station has accepted, in the order of their ids.

    Those of transactions that have ended are left out.
    """
    order = Order.of(_RESOURCE, sort, usual="charging_profile_id", keys=numbers(1, bits=32))
    return await paging.page(
        order,
        read=lambda after, limit: charging_profiles.list_after(
            services.db,
            station_id=station_id,
            after=after,
            limit=limit,
            evse_id=evse_id,
            goes_down=order.goes_down,
        ),
        key_of=lambda row: (row.profile.charging_profile_id,),
        shown=InstalledChargingProfile.of,
        count=lambda up_to: charging_profiles.count(
            services.db, station_id=station_id, up_to=up_to, evse_id=evse_id
        ),
        owner=lambda: stations.get(services.db, station_id),
    )


@router.get(
    "/evses/{evse_id}/composite-schedule",
    responses=problems.responses(NotFoundCode.COMPOSITE_SCHEDULE, NotFoundCode.STATION),
)
async def get_composite_schedule(
    station_id: StationId,
    evse_id: EvseId,
    services: ServicesDep,
    query: ScheduleQueryDep,
    source: Annotated[
        ScheduleSource,
        Query(description="`station` compares its last answer with what its profiles come to"),
    ] = ScheduleSource.CSMS,
) -> CompositeSchedule:
    """Return what an EVSE may draw, period by period, ready to be drawn.

    Without a transaction it is what one that begins at `start` may draw. Of the station's maximum
    an EVSE may get less, because the station shares it among its EVSEs.
    """
    if source is ScheduleSource.CSMS:
        periods = await _from_profiles(services, station_id, evse_id, query)
        compared = reported_at = None
    else:
        reported = await _reported(services, station_id, evse_id)
        periods = _from_station(reported, query)
        if not periods:
            raise NotFoundError(
                f"what station {station_id!r} has told of EVSE {evse_id} holds no limits: ask it "
                "again with the command GetCompositeSchedule",
                code=NotFoundCode.COMPOSITE_SCHEDULE,
            )
        ours = await _from_profiles(
            services,
            station_id,
            evse_id,
            query,
            start=reported.schedule_start,
            duration_s=min(reported.duration_s, query.duration_s),
        )
        compared, reported_at = to_differences(differences(ours, periods)), reported.reported_at
    return CompositeSchedule(
        station_id=station_id,
        evse_id=evse_id,
        source=source,
        unit=query.unit,
        voltage_v=query.voltage_v,
        number_phases=query.number_phases,
        start=periods[0].start,
        end=periods[-1].end,
        reported_at=reported_at,
        periods=to_periods(periods),
        differences=compared,
    )


@router.get(
    "/evses/{evse_id}/composite-schedule.svg",
    response_class=SvgResponse,
    responses={
        HTTPStatus.OK: {
            "content": {
                SvgResponse.media_type: {
                    "examples": {
                        "drawing": {"value": '<svg xmlns="http://www.w3.org/2000/svg">...</svg>'}
                    }
                }
            }
        },
        **problems.responses(NotFoundCode.STATION),
    },
)
async def draw_composite_schedule(
    station_id: StationId, evse_id: EvseId, services: ServicesDep, query: ScheduleQueryDep
) -> SvgResponse:
    """Draw what an EVSE may draw as SVG, beside what the station last said about the same time."""
    periods = await _from_profiles(services, station_id, evse_id, query)
    reported = await charging_profiles.find_composite_schedule(
        services.db, station_id=station_id, evse_id=evse_id
    )
    of = f"EVSE {evse_id} of {station_id}" if evse_id else f"station {station_id}"
    drawing = draw(
        title=f"Charging limits of {of}",
        unit=query.unit,
        periods=periods,
        station_periods=() if reported is None else _convert(reported, query),
    )
    # A drawing of stations' own words, so nothing in it may run even if it is opened by itself.
    return SvgResponse(
        drawing,
        headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
    )


async def _from_profiles(
    services: Services,
    station_id: str,
    evse_id: int,
    query: ScheduleQuery,
    *,
    start: datetime | None = None,
    duration_s: int | None = None,
) -> list[LimitPeriod]:
    installed = await charging_profiles.list_after(services.db, station_id=station_id)
    if not installed:
        await stations.get(services.db, station_id)  # raises if there is no such station
    start = start or query.start or datetime.now(UTC).replace(microsecond=0)
    duration_s = duration_s or query.duration_s
    try:
        start + timedelta(seconds=duration_s)
    except OverflowError:
        raise InvalidFieldError("query", "start", "this lies outside the calendar") from None
    return composite_schedule(
        installed,
        evse_id=evse_id,
        start=start,
        duration_s=duration_s,
        unit=query.unit,
        supply=query.supply,
        charging_since=await charging_profiles.find_charging_since(
            services.db, station_id=station_id, evse_id=evse_id
        ),
    )


async def _reported(services: Services, station_id: str, evse_id: int) -> CompositeScheduleReported:
    reported = await charging_profiles.find_composite_schedule(
        services.db, station_id=station_id, evse_id=evse_id
    )
    if reported is None:
        await stations.get(services.db, station_id)
        raise NotFoundError(
            f"station {station_id!r} has told no composite schedule of EVSE {evse_id}: ask it with "
            "the command GetCompositeSchedule",
            code=NotFoundCode.COMPOSITE_SCHEDULE,
        )
    return reported


def _from_station(reported: CompositeScheduleReported, query: ScheduleQuery) -> list[LimitPeriod]:
    return _convert(reported, query, duration_s=min(reported.duration_s, query.duration_s))


def _convert(
    reported: CompositeScheduleReported, query: ScheduleQuery, *, duration_s: int | None = None
) -> list[LimitPeriod]:
    try:
        return convert_periods(
            reported.periods,
            start=reported.schedule_start,
            duration_s=duration_s or reported.duration_s,
            unit=reported.charging_rate_unit,
            into=query.unit,
            supply=query.supply,
        )
    except OverflowError:  # the station's clock is somewhere else
        return []
