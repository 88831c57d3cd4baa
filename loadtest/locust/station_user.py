"""Locust's user: a charging station, switched on for as long as the user lives."""

from typing import ClassVar

from locust import User, constant, task
from locust.exception import StopUser

from loadtest.locust.generator import Generator


class StationUser(User):
    """A charging station.

    Attributes:
        generator: What this process has; set before the first user is made.
    """

    generator: ClassVar[Generator]

    #: Between the death of a station by an error of ours, which locust shows, and its next life.
    wait_time = constant(1.0)

    @task
    def live(self) -> None:
        """Run a station until the load ends.

        Raises:
            StopUser: It has ended in order.
        """
        run = self.generator.run
        if run is not None and not run.settling:
            with run.station() as driver:
                driver.run()
        raise StopUser
