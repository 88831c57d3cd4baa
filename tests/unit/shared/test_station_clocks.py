"""A station's clock may be wrong in any way: what becomes of its charges, minute by minute."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.session_ledger import Ledger
from tests.support.station_clocks import (
    FAULTS,
    FIRST_WH,
    SECOND_WH,
    VERSIONS,
    Station,
)

BEGAN = datetime(2028, 2, 28, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_running_charge_is_closed_and_no_bill_is_wrong_in_silence(
    version: str, fault: str
) -> None:
    clock = FAULTS[fault]
    station = Station("CP-1", version, clock.offset, BEGAN)
    ledger = Ledger()
    ids: dict[int, str] = {}
    for minute, charge, word in station.words():
        now = BEGAN + timedelta(minutes=minute)
        # Whether a charge that goes on is closed is asked just before each next word of it.
        for settlement in ledger.settle(now).values():
            assert settlement.rule_end is None
        transaction_id = ledger.receive(word(ids.get(charge, "")), now)
        if charge:
            ids.setdefault(charge, transaction_id or f"tx-{charge}")
    settled = ledger.settle(now + timedelta(days=30))
    first, second = settled[ids[1]], settled[ids[2]]
    assert (first.energy_wh, second.energy_wh) == (FIRST_WH, SECOND_WH)
    assert (first.reasons, second.reasons) == (clock.first, clock.second)
