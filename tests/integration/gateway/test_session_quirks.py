"""Quirks of OCPP 2.0.1 that show only when a session is worked out; counted once."""

from typing import Any

from control.jobs.sessions.settling import settle_due
from control.jobs.settings import WorkerSettings
from shared.domain.access.tokens import AuthorizationStatus, IdTokenType
from shared.store.access import id_tokens
from shared.store.pool import Database
from shared.store.sessions import sessions
from shared.store.stations import quirks
from tests.integration.gateway.conftest import Pod
from tests.support.ocpp201 import booted_station, tell
from tests.support.stations import StationClient, register

TAG = {"idToken": "TAG", "type": "ISO14443"}
BEGIN, PERIODIC, END = "Transaction.Begin", "Sample.Periodic", "Transaction.End"
STEPS = ((10, 660), (20, 1320), (30, 1980), (40, 2640), (50, 3300))


async def charge(
    station: StationClient,
    evse_id: int,
    samples: dict[int, list[tuple[float, str]]],
    *,
    last: int = 60,
) -> None:
    """Play a transaction; samples are registers in Wh, with their contexts, by minute."""
    for seq_no, (minute, told) in enumerate(sorted(samples.items())):
        hour, rest = divmod(minute, 60)
        timestamp = f"2026-01-02T{3 + hour:02}:{rest:02}:00Z"
        kind = "Started" if minute == 0 else "Ended" if minute == last else "Updated"
        payload: dict[str, Any] = {
            "eventType": kind,
            "timestamp": timestamp,
            "triggerReason": "Authorized" if seq_no == 0 else "MeterValuePeriodic",
            "seqNo": seq_no,
            "transactionInfo": {"transactionId": f"tx-{evse_id}"},
            "meterValue": [
                {
                    "timestamp": timestamp,
                    "sampledValue": [
                        {
                            "value": wh / 1000,
                            "context": context,
                            "unitOfMeasure": {"unit": "Wh", "multiplier": 3},
                        }
                        for wh, context in told
                    ],
                }
            ],
        }
        if seq_no == 0:
            payload |= {"evse": {"id": evse_id, "connectorId": 1}, "idToken": TAG}
        await tell(station, "TransactionEvent", payload)


async def test_what_a_make_of_2_0_1_tells_otherwise_is_billed_and_counted_once(
    db: Database, gateway: Pod, database_url: str, redis_url: str
) -> None:
    worker = WorkerSettings(database_url=database_url, redis_url=redis_url)
    await register(db)
    await id_tokens.create(
        db,
        id_token="TAG",
        type=IdTokenType.ISO14443,
        status=AuthorizationStatus.ACCEPTED,
        expires_at=None,
        group_id_token=None,
    )
    begin: list[tuple[float, str]] = [(100_000, BEGIN)]
    end: list[tuple[float, str]] = [(104_000, END)]
    async with booted_station(gateway.url) as station:
        repeated = {at: [(100_000.0 + wh, PERIODIC), *begin] for at, wh in STEPS}
        await charge(station, 1, {0: begin, **repeated, 60: [*end, *begin]})
        from_zero = {at: [(float(wh), PERIODIC)] for at, wh in STEPS}
        await charge(station, 2, {0: begin, **from_zero, 60: end})
        honest = {at: [(100_000.0 + wh, PERIODIC)] for at, wh in STEPS}
        await charge(station, 3, {0: begin, **honest, 60: end})
        await charge(station, 4, {0: begin, 10: [(660.0, PERIODIC)]})
    for _ in range(2):
        await db.execute("UPDATE sessions SET settle_at = now()")
        await settle_due(db, worker)
    going_on, *found = await sessions.list_before(db, before=None, limit=10)
    assert (going_on.ended_at, going_on.energy_wh) == (None, None)  # and not below 0
    assert [(each.energy_wh, each.review_reasons) for each in found] == [(4000, ())] * 3
    assert all(each.billable for each in found)
    seen = {each.kind: each for each in await quirks.list_after(db, after=None, limit=10)}
    assert {kind: each.count for kind, each in seen.items()} == {
        "begin_repeated": 1,
        "other_counter": 1,
    }
    by_evse = {each.evse_id: each.session_id for each in found}
    assert seen["other_counter"].example == f"session {by_evse[2]}"
    assert (seen["other_counter"].ocpp_version, seen["other_counter"].vendor) == ("2.0.1", "Vendor")
