"""The Reservation profile of OCPP 1.6 (§5.13, §5.1)."""

import asyncio
from typing import Any

import pytest

from tests.conformance.ocpp16.coverage import covers, from_station, to_station
from tests.integration.control.players import Api
from tests.support.transcript import Play

URL = "/v1/stations/CP-1/reservations"
RESERVE = """
    ! ReserveNow {"reservation_id": 17, "id_token": "TAG", "group_id_token": "FLEET",
        "evse_id": 1, "expiry_date_time": "2099-01-01T00:00:00Z"}
    < ReserveNow {"connectorId": 1, "expiryDate": "2099-01-01T00:00:00.000Z", "idTag": "TAG",
        "parentIdTag": "FLEET", "reservationId": 17}
"""


async def reservation(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await api.client.get(f"{URL}/17")).json()
    return found


@covers(to_station("ReserveNow"), from_station("StartTransaction"))
async def test_a_reservation_is_used_by_the_transaction_that_names_it(play: Play, api: Api) -> None:
    await play(RESERVE)
    await play("""
        > {"status": "Accepted"}
        = accepted
    """)
    assert (await reservation(api))["state"] == "active"
    await play("""
        > StartTransaction {"connectorId": 1, "idTag": "TAG", "meterStart": 0,
            "reservationId": 17, "timestamp": "2026-01-02T03:04:05Z"}
        < {"transactionId": "$id", "idTagInfo": {"status": "Accepted"}}
    """)
    used = await reservation(api)
    (session,) = (await api.client.get("/v1/sessions")).json()["items"]
    assert (used["state"], used["session_id"]) == ("used", session["session_id"])
    assert session["reservation_id"] == 17


@covers(to_station("ReserveNow"))
@pytest.mark.parametrize("status", ["Faulted", "Occupied", "Rejected", "Unavailable"])
async def test_every_no_is_told_in_the_stations_word(play: Play, api: Api, status: str) -> None:
    body = {"id_token": "TAG", "expires_at": "2099-01-01T00:00:00Z"}
    asking = asyncio.create_task(api.client.post(URL, json=body))
    frame = await play.station.receive()
    assert frame[2] == "ReserveNow"
    assert frame[3]["connectorId"] == 0  # any connector
    await play.station.send([3, frame[1], {"status": status}])
    answer = (await asking).json()
    assert (answer["state"], answer["status"]) == ("rejected", status)


@covers(to_station("CancelReservation"))
async def test_a_reservation_is_cancelled_and_then_there_is_none(play: Play, api: Api) -> None:
    await play(RESERVE)
    await play("""
        > {"status": "Accepted"}
        = accepted
        ! CancelReservation {"reservation_id": 17}
        < CancelReservation {"reservationId": 17}
        > {"status": "Accepted"}
        = accepted
    """)
    assert (await reservation(api))["state"] == "cancelled"
    await play("""
        ! CancelReservation {"reservation_id": 17}
        < CancelReservation {"reservationId": 17}
        > {"status": "Rejected"}
        = rejected {"status": "Rejected"}
    """)
    assert (await reservation(api))["state"] == "cancelled"
