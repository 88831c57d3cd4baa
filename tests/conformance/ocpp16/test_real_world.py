"""What real stations say otherwise than OCPP 1.6 has it, replayed as whole charges."""

from decimal import Decimal
from typing import Any

import pytest

from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.store.access import id_tokens
from shared.store.pool import Database
from tests.conformance.conftest import Settle
from tests.conformance.ocpp16.coverage import Row, covers
from tests.conformance.ocpp16.oddities import ODDITIES, Oddity, OddStation
from tests.integration.control.players import Api
from tests.support.eventually import eventually
from tests.support.pods import Pod
from tests.support.stations import register, station_client


async def listed(api: Api) -> list[dict[str, Any]]:
    """Return the quirks that the API lists."""
    found: list[dict[str, Any]] = (await api.client.get("/v1/quirks")).json()["items"]
    return found


@covers(Row.REAL_WORLD, Row.QUIRKS)
@pytest.mark.parametrize("oddity", ODDITIES, ids=lambda oddity: oddity.name)
async def test_an_odd_station_ends_in_the_right_session(
    db: Database, gateway: Pod, api: Api, settle: Settle, oddity: Oddity
) -> None:
    await register(db)
    await id_tokens.create(
        db,
        id_token=oddity.token,
        type=IdTokenType.ISO14443,
        status=AuthorizationStatus.ACCEPTED,
        expires_at=None,
        group_id_token=None,
    )
    async with station_client(gateway.url) as client:
        await OddStation(client, oddity).charge()
    quirks = await eventually(lambda: listed(api), lambda found: len(found) >= len(oddity.quirks))
    assert {(each["action"], each["kind"], each["member"]) for each in quirks} == oddity.quirks
    assert all(each["last_station_id"] == "CP-1" for each in quirks)
    assert not any(oddity.token in each["example"] for each in quirks)

    await settle()
    (session,) = (await api.client.get("/v1/sessions")).json()["items"]
    assert (session["evse_id"], session["id_token"]) == (oddity.evse_id, oddity.token)
    assert session["stopped_reason"] == oddity.reason
    assert set(session["review_reasons"]) >= oddity.review
    assert session["needs_review"] is bool(oddity.review)
    if oddity.energy_wh is not None:
        assert Decimal(str(session["energy_wh"])) == Decimal(oddity.energy_wh)
    if not oddity.review:
        assert session["started_at"] == "2026-01-02T03:00:00Z"
        if oddity.ended_at is not None:
            assert session["ended_at"] == oddity.ended_at
