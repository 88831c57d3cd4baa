"""What a connection may spend of its bytes and of a processor, and when it may send again."""

import pytest

from gateway.budget import Limits, Rate, Spent

LIMITS = Limits(
    frames=Rate(per_s=1, burst=1),
    message_bytes=Rate(per_s=1_000, burst=5_000),
    processor_s=Rate(per_s=0.1, burst=0.3),
)
START_S = 0.0


class Clock:
    now_s = START_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spent(clock: Clock) -> Spent:
    return Spent(LIMITS, clock=clock)


def test_who_has_spent_nothing_may_send(spent: Spent) -> None:
    assert spent.may_send_at_s() <= START_S


@pytest.mark.parametrize(
    ("size_bytes", "took_s", "wait_s"),
    [
        (5_000, 0, 0),
        (6_000, 0, 1),
        (15_000, 0, 10),
        (0, 0.3, 0),
        (0, 0.4, 1),
        (0, 1.3, 10),
        # Whichever takes longer.
        (7_000, 0.4, 2),
        (6_000, 0.5, 2),
    ],
)
def test_a_burst_is_free_and_what_is_beyond_is_waited_for_at_its_rate(
    spent: Spent, clock: Clock, size_bytes: int, took_s: float, wait_s: float
) -> None:
    spent.add(size_bytes, took_s)
    assert spent.may_send_at_s() - clock() == pytest.approx(wait_s)


def test_what_is_spent_adds_up_and_is_forgiven_with_time(spent: Spent, clock: Clock) -> None:
    for _ in range(6):
        spent.add(1_000, 0.1)
    assert spent.may_send_at_s() - clock() == pytest.approx(3)  # the processor's share
    clock.now_s += 3
    assert spent.may_send_at_s() - clock() == pytest.approx(0)
    spent.add(1_000, 0)
    spent.add(0, 0.2)
    assert spent.may_send_at_s() - clock() == pytest.approx(2)


def test_a_long_calm_earns_no_more_than_a_burst(spent: Spent, clock: Clock) -> None:
    spent.add(1_000, 0.1)
    clock.now_s += 1_000_000
    spent.add(6_000, 0.4)
    assert spent.may_send_at_s() - clock() == pytest.approx(1)
