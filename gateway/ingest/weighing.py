"""How heavy a fact is: how many values Postgres has to take in for it."""

from collections.abc import Callable, Iterable
from typing import Any

from shared.domain.sessions import TransactionEnded, TransactionEventReported
from shared.domain.sessions.dead_letters import CallRefused
from shared.domain.sessions.meter_values import MeterValue, MeterValuesReported
from shared.domain.stations.configuration import ConfigurationReported
from shared.domain.stations.device_model import StationEventsReported, VariablesReported
from shared.store.facts import Fact

HEAVY = 100
"""From here on a fact is heavy. A usual message has some ten samples, and Postgres takes in 100 to
300 of them in a millisecond: what is lighter keeps nobody waiting, what is heavier may take as long
as a thousand others."""

# Signed data stands in one value.
_CHARACTERS = 512


def weigh(fact: Fact) -> int:
    """Return how many values a fact holds, and at least 1; a long text counts as several."""
    weigh_it = _WEIGHERS.get(type(fact))
    return 1 if weigh_it is None else weigh_it(fact)


def _weigh_meter_values(meter_values: Iterable[MeterValue]) -> int:
    weight = 1
    for meter_value in meter_values:
        for sample in meter_value.samples:
            weight += 1 + len(sample["value"]) // _CHARACTERS
    return weight


_WEIGHERS: dict[type[Fact], Callable[[Any], int]] = {
    MeterValuesReported: lambda fact: _weigh_meter_values(fact.meter_values),
    TransactionEventReported: lambda fact: _weigh_meter_values(fact.meter_values),
    TransactionEnded: lambda fact: _weigh_meter_values(fact.meter_values),
    VariablesReported: lambda fact: 1 + len(fact.attributes),
    StationEventsReported: lambda fact: 1 + len(fact.events),
    ConfigurationReported: lambda fact: 1 + len(fact.keys),
    CallRefused: lambda fact: 1 + len(fact.frame) // _CHARACTERS,
}
