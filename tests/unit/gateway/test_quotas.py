from gateway.quotas import RateQuota


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def rate(clock: Clock, **changes: float) -> RateQuota:
    settings = {"burst": 10, "per_hour": 60.0, "max_stations": 3, **changes}
    return RateQuota(**settings, clock=clock)  # type: ignore[arg-type]


def test_a_burst_is_granted_and_then_the_rate() -> None:
    clock = Clock()
    quota = rate(clock)
    assert [quota.take("A", 4), quota.take("A", 4), quota.take("A", 4)] == [4, 4, 2]
    assert quota.take("A", 1) == 0
    clock.now += 59
    assert quota.take("A", 1) == 0
    clock.now += 1
    assert [quota.take("A", 5), quota.take("A", 1)] == [1, 0]


def test_stations_do_not_take_from_each_other() -> None:
    quota = rate(Clock())
    assert quota.take("A", 100) == 10
    assert quota.take("B", 100) == 10


def test_what_is_refused_costs_nothing() -> None:
    clock = Clock()
    quota = rate(clock)
    quota.take("A", 10)
    for _ in range(1000):
        assert quota.take("A", 1) == 0
    clock.now += 600
    assert quota.take("A", 100) == 10


def test_a_calm_gives_no_more_than_the_burst() -> None:
    clock = Clock()
    quota = rate(clock)
    quota.take("A", 1)
    clock.now += 100_000
    assert quota.take("A", 100) == 10


def test_what_is_remembered_is_bounded() -> None:
    quota = rate(Clock())
    for number in range(10):
        quota.take(str(number), 1)
    assert len(quota) == 3
