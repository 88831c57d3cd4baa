"""What may take long happens one by one, with a turn of the event loop for all others between."""

import asyncio
from collections.abc import Callable

import pytest

from gateway.turns import Turns


class Witness:
    """Writes down what happened, and all others' turns between."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._watching = True

    def write(self, name: str) -> Callable[[], None]:
        return lambda: self.seen.append(name)

    def watch(self) -> None:
        """Mark every turn of the event loop."""
        self.seen.append("|")
        if self._watching:
            asyncio.get_running_loop().call_soon(self.watch)

    async def finish(self, *, turns: int) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        self._watching = False
        return "".join(self.seen)


async def test_each_has_a_turn_of_its_own_in_the_order_in_which_they_came() -> None:
    turns, witness = Turns(), Witness()
    for name in "ABC":
        turns.join(witness.write(name))
    assert witness.seen == []  # not in the turn of whoever joins
    witness.watch()
    assert (await witness.finish(turns=5)).strip("|") == "A|B|C"


async def test_who_joins_in_its_own_turn_comes_after_those_that_wait() -> None:
    turns, witness = Turns(), Witness()

    def again() -> None:
        witness.seen.append("A")
        turns.join(witness.write("a"))

    turns.join(again)
    turns.join(witness.write("B"))
    witness.watch()
    assert (await witness.finish(turns=5)).strip("|") == "A|B|a"


async def test_who_comes_after_all_have_had_their_turn_has_one_too() -> None:
    turns, witness = Turns(), Witness()
    for name in "AB":
        turns.join(witness.write(name))
        assert await witness.finish(turns=2) == "AB"[: "AB".index(name) + 1]


async def test_who_fails_costs_the_others_nothing(
    recwarn: pytest.WarningsRecorder,
) -> None:
    turns, witness = Turns(), Witness()
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))

    def fail() -> None:
        raise ValueError("of one connection")

    turns.join(fail)
    turns.join(witness.write("B"))
    assert await witness.finish(turns=3) == "B"
    assert [str(what["exception"]) for what in told] == ["of one connection"]
    assert not recwarn
