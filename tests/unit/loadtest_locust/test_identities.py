"""No two users of a run are the same station."""

from hypothesis import given
from hypothesis import strategies as st

from loadtest.locust.identities import Shard, expected_station_ids, share_of


def test_numbers_come_lowest_first_and_again_when_given_back() -> None:
    shard = Shard("LOAD", 3)
    assert [shard.take() for _ in range(3)] == [0, 1, 2]
    shard.give_back(1)
    shard.give_back(0)
    assert [shard.take() for _ in range(3)] == [0, 1, 3]
    assert shard.station_id(3) == "LOAD-3-3"


@given(
    processes=st.lists(st.integers(0, 50), min_size=1, max_size=8, unique=True),
    users=st.integers(1, 500),
)
def test_what_is_registered_is_enough_for_every_worker_and_names_nobody_twice(
    processes: list[int], users: int
) -> None:
    registered = expected_station_ids("P", processes, users)
    assert len(set(registered)) == len(registered)
    share = share_of(users, len(processes))
    assert share * len(processes) >= users
    for process in processes:
        shard = Shard("P", process)
        assert {shard.station_id(shard.take()) for _ in range(share)} <= set(registered)


@given(st.lists(st.integers(0, 3), max_size=60))
def test_nobody_has_a_number_that_somebody_else_has(choices: list[int]) -> None:
    shard = Shard("P", 0)
    held: list[int] = []
    for choice in choices:
        if choice == 0 and held:
            shard.give_back(held.pop(len(held) // 2))
        else:
            held.append(shard.take())
        assert len(set(held)) == len(held)
