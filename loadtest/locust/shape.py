"""Locust's load shape: how many stations there are at any time, as the profile says."""

from typing import ClassVar

from locust import LoadTestShape

from loadtest.locust.conductor import Conductor
from loadtest.locust.profiles import PROFILES


class FleetShape(LoadTestShape):
    """Stations come at the profile's rate and stay, and the run ends in time.

    What changes in the course of a run is how busy they are, not how many: stations do not go
    offline because it is night.

    Attributes:
        conductor: What there is once per run; set before the first tick.
    """

    #: Users, rate and time are options of locust, and fields of its web page.
    use_common_options: ClassVar[bool] = True

    conductor: ClassVar[Conductor]

    def tick(self) -> tuple[int, float] | None:
        """Return stations and stations per second; None once the run is over.

        Raises:
            StopTest: The options cannot be used.
        """
        run = self.conductor.current or self.conductor.prepare()
        if run.over:
            return None
        return run.plan.users, PROFILES[run.plan.profile].spawn_rate(run.plan)
