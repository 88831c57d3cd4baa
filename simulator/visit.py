"""A driver at a connector."""

from collections.abc import Callable
from dataclasses import dataclass

from simulator.charging import IdToken


@dataclass(slots=True, eq=False)
class Visit:
    """A driver at the connector, from plugging in to leaving.

    Attributes:
        id_token: What is presented.
        lasts_s: When this driver leaves, None: not before being told to.
        remote_start_id: Of the request that brought this driver, if it has a number.
        on_begun: Called when the charge has begun.
    """

    id_token: IdToken
    lasts_s: float | None = None
    remote_start_id: int | None = None
    on_begun: Callable[[], None] | None = None
